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
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pawsight.core.errors import BadCatalog, DataError, StorageError
from pawsight.core.storage import plain_cell, regular_file, sha256_of, table_text, write_bytes
from pawsight.data.dataset import Catalog
from pawsight.data.folders import LeftOut
from pawsight.data.split import Assigned, Split

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchOutcome:
    """What a patch did."""

    file: str
    sha256: str  # of the file
    relabelled: int  # pictures
    dropped: int
    kept: int  # decisions that leave a picture as it is
    unknown: int  # decisions about contents that are not in the data
    changed: int = 0  # of these, decisions whose path is there with other content
    in_test: int  # pictures of the test part that were relabelled or dropped

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = ("file", "sha256", "relabelled", "dropped", "kept", "unknown", "changed", "in_test")
        return {name: getattr(self, name) for name in names}

    def sentence(self) -> str:
        """Return the line for people."""
        told = f"{self.relabelled:,} relabelled, {self.dropped:,} dropped, {self.kept:,} kept as they are"
        for count, one, several in (
            (self.changed, "a picture whose content has changed", "pictures whose content has changed"),
            (self.unknown - self.changed, "a picture that is not here", "pictures that are not here"),
        ):
            if count:
                told += f"; {count:,} {f'is about {one}' if count == 1 else f'are about {several}'}"
        if self.in_test:
            were = "was" if self.in_test == 1 else "were"
            told += (
                f"; {self.in_test:,} of the test part {were} changed, so its score is no longer that of the run before"
            )
        return told

    @property
    def fits_nothing(self) -> bool:
        """Whether no decision is about a picture that is there."""
        return not (self.relabelled or self.dropped or self.kept)


def apply(catalog: Catalog, split: Split, patch: Patch) -> tuple[Catalog, Split, PatchOutcome]:
    """Apply decisions to a catalog and to the split that was cut from it.

    Raises:
        DataError: a label is not that of a class. BadCatalog: nothing would be left of a class.
    """
    _check_labels(catalog, patch)
    chosen, unknown = _by_name(catalog, patch)
    parts = {one.name: one.part for one in split.assigned}
    labels = {one.name: one.label for one in catalog.pictures}
    dropped = {name for name, one in chosen.items() if one.action == DROP}
    relabelled = {
        name: one.label for name, one in chosen.items() if one.action == RELABEL and one.label != labels[name]
    }
    pictures = tuple(
        replace(one, label=relabelled.get(one.name, one.label)) for one in catalog.pictures if one.name not in dropped
    )
    gone = [LeftOut(name, f"dropped by {patch.file.name}") for name in dropped]
    left_out = tuple(sorted([*catalog.left_out, *gone], key=lambda one: one.name))
    patched = replace(catalog, pictures=pictures, left_out=left_out)
    _check_left(catalog, patched, patch)
    outcome = PatchOutcome(
        file=str(patch.file),
        sha256=patch.sha256,
        relabelled=len(relabelled),
        dropped=len(dropped),
        kept=len(chosen) - len(relabelled) - len(dropped),
        unknown=len(unknown),
        changed=sum(one.path in labels for one in unknown),
        in_test=sum(parts[name] == "test" for name in (*relabelled, *dropped)),
    )
    return patched, _patched_split(split, relabelled, dropped), outcome


def _by_name(catalog: Catalog, patch: Patch) -> tuple[dict[str, Decision], list[Decision]]:
    """Return the decision about each picture, and those about none.

    Where copies of one content are there, a decision is about the one whose path it names, else about all of them.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for one in catalog.pictures:
        names[one.sha256].append(one.name)
    chosen: dict[str, Decision] = {}
    unknown = []
    for decision in patch.decisions:
        copies = names.get(decision.sha256, [])
        unknown += [] if copies else [decision]
        for name in [decision.path] if decision.path in copies else copies:
            chosen[name] = decision
    return chosen, unknown


def _patched_split(split: Split, relabelled: Mapping[str, str], dropped: set[str]) -> Split:
    def patched(some: tuple[Assigned, ...]) -> tuple[Assigned, ...]:
        return tuple(replace(one, label=relabelled.get(one.name, one.label)) for one in some if one.name not in dropped)

    groups = (patched(group) for group in split.alike)
    return replace(split, assigned=patched(split.assigned), alike=tuple(group for group in groups if len(group) > 1))


def _check_labels(catalog: Catalog, patch: Patch) -> None:
    classes = catalog.classes
    wrong = [one for one in patch.decisions if one.action == RELABEL and one.label not in classes]
    if wrong:
        lines = [f"Line {one.line}: there is no class {one.label!r}." for one in wrong[:_MOST_TOLD]]
        lines += [f"And {len(wrong) - _MOST_TOLD:,} more."] * (len(wrong) > _MOST_TOLD)
        told = ", ".join(map(repr, classes[:_MOST_TOLD])) + (" and more" if len(classes) > _MOST_TOLD else "")
        raise DataError(
            f"{patch.file} does not fit this data.", "\n".join(lines), f"The classes are {told}: correct the lines."
        )


def _check_left(before: Catalog, after: Catalog, patch: Patch) -> None:
    gone = sorted(set(before.classes) - set(after.classes))
    if gone:
        counted = Counter(one.action for one in patch.decisions if one.action != KEEP)
        raise BadCatalog(
            f"{patch.file} leaves no picture of {', '.join(map(repr, gone[:5]))}.",
            f"It relabels {counted[RELABEL]:,} and drops {counted[DROP]:,}.",
            "Take back some of its decisions, or remove the class from the data.",
        )
