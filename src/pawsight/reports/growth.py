"""What a run that grew gained and forgot: as metrics.json keeps it, as lines of text, and for the report's section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.core.runs import from_here
from pawsight.core.text import plural
from pawsight.data.growth import Correction
from pawsight.evaluation.comparison import TIE, Gain
from pawsight.evaluation.growth import Change, ClassChange, Forgotten
from pawsight.reports import words

if TYPE_CHECKING:
    from pawsight.reports.pictures import Gallery

_FORGOTTEN = 24  # pictures that the report shows
_SUBSETS = {"validation": "validation", "test": "test", "train": "cross-validated"}
_NAMED = 3  # classes that a line of text names


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownPart:
    """A held-out subset before and after: the run's own pictures stay in it, new ones come to them."""

    part: str
    before: int  # pictures of the run before
    kept: int  # of these; the others are gone or of a class that was dropped
    added: int
    corrected: int  # labels of those that stay
    digest_before: str  # SHA-256 over contents and labels of the pictures of the run before
    digest_after: str  # of those of them that are kept, with the labels that they have now

    @property
    def is_same(self) -> bool:
        """Whether the pictures of the run before are there with the same labels."""
        return self.digest_before == self.digest_after


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthRecord:
    """How a run grew out of another."""

    run: str  # the folder of the run before
    added: int  # pictures
    known: int  # pictures that were added and that the run before had, with the same label
    corrected: tuple[Correction, ...]
    new_classes: Mapping[str, int]  # class -> pictures
    merged: Mapping[str, str]  # class -> the one that its pictures have now
    dropped: Mapping[str, int]  # class -> pictures of it
    parts: tuple[GrownPart, ...]  # validation and test
    # Of validation and test, where there is no validation of training pictures out of fold: old pictures and new ones.
    changes: tuple[Change, ...]
    several_labels: bool = False  # of a picture; then an answer is right with all of them
    asked: Mapping[str, Any] = field(default_factory=dict)  # options of the run before that its command does not repeat

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "from": self.run,
            "added": self.added,
            "known": self.known,
            "corrected": [asdict(change) for change in self.corrected],
            "new_classes": dict(self.new_classes),
            "merged": dict(self.merged),
            "dropped": dict(self.dropped),
            "parts": [{**asdict(part), "is_same": part.is_same} for part in self.parts],
            "changes": [change.to_json() for change in self.changes],
            "several_labels": self.several_labels,
            "asked": dict(self.asked),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> GrowthRecord:
        """Read what `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: it is something else.
        """
        return cls(
            run=str(values["from"]),
            several_labels=bool(values.get("several_labels", False)),
            asked=dict(values.get("asked", {})),
            added=int(values["added"]),
            known=int(values["known"]),
            corrected=tuple(Correction(**change) for change in values["corrected"]),
            new_classes={str(name): int(count) for name, count in values["new_classes"].items()},
            merged={str(source): str(target) for source, target in values["merged"].items()},
            dropped={str(name): int(count) for name, count in values["dropped"].items()},
            parts=tuple(
                GrownPart(**{name: value for name, value in part.items() if name != "is_same"})
                for part in values["parts"]
            ),
            changes=tuple(
                Change(
                    subset=str(change["part"]),
                    is_new=bool(change["pictures_are_new"]),
                    accuracy=(float(change["accuracy_before"]), float(change["accuracy_after"])),
                    gain=Gain(**{**change["gain"], "interval": tuple(map(float, change["gain"]["interval"]))}),
                    classes=tuple(ClassChange(**row) for row in change["classes"]),
                    forgotten=tuple(Forgotten(**picture) for picture in change["forgotten"]),
                )
                for change in values["changes"]
            ),
        )


def growth_lines(grown: GrowthRecord) -> list[str]:
    """Return what was gained and forgotten as lines of text for the terminal and the log."""
    name = str(from_here(Path(grown.run)))
    lines = [f"Grown       from {name}: {_sealed(grown.parts)}"]
    lines += [
        f"{'On test' if row.subset == 'test' else 'Gain':<12}{change_sentence(row, grown.several_labels)}"
        for row in grown.changes
    ]
    forgotten = [row for row in grown.changes if row.subset != "test" and row.forgotten and not row.is_new]
    lines += [f"Forgotten   {forgotten_sentence(row)}" for row in forgotten]
    if not grown.changes:
        lines.append(f"Gain        unknown: {name} answered none of these pictures")
    return lines


