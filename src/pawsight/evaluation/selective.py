"""Selective prediction: how many pictures a classifier answered, and how many of those answers are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.trust import ANSWERED, UNFAMILIAR, RiskGuarantee, Trust
from pawsight.evaluation.intervals import Interval, wilson

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """What was answered, and how much of that was wrong."""

    pictures: int
    answered: int
    errors: int  # answered and wrong
    unlike: int  # called out-of-distribution; the others that are not answered are unsure
    coverage: float  # share answered
    coverage_interval: Interval  # Wilson, 95 %
    error: float | None  # share of the answered that is wrong; None where nothing is answered
    error_interval: Interval | None
    guarantee: RiskGuarantee | None  # None where the classifier has only an out-of-distribution detector

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = asdict(self) | {
            "coverage_interval": self.coverage_interval.as_list(),
            "error_interval": self.error_interval.as_list() if self.error_interval else None,
        }
        return values | {"promise": values.pop("guarantee")}

    def sentence(self) -> str:
        """Return one line for people."""
        text = (
            f"answered {self.answered:,} of {self.pictures:,} ({100 * self.coverage:.1f} %, {self.coverage_interval})"
        )
        if self.error is not None:
            text += f"; of these {self.errors:,} wrong ({100 * self.error:.2f} %, {self.error_interval})"
        if self.guarantee is not None:
            text += f", guaranteed at most {100 * self.guarantee.max_error:.4g} %"
        return f"{text}; unlike anything seen: {self.unlike:,}"


def measure_abstention(
    true: IntArray, probabilities: FloatArray, decisions: Sequence[str], trust: Trust
) -> Abstention | None:
    """Count what was answered and what of it was wrong.

    Args:
        true: class indices (N,).
        probabilities: (N, C).
        decisions: that on each picture, as `pawsight.classifier.trust` names them.
        trust: of the bundle.

    Returns:
        None where there is no picture, or the classifier answers every one.
    """
    if not len(true) or (trust.guarantee is None and trust.detector is None):
        return None
    is_answered = np.array([decision == ANSWERED for decision in decisions])
    wrong = probabilities.argmax(axis=1) != true
    answered, errors = int(is_answered.sum()), int((is_answered & wrong).sum())
    return Abstention(
        pictures=len(true),
        answered=answered,
        errors=errors,
        unlike=sum(decision == UNFAMILIAR for decision in decisions),
        coverage=answered / len(true),
        coverage_interval=wilson(answered, len(true)),
        error=errors / answered if answered else None,
        error_interval=wilson(errors, answered) if answered else None,
        guarantee=trust.guarantee,
    )
