"""Downloads that are whole or not there: tries, resuming (Range and If-Range), limits; DATA is resolved in sources.py.

A later try, also of a later process, continues from what an earlier one left. The loop of tries is our own because it
counts tries in a row that brought nothing new, which retry packages do not know. `fetch` is one GET request that ends
in time: urllib honours the system's proxies, gives bytes as soon as they arrive and leaves redirects to us.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import queue
import re
import socket
import ssl
import string
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.errors import DownloadFailed, PawsightError, UnreadablePicture
from pawsight.core.progress import SILENT, Progress, Step
from pawsight.core.storage import refusal, sha256_of, sha256_of_file, write_json
from pawsight.core.thread_pool import ordered_map

ALTERNATIVES = "Give a folder instead: pawsight train FOLDER, or use the built-in drawings: pawsight train sample"
WEB = ("http", "https")  # schemes of addresses that are fetched here
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_CARRY_ON = "Type the same command again to continue where it stopped. "
_PIECE_BYTES = 2**18
_PIECES_AHEAD = 8
_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GOOD = frozenset({200, 206})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # statuses that another try may not meet


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


# Of one picture: a list of many ends in time where the server does not answer.
PICTURE_LIMITS = DownloadLimits(max_bytes=512 * 2**20, silence_seconds=15.0, total_seconds=120.0, tries=2)
_DOWNLOADS_AT_ONCE = 8
_MOST_FAILURES = 3  # in a row at the start: then nothing is there


def download(
    url: str,
    target: Path,
    *,
    limits: DownloadLimits = DownloadLimits(),
    progress: Progress = SILENT,
    sha256: str | None = None,
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Fetch `url` into `target`, which appears only when it is whole; an existing target is kept.

    Args:
        sha256: hexadecimal digest the content must have, where it is known.
        check: checks the content before it gets its name; raises a PawsightError when it is not what was wanted.

    Raises:
        DownloadFailed: which URL, why, and what to do instead.
        StorageError: the disk refused.
    """
    job = _Download(url, target, limits, progress, sha256, check)
    try:
        if not job.stands():
            with lock_of(target, wait=limits.lock_seconds, progress=progress):
                job.run()
    except TimeoutError as error:
        raise job.failed(f"Another process has been downloading it for {limits.lock_seconds:g} seconds.") from error
    except OSError as error:
        raise refusal("write", target, error) from error
    return target


def download_all(
    urls: Sequence[str], folder: Path, *, limits: DownloadLimits = PICTURE_LIMITS, progress: Progress = SILENT
) -> tuple[dict[str, Path], dict[str, str]]:
    """Fetch pictures into a folder, several at once; what is there already is kept.

    Returns:
        URL -> file of what was fetched, and URL -> the reason of what was not.

    Raises:
        DownloadFailed: the first few all failed: there is no network, or the server refuses.
        StorageError: the disk refused.
    """
    files: dict[str, Path] = {}
    problems: dict[str, str] = {}

    def fetched(url: str) -> tuple[str, Path | DownloadFailed]:
        try:
            return url, download(url, folder / cached_name(url), limits=limits)
        except DownloadFailed as error:
            return url, error

    with progress.stage("Downloading pictures", len(urls), "pictures") if urls else nullcontext() as step:
        for url, outcome in ordered_map(fetched, urls, threads=_DOWNLOADS_AT_ONCE, ahead=1):
            if step is not None:
                step.advance()
            if isinstance(outcome, Path):
                files[url] = outcome
                continue
            problems[url] = outcome.why
            if not files and len(problems) == min(_MOST_FAILURES, len(urls)):
                first = next(iter(problems))
                raise DownloadFailed(
                    f"Could not download {first}",
                    f"{problems[first]} {len(problems):,} of {len(urls):,} addresses were tried.",
                    "Check the addresses, or download the pictures and list the files.",
                )
    return files, problems


def scheme_of(name: str) -> str:
    """Return the scheme of an address, such as https, in lower case; empty for a path on this disk."""
    found = _SCHEME.match(name)
    return found[1].lower() if found else ""


