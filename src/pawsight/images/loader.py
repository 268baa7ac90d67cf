"""Reads and decodes many files in threads, in order and in constant memory.

Threads, not processes: Pillow and hashlib release the interpreter lock while they work on a picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.errors import UnreadablePicture
from pawsight.core.storage import regular_file, sha256_of
from pawsight.core.thread_pool import ordered_map
from pawsight.images.decode import Decoded, DecodeSettings, decode

MAX_FILE_BYTES = 512 * 2**20  # a picture of 50 Mpx at 16 bits a channel is 300 MB; no photograph is larger


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
    """

    def work(path: Path) -> Loaded:
        return load_file(path, settings, wanted=wanted)

    return ordered_map(work, paths, threads=threads)


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
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, reason[:1].lower() + reason[1:]) from error


def _unreadable(path: Path, reason: str) -> UnreadablePicture:
    return UnreadablePicture(f"Could not read {path}.", reason)
