"""Label patches: decisions to keep, relabel or drop pictures, in a CSV beside the data, and their application.

A picture is known by its content; the path only tells exact copies of it apart. The split is cut before a patch is
applied: a relabelled picture stays in its part, so that runs before and after are compared on the same pictures.
"""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pawsight.core.errors import BadDataset, DataError, StorageError
from pawsight.core.storage import plain_cell, regular_file, sha256_of, table_text, write_bytes
from pawsight.data.dataset import Dataset
from pawsight.data.found import LeftOut
from pawsight.data.label_sets import NO_LABELS, joined, labels_in
from pawsight.data.split import Assigned, Split
from pawsight.data.tables import Problems, Table, TableError, first_lines

KEEP, RELABEL, DROP = "keep", "relabel", "drop"
ACTIONS = (KEEP, RELABEL, DROP)
COLUMNS = ("path", "sha256", "action", "label", "when")
_NEEDED = COLUMNS[:-1]
MAX_BYTES = 256 * 2**20  # a million decisions with paths of 200 letters
_SHOWN = 20  # lines and classes that a message spells out
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EXAMPLE = (
    f"It should look like this:\n{','.join(COLUMNS)}\ntrain/cats/1.jpg,{'a' * 8}...,relabel,dogs,2026-11-22T18:00:00Z"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one picture."""

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
    problems = Problems(_SHOWN)
    decisions: list[Decision] = []
    if b"\0" in data:
        problems.add_text("There is a NUL character in it.")
    else:
        try:
            table = Table(io.BytesIO(data), name="patch.csv")
            columns = _columns(table, problems)
            for line, row in table if columns else ():
                if row:
                    _add_decision(line, row, columns, decisions, problems)
        except TableError as error:
            problems.add(error.line, error.fault)
    if problems:
        raise DataError(problems.what(path, "nothing was read from it"), problems.why(), _EXAMPLE)
    return Patch(path, sha256_of(data), newest(decisions))


def _columns(table: Table, problems: Problems) -> dict[str, int]:
    """Return the position of each column; nothing when a required one is missing or one occurs twice."""
    for name in COLUMNS:
        if name not in table.columns and name in _NEEDED:
            problems.add(1, f"there is no column {name!r}")
        elif table.columns.count(name) > 1:
            problems.add(1, f"there are {table.columns.count(name)} columns {name!r}")
    return {} if problems else {name: table.columns.index(name) for name in COLUMNS if name in table.columns}


def _add_decision(
    line: int, row: Sequence[str], columns: Mapping[str, int], decisions: list[Decision], problems: Problems
) -> None:
    if len(row) <= max(columns[name] for name in _NEEDED):
        problems.add(line, f"it has too few columns, {len(row)} of {len(columns)}")
        return
    cells = {name: plain_cell(row[column]) if column < len(row) else "" for name, column in columns.items()}
    action, label = cells["action"], cells["label"]
    checks = [
        (not _SHA256.fullmatch(cells["sha256"]), f"{cells['sha256']!r} is no SHA-256"),
        (action not in ACTIONS, f"the action is {action!r}, not one of {', '.join(ACTIONS)}"),
        (action == RELABEL and not label, "the action is 'relabel' and the label is empty"),
    ]
    faults = [fault for is_wrong, fault in checks if is_wrong]
    for fault in faults:
        problems.add(line, fault)
    if not faults:
        decisions.append(Decision(**cells, line=line))


def write_patch(path: Path, decisions: Iterable[Decision]) -> None:
    """Write decisions, whole or not at all.

    Raises:
        StorageError: the disk refused; the old content stands.
    """
    rows = ((decision.path, decision.sha256, decision.action, decision.label, decision.when) for decision in decisions)
    write_bytes(path, table_text(COLUMNS, rows).encode("utf-8", "surrogateescape"))


def newest(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Return the last decision about each picture, in the order in which those were made."""
    last: dict[tuple[str, str], Decision] = {}
    for decision in decisions:
        last.pop((decision.sha256, decision.path), None)
        last[decision.sha256, decision.path] = decision
    return tuple(last.values())


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
    in_test: int  # pictures of the test set that were relabelled or dropped

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = ("file", "sha256", "relabelled", "dropped", "kept", "unknown", "changed", "in_test")
        return {name: getattr(self, name) for name in names}

    def sentence(self) -> str:
        """Return the line for the user."""
        text = f"{self.relabelled:,} relabelled, {self.dropped:,} dropped, {self.kept:,} kept as they are"
        for count, singular, plural in (
            (self.changed, "a picture whose content has changed", "pictures whose content has changed"),
            (self.unknown - self.changed, "a picture that is not here", "pictures that are not here"),
        ):
            if count:
                text += f"; {count:,} {f'is about {singular}' if count == 1 else f'are about {plural}'}"
        if self.in_test:
            were = "was" if self.in_test == 1 else "were"
            text += f"; {self.in_test:,} of the test set {were} changed"
            text += ", so its score is no longer that of the run before"
        return text

    @property
    def fits_nothing(self) -> bool:
        """Whether no decision is about a picture that is there."""
        return not (self.relabelled or self.dropped or self.kept)


def apply(dataset: Dataset, split: Split, patch: Patch) -> tuple[Dataset, Split, PatchOutcome]:
    """Apply decisions to a dataset and to the split that was cut from it.

    Raises:
        DataError: a label is not that of a class. BadDataset: nothing would be left of a class.
    """
    if dataset.several_labels:
        patch = replace(patch, decisions=tuple(_of_several(decision) for decision in patch.decisions))
    _check_labels(dataset, patch)
    chosen, unknown = _by_name(dataset, patch)
    parts = {picture.name: picture.part for picture in split.assigned}
    labels = {picture.name: picture.label for picture in dataset.pictures}
    dropped = {name for name, decision in chosen.items() if decision.action == DROP}
    relabelled = {
        name: decision.label
        for name, decision in chosen.items()
        if decision.action == RELABEL and decision.label != labels[name]
    }
    pictures = tuple(
        replace(picture, label=relabelled.get(picture.name, picture.label))
        for picture in dataset.pictures
        if picture.name not in dropped
    )
    gone = [LeftOut(name, f"dropped by {patch.file.name}") for name in dropped]
    left_out = tuple(sorted([*dataset.left_out, *gone], key=lambda file: file.name))
    patched = replace(dataset, pictures=pictures, left_out=left_out)
    _check_left(dataset, patched, patch)
    outcome = PatchOutcome(
        file=str(patch.file),
        sha256=patch.sha256,
        relabelled=len(relabelled),
        dropped=len(dropped),
        kept=len(chosen) - len(relabelled) - len(dropped),
        unknown=len(unknown),
        changed=sum(decision.path in labels for decision in unknown),
        in_test=sum(parts[name] == "test" for name in (*relabelled, *dropped)),
    )
    return patched, _patched_split(split, relabelled, dropped), outcome


def _of_several(decision: Decision) -> Decision:
    """Return a decision whose labels are written as those of a picture are."""
    labels = [] if decision.label == NO_LABELS else [label.strip() for label in labels_in(decision.label)]
    return replace(decision, label=joined(label for label in labels if label))


def _by_name(dataset: Dataset, patch: Patch) -> tuple[dict[str, Decision], list[Decision]]:
    """Return the decision about each picture, and those about none.

    Where copies of one content are there, a decision is about the one whose path it names, else about all of them.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for picture in dataset.pictures:
        names[picture.sha256].append(picture.name)
    chosen: dict[str, Decision] = {}
    unknown = []
    for decision in patch.decisions:
        copies = names.get(decision.sha256, [])
        unknown += [] if copies else [decision]
        for name in [decision.path] if decision.path in copies else copies:
            chosen[name] = decision
    return chosen, unknown


def _patched_split(split: Split, relabelled: Mapping[str, str], dropped: set[str]) -> Split:
    def patched(pictures: tuple[Assigned, ...]) -> tuple[Assigned, ...]:
        return tuple(
            replace(picture, label=relabelled.get(picture.name, picture.label))
            for picture in pictures
            if picture.name not in dropped
        )

    def left(groups: tuple[tuple[Assigned, ...], ...]) -> tuple[tuple[Assigned, ...], ...]:
        return tuple(group for group in map(patched, groups) if len(group) > 1)

    return replace(split, assigned=patched(split.assigned), alike=left(split.alike), duplicates=left(split.duplicates))


def _check_labels(dataset: Dataset, patch: Patch) -> None:
    classes = dataset.classes
    wrong = [
        (decision.line, label)
        for decision in patch.decisions
        if decision.action == RELABEL
        for label in (labels_in(decision.label) if dataset.several_labels else (decision.label,))
        if label not in classes
    ]
    if wrong:
        kind = "label" if dataset.several_labels else "class"
        lines = [f"Line {line}: there is no {kind} {label!r}." for line, label in wrong]
        known = ", ".join(map(repr, classes[:_SHOWN])) + (" and more" if len(classes) > _SHOWN else "")
        raise DataError(
            f"{patch.file} does not fit this data.",
            first_lines(lines, shown=_SHOWN),
            f"The {'labels' if dataset.several_labels else 'classes'} are {known}: correct the lines.",
        )


def _check_left(before: Dataset, after: Dataset, patch: Patch) -> None:
    gone = sorted(set(before.classes) - set(after.classes))
    if gone:
        counted = Counter(decision.action for decision in patch.decisions if decision.action != KEEP)
        raise BadDataset(
            f"{patch.file} leaves no picture of {', '.join(map(repr, gone[:5]))}.",
            f"It relabels {counted[RELABEL]:,} and drops {counted[DROP]:,}.",
            "Take back some of its decisions, or remove the class from the data.",
        )
