"""Decisions about labels, in a file beside the data: keep, relabel or drop, picture by picture.

Enters: a CSV with the columns path, sha256, action, label, when; or decisions as they are made. Leaves: a `Patch`, or
the file. Does not know: catalogs, splits, who decides.

The file is a list of rows, and of several about one picture the last counts. A picture is known by its content; the
path only tells exact copies of it apart.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.errors import DataError, StorageError
from pawsight.core.storage import plain_cell, regular_file, sha256_of, table_text, write_bytes

KEEP, RELABEL, DROP = "keep", "relabel", "drop"
ACTIONS = (KEEP, RELABEL, DROP)
COLUMNS = ("path", "sha256", "action", "label", "when")
_NEEDED = COLUMNS[:-1]
MAX_BYTES = 256 * 2**20  # a million decisions with paths of 200 letters
_MOST_TOLD = 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXAMPLE = (
    f"It should look like this:\n{','.join(COLUMNS)}\ntrain/cats/1.jpg,{'a' * 8}...,relabel,dogs,2026-11-22T18:00:00Z"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about one picture."""

    path: str  # below the root of the data, with forward slashes
    sha256: str
    action: str  # one of ACTIONS
    label: str = ""  # the right one where the action is "relabel", else empty
    when: str = ""  # ISO 8601, UTC
    line: int = 0  # of the file it was read from


@dataclass(frozen=True, slots=True)
class Patch:
    """A file of decisions, the last about each picture."""

    file: Path
    sha256: str  # of the file
    decisions: tuple[Decision, ...]


def read_patch(path: Path) -> Patch:
    """Read a file of decisions.

    Raises:
        DataError: with everything that is wrong in the file, by line. StorageError: it cannot be read.
    """
    try:
        with open(path, "rb", opener=regular_file) as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = f"The system says: {getattr(error, 'strerror', None) or error}."
        raise StorageError(f"Could not read {path}.", why, "Name a file that pawsight review RUN wrote.") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{path} is too large for a patch.", f"The limit is {MAX_BYTES // 2**20} MiB.", _EXAMPLE)
    rows, problems = _rows(data.decode("utf-8-sig", "surrogateescape"))
    if problems:
        told = problems[:_MOST_TOLD] + [f"And {len(problems) - _MOST_TOLD:,} more."] * (len(problems) > _MOST_TOLD)
        what = f"{path} has {len(problems):,} problem{'s' * (len(problems) > 1)}; nothing was read from it."
        raise DataError(what, "\n".join(told), _EXAMPLE)
    return Patch(path, sha256_of(data), newest(rows))


def write_patch(path: Path, decisions: Iterable[Decision]) -> None:
    """Write decisions, whole or not at all.

    Raises:
        StorageError: the disk refused; the old content stands.
    """
    rows = ((one.path, one.sha256, one.action, one.label, one.when) for one in decisions)
    write_bytes(path, table_text(COLUMNS, rows).encode("utf-8", "surrogateescape"))


def newest(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return the last decision about each picture, in the order in which those were made."""
    last: dict[tuple[str, str], Decision] = {}
    for one in decisions:
        last.pop((one.sha256, one.path), None)
        last[one.sha256, one.path] = one
    return tuple(last.values())


def _rows(text: str) -> tuple[list[Decision], list[str]]:
    """Return all rows that can be understood, and what is wrong with the others."""
    if "\0" in text:
        return [], ["There is a NUL character in it."]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    decisions: list[Decision] = []
    problems: list[str] = []
    try:
        places, problems = _columns(next(reader, []))
        for row in reader:
            if not problems or places:
                line, cells = reader.line_num, _cells(row, places)
                faults = _faults(row, cells, places)
                problems += [f"Line {line}: {fault}." for fault in faults]
                if row and not faults:
                    decisions.append(Decision(**cells, line=line))
    except csv.Error as error:
        problems.append(f"Line {reader.line_num}: the quotes do not match, or a cell is too long ({error}).")
    return decisions, problems


def _columns(header: Sequence[str]) -> tuple[Mapping[str, int], list[str]]:
    """Return where each column stands, or what is wrong with the header."""
    names = [name.strip().casefold() for name in header]
    problems = [f"Line 1: there is no column {name!r}." for name in _NEEDED if name not in names]
    problems += [
        f"Line 1: there are {names.count(name)} columns {name!r}." for name in COLUMNS if names.count(name) > 1
    ]
    return ({} if problems else {name: names.index(name) for name in COLUMNS if name in names}), problems


def _cells(row: Sequence[str], places: Mapping[str, int]) -> dict[str, str]:
    return {name: plain_cell(row[places[name]]) if places.get(name, len(row)) < len(row) else "" for name in COLUMNS}


def _faults(row: Sequence[str], cells: Mapping[str, str], places: Mapping[str, int]) -> list[str]:
    if not row:  # a blank line
        return []
    if len(row) <= max((places[name] for name in _NEEDED), default=0):
        return [f"it has too few columns, {len(row)} of {len(places)}"]
    action, label = cells["action"], cells["label"]
    return [
        told
        for found, told in (
            (not _SHA256.fullmatch(cells["sha256"]), f"{cells['sha256']!r} is no SHA-256"),
            (action not in ACTIONS, f"the action is {action!r}, not one of {', '.join(ACTIONS)}"),
            (action == RELABEL and not label, "the action is 'relabel' and the label is empty"),
        )
        if found
    ]
