"""What a classifier gained and forgot when it grew: paired answers of the run before and the run after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pawsight.core.text import natural
from pawsight.data.split import Assigned
from pawsight.evaluation.comparison import Answer, Gain, compare


@dataclass(frozen=True, slots=True)
class ClassChange:
    """The answers to the pictures of one class, before and after."""

    name: str
    pictures: int
    right_before: int
    right_after: int
    forgotten: int  # right before and wrong after
    learnt: int  # wrong before and right after


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A picture that was answered right before, and is not after."""

    path: str
    sha256: str
    label: str
    predicted: str  # after


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What changed in the answers to held-out pictures of one subset: old pictures or new ones."""

    subset: str
    is_new: bool
    gain: Gain
    classes: tuple[ClassChange, ...]
    forgotten: tuple[Forgotten, ...]

    @property
    def accuracy(self) -> tuple[float, float]:
        """The accuracy before and after, as shares."""
        before, after = (
            sum(getattr(row, name) for row in self.classes) / self.gain.pictures
            for name in ("right_before", "right_after")
        )
        return before, after

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        before, after = self.accuracy
        return {
            "part": self.subset,
            "pictures_are_new": self.is_new,
            "accuracy_before": before,
            "accuracy_after": after,
            "gain": self.gain.to_json(),
            "classes": [asdict(row) for row in self.classes],
            "forgotten": [asdict(picture) for picture in self.forgotten],
        }


def paired(
    before: Mapping[str, Sequence[Answer]], after: Sequence[tuple[Assigned, str]]
) -> tuple[list[Answer], list[Answer]]:
    """Pair the answers of two classifiers to the same pictures, with the labels that these have now.

    Args:
        before: SHA-256 -> the first's answers; copies of a picture are matched by name where that is the same.
        after: pictures with the second's answers.

    Returns:
        the first's and the second's answers to the pictures that both answered, in one order.
    """
    waiting = {sha256: list(answers) for sha256, answers in before.items()}
    old, new = [], []
    for picture, predicted in after:
        if copies := waiting.get(picture.sha256):
            same_name = (place for place, copy in enumerate(copies) if copy.path == picture.name)
            known = replace(copies.pop(next(same_name, -1)), label=picture.label)
            group = picture.group or known.group
            old.append(replace(known, group=group))
            new.append(replace(known, path=picture.name, predicted=predicted, group=group))
    return old, new


def changed(
    subset: str, before: Mapping[str, Sequence[Answer]], after: Sequence[tuple[Assigned, str]], *, is_new: bool
) -> Change | None:
    """Return what changed in the answers to some pictures; None where no picture was answered before and after.

    Args:
        subset: that the pictures are of.
        before, after: as for `paired`.
        is_new: whether the pictures are new to the second classifier's data.
    """
    old, new = paired(before, after)
    gain = compare(old, new)
    if gain is None:
        return None
    cells = Counter((first.label, first.is_right, second.is_right) for first, second in zip(old, new, strict=True))
    labels = sorted({label for label, _, _ in cells}, key=natural)
    both, lost, won, neither = (True, True), (True, False), (False, True), (False, False)
    classes = [
        ClassChange(
            label,
            sum(cells[label, *cell] for cell in (both, lost, won, neither)),
            cells[label, *both] + cells[label, *lost],
            cells[label, *both] + cells[label, *won],
            cells[label, *lost],
            cells[label, *won],
        )
        for label in labels
    ]
    forgotten = [
        Forgotten(second.path, second.sha256, second.label, second.predicted)
        for first, second in zip(old, new, strict=True)
        if first.is_right and not second.is_right
    ]
    return Change(subset=subset, is_new=is_new, gain=gain, classes=tuple(classes), forgotten=tuple(forgotten))