def fetch_bytes(url: str, *, max_bytes: int, limits: DownloadLimits = PICTURE_LIMITS) -> bytes:
    """Return what is at an address, in memory; tried again where another try may help.

    Raises:
        UnreadablePicture: it cannot be had, or is larger than `max_bytes`.
    """
    deadline = time.monotonic() + limits.total_seconds
    headers = {"User-Agent": "pawsight", "Accept-Encoding": "identity"}
    for tries_left in reversed(range(limits.tries)):
        content = bytearray()
        try:
            with fetch(url, headers, silence=limits.silence_seconds, deadline=deadline) as (_, pieces):
                for piece in pieces:
                    content += piece
                    if len(content) > max_bytes:
                        raise UnreadablePicture(f"Could not read {url}.", "too large")
            return bytes(content)
        except FetchFailed as failure:
            if not failure.again or not tries_left:
                raise UnreadablePicture(f"Could not read {url}.", failure.why.rstrip(".")) from failure
            time.sleep(min(max(failure.wait, limits.first_wait_seconds), limits.longest_wait_seconds))
    raise UnreadablePicture(f"Could not read {url}.", "no try was allowed")


def cached_name(url: str) -> str:
    """Return a name for what is at an address: short, one for each, taken by every disk, with the ending."""
    last = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".")[-80:] or "download"
    return f"{sha256_of(url.encode())[:16]}-{name}"


class _Download:
    def __init__(
        self,
        url: str,
        target: Path,
        limits: DownloadLimits,
        progress: Progress,
        sha256: str | None,
        check: Callable[[Path], None] | None,
    ) -> None:
        self.url, self.part = url, PartFile(target)
        self.limits, self.progress = limits, progress
        self.sha256, self.check = sha256, check

    def stands(self) -> bool:
        """Return whether there is nothing to do."""
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
            raise self.failed(f"The content is not what was expected. {error.what} {error.why}") from error

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
            with fetch(self.url, headers, silence=self.limits.silence_seconds, deadline=deadline) as (head, pieces):
                start, length = self._start(*head, version, size), _length(head[1])
                bar.open(None if length is None else start + length)
                self._append(pieces, start, bar)
        except DownloadFailed:
            self.part.forget()
            raise
        except FetchFailed as failure:
            if failure.status == 416 and version:  # there is nothing beyond our part: it is whole or outdated
                self.part.forget()
                raise FetchFailed(failure.why, again=True) from failure
            raise

    def _start(self, status: int, headers: Mapping[str, str], version: str, size: int) -> int:
        """Return where the content of an answer belongs, and begin anew where that is the beginning."""
        start = 0
        if status == 206:
            span = re.fullmatch(r"bytes (\d{1,18})-\d+/(\d+|\*)", headers.get("content-range", ""))
            if not version or span is None or int(span[1]) != size or _version(headers) not in ("", version):
                self.part.forget()
                raise FetchFailed("The server sent another part than the one asked for.", again=True)
            start = size
        self._refuse_beyond(start + (_length(headers) or 0))
        if start == 0:
            self.part.begin(self.url, _version(headers))
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


def _version(headers: Mapping[str, str]) -> str:
    """Return the name of this version of the file that If-Range takes: a strong ETag, else a date."""
    tag = headers.get("etag", "")
    return tag if tag.startswith('"') else headers.get("last-modified", "") if not tag else ""


def _length(headers: Mapping[str, str]) -> int | None:
    """Return the bytes of content to come, None where the server does not say."""
    length = headers.get("content-length", "")
    return int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None


class _Bar:
    """The progress of all tries together, which never goes back."""

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


