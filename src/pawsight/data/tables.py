"""The reader of every CSV that users write, and of lists of pictures; what Pawsight writes itself is in core/runs.py.

Split files (given_split.py), label patches (label_patch.py) and path lists (distributed/) are read with `Table` too.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TextIO

from pawsight.core.errors import BadDataset, NoPictures, StorageError
from pawsight.core.storage import regular_file
from pawsight.data.folders import Candidate, Found, clean_label, name_below
from pawsight.data.parts import PARTS

ENCODING = "utf-8-sig"  # UTF-8 with or without a byte order mark
MAX_LINE_CHARS = 16_384  # in a list of paths
MAX_LINES = 5_000_000
_DELIMITERS = ",;\t"  # some spreadsheets write semicolons or tabs and call it CSV
_EXAMPLE = "The file should look like this:\npath,label\ncats/1.jpg,cat\ndogs/1.jpg,dog"


@contextmanager
def open_table(
    path: Path, *, errors: str = "strict", fix: str = "Check that it exists and that you may read it."
) -> Iterator[TextIO]:
    """Open a CSV as text, for `Table`.

    Args:
        path: a regular file.
        errors: how to decode bytes that are not UTF-8, as for `open`.
        fix: what to do when it cannot be read.

    Raises:
        BadDataset: it is not UTF-8; also while it is read.
        StorageError: it cannot be read; also while it is read.
    """
    try:
        with open(path, encoding=ENCODING, errors=errors, newline="", opener=regular_file) as file:
            yield file
    except UnicodeDecodeError as error:
        raise BadDataset(f"{path} is not UTF-8 text.", f"{error}.", "Save it as 'CSV UTF-8'.") from error
    except OSError as error:
        raise StorageError(f"Could not read {path}.", f"The system says: {error.strerror or error}.", fix) from error


class TableError(Exception):
    """The rest of a CSV cannot be read.

    Args:
        line: number of the line, 1 for the header.
        fault: what is wrong there, in words that follow "Line 1: ".
    """

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(fault)
        self.line, self.fault = line, fault


class Table:
    """The rows of a CSV, read one at a time; the header says which delimiter it uses.

    Args:
        file: opened with `ENCODING` and newline="".
        max_lines: None for no limit.
        max_line_chars: None for no limit but that of the csv module, 131,072 characters a cell.

    Raises:
        TableError: the header is too long, or its quotes do not match.
    """

    def __init__(self, file: TextIO, *, max_lines: int | None = None, max_line_chars: int | None = None) -> None:
        self._max_lines, self._max_line_chars = max_lines, max_line_chars
        lines = self._lines(file)
        first = next(lines, "")
        delimiter = max(_DELIMITERS, key=first.count)
        self._rows = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
        self.header: list[str] = next(iter(self), (1, []))[1]
        self.columns = [name.strip().casefold() for name in self.header]

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line number and the cells of each further row; a blank line has none.

        Raises:
            TableError: a line is too long, there are too many, or quotes do not match.
        """
        try:
            for row in self._rows:
                yield self._rows.line_num, row
        except csv.Error as error:
            is_long = "field limit" in str(error)
            raise TableError(
                self._rows.line_num, "it is too long" if is_long else f"the quotes do not match ({error})"
            ) from error

    def _lines(self, file: TextIO) -> Iterator[str]:
        most = -1 if self._max_line_chars is None else self._max_line_chars
        for number in count(1):
            line = file.readline(most + 1 if most >= 0 else -1)
            if not line:
                return
            if 0 <= most < len(line):
                raise TableError(number, f"it is longer than {most:,} characters")
            if self._max_lines is not None and number > self._max_lines:
                raise TableError(number, f"the limit is {self._max_lines:,} lines")
            yield line


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


def read_list(path: Path, *, max_lines: int = MAX_LINES) -> Found:
    """Read a list of pictures: a CSV in UTF-8 with the columns path, label and, optionally, part.

    Paths are relative to the CSV's folder, which is the root of what is found. Other columns are ignored, and so are
    blank lines and lines that repeat an earlier one.

    Raises:
        BadDataset: with everything that is wrong in the file, by line.
        NoPictures: it has a header and nothing else.
        StorageError: it cannot be read.
    """
    problems = Problems()
    seen: dict[str, tuple[int, Candidate]] = {}  # by absolute path
    with open_table(path) as file:
        try:
            table = Table(file, max_lines=max_lines, max_line_chars=MAX_LINE_CHARS)
            columns = _list_columns(table, problems)
            for line, row in table:
                if columns and any(row):
                    _add_listed(path.parent, line, row, columns, seen, problems)
        except TableError as error:
            problems.add(error.line, error.fault)
    # Parts must be given for every picture or for none: a guess would mix tests with training.
    without = [line for line, candidate in seen.values() if candidate.part is None]
    if without and len(without) < len(seen):
        problems.add(without[0], f"the part is empty, as in {len(without):,} lines, while other lines have one")
    if problems:
        raise BadDataset(problems.what(path, "nothing was read from it"), problems.why(), _EXAMPLE)
    if not seen:
        raise NoPictures(f"{path} lists no pictures.", "It has a header and nothing below.", _EXAMPLE)
    candidates = sorted((candidate for _, candidate in seen.values()), key=lambda candidate: candidate.name)
    labels = sorted({candidate.label for candidate in candidates})
    return Found(path.parent, tuple(candidates), (), (), tuple(labels))


def _list_columns(table: Table, problems: Problems) -> Mapping[str, int]:
    """Return the positions of path, label and part; nothing when a required one is missing or one occurs twice."""
    names = ("path", "label", "part")
    for name in names:
        if table.columns.count(name) > 1:
            problems.add(1, f"there are {table.columns.count(name)} columns called {name}")
        elif name not in table.columns and name != "part":
            existing = ", ".join(map(repr, table.header)) or "none"
            problems.add(1, f"there is no column {name!r}; the columns are {existing}")
    return {} if problems else {name: table.columns.index(name) for name in names if name in table.columns}


def _add_listed(
    folder: Path,
    line: int,
    row: Sequence[str],
    columns: Mapping[str, int],
    seen: dict[str, tuple[int, Candidate]],
    problems: Problems,
) -> None:
    if len(row) <= max(columns.values()):
        problems.add(line, f"it has too few columns, {len(row)} of {max(columns.values()) + 1}")
        return
    path, label = row[columns["path"]], row[columns["label"]].strip()
    part = row[columns["part"]].strip().casefold() if "part" in columns else ""
    checks = [
        (not path.strip(), "the path is empty"),
        ("\0" in path, "the path has a NUL character in it"),
        (not label, f"the label of {path!r} is empty"),
        (part not in ("", *PARTS), f"the part of {path!r} is {part!r}, not one of {', '.join(PARTS)}"),
    ]
    faults = [fault for is_wrong, fault in checks if is_wrong]
    for fault in faults:
        problems.add(line, fault)
    if faults:
        return
    file = folder / path
    candidate = Candidate(file, name_below(folder, file), clean_label(label), part or None)
    first_line, first = seen.setdefault(os.path.abspath(file), (line, candidate))
    name = repr(str(file))
    if first.label != candidate.label:
        problems.add(line, f"{name} is labelled {candidate.label!r} here and {first.label!r} in line {first_line}")
    elif first.part != candidate.part:
        problems.add(line, f"{name} is in part {candidate.part} here and in part {first.part} in line {first_line}")
