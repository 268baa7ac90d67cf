"""A split that somebody else made: the lines of a `--split splits.csv`.

Enters: a CSV with the columns path and part, and sha256 where it is known. Leaves: a `SplitFile`, or an error that
names every line to mend. Does not know: whether the pictures exist; `split_given` matches and checks them.

A run's own splits.csv is such a file, and the apostrophe that `safe_cell` puts before what looks like a formula is
taken off again. Other columns, label among them, are ignored: what a picture shows is said by
the data, and which part it lies in by this file alone.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import hexdigits
from typing import TextIO

from pawsight.core.errors import BadCatalog, StorageError
from pawsight.core.storage import plain_cell, regular_file
from pawsight.data.finder import PART_NAMES

_EXAMPLE = "The file should look like this:\npath,part\ncats/1.jpg,train\ndogs/7.jpg,validation"
_MOST_TOLD = 10
_MOST_CHARS = 16_384  # in a line, as in a list of pictures


@dataclass(frozen=True, slots=True)
class Placing:
    """One line of a split file."""

    line: int  # in the file, 1 for the header
    path: str  # as written
    sha256: str  # lower case, "" where the line has none
    part: str  # one of the three names of parts


@dataclass(frozen=True, slots=True)
class SplitFile:
    """All lines of a split file, in its order."""

    path: Path
    placings: tuple[Placing, ...]


def read_split_file(path: Path) -> SplitFile:
    """Read a split file: UTF-8, with commas, semicolons or tabs between the columns.

    The names of parts are those that folders may have: train, training, validation, valid, val, test, testing.

    Raises:
        BadCatalog: with everything that is wrong in the file, by line.
        StorageError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="", opener=regular_file) as file:
            placings, problems = _read(file)
    except OSError as error:
        why = f"The system says: {error.strerror or error}."
        raise StorageError(f"Could not read {path}.", why, "Check the path that was given with --split.") from error
    if not placings and not problems:
        problems = ["It has a header and no line below."]
    if problems:
        what = f"{path} has {len(problems):,} problem{'s' if len(problems) > 1 else ''}; no picture was split by it."
        raise BadCatalog(what, "\n".join(told(problems)), _EXAMPLE)
    return SplitFile(path, tuple(placings))


def path_key(path: str) -> str:
    """Return a path as it is compared: forward slashes, composed Unicode, no leading `./`."""
    return unicodedata.normalize("NFC", path.strip().replace("\\", "/")).removeprefix("./")


def told(lines: Sequence[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - _MOST_TOLD
    shown = [line.replace("\n", "\\n").replace("\r", "\\r") for line in lines[:_MOST_TOLD]]  # names may hold them
    return [*shown, *([f"And {more:,} more."] if more > 0 else [])]


def _read(file: TextIO) -> tuple[list[Placing], list[str]]:
    header = file.readline(_MOST_CHARS + 1)
    if len(header) > _MOST_CHARS:
        return [], [_too_long(1)]
    delimiter = max(",;\t", key=header.count)
    names = [name.strip().casefold() for name in next(csv.reader([header], delimiter=delimiter), [])]
    problems = [
        f"Line 1: there {'is no column' if name not in names else 'are several columns called'} {name!r};"
        f" the columns are {', '.join(map(repr, names)) or 'none'}."
        for name in ("path", "part")
        if names.count(name) != 1
    ]
    if problems:
        return [], problems
    columns: dict[str, int] = {name: names.index(name) for name in ("path", "part", "sha256") if name in names}
    placings: list[Placing] = []
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        for row in rows:
            if any(cell.strip() for cell in row):
                _take(rows.line_num + 1, row, columns, placings, problems)
    except csv.Error as error:
        problems.append(
            _too_long(rows.line_num + 1)
            if "field limit" in str(error)
            else f"Line {rows.line_num + 1}: the quotes do not match ({error})."
        )
    return placings, problems + _contradictions(placings)


def _too_long(line: int) -> str:
    return f"Line {line}: it is too long."


def _take(
    line: int, row: Sequence[str], columns: Mapping[str, int], placings: list[Placing], problems: list[str]
) -> None:
    cells = {name: row[place].strip() if place < len(row) else "" for name, place in columns.items()}
    sha256 = cells.get("sha256", "").lower()
    part = PART_NAMES.get(cells["part"].casefold(), "")
    path = plain_cell(row[columns["path"]]) if columns["path"] < len(row) else ""
    faults = [
        (not path, "the path is empty"),
        (not part, f"the part of {path!r} is {cells['part']!r}, not train, validation or test"),
        (bool(sha256) and (len(sha256) != 64 or set(sha256) - set(hexdigits)), f"the sha256 of {path!r} is none"),
    ]
    found = [f"Line {line}: {fault}." for is_so, fault in faults if is_so]
    problems += found
    if not found:
        placings.append(Placing(line, path, sha256, part))


def _contradictions(placings: Iterable[Placing]) -> list[str]:
    """Return a sentence for each line that puts the same path elsewhere than an earlier one did."""
    first: dict[tuple[str, str], Placing] = {}
    problems = []
    for one in placings:
        known = first.setdefault((path_key(one.path), one.sha256), one)
        if known.part != one.part:
            where = f"{one.path!r} is in {one.part} here and in {known.part} in line {known.line}"
            problems.append(f"Line {one.line}: {where}.")
    return problems
