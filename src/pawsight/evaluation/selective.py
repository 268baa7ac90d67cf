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
    promise: RiskGuarantee | None  # None where the classifier has only an out-of-distribution detector

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {
            "coverage_interval": self.coverage_interval.as_list(),
            "error_interval": self.error_interval.as_list() if self.error_interval else None,
        }

    def sentence(self) -> str:
        """Return one line for people."""
        text = (
            f"answered {self.answered:,} of {self.pictures:,} ({100 * self.coverage:.1f} %, {self.coverage_interval})"
        )
        if self.error is not None:
            text += f"; of these {self.errors:,} wrong ({100 * self.error:.2f} %, {self.error_interval})"
        if self.promise is not None:
            text += f", guaranteed at most {100 * self.promise.max_error:.4g} %"
        return f"{text}; unlike anything seen: {self.unlike:,}"


def measure_abstention(
    true: IntArray, probabilities: FloatArray, verdicts: Sequence[str], trust: Trust
) -> Abstention | None:
    """Count what was answered and what of it was wrong.

    Args:
        true: class indices (N,).
        probabilities: (N, C).
        verdicts: the decision on each picture, as `pawsight.classifier.trust` names them.
        trust: of the bundle.

    Returns:
        None where there is no picture, or the classifier answers every one.
    """
    if not len(true) or (trust.promise is None and trust.guard is None):
        return None
    is_answered = np.array([verdict == ANSWERED for verdict in verdicts])
    wrong = probabilities.argmax(axis=1) != true
    answered, errors = int(is_answered.sum()), int((is_answered & wrong).sum())
    return Abstention(
        pictures=len(true),
        answered=answered,
        errors=errors,
        unlike=sum(verdict == UNFAMILIAR for verdict in verdicts),
        coverage=answered / len(true),
        coverage_interval=wilson(answered, len(true)),
        error=errors / answered if answered else None,
        error_interval=wilson(errors, answered) if answered else None,
        promise=trust.promise,
    )
