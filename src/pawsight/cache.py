"""The on-disk cache: small values that took long to make, shared by processes, checked at every read.

Enters: a space (what kind of value), keys and bytes. Leaves: the same bytes, or nothing when they are missing or
damaged. Does not know: what the bytes mean.

LMDB (Symas) is transactional and maps one file into every process that opens it. Each value carries a digest of its
key and content, so a flipped bit or a swapped entry reads as missing and is made again. A file that LMDB itself finds
broken, or that was cut, is set aside under the folder's name with `.damaged` behind it, and a fresh one is begun.
A disk without room ends the work, in one line: what was stored before stands, and what was to be stored is not there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

from pawsight.errors import StorageError
from pawsight.storage import refusal

_START_BYTES = 1 << 30  # of address space, not of disk; doubled whenever it is full
_MOST_BYTES = 1 << 42  # a file that claims to need more has a broken count of pages
_DIGEST_BYTES = 8
_READERS = 1024
_READERS_BYTES = 1 << 17  # of lock.mdb, where LMDB keeps its table of readers: more than it wants for 1,024
Result = TypeVar("Result")


class Cache:
    """Values by space and key, for any number of threads; a forked child may go on using it.

    Args:
        folder: where the cache lies, and nothing else does; made when missing. One process opens it once at a time.

    Raises:
        StorageError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        import lmdb

        self._lmdb: Any = lmdb
        self._damage = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError, lmdb.PageFullError)
        self.folder = folder
        self._env: Any = None
        self._found, self._renewed = (0, 0), False
        self._lock, self._process = Lock(), os.getpid()
        self._run(self._reopen)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; nothing can be read or stored afterwards."""
        if self._env is not None:
            self._env.close()
        self._env = None

    def get_many(self, space: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is there and whole; missing and damaged keys are left out.

        Raises:
            StorageError: the file cannot be read, or the cache was closed.
        """
        places = {key: _place(space, key) for key in keys}

        def read() -> dict[str, bytes | None]:
            with self._opened().begin() as transaction:
                return {key: _checked(place, transaction.get(place)) for key, place in places.items()}

        return {key: content for key, content in self._run(read).items() if content is not None}

    def put_many(self, space: str, values: Mapping[str, bytes]) -> None:
        """Store all values in one transaction: all of them are there afterwards, or none.

        Raises:
            StorageError: the disk is full, the file cannot be written, or the cache was closed.
        """
        places = {key: _place(space, key) for key in values}

        def write() -> None:
            with self._opened().begin(write=True) as transaction:
                for key, content in values.items():
                    transaction.put(places[key], _digest(places[key], content) + content)

        self._run(write, size=sum(_DIGEST_BYTES + len(content) for content in values.values()))

    def _run(self, work: Callable[[], Result], *, size: int = _READERS_BYTES) -> Result:
        """Do something with the file, again after whatever could be put right."""
        forked = os.getpid() != self._process
        if forked:  # another thread of the parent may hold the lock, and LMDB wants each process to open for itself
            self._lock, self._process = Lock(), os.getpid()
        with self._lock:  # LMDB moves its map when it grows, and must not while another thread reads
            try:
                if forked and self._env is not None:
                    self._reopen()
                while True:
                    try:
                        return work()
                    except self._lmdb.Error as error:
                        self._put_right(error)
            except (OSError, self._lmdb.Error) as error:
                if _is_full(error, self.folder, size):
                    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    raise refusal(f"write {size:,} bytes to the cache in", self.folder, full) from error
                raise _unusable(self.folder, f"The system says: {str(error).rstrip('.')}.") from error

    def _put_right(self, error: Exception) -> None:
        """Make another attempt worth while, or raise."""
        full = isinstance(error, self._lmdb.MapFullError)
        size = self._env.info()["map_size"] if full else 0
        if isinstance(error, self._lmdb.MapResizedError):  # another process needed more room
            self._env.set_mapsize(0)
        elif full and size < _MOST_BYTES:
            self._env.set_mapsize(2 * size)
        elif (full or isinstance(error, self._damage)) and not self._renewed:
            self._renewed = True  # a fresh file that is broken as well is the disk's fault
            self._set_aside()
        else:
            raise error

    def _opened(self) -> Any:
        if self._env is None:
            raise _unusable(self.folder, "It was closed.")
        return self._env

    def _reopen(self) -> None:
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "data.mdb"
        size = max(_START_BYTES, 2 * file.stat().st_size if file.exists() else 0)
        self._found = self._identity()
        _reserve(self.folder / "lock.mdb")
        self._env = self._lmdb.open(str(self.folder), map_size=size, max_readers=_READERS, metasync=False)
        self._env.reader_check()
        needed = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        self._found = self._identity()
        if file.stat().st_size < needed:  # reading a page beyond the end would end the process
            raise self._lmdb.CorruptedError(f"{file} was cut short")

    def _set_aside(self) -> None:
        """Move the damaged file out of the way, once however many processes find it, and begin a fresh one."""
        from filelock import FileLock

        self.close()
        with FileLock(self.folder.with_name(f"{self.folder.name}.lock")):
            if self._identity() == self._found:
                aside = self.folder.with_name(f"{self.folder.name}.damaged")
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(self.folder, aside)
            self._reopen()

    def _identity(self) -> tuple[int, int]:
        """Return what tells this file from another one under the same name; zeros while there is none."""
        file = self.folder / "data.mdb"
        status = file.stat() if file.exists() else None
        return (status.st_dev, status.st_ino) if status else (0, 0)


def _reserve(table: Path) -> None:
    """Take the room of the table of readers: LMDB maps it, and writing into a map without room ends the process."""
    missing = _READERS_BYTES - (table.stat().st_size if table.exists() else 0)
    if missing > 0:
        with table.open("ab") as file:
            file.write(bytes(missing))


def _is_full(error: Exception, folder: Path, size: int) -> bool:
    """Say whether there was no room; LMDB calls a write of which the disk took only a part an input/output error."""
    code = error.errno if isinstance(error, OSError) else getattr(error, "code", 0)
    if code == errno.EIO and folder.is_dir():
        return shutil.disk_usage(folder).free < 2 * size + _START_BYTES // 1024
    return code in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def _place(space: str, key: str) -> bytes:
    return hashlib.blake2b(f"{space}\0{key}".encode(), digest_size=20).digest()


def _digest(place: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=place).digest()


def _checked(place: bytes, stored: bytes | None) -> bytes | None:
    if stored is None or stored[:_DIGEST_BYTES] != _digest(place, stored[_DIGEST_BYTES:]):
        return None
    return stored[_DIGEST_BYTES:]


def _unusable(folder: Path, why: str) -> StorageError:
    return StorageError(
        f"The cache in {folder} cannot be used.",
        why,
        "Set PAWSIGHT_CACHE to a folder that is writable, or delete this one: everything in it can be made again.",
    )
