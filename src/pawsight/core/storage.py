"""Safe writing, content hashes, locks, tables that no spreadsheet calculates, and temporary names.

A temporary name is `.NAME.HOST-PROCESS-RANDOM.part`, so that what killed processes left can be removed: six hexadecimal
digits for the machine, by its network name, the process's number, and eight random digits. Names of another machine and
of processes that live are left alone.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pawsight.core.errors import DiskFull, StorageError, WrongUsage

FIX = "Check that the place exists, is writable and has room, then type the same command again."
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_SCRATCH = "pawsight-"
_TURN_S = 30.0  # longest wait for another process that rewrites the same file, which takes milliseconds
_OWNED = re.compile(r"(?P<host>[0-9a-f]{6})-(?P<process>[0-9a-f]+)-[0-9a-z_]{8}")
# A spreadsheet takes text that begins like this for a formula, and file names come from anybody. An apostrophe before
# it makes it text again. One that stood there already is doubled, so that a reader of the table gets the same back.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20']")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf|nan)")


def path_text(place: object, fix: str = "") -> str:
    """Return the text of a path or address that a caller gave.

    Args:
        place: the path.
        fix: what to type, where it is none.

    Raises:
        WrongUsage: it is no path.
    """
    if not isinstance(place, str | os.PathLike):
        what = f"A path is needed here, and this is {'None' if place is None else f'of type {type(place).__name__}'}."
        raise WrongUsage(what, "A path is text or an object such as pathlib.Path.", fix)
    return os.fsdecode(place)


def as_path(place: object, fix: str = "") -> Path:
    """Return a path that a caller gave, `~` resolved; `~NAME` of an unknown user stays as it is.

    Raises:
        WrongUsage: it is no path.
    """
    path = Path(path_text(place, fix))
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def path_texts(places: object, fix: str = "") -> list[str]:
    """Return the texts of paths that a caller gave; one that stands alone is a list of one.

    Raises:
        WrongUsage: something is no path.
    """
    if isinstance(places, str | os.PathLike) or not isinstance(places, Iterable):
        return [path_text(places, fix)]
    return [path_text(place, fix) for place in places]


def sha256_of(data: bytes) -> str:
    """Return the lower-case hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file without holding it in memory.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise refusal("read", path, error) from error


def regular_file(path: str, flags: int) -> int:
    """Open a file that a user named, as the `opener` of `open`, without ever waiting on a pipe or a device.

    Raises:
        OSError: it cannot be opened, or it is neither a regular file nor a folder, which `open` itself refuses.
    """
    opened = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(opened).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        os.close(opened)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return opened


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds either its old content or all of the new.

    Raises:
        StorageError: the disk refused; the old content stands.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise refusal(f"write {len(data):,} bytes to", path, error) from error
    finally:
        remove(part)  # gone already where all went well; there after a refusal or Ctrl-C


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, all or nothing as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON-able value, indented, all or nothing as `write_bytes` does.

    Bytes of file names that are no UTF-8 are written as the escapes by which JSON readers get back Python's text.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a temporary folder beside `path`; on success it takes that name, on failure it goes.

    What a killed process had begun for the same path goes as well.

    Raises:
        StorageError: the disk refused, or `path` holds something already.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_parts(path)
        part.mkdir()
        yield part
        os.replace(part, path)
    except OSError as error:
        raise refusal("write the folder", path, error) from error
    finally:
        remove(part)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Fill a temporary file beside `path`; on success it takes that name, on failure it goes.

    Raises:
        StorageError: the disk refused.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise refusal("write", path, error) from error
    finally:
        remove(part)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder among the system's temporary files, and remove it when the block is left.

    Raises:
        StorageError: the disk refused.
    """
    place = _place_for_scratch()
    sweep_scratch(place, _SCRATCH)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{owner()}-", dir=place) as folder:
            yield Path(folder)
    except OSError as error:
        raise refusal("write temporary files to", place, error) from error


def _place_for_scratch() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise StorageError(
            "There is no folder for temporary files.",
            f"The system says: {error.strerror}.",
            "Make room, or set TMPDIR to a folder that is writable and has room.",
        ) from error


@contextmanager
def file_lock(
    path: Path, *, wait: float = 0.0, waiting: Callable[[], None] = lambda: None, remove_after: bool = False
) -> Iterator[None]:
    """Hold a lock file, which is free again when its holder ends, however it ends.

    Args:
        path: the lock file; its folder exists.
        wait: seconds to wait for another process that holds it.
        waiting: called once before the waiting begins.
        remove_after: remove the file when the block is left. Where the holder is killed the file stays.

    Raises:
        TimeoutError: another process held it for `wait` seconds.
        StorageError: the disk refused.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    for seconds in (0.0, wait):
        try:
            lock.acquire(timeout=seconds)
            break
        except Timeout:
            if seconds == wait:
                raise
            waiting()
        except OSError as error:
            raise refusal("write", path, error) from error
    try:
        yield
    finally:
        if remove_after:  # before the release: otherwise another process could wait for a file that is about to go
            with suppress(PermissionError):  # Windows removes no file that is open; there releasing the lock removes it
                path.unlink(missing_ok=True)
        lock.release()


