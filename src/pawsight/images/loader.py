"""Reads and decodes many files in threads, in order and in constant memory.

Threads, not processes: Pillow and hashlib release the interpreter lock while they work on a picture.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pawsight.core.errors import StorageError, UnreadablePicture
from pawsight.core.storage import regular_file, sha256_of
from pawsight.core.text import plural
from pawsight.core.thread_pool import ordered_map
from pawsight.images.decode import Decoded, DecodeSettings, decode

MAX_FILE_BYTES = 512 * 2**20  # a picture of 50 Mpx at 16 bits a channel is 300 MB; no photograph is larger
_SLOW_SECONDS = 0.02  # to read a file: a hard disk takes 10 ms to find one, a share behind a network more
_MOST_READERS = 32  # files read at once, as many as a share serves without harm
_HELD_BYTES = 256 * 2**20  # of files that are read and not decoded yet, by their mean size
_REMEMBERED = 16  # files that a mean is taken over
_MOST_FAILURES = 3  # of the storage, before the work ends: one file may lie on a bad block, a lost share has no end
# Not ENXIO and ENODEV: a socket or a device among the files gives them, whatever the disk does.
_STORAGE_ERRORS = tuple(
    getattr(errno, name)
    for name in (
        *("EIO", "EREMOTEIO", "ESTALE", "ETIMEDOUT", "ENOTCONN", "ESHUTDOWN", "ECONNRESET"),
        *("ECONNABORTED", "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENETRESET"),
    )
    if hasattr(errno, name)
)
_SHARE_GONE = "the network share or the device does not answer"
_WINDOWS_STORAGE_ERRORS = (  # ERROR_NOT_READY, ERROR_CRC, ERROR_BAD_NETPATH and so on, by winerror.h
    *(21, 23, 31, 53, 54, 55, 59, 64, 67, 121, 1117, 1167, 1225, 1231, 1232, 1236, 1460),
)
Item = TypeVar("Item")


class ReadAhead(Generic[Item]):
    """Reads files in more threads the longer a disk or share takes to answer; as many compute as were asked for.

    A share that takes half a second for a file keeps two threads waiting, however quick they decode. So the number of
    threads is such that, by the mean times measured, as many as were asked for have something to decode.

    Args:
        threads: how many may compute at once, and the least number that read.
        read: returns the bytes of a file.
        clock: seconds.
    """

    def __init__(
        self, threads: int, read: Callable[[Item], bytes], *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._least, self._read, self._clock = threads, read, clock
        self._slots = threading.BoundedSemaphore(threads)
        self._reading, self._computing, self._bytes = _Mean(), _Mean(), _Mean()

    def threads(self) -> int:
        """Return the number of threads to work in, as `ordered_map` asks for it."""
        if self._reading.value < _SLOW_SECONDS:
            return self._least
        wanted = self._least * (1.0 + self._reading.value / max(self._computing.value, _SLOW_SECONDS / 10))
        held = _HELD_BYTES / max(self._bytes.value, 1.0)
        return max(self._least, int(min(wanted, held, _MOST_READERS)))

    def read(self, file: Item) -> bytes:
        """Return the bytes of a file; raises what the reading function does."""
        start = self._clock()
        try:
            data = self._read(file)
        finally:
            self._reading.add(self._clock() - start)
        self._bytes.add(len(data))
        return data

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Wait until fewer threads compute than were asked for, and count as one of them."""
        with self._slots:
            start = self._clock()
            try:
                yield
            finally:
                self._computing.add(self._clock() - start)


class _Mean:
    """A mean in which the latest values count most. Threads may lose each other's: it is an estimate."""

    def __init__(self) -> None:
        self.value, self._weight = 0.0, 0.0

    def add(self, value: float) -> None:
        self._weight = min(self._weight + 1.0, _REMEMBERED)
        self.value += (value - self.value) / self._weight


@dataclass(frozen=True, slots=True)
class Loaded:
    """One file, read: its digest and its pixels or the problem."""

    path: Path
    sha256: str  # of the file's bytes; empty when they could not be read
    decoded: Decoded | None  # None where it is not wanted or there is a problem
    problem: str  # a reason in a few words; empty where there is none


