"""The on-disk cache: small values that took long to make, shared by processes, checked at every read.

SQLite is transactional, lets processes share a file, frees the locks of processes that die, and survives reading a
broken file. Each value carries a digest of its key and content, so a flipped bit or a swapped entry reads as missing
and is made again. Where the file itself is broken, a fresh one with the next number is begun; the last broken one stays
beside it. A file that other processes may have open is never renamed: SQLite finds its journals by name.
A full disk raises `DiskFull`, unless the caller can do without: what was stored before stands, and the new values are
not stored.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from pawsight.core.errors import StorageError
from pawsight.core.storage import refusal

_DIGEST_BYTES = 8
_PAGE_BYTES = 8192  # a picture's features are 5 KB: one entry a page
_LOCK_TIMEOUT_S = 60.0  # for another process that writes
_FILE = re.compile(r"entries-(\d{1,9})\.sqlite")
_SETTINGS = (
    f"PRAGMA page_size = {_PAGE_BYTES}",
    "PRAGMA cell_size_check = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA journal_mode = DELETE",  # also where a flipped bit says otherwise
    "PRAGMA synchronous = NORMAL",
)
_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE name = 'entries'"
_TABLE = "CREATE TABLE IF NOT EXISTS entries (place INTEGER PRIMARY KEY, content BLOB NOT NULL)"
# SQLite's codes for a broken file. Statements here are always the same, so an error in one is the file's too.
_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_FORMAT,
        sqlite3.SQLITE_INTERNAL,
        sqlite3.SQLITE_TOOBIG,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_READONLY,
    }
)
_BEGIN = "BEGIN IMMEDIATE"
Result = TypeVar("Result")


class Cache:
    """Values by space and key, for any number of threads; a forked child may go on using it.

    Args:
        folder: of the cache alone; made when missing.
        refused: called once with the reason where the disk refuses to read or to write. Then nothing is found or
            nothing is stored, and the caller computes it; without it the refusal is raised.

    Raises:
        StorageError: the folder cannot be used.
    """

    def __init__(self, folder: Path, *, refused: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self._refused = refused
        self._reads = self._writes = True  # False after a refusal
        self._store: sqlite3.Connection | None = None
        self._number, self._renewed = 0, False
        self._lock, self._process = Lock(), os.getpid()
        self._inherited: list[sqlite3.Connection | None] = []
        try:
            self._run(self._reopen)
        except StorageError as error:
            self._go_on_without(error)
            self._reads = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be read or stored afterwards."""
        if self._store is not None and self._process == os.getpid():
            self._store.close()
        self._store = None

    def get_many(self, space: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is stored and intact; missing and damaged keys are left out.

        Raises:
            StorageError: the file cannot be read, or the cache was closed.
        """
        if not self._reads:
            return {}
        places = {key: _place(space, key) for key in keys}

        def read() -> dict[str, bytes | None]:
            store = self._opened()
            return {key: _checked(place, _stored(store, place)) for key, place in places.items()}

        try:
            return {key: content for key, content in self._run(read).items() if content is not None}
        except StorageError as error:
            self._go_on_without(error)
            self._reads = False
            return {}

    def put_many(self, space: str, values: Mapping[str, bytes]) -> None:
        """Store all values in one transaction: all of them are there afterwards, or none.

        Raises:
            StorageError: the disk is full, the file cannot be written, or the cache was closed.
        """
        if not self._writes:
            return
        places = {key: _place(space, key) for key in values}

        def write() -> None:
            store = self._opened()
            with store:
                store.execute(_BEGIN)
                entries = [(places[key], _digest(places[key], content) + content) for key, content in values.items()]
                rows = [(_number_of(place), entry) for place, entry in entries]
                store.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", rows)
                if any(_stored(store, place) != entry for place, entry in dict(entries).items()):
                    raise _BrokenTree("what was stored cannot be found again")

        try:
            self._run(write, size=sum(_DIGEST_BYTES + len(content) for content in values.values()))
        except StorageError as error:
            self._go_on_without(error)

    def _go_on_without(self, error: StorageError) -> None:
        """Store nothing more where the caller can do without, or raise."""
        if self._refused is None:
            raise error
        if self._writes:
            self._refused(f"Nothing is kept for next time. {' '.join(str(error).splitlines())}")
        self._writes = False

    def _run(self, work: Callable[[], Result], *, size: int = _PAGE_BYTES) -> Result:
        """Do work with the file, again where it was broken and a fresh one could be begun."""
        forked = os.getpid() != self._process
        if forked:  # another thread of the parent may hold the lock, and SQLite wants each process to open for itself
            self._inherited.append(self._store)  # never closed: that would break the parent's transaction
            self._lock, self._process = Lock(), os.getpid()
        with self._lock:
            try:
                if forked and self._store is not None:
                    self._store = None
                    self._reopen()
                while True:
                    try:
                        return work()
                    except (sqlite3.Error, MemoryError) as error:
                        self._begin_afresh(error)
            except (OSError, sqlite3.Error) as error:
                if _is_full(error, self.folder, size):
                    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    raise refusal(f"write {size:,} bytes to the cache in", self.folder, full) from error
                raise _unusable(self.folder, f"The system says: {str(error).rstrip('.')}.") from error

    def _begin_afresh(self, error: sqlite3.Error | MemoryError) -> None:
        """Leave a broken file for one with the next number, or raise."""
        if self._renewed or not _is_damage(error) or not os.access(self.folder, os.W_OK):
            raise error
        self._renewed = True  # a fresh file that is broken as well is the disk's fault
        self.close()
        broken, numbers = self._number, self._numbers()
        self._reopen(max(broken + 1, *numbers))
        for number in numbers:
            if number < broken:
                self._path(number).unlink(missing_ok=True)

    def _opened(self) -> sqlite3.Connection:
        if self._store is None:
            raise _unusable(self.folder, "It was closed.")
        return self._store

    def _reopen(self, number: int = 0) -> None:
        """Open the file with a number, or else the newest there is."""
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._number = number or max(self._numbers())
        self._store = sqlite3.connect(
            self._path(self._number), timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._store.text_factory = bytes
        for setting in _SETTINGS:
            self._store.execute(setting)
        if not self._store.execute(_HAS_TABLE).fetchone():
            with self._store:
                self._store.execute(_BEGIN)  # waits for others, which a plain CREATE may not
                self._store.execute(_TABLE)

    def _numbers(self) -> list[int]:
        matches = map(_FILE.fullmatch, os.listdir(self.folder))
        return [1, *(int(match[1]) for match in matches if match)]

    def _path(self, number: int) -> Path:
        return self.folder / f"entries-{number}.sqlite"


class _BrokenTree(sqlite3.DatabaseError):
    """The file takes entries and does not give them back."""


def _stored(store: sqlite3.Connection, place: bytes) -> object:
    row = store.execute("SELECT content FROM entries WHERE place = ?", (_number_of(place),)).fetchone()
    return row[0] if row else None


def _number_of(place: bytes) -> int:
    """Return a place as SQLite's 64-bit key; of two with one key, the later entry stands."""
    return int.from_bytes(place[:8], "big", signed=True)


def _is_damage(error: sqlite3.Error | MemoryError) -> bool:
    if isinstance(error, MemoryError | _BrokenTree):
        return True
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def _is_full(error: Exception, folder: Path, size: int) -> bool:
    """Say whether the disk is full; SQLite reports some writes to a full disk as input/output errors."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and folder.is_dir():
        return shutil.disk_usage(folder).free < 2 * size + (1 << 20)
    return code == sqlite3.SQLITE_FULL


def _place(space: str, key: str) -> bytes:
    return hashlib.blake2b(f"{space}\0{key}".encode(), digest_size=20).digest()


def _digest(place: bytes, content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=place).digest()


def _checked(place: bytes, stored: object) -> bytes | None:
    if not isinstance(stored, bytes) or stored[:_DIGEST_BYTES] != _digest(place, stored[_DIGEST_BYTES:]):
        return None
    return stored[_DIGEST_BYTES:]


def _unusable(folder: Path, why: str) -> StorageError:
    return StorageError(
        f"The cache in {folder} cannot be used.",
        why,
        "Set PAWSIGHT_CACHE to a folder that is writable, or delete this one: everything in it can be made again.",
    )
