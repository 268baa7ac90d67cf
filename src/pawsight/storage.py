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
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pawsight.errors import StorageError

# A spreadsheet takes text that begins like this for a formula, and file names come from anybody. An apostrophe before
# it makes it text again; one that stood there already is doubled, so that whoever reads the table gets the same back.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20']")
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
        raise _refusal("read", path, error) from error


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
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise _refusal(f"write {len(data):,} bytes to", path, error) from error
    finally:
        with suppress(OSError):  # gone already where all went well; there after a refusal or Ctrl-C
            part.unlink()


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

    Raises:
        StorageError: the disk refused, or `path` holds something already.
    """
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
        yield part
        os.replace(part, path)
    except OSError as error:
        raise _refusal("write the folder", path, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _part_of(path: Path) -> Path:
    # 40 characters are 160 bytes at most, so that a long name does not become one that the disk refuses.
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")


def _refusal(deed: str, path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"Could not {deed} {path}.",
        f"The system says: {error.strerror or error}.",
        "Check that the place exists, is writable and has room, then type the same command again.",
    )
