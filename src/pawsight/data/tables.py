"""The reader of every table that users write: CSV and its relatives, JSON, Parquet; rows of text, one at a time.

Lists of pictures (picture_lists.py), split files (given_split.py), label patches (label_patch.py) and path lists
(distributed/) are read with it. What Pawsight writes itself is in core/runs.py.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, count, islice
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from pawsight.core.errors import StorageError, WrongUsage, require_extra
from pawsight.core.storage import regular_file

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")  # of files that are tables whatever is in them
MAX_LINE_CHARS = 16_384  # in a list of paths
MAX_LINES = 5_000_000
MAX_JSON_BYTES = 512 * 2**20  # a JSON array is in memory as a whole

# What people call the columns that Pawsight reads, in lower case, without spaces, hyphens and underscores.
COLUMN_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "path": (
            *("path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "imagename", "img"),
            *("imgpath", "imgname", "picture", "photo", "url", "imageurl"),
        ),
        "label": ("label", "class", "category", "target", "classname", "labelname", "categoryname"),
        "part": ("part", "split", "set", "subset", "fold", "dataset"),
        "group": ("group",),
        "sha256": ("sha256",),
    }
)
_DELIMITERS = ",;\t|"  # some spreadsheets write others than commas and call it CSV
_NO_DELIMITER = "\x1f"  # of a file with one column: a comma in it belongs to the path
_SNIFFED_LINES = 20
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*")  # Excel's first line, before the header
_ROWS_AT_ONCE = 8_192  # rows of a Parquet table in memory


class TableError(Exception):
    """The rest of a table cannot be read.

    Args:
        line: number of the line, 1 for the header.
        fault: what is wrong there, in words that follow "Line 1: ".
    """

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(fault)
        self.line, self.fault = line, fault


class ListOfLabels(TableError):
    """A cell of JSON or Parquet holds a list of labels where one is read."""


class Table:
    """The rows of a table as text; its name and its first bytes say how it is read.

    CSV and its relatives may be delimited by commas, semicolons, tabs or bars, with spaces after them, and be UTF-8,
    with or without a byte order mark, or UTF-16. Bytes that are not UTF-8 become surrogates, as in file names;
    `readable` makes text of them. Numbers and booleans of JSON and Parquet become what JSON writes.

    Args:
        file: opened for bytes; it is read from its start.
        name: of the file; its ending says which kind it is.
        columns: role -> header, or number of the column from 1 where the file has no header. None goes by
            `COLUMN_NAMES`.
        max_lines: None for no limit.
        max_line_chars: None for no limit but that of the csv module, 131,072 characters a cell.
        lists: a label may be a list; its cell is that list as JSON writes it.

    Attributes:
        header: the names of the columns as written.
        columns: the same in lower case; those in `COLUMN_NAMES` as their role. Where one column is called exactly as a
            role, no other has that role.

    Raises:
        TableError: the beginning cannot be read.
        WrongUsage: `columns` names one that is not there.
        MissingExtra: Parquet is not installed.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        name: str,
        columns: Mapping[str, str] | None = None,
        max_lines: int | None = None,
        max_line_chars: int | None = None,
        lists: bool = False,
    ) -> None:
        self._lists = lists
        self._max_lines, self._max_line_chars = max_lines, max_line_chars
        self.has_header = columns is None or not all(column.isdecimal() for column in columns.values())
        kind = name.lower().rpartition(".")[2]
        reader = {"parquet": self._parquet, "json": self._json, "jsonl": self._json, "ndjson": self._json}
        self._rows = reader.get(kind, self._text)(file, kind)
        self.header: list[str] = next(self._rows, (1, []))[1]
        if not self.has_header:
            self._rows = chain([(1, self.header)], self._rows)
            self.header = [str(number) for number in range(1, len(self.header) + 1)]
        self.columns = _named(self.header, columns, name) if columns else roles_of(self.header)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line number and the cells of each further row; a blank line has none.

        Raises:
            TableError: a line is too long, there are too many, quotes do not match, or a path or label is no text.
        """
        return self._rows

    def _text(self, file: IO[bytes], kind: str) -> Iterator[tuple[int, list[str]]]:
        lines = self._lines(file)
        first = next(lines, "")
        skipped = 0
        if separator := _SEPARATOR_LINE.fullmatch(first):
            first, skipped = next(lines, ""), 1
        following = list(islice(lines, _SNIFFED_LINES))
        delimiter = separator[1] if separator else _delimiter([first, *following], _DELIMITERS + " " * (kind == "txt"))
        is_spaced = any(f'{delimiter} "' in line for line in (first, *following))
        rows = csv.reader(
            chain([first], following, lines), delimiter=delimiter, skipinitialspace=is_spaced, strict=True
        )
        try:
            for row in rows:
                yield rows.line_num + skipped, row
        except csv.Error as error:
            is_long = "field limit" in str(error)
            raise TableError(
                rows.line_num + skipped, "it is too long" if is_long else f"the quotes do not match ({error})"
            ) from error

    def _json(self, file: IO[bytes], kind: str) -> Iterator[tuple[int, list[str]]]:
        if kind == "json":
            records: Iterator[tuple[int, Any]] = enumerate(_json_array(file), 1)
        else:
            records = ((line, _parsed(line, text)) for line, text in enumerate(self._lines(file), 1) if text.strip())
        header: list[str] | None = None
        for line, record in records:
            if not isinstance(record, dict):
                raise TableError(line, "it is no JSON object, such as {'path': 'cats/1.jpg', 'label': 'cat'}")
            if header is None:
                header = list(record)
                yield line, header
            yield line, [_cell(record.get(name), name, line, self._lists) for name in header]

    def _parquet(self, file: IO[bytes], kind: str) -> Iterator[tuple[int, list[str]]]:
        require_extra("ray", "pyarrow", needed_by="Reading Parquet", why="CSV and JSON need nothing.")
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.ParquetFile(file)
            names = table.schema_arrow.names
            yield 1, names
            line = 0
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    line += 1
                    cells = zip(values, names, strict=True)
                    yield line, [_cell(value, name, line, self._lists) for value, name in cells]
        except (pa.ArrowInvalid, OSError) as error:
            raise TableError(1, f"it cannot be read as Parquet ({error})") from error

    def _lines(self, file: IO[bytes]) -> Iterator[str]:
        most = -1 if self._max_line_chars is None else self._max_line_chars
        encoding = _encoding(file)
        text = io.TextIOWrapper(
            file, encoding, errors="strict" if encoding.startswith("utf-16") else "surrogateescape", newline=""
        )
        try:
            for number in count(1):
                line = text.readline(most + 1 if most >= 0 else -1)
                if not line:
                    return
                if 0 <= most < len(line):
                    raise TableError(number, f"it is longer than {most:,} characters")
                if self._max_lines is not None and number > self._max_lines:
                    raise TableError(number, f"the limit is {self._max_lines:,} lines")
                yield line
        except UnicodeError as error:
            raise TableError(number, f"it is no UTF-16 text ({error}); save the file as CSV UTF-8") from error
        finally:
            with suppress(ValueError):  # the file is closed already
                text.detach()  # else it would close the file, which is its opener's to close


def _encoding(file: IO[bytes]) -> str:
    """Return the encoding that the first bytes of a file show; its position is the start again."""
    start = file.read(4)
    file.seek(0)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    if len(start) == 4 and start[1::2] == b"\0\0":
        return "utf-16-le"
    return "utf-16-be" if len(start) == 4 and start[::2] == b"\0\0" else "utf-8"


def _delimiter(lines: Sequence[str], delimiters: str) -> str:
    """Return the delimiter that shows the most known columns in the header, or else the most columns."""

    def columns(delimiter: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(lines[:1], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            header = []
        return len(set(roles_of(header)) & set(COLUMN_NAMES)), len(header)

    best = max(delimiters, key=columns)
    return best if columns(best)[1] > 1 else _NO_DELIMITER


def roles_of(header: Sequence[str]) -> list[str]:
    """Return the columns of a header in lower case, those that `COLUMN_NAMES` has as their role."""
    names = [name.strip().casefold() for name in header]
    roles = []
    for name in names:
        plain = re.sub(r"[\s_-]+", "", name)
        role = next(
            (role for role, known in COLUMN_NAMES.items() if plain in known or plain.removesuffix("s") in known), name
        )
        roles.append(name if role in names else role)
    return roles


def _named(header: Sequence[str], columns: Mapping[str, str], file: str) -> list[str]:
    """Return the columns of a header, those that are named as their role; no other has one.

    Raises:
        WrongUsage: a name is not in the header.
    """
    plain = [name.strip().casefold() for name in header]
    roles = [f"other: {name}" for name in plain]
    for role, column in columns.items():
        if (name := column.strip().casefold()) not in plain:
            existing = ", ".join(map(repr, header)) or "none"
            raise WrongUsage(f"{file} has no column {column!r}.", f"Its columns are {existing}.", "Name one of them.")
        roles[plain.index(name)] = role
    return roles


def columns_text(columns: Mapping[str, str] | None) -> str | None:
    """Return `columns` as --columns takes them, None for none."""
    return ",".join(f"{role}={name}" for role, name in columns.items()) if columns else None


def _json_array(file: IO[bytes]) -> list[Any]:
    text = file.read(MAX_JSON_BYTES + 1)
    if len(text) > MAX_JSON_BYTES:
        raise TableError(1, "it is too large for JSON; save it as JSON Lines, one object a line")
    value = _parsed(1, text.decode("utf-8-sig", "surrogateescape"))
    if isinstance(value, dict) and {"images", "annotations"} <= set(value):
        raise TableError(1, "these are annotations of COCO, with boxes; a table has one label a picture")
    if not isinstance(value, list):
        raise TableError(1, "it is no JSON array of objects, such as [{'path': 'cats/1.jpg', 'label': 'cat'}]")
    return value


def _parsed(line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(line, f"it is no JSON ({error})") from error


def _cell(value: Any, name: str, line: int, lists: bool) -> str:
    """Return a value of JSON or Parquet as text.

    Raises:
        TableError: it is a list or an object in a column that must hold text.
    """
    if value is None:
        return ""
    role = roles_of([name])[0]
    is_picture = isinstance(value, bytes) and b"\0" in value
    if role == "path" and (is_picture or (isinstance(value, dict) and "bytes" in value)):
        raise TableError(line, f"the column {name!r} holds pictures; save them as files, and their paths in the table")
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and role == "label":
        if not lists:
            raise ListOfLabels(line, f"the column {name!r} holds several values where one label is read")
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | dict) and role in COLUMN_NAMES:
        kind = "several values" if isinstance(value, list) else "an object"
        raise TableError(line, f"the column {name!r} holds {kind} where one path or label is read")
    return str(value)


def readable(text: str, line: int) -> str:
    """Return a cell of a line with bytes that are not UTF-8 read as Windows-1252.

    Raises:
        TableError: they are not Windows-1252 either.
    """
    is_utf8 = not any("\udc80" <= letter <= "\udcff" for letter in text)
    try:
        return text if is_utf8 else text.encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeDecodeError as error:
        raise TableError(line, "it is neither UTF-8 nor Windows-1252; save the file as CSV UTF-8") from error


@contextmanager
def open_table(path: Path, *, fix: str = "Check that it exists and that you may read it.") -> Iterator[IO[bytes]]:
    """Open a file for `Table`.

    Args:
        path: a regular file.
        fix: what to do when it cannot be read.

    Raises:
        StorageError: it cannot be read; also while it is read.
    """
    try:
        with open(path, "rb", opener=regular_file) as file:
            yield file
    except OSError as error:
        raise StorageError(f"Could not read {path}.", f"The system says: {error.strerror or error}.", fix) from error


class Problems:
    """What is wrong with a file, line by line; after the first ones they are only counted.

    Args:
        shown: number of problems that are spelt out.
    """

    def __init__(self, shown: int = 20) -> None:
        self._shown = shown
        self._texts: list[str] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, line: int, fault: str) -> None:
        """Note a problem of one line."""
        self.add_text(f"Line {line}: {fault}.")

    def add_text(self, text: str) -> None:
        """Note a problem of the file as a whole."""
        self._count += 1
        if len(self._texts) < self._shown:
            self._texts.append(text)

    def what(self, path: Path, consequence: str) -> str:
        """Return the sentence that counts them."""
        return f"{path} has {self._count:,} problem{'s' if self._count > 1 else ''}; {consequence}."

    def why(self) -> str:
        """Return one line for each of the first problems, and how many more there are."""
        return first_lines(self._texts, shown=self._shown, total=self._count)


def first_lines(lines: Sequence[str], *, shown: int, total: int | None = None) -> str:
    """Return the first lines below each other, with line ends in them escaped, and how many more there are.

    Args:
        lines: all lines, or at least the first `shown` ones.
        shown: number of lines that are spelt out.
        total: number of lines in all; None is that of `lines`.
    """
    escaped = [line.replace("\n", "\\n").replace("\r", "\\r") for line in lines[:shown]]  # names may hold them
    more = (len(lines) if total is None else total) - len(escaped)
    return "\n".join([*escaped, *([f"And {more:,} more."] if more > 0 else [])])