class PartFile:
    """The unfinished file beside `target`, and which version of the original it is a part of.

    `.NAME.part` holds the bytes, `.NAME.part.json` the URL and what the server called this version of the file (its
    ETag, else its date), `.NAME.lock` keeps two processes from writing the same part.
    """

    def __init__(self, target: Path) -> None:
        self.target = target

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.target.with_name(f".{self.target.name}.part")

    @property
    def metadata(self) -> Path:
        """Where the URL and the version are."""
        return self.target.with_name(f".{self.target.name}.part.json")

    def size(self) -> int:
        """Return how many bytes are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, url: str) -> str:
        """Return what the server called the version this is a part of; "" when it cannot be continued."""
        try:
            metadata = json.loads(self.metadata.read_text("utf-8"))
        except (OSError, ValueError):
            return ""
        if not isinstance(metadata, dict) or metadata.get("url") != url or not self.size():
            return ""
        version = str(metadata.get("version", ""))
        return version if version.isascii() and version.isprintable() else ""  # else no header can carry it

    def begin(self, url: str, version: str) -> None:
        """Start over with `version` of what `url` names; "" for one that has no name to ask for again."""
        self.forget()
        write_json(self.metadata, {"url": url, "version": version})

    def forget(self) -> None:
        """Remove what is there."""
        for file in (self.path, self.metadata):
            with suppress(FileNotFoundError):
                file.unlink()


@contextmanager
def lock_of(target: Path, *, wait: float, progress: Progress) -> Iterator[None]:
    """Hold the lock beside `target`, whose folder is made when missing.

    Raises:
        TimeoutError: another process held it for `wait` seconds.
    """
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say(f"Waiting for another process that downloads {target.name}.")
        lock.acquire(timeout=wait)
    try:
        yield
    finally:
        lock.release()


class FetchFailed(Exception):
    """A request that did not end well.

    Args:
        why: a sentence for the user.
        again: whether another try may help.
        wait: seconds the server asked us to wait, if it did.
        status: what the server answered, 0 where it did not.
    """

    def __init__(self, why: str, *, again: bool, wait: float = 0.0, status: int = 0) -> None:
        super().__init__(why)
        self.why, self.again, self.wait, self.status = why, again, wait, status


# Status (200, or 206 where a part was asked for) and headers, their names in lower case
Head = tuple[int, Mapping[str, str]]
_Item = Head | bytes | Exception


@contextmanager
def fetch(
    url: str, headers: Mapping[str, str], *, silence: float, deadline: float
) -> Iterator[tuple[Head, Iterator[bytes]]]:
    """Ask for `url` and yield the head of a good answer with the pieces of its content.

    A server can hold a connection for ever by sending one byte every few seconds. So the conversation runs in a thread
    of its own, and the caller waits for it with a deadline.

    Args:
        silence: seconds without a byte after which the server is given up.
        deadline: the time.monotonic() at which everything ends.

    Raises:
        FetchFailed: no good answer, or the content stopped coming; also while the pieces are taken.
    """
    box: queue.Queue[_Item] = queue.Queue(_PIECES_AHEAD)
    gone = threading.Event()
    talk = threading.Thread(target=_talk, args=(url, dict(headers), silence, _putter(box, gone)), daemon=True)
    talk.start()
    try:
        head = _take(box, deadline, silence)
        if isinstance(head, bytes):
            raise TypeError("the content came before its headers")
        yield head, content_pieces(box, deadline, silence, _length(head[1]))
    finally:
        gone.set()


def checked_url(url: str, *, coming_from: str = "") -> str:
    """Return `url`, escaped where needed, when it is one to follow: http or https, never from https back to http.

    Raises:
        FetchFailed: it is not.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise FetchFailed(f"{url} is not a URL: {error}.", again=False) from error
    sent = f"The server redirects to {url}" if coming_from else f"{url} cannot be fetched"
    if parts.scheme not in ("http", "https"):
        raise FetchFailed(f"{sent}: only http and https are followed.", again=False)
    if not parts.hostname:
        raise FetchFailed(f"{sent}: no server is named in it.", again=False)
    if parts.username is not None:
        raise FetchFailed(f"{sent}: a user name in a URL is not supported.", again=False)
    if urllib.parse.urlsplit(coming_from).scheme == "https" and parts.scheme == "http":
        raise FetchFailed(f"{sent}: from https to http, where the file could be changed on its way.", again=False)
    return parts._replace(path=_quoted(parts.path), query=_quoted(parts.query), fragment="").geturl()


def _quoted(text: str) -> str:
    """Return `text` with what may not stand in a URL escaped, what is escaped already left alone."""
    return urllib.parse.quote(text, safe=string.punctuation)


