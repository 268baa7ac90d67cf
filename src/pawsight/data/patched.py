"""A catalog and its split with decisions about labels applied.

Enters: a `Catalog`, the `Split` that was cut from it, a `Patch`. Leaves: both again, and a `PatchOutcome`. Does not
know: files, who decided.

The split is cut before the patch is applied: a relabelled picture stays in its part, so that runs before and after are
compared on the same pictures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pawsight.core.errors import BadCatalog, DataError
from pawsight.data.catalog import Catalog
from pawsight.data.finder import LeftOut
from pawsight.data.patch import DROP, KEEP, RELABEL, Decision, Patch
from pawsight.data.split import Assigned, Split

_MOST_TOLD = 20


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
