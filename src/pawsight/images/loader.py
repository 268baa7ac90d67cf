"""Reads and decodes many files in threads, in order and in constant memory.

Threads, not processes: Pillow and hashlib release the interpreter lock while they work on a picture.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pawsight.core.errors import StorageError, UnreadablePicture
from pawsight.core.storage import regular_file, sha256_of
from pawsight.core.text import plural
from pawsight.core.thread_pool import ordered_map
from pawsight.images.decode import Decoded, DecodeSettings, decode

MAX_FILE_BYTES = 512 * 2**20  # a picture of 50 Mpx at 16 bits a channel is 300 MB; no photograph is larger
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
Item = TypeVar("Item")


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
        threads: how many files are worked on at once.
        wanted: asked with a file's SHA-256 whether its pixels are needed; called in worker threads.

    Yields:
        one `Loaded` a path, in order; at most `8 x threads` are worked on ahead of the one yielded. A file that
        cannot be read is a `Loaded` with a problem, never an exception.

    Raises:
        StorageError: the disk or network share failed for a few files.
    """

    def work(path: Path) -> Loaded:
        return load_file(path, settings, wanted=wanted)

    return while_storage_answers(
        ordered_map(work, paths, threads=threads), lambda loaded: (str(loaded.path), loaded.problem)
    )


def while_storage_answers(files: Iterable[Item], read: Callable[[Item], tuple[str, str]]) -> Iterator[Item]:
    """Yield files until the third that the disk or the network share failed to read.

    Args:
        files: as they were read.
        read: says the name of a file and the problem with it.

    Raises:
        StorageError: a lost share would otherwise leave out every picture that follows.
    """
    failed: list[str] = []
    for file in files:
        name, problem = read(file)
        if problem in _STORAGE_PROBLEMS:
            failed.append(name)
        if len(failed) == _MOST_FAILURES:
            raise storage_failed(failed, problem)
        yield file


def storage_failed(names: Sequence[str], problem: str) -> StorageError:
    """Return the error for a disk or share that does not answer."""
    return StorageError(
        f"{plural(len(names), 'file')} could not be read: {problem}.",
        f"The disk or network share does not answer; the files are {', '.join(names)}.",
        "Connect it again or check the disk, then type the same command; what was computed is in the cache.",
    )


def storage_problem(error: OSError) -> str:
    """Return the problem with the disk or share that an error stands for; empty where it is about one file."""
    return _plain(os.strerror(error.errno)) if error.errno and error.errno in _STORAGE_ERRORS else ""


def load_file(path: Path, settings: DecodeSettings, *, wanted: Callable[[str], bool] = lambda sha256: True) -> Loaded:
    """Read, hash and decode one file; a problem is part of the result."""
    sha256 = ""
    try:
        data = read_regular_file(path)
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
    except (OSError, ValueError) as error:
        raise _unreadable(path, _plain(getattr(error, "strerror", None) or str(error))) from error


def _plain(reason: str) -> str:
    return reason[:1].lower() + reason[1:]


_STORAGE_PROBLEMS = frozenset(_plain(os.strerror(number)) for number in _STORAGE_ERRORS)


def _unreadable(path: Path, reason: str) -> UnreadablePicture:
    return UnreadablePicture(f"Could not read {path}.", reason)
