"""The bytes of pictures, on this disk or behind an address, a few read ahead of the one that is looked at.

Enters: paths and URLs. Leaves: bytes with their hash, or why there are none, in order. Does not know: pictures.

Only reading is done ahead, in threads that wait more than they compute; decoding is left to whoever takes the bytes, so
that a worker with one core keeps to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.errors import UnreadablePicture
from pawsight.core.storage import sha256_of
from pawsight.core.thread_pool import ordered_map
from pawsight.distributed import remote
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.loader import Loaded, read_regular_file

_READERS = 4  # files read at once, each whole in memory: an object store takes some 30 ms to answer


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file as it lies there."""

    name: str
    sha256: str  # empty where it could not be read
    data: bytes
    problem: str  # empty where it could be read


def fetch(name: str) -> Fetched:
    """Read a file of this disk or behind an address."""
    try:
        data = remote.read(name) if remote.is_url(name) else read_regular_file(Path(name))
    except UnreadablePicture as error:
        return Fetched(name, "", b"", error.why)
    return Fetched(name, sha256_of(data), data, "")


def fetched_ahead(names: Iterable[str]) -> Iterator[Fetched]:
    """Yield what each name leads to, in order."""
    return ordered_map(fetch, names, threads=_READERS, ahead=1)


def decoded(fetched: Fetched, settings: DecodeSettings) -> Loaded:
    """Decode what was read; problems are told in the result."""
    if fetched.problem:
        return Loaded(Path(fetched.name), "", None, fetched.problem)
    try:
        square = decode(fetched.data, settings, name=fetched.name)
    except UnreadablePicture as error:
        return Loaded(Path(fetched.name), fetched.sha256, None, error.why)
    return Loaded(Path(fetched.name), fetched.sha256, square, "")