@contextmanager
def turn_to_rewrite(path: Path) -> Iterator[None]:
    """Take turns with other processes that read a file, change it and write it back; none undoes another's change.

    The lock file stays: a process could hold the removed one while another makes it again, and both would write.

    Raises:
        StorageError: the disk refused, or another process did not end its turn.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        with file_lock(lock, wait=_TURN_S):
            yield
    except TimeoutError as error:
        raise StorageError(
            f"Could not write {path}.",
            f"Another process has held {lock.name} for {_TURN_S:.0f} seconds.",
            "End that process, then try again.",
        ) from error


def refusal(deed: str, path: Path, error: OSError, *, fix: str = FIX) -> StorageError:
    """Return the error for what the disk refused to do.

    Args:
        deed: what was to be done, with the bytes where they are known, e.g. "write 1,024 bytes to".
        path: to what.
        error: the system's error; for a full disk the message is one line, with the free space.
        fix: what to do where the disk is not full.
    """
    if error.errno is not None and error.errno in _FULL:
        reason = os.strerror(error.errno)  # libraries have words of their own for it
        what = f"Could not {deed} {path}: {reason[:1].lower()}{reason[1:]}."
        return DiskFull(
            what, f"{_free_bytes(path):,} bytes are free there.", "Make room, then type the same command again."
        )
    return StorageError(f"Could not {deed} {path}.", f"The system says: {error.strerror or error}.", fix)


def _free_bytes(path: Path) -> int:
    """Return the free space where `path` is, or would be."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return 0


def table_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV (RFC 4180) in which no text is a formula; `plain_cell` undoes what that takes."""
    buffer = io.StringIO(newline="")
    plain = csv.writer(buffer, lineterminator="\n")
    careful = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in (header, *rows):
        cells = [safe_cell(cell) if isinstance(cell, str) else cell for cell in row]
        # The module leaves a lone carriage return unquoted, and readers take it for a line's end.
        (careful if any("\r" in str(cell) for cell in cells) else plain).writerow(cells)
    return buffer.getvalue()


def safe_cell(text: str) -> str:
    """Return text that no spreadsheet calculates: with an apostrophe before it where it looks like a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def plain_cell(text: str) -> str:
    """Undo `safe_cell`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text, 1) else text


def part_of(path: Path) -> Path:
    """Return a temporary name beside `path` that nothing has."""
    # 40 characters are 160 bytes at most, so that a long name does not become one that the disk refuses.
    return path.with_name(f".{path.name[:40]}.{owner()}-{secrets.token_hex(4)}.part")


def sweep_parts(path: Path) -> None:
    """Remove what processes that are gone had begun to write for `path`; what cannot be removed stays."""
    _sweep(path.parent, f".{path.name[:40]}.", ".part")


def sweep_scratch(folder: Path, prefix: str) -> None:
    """Remove what processes that are gone left in a folder of temporary files, under names that begin with `prefix`."""
    _sweep(folder, prefix, "")


def owner() -> str:
    """Return machine and process as temporary names have them."""
    return f"{_host()}-{os.getpid():x}"


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it, where it is there and can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _sweep(folder: Path, before: str, after: str) -> None:
    with suppress(OSError):
        for name in os.listdir(folder):
            if (
                name.startswith(before)
                and name.endswith(after)
                and _is_orphan(name[len(before) : len(name) - len(after)])
            ):
                remove(folder / name)


def _is_orphan(owner: str) -> bool:
    owned = _OWNED.fullmatch(owner)
    return owned is not None and owned["host"] == _host() and not _is_alive(int(owned["process"], 16))


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # no signal asks there without harm
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]
