"""Where a classifier is worse than elsewhere: accuracy by kind of picture, each kind tested against the rest.

Enters: which pictures were answered right, and which kinds each belongs to. Leaves: a `Slice` for each kind. Does not
know: files, models, what makes a picture dark.

Looking at twenty kinds finds one that is worse by chance alone, so the p values are corrected for their number, and
kinds of fewer than ten pictures are told but not tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.evaluation.compare import BETTER, SIGNIFICANCE, WORSE, holm
from pawsight.evaluation.intervals import Interval, wilson

LEAST_TESTED = 10  # pictures: of fewer, even none right would be no proof against an average classifier
MOST_SHOWN = 12  # wrong pictures named for each slice
LIKE_THE_REST, NOT_TESTED = "like the rest", "too few to test"
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """One picture's answer."""

    path: str
    label: str
    predicted: str
    probability: float  # of the answer

    @property
    def is_right(self) -> bool:
        """Whether the answer is the truth."""
        return self.label == self.predicted


@dataclass(frozen=True, slots=True, order=True)
class SliceKey:
    """What a slice is called."""

    kind: str  # "trait", "format", "folder" or "fifth"
    name: str  # e.g. "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """How a classifier does on one kind of picture."""

    name: str
    kind: str
    pictures: int
    right: int
    accuracy: float
    interval: Interval  # Wilson, 95 %
    rest_accuracy: float | None  # on all other pictures; None where there are none
    difference: float | None  # accuracy minus that of the rest, in percentage points
    p_value: float | None  # Fisher's exact test against the rest, two-sided; None where it was not tested
    p_holm: float | None  # corrected for all slices that were tested
    verdict: str  # "worse", "better", "like the rest" or "too few to test"
    worst: tuple[Judged, ...]  # answered wrong, the most confident first

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "pictures": self.pictures,
            "right": self.right,
            "accuracy": self.accuracy,
            "interval": self.interval.as_list(),
            "rest_accuracy": self.rest_accuracy,
            "difference": self.difference,
            "p_value": self.p_value,
            "p_holm": self.p_holm,
            "verdict": self.verdict,
            "worst": [
                {"path": one.path, "label": one.label, "predicted": one.predicted, "probability": one.probability}
                for one in self.worst
            ],
        }


def measure_slices(judged: Sequence[Judged], members: Mapping[SliceKey, Mask]) -> tuple[Slice, ...]:
    """Measure every slice and test it against the pictures outside it.

    Args:
        judged: N pictures.
        members: which of them belong to each slice (N,); empty slices are left out.

    Returns:
        the slices: those that are worse first, then by accuracy, the lowest first.

    Raises:
        ValueError: a mask is not of N pictures.

    Source of the test: R. A. Fisher, "The design of experiments", 1935; of the correction: S. Holm, 1979.
    """
    right = np.array([one.is_right for one in judged], dtype=bool)
    if any(mask.shape != right.shape for mask in members.values()):
        raise ValueError(f"a slice is not one of {len(judged)} pictures")
    slices = [_measured(key, mask, right, judged) for key, mask in members.items() if mask.any()]
    tested = [one.p_value for one in slices if one.p_value is not None]
    corrected = iter(holm(tested))
    judged_slices = [one if one.p_value is None else _with_verdict(one, next(corrected)) for one in slices]
    return tuple(sorted(judged_slices, key=lambda one: (one.verdict != WORSE, one.accuracy, -one.pictures, one.name)))


def _measured(key: SliceKey, mask: Mask, right: Mask, judged: Sequence[Judged]) -> Slice:
    count, correct = int(mask.sum()), int(right[mask].sum())
    others, others_correct = len(right) - count, int(right[~mask].sum())
    rest = others_correct / others if others else None
    is_tested = min(count, others) >= LEAST_TESTED
    wrong = sorted((one for one, within in zip(judged, mask, strict=True) if within and not one.is_right), key=_surest)
    return Slice(
        name=key.name,
        kind=key.kind,
        pictures=count,
        right=correct,
        accuracy=correct / count,
        interval=wilson(correct, count),
        rest_accuracy=rest,
        difference=None if rest is None else 100 * (correct / count - rest),
        p_value=fisher(correct, count, others_correct, others) if is_tested else None,
        p_holm=None,
        verdict=NOT_TESTED,
        worst=tuple(wrong[:MOST_SHOWN]),
    )


def fisher(right: int, pictures: int, other_right: int, others: int) -> float:
    """Return the two-sided p value of Fisher's exact test: are two groups of pictures equally often right?"""
    from scipy.stats import fisher_exact

    table = [[right, pictures - right], [other_right, others - other_right]]
    return float(fisher_exact(table).pvalue)


def _surest(one: Judged) -> tuple[float, str]:
    return -one.probability, one.path


def _with_verdict(one: Slice, p_holm: float) -> Slice:
    differs = p_holm < SIGNIFICANCE and one.difference
    verdict = LIKE_THE_REST if not differs else WORSE if one.difference and one.difference < 0 else BETTER
    return replace(one, p_holm=p_holm, verdict=verdict)
