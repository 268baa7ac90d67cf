"""A list of pictures in a CSV file.

Enters: a CSV with the columns path,label and, where wanted, part. Leaves: one `Listed` for each picture, in the order
of the file. Does not know: whether the pictures exist or can be read.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TextIO

from pawsight.core.errors import BadCatalog, NoPictures, StorageError
from pawsight.core.storage import regular_file

PARTS = ("train", "validation", "test")
_EXAMPLE = "The file should look like this:\npath,label\ncats/1.jpg,cat\ndogs/1.jpg,dog"
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLimits:
    """How long a list may be."""

    max_lines: int = 5_000_000
    max_line_chars: int = 16_384


@dataclass(frozen=True, slots=True)
class Listed:
    """One picture as a list names it."""

    path: Path  # absolute where the CSV's own path was, else joined to the CSV's folder
    label: str
    part: str | None = None  # one of PARTS


def read_list(path: Path, *, limits: ListLimits = ListLimits()) -> tuple[Listed, ...]:
    """Read a CSV in UTF-8, with or without a byte order mark; commas, semicolons or tabs between the columns.

    Paths are relative to the CSV's folder. Other columns are ignored, and so are blank lines and lines that say
    again what an earlier one said.

    Raises:
        BadCatalog: with everything that is wrong in the file, by line.
        NoPictures: it has a header and nothing else.
        StorageError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="", opener=regular_file) as file:
            listed = _Reading(path, limits).read(file)
    except UnicodeDecodeError as error:
        raise BadCatalog(f"{path} is not UTF-8 text.", f"{error}.", "Save it as 'CSV UTF-8'.") from error
    except OSError as error:
        why = f"The system says: {error.strerror or error}."
        raise StorageError(f"Could not read {path}.", why, "Check that it exists and that you may read it.") from error
    if not listed:
        raise NoPictures(f"{path} lists no pictures.", "It has a header and nothing below.", _EXAMPLE)
    return listed


class _Reading:
    """One CSV being read, with the problems found so far."""

    def __init__(self, path: Path, limits: ListLimits) -> None:
        self._path = path
        self._limits = limits
        self._problems: list[str] = []
        self._untold = 0
        self._seen: dict[str, tuple[int, Listed]] = {}

    def read(self, file: TextIO) -> tuple[Listed, ...]:
        """Return what is listed, or raise with all problems."""
        lines = self._lines(file)
        first = next(lines, "")
        rows = csv.reader(chain([first], lines), delimiter=_delimiter(first), strict=True)
        try:
            columns = self._columns(next(rows, []))
            for row in rows:
                if columns and any(row):
                    self._take(rows.line_num, row, columns)
        except csv.Error as error:
            self._problem(rows.line_num, f"the quotes do not match ({error})")
        self._check_parts()
        if self._problems:
            raise self._refusal()
        return tuple(listed for _, listed in self._seen.values())

    def _lines(self, file: TextIO) -> Iterator[str]:
        """Yield lines until one is too long or there are too many."""
        for number in count(1):
            line = file.readline(self._limits.max_line_chars + 1)
            if not line:
                break
            if len(line) > self._limits.max_line_chars:
                self._problem(number, f"it is longer than {self._limits.max_line_chars:,} characters")
                break
            if number > self._limits.max_lines:
                self._problem(number, f"the limit is {self._limits.max_lines:,} lines")
                break
            yield line

    def _columns(self, header: Sequence[str]) -> Mapping[str, int]:
        """Return where path, label and part stand; nothing when a needed one is missing or doubled."""
        names = [name.strip().casefold() for name in header]
        for name in ("path", "label", "part"):
            if names.count(name) > 1:
                self._problem(1, f"there are {names.count(name)} columns called {name}")
            elif name not in names and name != "part":
                self._problem(
                    1, f"there is no column {name!r}; the columns are {', '.join(map(repr, header)) or 'none'}"
                )
        return (
            {} if self._problems else {name: names.index(name) for name in ("path", "label", "part") if name in names}
        )

    def _take(self, line: int, row: Sequence[str], columns: Mapping[str, int]) -> None:
        if len(row) <= max(columns.values()):
            self._problem(line, f"it has too few columns, {len(row)} of {max(columns.values()) + 1}")
            return
        path, label = row[columns["path"]], row[columns["label"]].strip()
        part = row[columns["part"]].strip().casefold() if "part" in columns else ""
        faults = [
            (not path.strip(), "the path is empty"),
            ("\0" in path, "the path has a NUL character in it"),
            (not label, f"the label of {path!r} is empty"),
            (part not in ("", *PARTS), f"the part of {path!r} is {part!r}, not one of {', '.join(PARTS)}"),
        ]
        told = [fault for found, fault in faults if found]
        for fault in told:
            self._problem(line, fault)
        if not told:
            self._list(line, Listed(self._path.parent / path, label, part or None))

    def _list(self, line: int, listed: Listed) -> None:
        known_line, known = self._seen.setdefault(os.path.abspath(listed.path), (line, listed))
        if known.label != listed.label:
            told = f"{str(listed.path)!r} is labelled {listed.label!r} here and {known.label!r} in line {known_line}"
            self._problem(line, told)
        elif known.part != listed.part:
            told = f"{str(listed.path)!r} is in part {listed.part} here and in part {known.part} in line {known_line}"
            self._problem(line, told)

    def _check_parts(self) -> None:
        """Parts must be given for every picture or for none: a guess would mix tests with training."""
        without = [line for line, listed in self._seen.values() if listed.part is None]
        if without and len(without) < len(self._seen):
            self._problem(without[0], f"the part is empty, as in {len(without):,} lines, while other lines have one")

    def _problem(self, line: int, fault: str) -> None:
        if len(self._problems) < _MOST_TOLD:
            self._problems.append(f"Line {line}: {fault}.")
        else:
            self._untold += 1

    def _refusal(self) -> BadCatalog:
        more = [f"And {self._untold:,} more."] if self._untold else []
        total = len(self._problems) + self._untold
        what = f"{self._path} has {total:,} problem{'s' if total > 1 else ''}; nothing was read from it."
        return BadCatalog(what, "\n".join([*self._problems, *more]), _EXAMPLE)


def _delimiter(header: str) -> str:
    """Return what stands between the columns: some spreadsheets write semicolons or tabs and call it CSV."""
    return max(",;\t", key=header.count)
