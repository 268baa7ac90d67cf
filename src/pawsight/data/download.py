"""Downloads that are whole or not there.

Enters: an http or https URL and a place. Leaves: the whole file in that place. Does not know: archives, pictures.

A later try, even by a later process, goes on from what an earlier one left, with Range and If-Range. A server that
ignores Range, or has another version of the file by now, is read from the start. The loop of tries is our own, for
what counts is tries in a row that brought nothing new, which retry packages do not know.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.errors import DownloadFailed, PawsightError
from pawsight.core.progress import SILENT, Progress, Step
from pawsight.core.storage import refusal, sha256_of_file
from pawsight.data.fetch import Answer, FetchFailed, fetch
from pawsight.data.part_file import PartFile, lock_of

ALTERNATIVES = "Give a folder instead: pawsight train FOLDER, or use the built-in drawings: pawsight train sample"
_CARRY_ON = "Type the same command again to go on from where it stopped. "


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLimits:
    """How long and how much a download may be."""

    max_bytes: int = 20 * 2**30
    silence_seconds: float = 30.0  # to connect, and between two bytes
    total_seconds: float = 3600.0  # for all tries together
    tries: int = 5  # in a row without a new byte
    first_wait_seconds: float = 0.5  # before the second try; doubled for each further one
    longest_wait_seconds: float = 30.0  # whatever the server asks for
    lock_seconds: float = 3600.0  # to wait for another process that downloads the same


def download(
    url: str,
    target: Path,
    *,
    limits: DownloadLimits = DownloadLimits(),
    progress: Progress = SILENT,
    sha256: str | None = None,
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Fetch `url` into `target`, which appears only when it is whole; a target that stands already is kept.

    Args:
        sha256: hexadecimal digest the content must have, where it is known.
        check: looks at the content before it gets its name and raises a PawsightError when it is not what was wanted.

    Raises:
        DownloadFailed: which URL, why, and what to do instead.
        StorageError: the disk refused.
    """
    job = _Download(url, PartFile(target), limits, progress, sha256, check)
    try:
        if not job.stands():
            with lock_of(target, wait=limits.lock_seconds, progress=progress):
                job.run()
    except TimeoutError as error:
        raise job.failed(f"Another process has been at it for {limits.lock_seconds:g} seconds.") from error
    except OSError as error:
        raise refusal("write", target, error) from error
    return target