def load(
    paths: Iterable[Path],
    settings: DecodeSettings,
    *,
    threads: int,
    wanted: Callable[[str], bool] = lambda sha256: True,
) -> Iterator[Loaded]:
    """Read, hash and decode files.

    Args:
        paths: files, consumed lazily.
        settings: how to decode.
        threads: how many files are decoded at once; of a slow share more are read at once.
        wanted: asked with a file's SHA-256 whether its pixels are needed; called in worker threads.

    Yields:
        one `Loaded` a path, in order; at most `8 x threads` are worked on ahead of the one yielded, of a slow share
        256. A file that cannot be read is a `Loaded` with a problem, never an exception.

    Raises:
        StorageError: the disk or network share failed for a few files.
    """
    ahead = ReadAhead(threads, read_regular_file)

    def work(path: Path) -> Loaded:
        return load_file(path, settings, wanted=wanted, ahead=ahead)

    files = ordered_map(work, paths, threads=ahead.threads)
    return while_storage_answers(files, lambda loaded: (str(loaded.path), loaded.problem))


def while_storage_answers(files: Iterable[Item], read: Callable[[Item], tuple[str, str]]) -> Iterator[Item]:
    """Yield files until the third that the disk or the network share failed to read.

    Args:
        files: as they were read.
        read: says the name of a file and the problem with it.

    Raises:
        StorageError: a lost share would otherwise leave out every picture that follows.
    """
    failed: list[str] = []
    try:
        for file in files:
            name, problem = read(file)
            if problem in _STORAGE_PROBLEMS:
                failed.append(name)
            if len(failed) == _MOST_FAILURES:
                raise storage_failed(failed, problem)
            yield file
    finally:
        if isinstance(files, Generator):  # its threads end now, whatever holds the error and with it this frame
            files.close()


def storage_failed(names: Sequence[str], problem: str) -> StorageError:
    """Return the error for a disk or share that does not answer."""
    return StorageError(
        f"{plural(len(names), 'file')} could not be read: {problem}.",
        f"The disk or network share does not answer; the files are {', '.join(names)}.",
        "Connect it again or check the disk, then type the same command; what was computed is in the cache.",
    )


def storage_problem(error: OSError) -> str:
    """Return the problem with the disk or share that an error stands for; empty where it is about one file."""
    if getattr(error, "winerror", None) in _WINDOWS_STORAGE_ERRORS:  # their errno says something else, such as EINVAL
        return _SHARE_GONE
    return _plain(os.strerror(error.errno)) if error.errno and error.errno in _STORAGE_ERRORS else ""


def load_file(
    path: Path,
    settings: DecodeSettings,
    *,
    wanted: Callable[[str], bool] = lambda sha256: True,
    ahead: ReadAhead[Path] | None = None,
) -> Loaded:
    """Read, hash and decode one file, one of many that are read ahead; a problem is part of the result."""
    sha256 = ""
    try:
        data = ahead.read(path) if ahead else read_regular_file(path)
        with ahead.computing() if ahead else nullcontext():
            sha256 = sha256_of(data)
            return Loaded(path, sha256, decode(data, settings, name=path.name) if wanted(sha256) else None, "")
    except UnreadablePicture as error:
        return Loaded(path, sha256, None, error.why)


def read_regular_file(path: Path) -> bytes:
    """Return a file's bytes without ever waiting on a pipe or a device.

    Raises:
        UnreadablePicture: it is missing, no regular file, too large, or not ours to read.
    """
    try:
        with open(path, "rb", opener=regular_file) as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                raise _unreadable(path, "too large")
            return file.read()
    except OSError as error:
        raise _unreadable(path, storage_problem(error) or _plain(error.strerror or str(error))) from error
    except ValueError as error:  # a name that no system can have
        raise _unreadable(path, _plain(str(error))) from error


def _plain(reason: str) -> str:
    return reason[:1].lower() + reason[1:]


_STORAGE_PROBLEMS = frozenset((_SHARE_GONE, *(_plain(os.strerror(number)) for number in _STORAGE_ERRORS)))


def _unreadable(path: Path, reason: str) -> UnreadablePicture:
    return UnreadablePicture(f"Could not read {path}.", reason)
