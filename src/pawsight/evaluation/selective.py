"""How good answers are that are more than the likeliest class: unanswered pictures, prediction sets, costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.costs import Costs
from pawsight.classifier.prediction_sets import PredictionSets
from pawsight.classifier.trust import ANSWERED, HAS, UNFAMILIAR, RiskGuarantee, Trust
from pawsight.evaluation.intervals import Interval, share_interval

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """What was answered, and how much of that was wrong."""

    pictures: int
    answered: int
    errors: int  # answered and wrong
    unlike: int  # called unfamiliar; the others that are not answered are unsure
    coverage: float  # share answered
    coverage_interval: Interval  # Wilson, 95 %
    error: float | None  # share of the answered that is wrong; None where nothing is answered
    error_interval: Interval | None
    guarantee: RiskGuarantee | None  # None where the classifier has none for all answers

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = asdict(self) | {
            "coverage_interval": self.coverage_interval.as_list(),
            "error_interval": self.error_interval.as_list() if self.error_interval else None,
        }
        del values["guarantee"]
        return values | {"promise": self.guarantee and self.guarantee.to_json()}

    def sentence(self) -> str:
        """Return one line for people."""
        text = (
            f"answered {self.answered:,} of {self.pictures:,} ({100 * self.coverage:.1f} %, {self.coverage_interval})"
        )
        if self.error is not None:
            text += f"; of these {self.errors:,} wrong ({100 * self.error:.2f} %, {self.error_interval})"
        if self.guarantee is not None:
            text += f", guaranteed at most {100 * self.guarantee.max_error:.4g} %"
        return f"{text}; unfamiliar: {self.unlike:,}"


def measure_abstention(
    true: IntArray | NDArray[np.bool_],
    probabilities: FloatArray,
    decisions: Sequence[str],
    trust: Trust,
    *,
    groups: IntArray | None = None,
) -> Abstention | None:
    """Count what was answered and what of it was wrong.

    Args:
        true: class indices (N,), or which of several labels each picture has (N, L).
        probabilities: (N, C), or (N, L).
        decisions: that on each picture, as `pawsight.classifier.trust` names them.
        trust: of the bundle.
        groups: group numbers (N,) of pictures that are not independent; None where all are.

    Returns:
        None where there is no picture, or the classifier answers every one.
    """
    if not len(true) or trust == trust.answering_all():
        return None
    is_answered = np.array([decision == ANSWERED for decision in decisions])
    if trust.labels:  # an answer is wrong where one of its labels is
        wrong = ((trust.decide_labels(probabilities) == HAS) != true).any(axis=1)
    else:
        wrong = trust.answers(probabilities) != true
    answered, errors = int(is_answered.sum()), int((is_answered & wrong).sum())
    return Abstention(
        pictures=len(true),
        answered=answered,
        errors=errors,
        unlike=sum(decision == UNFAMILIAR for decision in decisions),
        coverage=answered / len(true),
        coverage_interval=share_interval(is_answered, groups),
        error=errors / answered if answered else None,
        error_interval=share_interval(wrong[is_answered], None if groups is None else groups[is_answered])
        if answered
        else None,
        guarantee=trust.guarantee,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFigures:
    """How many prediction sets hold the true class, and how large they are."""

    pictures: int
    held: int  # pictures whose set holds their class
    coverage: float  # held / pictures
    interval: Interval  # of the coverage, Wilson, 95 %
    mean_size: float  # classes in a set
    single: float  # share of sets with one class

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"interval": self.interval.as_list()}

    def sentence(self) -> str:
        """Return one line for people."""
        return (
            f"the true class is in {self.held:,} of {self.pictures:,} sets ({100 * self.coverage:.1f} %,"
            f" {self.interval}); {self.mean_size:.2f} classes in a set, {100 * self.single:.1f} % have one"
        )


def measure_sets(
    true: IntArray, probabilities: FloatArray, sets: PredictionSets, *, groups: IntArray | None = None
) -> SetFigures:
    """Measure prediction sets on N pictures, at least one.

    Args:
        true: class indices (N,).
        probabilities: (N, C).
        sets: of the bundle.
        groups: as for `measure_abstention`.
    """
    inside = sets.hold(probabilities)
    sizes, is_held = inside.sum(axis=1), inside[np.arange(len(true)), true]
    held = int(is_held.sum())
    return SetFigures(
        pictures=len(true),
        held=held,
        coverage=held / len(true),
        interval=share_interval(is_held, groups),
        mean_size=float(sizes.mean()),
        single=float((sizes == 1).mean()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFigures:
    """What answers of least expected cost cost, beside the likeliest classes."""

    pictures: int
    mean: float  # cost of a picture
    interval: Interval  # of the mean, Student's, 95 %
    likeliest: float  # cost of a picture where each is answered with its likeliest class
    differ: int  # pictures that are answered with another class than the likeliest

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"interval": self.interval.as_list()}

    def sentence(self) -> str:
        """Return one line for people."""
        return (
            f"{self.mean:.3f} a picture ({self.interval.low:.3f} to {self.interval.high:.3f}), {self.likeliest:.3f} if"
            f" each were answered with its likeliest class; {self.differ:,} of {self.pictures:,} answers differ"
        )


def measure_costs(true: IntArray, probabilities: FloatArray, trust: Trust) -> CostFigures:
    """Measure what the answers to N pictures cost, at least one.

    Args:
        true: class indices (N,).
        probabilities: (N, C).
        trust: with costs.
    """
    from scipy.stats import t

    costs = trust.costs or Costs(())
    answers, likeliest = trust.answers(probabilities), probabilities.argmax(axis=1)
    paid = costs.of(true, answers)
    mean, error = float(paid.mean()), float(paid.std(ddof=1) / np.sqrt(len(paid))) if len(paid) > 1 else 0.0
    half = error * float(t.ppf(0.975, max(len(paid) - 1, 1)))
    return CostFigures(
        pictures=len(true),
        mean=mean,
        interval=Interval(max(0.0, mean - half), mean + half),
        likeliest=float(costs.of(true, likeliest).mean()),
        differ=int((answers != likeliest).sum()),
    )