@dataclass(frozen=True, slots=True)
class _Download:
    url: str
    part: PartFile
    limits: DownloadLimits
    progress: Progress
    sha256: str | None
    check: Callable[[Path], None] | None

    def stands(self) -> bool:
        """Say whether there is nothing to do."""
        target = self.part.target
        return target.is_file() and (self.sha256 is None or sha256_of_file(target) == self.sha256)

    def run(self) -> None:
        """Leave the whole, accepted content under its name."""
        if self.stands():  # by now, thanks to another process
            return
        self._fetch_accepted()
        os.replace(self.part.path, self.part.target)
        self.part.forget()

    def _fetch_accepted(self) -> None:
        resumed = bool(self.part.version(self.url))
        self._fetch_all()
        try:
            self._accept()
        except DownloadFailed:
            if not resumed:
                raise
            self._fetch_all()  # what an earlier process left may be at fault, so once more from the start
            self._accept()

    def _accept(self) -> None:
        try:
            if self.sha256 and (found := sha256_of_file(self.part.path)) != self.sha256:
                raise self.failed(f"Its SHA-256 is {found} where {self.sha256} was expected.")
            if self.check:
                self.check(self.part.path)
        except DownloadFailed:
            self.part.forget()
            raise
        except PawsightError as error:
            self.part.forget()
            raise self.failed(f"What came is not what was wanted. {error.what} {error.why}") from error

    def _fetch_all(self) -> None:
        deadline = time.monotonic() + self.limits.total_seconds
        with ExitStack() as stack:
            bar = _Bar(self.progress, f"Downloading {self.part.target.name}", stack)
            most, failures = self.part.size(), 0
            while True:
                try:
                    return self._try_once(bar, deadline)
                except FetchFailed as failure:
                    failures = 1 if self.part.size() > most else failures + 1
                    most = max(most, self.part.size())
                    self._wait(failure, failures, deadline)

    def _wait(self, failure: FetchFailed, failures: int, deadline: float) -> None:
        wait = min(
            max(failure.wait, self.limits.first_wait_seconds * 2.0 ** (failures - 1)), self.limits.longest_wait_seconds
        )
        if not failure.again or failures >= self.limits.tries or time.monotonic() + wait > deadline:
            raise self.failed(failure.why, carry_on=bool(self.part.version(self.url))) from failure
        self.progress.say(f"{failure.why} Trying again in {wait:.1f} s.")
        time.sleep(wait)

    def _try_once(self, bar: _Bar, deadline: float) -> None:
        version, size = self.part.version(self.url), self.part.size()
        headers = {"User-Agent": "pawsight", "Accept-Encoding": "identity"}
        if version:
            headers |= {"Range": f"bytes={size}-", "If-Range": version}
        try:
            with fetch(self.url, headers, silence=self.limits.silence_seconds, deadline=deadline) as (answer, pieces):
                start = self._start(answer, version, size)
                bar.open(None if answer.length is None else start + answer.length)
                self._append(pieces, start, bar)
        except DownloadFailed:
            self.part.forget()
            raise
        except FetchFailed as failure:
            if failure.status == 416 and version:  # there is nothing beyond our part: it is whole or outdated
                self.part.forget()
                raise FetchFailed(failure.why, again=True) from failure
            raise

    def _start(self, answer: Answer, version: str, size: int) -> int:
        """Say where the content of `answer` belongs, and begin anew where that is the beginning."""
        start = 0
        if answer.status == 206:
            span = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d+|\*)", answer.headers.get("content-range", ""))
            if not version or span is None or int(span[1]) != size or _version(answer) not in ("", version):
                self.part.forget()
                raise FetchFailed("The server sent another part than the one asked for.", again=True)
            start = size
        self._refuse_beyond(start + (answer.length or 0))
        if start == 0:
            self.part.begin(self.url, _version(answer))
        return start

    def _append(self, pieces: Iterator[bytes], size: int, bar: _Bar) -> None:
        bar.reach(size)
        with self.part.path.open("ab") as file:
            for piece in pieces:
                size += len(piece)
                self._refuse_beyond(size)
                file.write(piece)
                bar.reach(size)
            file.flush()
            os.fsync(file.fileno())

    def _refuse_beyond(self, size: int) -> None:
        if size > self.limits.max_bytes:
            raise self.failed(f"It is larger than {self.limits.max_bytes:,} bytes, which is the limit.")

    def failed(self, why: str, *, carry_on: bool = False) -> DownloadFailed:
        """Return the error that says which download could not be had, and why."""
        return DownloadFailed(f"Could not download {self.url}", why, (_CARRY_ON if carry_on else "") + ALTERNATIVES)


def _version(answer: Answer) -> str:
    """Return the name of this version of the file that If-Range takes: a strong ETag, else a date."""
    tag = answer.headers.get("etag", "")
    return tag if tag.startswith('"') else answer.headers.get("last-modified", "") if not tag else ""


class _Bar:
    """One stage for all tries, which never goes back."""

    def __init__(self, progress: Progress, name: str, stack: ExitStack) -> None:
        self._progress, self._name, self._stack = progress, name, stack
        self._step: Step | None = None
        self._reached = 0

    def open(self, total: int | None) -> None:
        if self._step is None:
            self._step = self._stack.enter_context(self._progress.stage(self._name, total, "bytes"))

    def reach(self, size: int) -> None:
        if self._step is not None and size > self._reached:
            self._step.advance(size - self._reached)
            self._reached = size