def _take(box: queue.Queue[_Item], deadline: float, silence: float) -> Head | bytes:
    try:
        item = box.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise FetchFailed("It took longer than the time allowed for the whole download.", again=False) from None
    if isinstance(item, Exception):
        raise failure_of(item, silence) from item
    return item


def content_pieces(box: queue.Queue[_Item], deadline: float, silence: float, length: int | None) -> Iterator[bytes]:
    """Yield the content as it comes; raises FetchFailed when it ends before `length`."""
    received = 0
    while piece := _take(box, deadline, silence):
        if isinstance(piece, bytes):
            received += len(piece)
            yield piece
    if length is not None and received < length:
        raise FetchFailed(f"The connection ended after {received:,} of {length:,} bytes.", again=True)


def _putter(box: queue.Queue[_Item], gone: threading.Event) -> Callable[[_Item], bool]:
    def put(item: _Item) -> bool:
        """Hand over one item; False when the caller does not wait for it any more."""
        while not gone.is_set():
            try:
                box.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    return put


def _talk(url: str, headers: dict[str, str], silence: float, put: Callable[[_Item], bool]) -> None:
    """Hold the conversation: a head, pieces, b"" at the end; or an exception at any point."""
    try:
        with _follow(url, headers, silence) as response:
            known = {name.lower(): value for name, value in response.headers.items()}
            more = put((response.status, known))
            while more and (piece := response.read1(_PIECE_BYTES)):
                more = put(piece)
            put(b"")
    except Exception as error:  # whatever it is, the waiting caller must get it
        put(error)


def _follow(url: str, headers: dict[str, str], silence: float) -> http.client.HTTPResponse:
    for _ in range(_MOST_REDIRECTS + 1):
        request = urllib.request.Request(checked_url(url), headers=headers)  # noqa: S310  # http and https only: checked
        try:
            return checked_response(_opener().open(request, timeout=silence))
        except urllib.error.HTTPError as error:
            with error:
                place = error.headers.get("Location")
                if error.code not in _REDIRECTS or not place:
                    raise _bad_status(error) from error
            url = checked_url(urllib.parse.urljoin(url, place), coming_from=url)
    raise FetchFailed(f"The server redirected more than {_MOST_REDIRECTS} times.", again=False)


def checked_response(response: http.client.HTTPResponse) -> http.client.HTTPResponse:
    """Return a response with content; close another one and raise FetchFailed."""
    if response.status in _GOOD:
        return response
    response.close()
    raise FetchFailed(f"The server answered {response.status} {response.reason}.", again=False)


def _opener() -> urllib.request.OpenerDirector:
    """Return a client for http and https and nothing else: no files, no ftp, no redirects of its own."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_trust()),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


@functools.cache
def _trust() -> ssl.SSLContext:
    """Trust the system's roots, where companies add their own, and certifi's: some Pythons on macOS come with none."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _bad_status(error: urllib.error.HTTPError) -> FetchFailed:
    seconds = error.headers.get("Retry-After") or ""
    wait = float(seconds) if re.fullmatch(r"[0-9]{1,9}", seconds) else 0.0
    why = f"The server answered {error.code} {error.reason}."
    return FetchFailed(why, again=error.code in _PASSING, wait=wait, status=error.code)


def failure_of(error: Exception, silence: float) -> FetchFailed:
    """Return in one sentence what went wrong; bugs are raised as they are."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, FetchFailed):
        return reason
    if isinstance(reason, TimeoutError):
        return FetchFailed(f"The server sent nothing for {silence:g} seconds.", again=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchFailed(f"The server's certificate cannot be trusted: {reason.verify_message}.", again=False)
    if isinstance(reason, socket.gaierror):
        again = reason.errno == socket.EAI_AGAIN
        return FetchFailed("The server was not found: there is no network, or its name is misspelt.", again=again)
    if isinstance(reason, http.client.InvalidURL | UnicodeError):
        return FetchFailed(f"It is not a valid URL: {reason}.", again=False)
    if isinstance(reason, OSError | http.client.HTTPException):
        return FetchFailed(f"The connection failed: {str(reason) or type(reason).__name__}.", again=True)
    raise error
