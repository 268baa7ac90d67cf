"""Safe writing, content hashes, and tables that a spreadsheet takes for text.

Enters: bytes, text and JSON-able values with the place they belong. Leaves: whole files under their final names,
or nothing. Does not know: pictures, models or runs.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pawsight.core.errors import DiskFull, StorageError
from pawsight.core.temporary import owner, part_of, remove, sweep_parts, sweep_scratch

# A spreadsheet takes text that begins like this for a formula, and file names come from anybody. An apostrophe before
# it makes it text again; one that stood there already is doubled, so that whoever reads the table gets the same back.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20']")
_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_SCRATCH = "pawsight-"
FIX = "Check that the place exists, is writable and has room, then type the same command again."
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf|nan)")


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
    """Write UTF-8 text with the promise of `write_bytes`."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON-able value, indented, with the promise of `write_bytes`.

    Bytes of file names that are no UTF-8 are written as the escapes by which JSON readers get back Python's text.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


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
    """Lend a folder among the system's temporary files for as long as the block lasts.

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


def refusal(deed: str, path: Path, error: OSError, *, fix: str = FIX) -> StorageError:
    """Return the error for what the disk refused to do.

    Args:
        deed: what was to be done, with the bytes where they are known, e.g. "write 1,024 bytes to".
        path: to what.
        error: how the system said no; a disk without room is told in one line, with what is left of it.
        fix: what to do, where there is room.
    """
    if error.errno is not None and error.errno in _FULL:
        said = os.strerror(error.errno)  # libraries have words of their own for it
        what = f"Could not {deed} {path}: {said[:1].lower()}{said[1:]}."
        return DiskFull(
            what, f"{_free_bytes(path):,} bytes are free there.", "Make room, then type the same command again."
        )
    return StorageError(f"Could not {deed} {path}.", f"The system says: {error.strerror or error}.", fix)


def _place_for_scratch() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise StorageError(
            "There is no place for temporary files.",
            f"The system says: {error.strerror}.",
            "Make room, or set TMPDIR to a folder that is writable and has room.",
        ) from error


def _free_bytes(path: Path) -> int:
    """Return the room where `path` is, or would be."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return 0
