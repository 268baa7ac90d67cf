"""Inputs as typed -> paths of pictures, one after another, in an order that never changes.

An input is a folder, a file, a list (CSV or Parquet with a column `path`), or the URL of one of these (remote.py).
Whether a path leads to a picture is found out when it is read.
"""

from __future__ import annotations

import io
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from pawsight.core.errors import BadDataset, NoPictures, StorageError, WrongUsage, require_extra
from pawsight.data.folders import is_folder
from pawsight.data.reading import is_hidden
from pawsight.data.tables import ENCODING, MAX_LINE_CHARS, Table, TableError
from pawsight.distributed import remote

_ENDINGS = (".csv", ".parquet")
_ROWS_AT_ONCE = 8_192  # rows of a Parquet list in memory
_FIX = "The list needs a column called path: one path or URL a row."


def paths_of(inputs: Sequence[str], *, without: Path | None = None) -> Iterator[str]:
    """Yield the path of every picture, lazily: the names in one folder are held at most.

    A file is yielded as it is. A folder yields the visible files below it, in the order of `pawsight predict`. A list
    yields what it lists, in its order.

    Args:
        inputs: as typed.
        without: a folder to leave out wherever it is, because the answers go there.

    Raises:
        NoPictures: an input does not exist.
        WrongUsage: an input is empty.
        BadDataset: a list has no usable column `path`.
        DownloadFailed, MissingExtra: a URL cannot be opened.
    """
    for name in inputs:
        if not name:
            raise WrongUsage("The name of an input is empty.", "", "Type . for this folder.")
        if remote.is_url(name):
            if remote.is_folder(name):
                yield from remote.below(name)
            else:
                yield from read_list(name) if is_list(name) else [name]
        elif is_folder(Path(name)):
            yield from _walk(Path(name), os.path.realpath(name), _identity(without))
        elif not os.path.lexists(name):
            raise NoPictures(f"There is no {name}.", "", "Name pictures, folders of pictures, or a list of them.")
        else:
            yield from read_list(name) if is_list(name) else [str(Path(name))]


def _walk(folder: Path, root: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Yield files below a folder; a folder that cannot be read is yielded itself, and reading it gives the reason."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        names = sorted(_visible_names(folder, root))
    except OSError:
        yield str(folder)
        return
    for name in names:
        if name.endswith("/"):
            yield from _walk(folder / name, root, seen)
        else:
            yield str(folder / name)


def _identity(folder: Path | None) -> set[tuple[int, int]]:
    try:
        status = folder.stat() if folder else None
    except OSError:  # it does not exist yet
        status = None
    return {(status.st_dev, status.st_ino)} if status else set()


def _visible_names(folder: Path, root: str) -> Iterator[str]:
    """Yield the visible names in a folder, those of folders with a slash, so that they sort as full paths would."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            try:
                is_dir = entry.is_dir()
            except OSError:  # a circle of links: reading it as a file gives the reason
                is_dir = False
            if not is_dir:
                yield entry.name
            elif not (entry.is_symlink() and _is_below(entry.path, root)):
                yield f"{entry.name}/"


def _is_below(link: str, root: str) -> bool:
    """Return whether a link leads to a folder that the walk reaches anyway, under its own name."""
    target = os.path.realpath(link)
    return target == root or target.startswith(root.rstrip(os.sep) + os.sep)


def is_list(name: str) -> bool:
    """Return whether a name is that of a list rather than of a picture."""
    return name.lower().endswith(_ENDINGS)


def read_list(name: str) -> Iterator[str]:
    """Yield the paths of a list, in its order; they are relative to the list's folder.

    Args:
        name: path or URL of a CSV or Parquet file.

    Raises:
        BadDataset: it has no usable column `path`; the message names the line or row.
        StorageError: it cannot be read.
    """
    folder = name.rpartition("/")[0] if remote.is_url(name) else str(Path(name).parent)
    with _open_list(name) as file:
        rows = _parquet_rows(file, name) if name.lower().endswith(".parquet") else _csv_rows(file, name)
        with closing(rows):
            for number, path in rows:
                if not path.strip() or "\0" in path:
                    raise BadDataset(f"{name} has no usable path in row {number:,}.", f"It has {path!r}.", _FIX)
                if remote.is_url(path):
                    yield path
                else:
                    yield f"{folder}/{path}" if remote.is_url(f"{folder}/") else str(Path(folder, path))


@contextmanager
def _open_list(name: str) -> Iterator[IO[bytes]]:
    try:
        with remote.filesystem(name).open(name, "rb") if remote.is_url(name) else Path(name).open("rb") as file:
            yield file
    except OSError as error:
        why = f"The system says: {error.strerror or error}."
        raise StorageError(f"Could not read {name}.", why, "Check that it exists and that you may read it.") from error


def _csv_rows(file: IO[bytes], name: str) -> Generator[tuple[int, str], None, None]:
    text = io.TextIOWrapper(file, encoding=ENCODING, newline="")
    try:
        table = Table(text, max_line_chars=MAX_LINE_CHARS)
        column = _path_column(table.columns, name)
        for number, row in table:
            if any(row):
                yield number, row[column] if column < len(row) else ""
    except UnicodeDecodeError as error:
        raise BadDataset(f"{name} is not UTF-8 text.", f"{error}.", "Save it as 'CSV UTF-8'.") from error
    except TableError as error:
        raise BadDataset(f"{name} cannot be read as CSV.", f"Line {error.line}: {error.fault}.", _FIX) from error
    finally:
        text.detach()  # `_open_list` closes the file


def _parquet_rows(file: IO[bytes], name: str) -> Generator[tuple[int, str], None, None]:
    require_extra("ray", "pyarrow", "fsspec", needed_by="--out")
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        table = pq.ParquetFile(file)
        _path_column(table.schema_arrow.names, name)
        for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=["path"]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield number, os.fsdecode(value or b"") if isinstance(value, bytes | None) else str(value)
    except pa.ArrowInvalid as error:
        raise BadDataset(f"{name} cannot be read as Parquet.", f"{error}.", _FIX) from error


def _path_column(header: list[str], name: str) -> int:
    if header.count("path") != 1:
        columns = ", ".join(map(repr, header)) or "none"
        raise BadDataset(f"{name} lists no pictures.", f"Its columns are {columns}.", _FIX)
    return header.index("path")
