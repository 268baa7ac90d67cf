"""The on-disk cache: small values that took long to make, shared by processes, checked at every read.

Enters: a space (what kind of value), keys and bytes. Leaves: the same bytes, or nothing when they are missing or
damaged. Does not know: what the bytes mean.

LMDB (Symas) is transactional and maps one file into every process that opens it. Each value carries a digest of its
key and content, so a flipped bit, a cut file or a swapped entry reads as missing and is made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pawsight.errors import StorageError

_START_BYTES = 1 << 30  # of address space, not of disk; doubled whenever it is full
_DIGEST_BYTES = 8


class Cache:
    """Values by space and key.

    Args:
        folder: where the cache lies; made when missing.

    Raises:
        StorageError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        import lmdb

        self._lmdb: Any = lmdb
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._env = lmdb.open(str(folder), map_size=self._size_of(folder), max_readers=1024, metasync=False)
        except (OSError, lmdb.Error) as error:
            raise _unusable(folder, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._env.close()

    def get_many(self, space: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is there and whole; missing and damaged keys are left out."""
        found = {}
        try:
            with self._env.begin(buffers=False) as transaction:
                for key in keys:
                    place = _place(space, key)
                    content = _checked(place, transaction.get(place))
                    if content is not None:
                        found[key] = content
        except self._lmdb.Error as error:
            raise _unusable(self.folder, error) from error
        return found

    def put_many(self, space: str, values: Mapping[str, bytes]) -> None:
        """Store all values in one transaction: all of them are there afterwards, or none.

        Raises:
            StorageError: the disk is full or the file cannot be written.
        """
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    for key, content in values.items():
                        place = _place(space, key)
                        transaction.put(place, _digest(place, content) + content)
                return
            except self._lmdb.MapFullError:
                self._env.set_mapsize(self._env.info()["map_size"] * 2)
            except self._lmdb.MapResizedError:
                self._env.set_mapsize(0)
            except self._lmdb.Error as error:
                raise _unusable(self.folder, error) from error

    @staticmethod
    def _size_of(folder: Path) -> int:
        file = folder / "data.mdb"
        return max(_START_BYTES, 2 * file.stat().st_size if file.exists() else 0)


def _place(space: str, key: str) -> bytes:
    return hashlib.blake2b(f"{space}\0{key}".encode(), digest_size=20).digest()


def _digest(place: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=place).digest()


def _checked(place: bytes, stored: bytes | None) -> bytes | None:
    if stored is None or stored[:_DIGEST_BYTES] != _digest(place, stored[_DIGEST_BYTES:]):
        return None
    return stored[_DIGEST_BYTES:]


def _unusable(folder: Path, error: Exception) -> StorageError:
    return StorageError(
        f"The cache in {folder} cannot be used.",
        f"The system says: {error}.",
        "Set PAWSIGHT_CACHE to a folder that is writable, or delete this one: everything in it can be made again.",
    )
