"""Lists of pictures of any length: CSV or Parquet with a column `path`.

Enters: the path or URL of a list. Leaves: paths, one after the other. Does not know: what lies behind them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from pawsight.core.errors import BadCatalog, StorageError, require_extra
from pawsight.data.tables import ENCODING, MAX_LINE_CHARS, Table, TableError
from pawsight.distributed.remote import filesystem, is_url

_ENDINGS = (".csv", ".parquet")
_AT_ONCE = 8_192  # rows of a Parquet list in memory
_FIX = "The list needs a column called path: one path or address a row."


def is_list(name: str) -> bool:
    """Say whether a name is that of a list rather than a picture's."""
    return name.lower().endswith(_ENDINGS)


def read_paths(name: str) -> Iterator[str]:
    """Yield what a list lists, in its order; paths are relative to the list's folder.

    Raises:
        BadCatalog: it is no such list; the message names the line or row.
        StorageError: it cannot be read.
    """
    folder = name.rpartition("/")[0] if is_url(name) else str(Path(name).parent)
    with _opened(name) as file:
        rows = _from_parquet(file, name) if name.lower().endswith(".parquet") else _from_csv(file, name)
        with closing(rows):
            yield from _joined_to(folder, rows, name)


def _joined_to(folder: str, rows: Iterable[tuple[int, str]], name: str) -> Iterator[str]:
    for number, path in rows:
        if not path.strip() or "\0" in path:
            raise BadCatalog(f"{name} has no usable path in row {number:,}.", f"It says {path!r}.", _FIX)
        yield _joined(folder, path)


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    try:
        with filesystem(name).open(name, "rb") if is_url(name) else Path(name).open("rb") as file:
            yield file
    except OSError as error:
        why = f"The system says: {error.strerror or error}."
        raise StorageError(f"Could not read {name}.", why, "Check that it exists and that you may read it.") from error


def _from_csv(file: IO[bytes], name: str) -> Generator[tuple[int, str], None, None]:
    text = io.TextIOWrapper(file, encoding=ENCODING, newline="")
    try:
        table = Table(text, max_line_chars=MAX_LINE_CHARS)
        column = _place(table.columns, name)
        for number, (_, row) in enumerate(table, start=2):
            if any(row):
                yield number, row[column] if column < len(row) else ""
    except UnicodeDecodeError as error:
        raise BadCatalog(f"{name} is not UTF-8 text.", f"{error}.", "Save it as 'CSV UTF-8'.") from error
    except TableError as error:
        raise BadCatalog(f"{name} is no CSV that can be read.", f"Line {error.line:,}: {error.fault}.", _FIX) from error
    finally:
        text.detach()  # whoever opened the file closes it


def _from_parquet(file: IO[bytes], name: str) -> Generator[tuple[int, str], None, None]:
    require_extra("ray", "pyarrow", "fsspec", needed_by="--out")
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        table = pq.ParquetFile(file)
        _place(table.schema_arrow.names, name)
        for batch in table.iter_batches(batch_size=_AT_ONCE, columns=["path"]):
            for value in batch.column(0).to_pylist():
                number += 1
                yield number, _text(value)
    except pa.ArrowInvalid as error:
        raise BadCatalog(f"{name} is no Parquet file that can be read.", f"{error}.", _FIX) from error


def _text(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else "" if value is None else str(value)


def _place(header: list[str], name: str) -> int:
    if header.count("path") != 1:
        told = ", ".join(map(repr, header)) or "none"
        raise BadCatalog(f"{name} lists no pictures.", f"Its columns are {told}.", _FIX)
    return header.index("path")


def _joined(folder: str, path: str) -> str:
    if is_url(path):
        return path
    return f"{folder}/{path}" if is_url(f"{folder}/") else str(Path(folder, path))
