"""What a classifier gained and forgot when it grew: paired answers of the run before and the run after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pawsight.core.text import natural
from pawsight.data.label_sets import labels_in
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
    accuracy: tuple[float, float]  # before and after, as shares; of several labels, with all of them right
    gain: Gain
    classes: tuple[ClassChange, ...]  # of several labels, pictures that have the label
    forgotten: tuple[Forgotten, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "part": self.subset,
            "pictures_are_new": self.is_new,
            "accuracy_before": self.accuracy[0],
            "accuracy_after": self.accuracy[1],
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
    subset: str,
    before: Mapping[str, Sequence[Answer]],
    after: Sequence[tuple[Assigned, str]],
    *,
    is_new: bool,
    several_labels: bool = False,
) -> Change | None:
    """Return what changed in the answers to some pictures; None where no picture was answered before and after.

    Args:
        subset: that the pictures are of.
        before, after: as for `paired`.
        is_new: whether the pictures are new to the second classifier's data.
        several_labels: whether labels and answers are several labels as one text.
    """
    old, new = paired(before, after)
    gain = compare(old, new)
    if gain is None:
        return None
    pairs = list(zip(old, new, strict=True))
    if several_labels:
        cells = Counter(
            (label, label in labels_in(first.predicted), label in labels_in(second.predicted))
            for first, second in pairs
            for label in labels_in(first.label)
        )
    else:
        cells = Counter((first.label, first.is_right, second.is_right) for first, second in pairs)
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
        for first, second in pairs
        if first.is_right and not second.is_right
    ]
    right = [sum(answer.is_right for answer in answers) / len(answers) for answers in (old, new)]
    return Change(
        subset=subset,
        is_new=is_new,
        accuracy=(right[0], right[1]),
        gain=gain,
        classes=tuple(classes),
        forgotten=tuple(forgotten),
    )