def _sealed(parts: Sequence[GrownPart]) -> str:
    texts = []
    for part in parts:
        if not part.before and not part.added:
            continue
        text = f"all {part.before:,} {part.part} pictures stay"
        if part.kept < part.before:
            text = f"{part.kept:,} of {part.before:,} {part.part} pictures stay"
        if part.corrected:
            text += f", {plural(part.corrected, 'label')} corrected"
        texts.append(f"{text}, {part.added:,} new")
    return "; ".join(texts) or "neither run has held-out pictures"


def change_sentence(change: Change, several_labels: bool = False) -> str:
    """Return the accuracy before and after on some pictures, with the gain and its interval."""
    before, after = change.accuracy
    gain = change.gain
    what = plural(
        gain.pictures, f"{'new' if change.is_new else 'old'} {_SUBSETS.get(change.subset, change.subset)} picture"
    )
    low, high = gain.interval
    verdict = "no more than chance" if gain.verdict == TIE else gain.verdict
    right = "with all labels right" if several_labels else "right"
    return (
        f"{what}: {100 * before:.1f} % {right} before, {100 * after:.1f} % now; {gain.points:+.1f} points"
        f" (95 % interval {low:+.1f} to {high:+.1f}, p = {gain.p_value:.2g}: {verdict})"
    )


def forgotten_sentence(change: Change) -> str:
    """Return how many pictures were right before and are wrong now, and of which classes they are."""
    lost = sorted((row for row in change.classes if row.forgotten), key=lambda row: -row.forgotten)
    listed = [f"{row.forgotten:,} of {row.right_before:,} {row.name}" for row in lost[:_NAMED]]
    more = f" and {plural(len(lost) - _NAMED, 'more class', 'more classes')}" if len(lost) > _NAMED else ""
    what = plural(len(change.forgotten), f"old {_SUBSETS.get(change.subset, change.subset)} picture")
    classes = f": {', '.join(listed)}{more}" if listed else ""  # with several labels, one too many loses none
    return f"{what} right before and wrong now{classes}; {change.gain.only_second:,} the other way round"


def growth_view(grown: GrowthRecord, gallery: Gallery) -> dict[str, Any]:
    """Return the section of the report as words, rows and pictures that are not yet escaped."""
    changes = [
        {
            "name": f"{_SUBSETS.get(change.subset, change.subset)}, {'new' if change.is_new else 'old'} pictures",
            "pictures": words.whole(change.gain.pictures),
            "before": words.percent(change.accuracy[0]),
            "after": words.percent(change.accuracy[1]),
            "points": words.signed(change.gain.points),
            "interval": words.points_between(change.gain.interval),
            "chance": words.chance(change.gain.p_value),
            "verdict": change.gain.verdict,
        }
        for change in grown.changes
    ]
    old = [change for change in grown.changes if change.subset != "test" and not change.is_new]
    return {
        "from": "/".join(Path(grown.run).parts[-2:]),  # without places of this machine, as the page may be served
        "sentences": [*_what(grown), _sealed(grown.parts)[:1].upper() + _sealed(grown.parts)[1:] + "."],
        "changes": changes,
        "classes": [asdict(row) for change in old for row in change.classes if row.forgotten or row.learnt],
        "forgotten": [
            gallery.exhibit([picture.path], f"now answered {picture.predicted}")
            for picture in [picture for change in old for picture in change.forgotten][:_FORGOTTEN]
        ],
        "more": max(0, sum(len(change.forgotten) for change in old) - _FORGOTTEN),
    }


def _what(grown: GrowthRecord) -> list[str]:
    """Return what was added, corrected, merged and dropped, a sentence each."""
    texts = [f"{plural(grown.added, 'picture')} added."] if grown.added else []
    for label, count in grown.new_classes.items():
        texts.append(f"New class {words.visible(label)}: {words.pictures(count)}.")
    if grown.corrected:
        texts.append(f"{plural(len(grown.corrected), 'label')} corrected.")
    texts += [f"Class {words.visible(old)} is {words.visible(name)} now." for old, name in grown.merged.items()]
    return texts + [
        f"Class {words.visible(label)} is dropped: {words.pictures(count)}." for label, count in grown.dropped.items()
    ]
