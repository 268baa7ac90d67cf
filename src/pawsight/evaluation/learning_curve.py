"""Learning curve: a power law through the errors of smaller training parts, extrapolated to twice the data.

The fit is error = a + b n^-c. For a fixed c it is linear, so a grid of c with a closed solution for a and b is exact
enough, cannot fail to converge, and fits a thousand resamplings at once. b may be negative: a curve that chance alone
bends must be able to bend either way, otherwise its interval could never reach below 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.evaluation.intervals import Interval, design_effect, wilson

EXPONENTS = np.geomspace(0.05, 2.0, 60)
RESAMPLINGS = 1_000
# Below either, no interval is given. Drawing pictures again never draws an error that was not seen: with 1 wrong of 31
# the percentiles span what that picture did, while Wilson's interval of the error itself spans 16 points. Five is the
# usual least count for figures from counts (W. G. Cochran 1954); 200 puts five at 2.5 % wrong, a good classifier's.
LEAST_VALIDATED, LEAST_WRONG = 200, 5
_NOTHING = 1e-9  # percentage points: rounding, where no error changes with the size
Floats = NDArray[np.float64]
# One size: share of the training subset, pictures trained on, and whether each answer is wrong (seeds, validation).
Trial = tuple[float, int, NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One size, as people see it."""

    share: float
    pictures: int
    seeds: int  # trainings that were averaged
    error: float  # share of validation pictures answered wrong, mean over the seeds
    interval: Interval  # Wilson, 95 %, of that many wrong among the validation pictures


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Errors against training pictures, and the fit: error = floor + scale x pictures ** -exponent."""

    points: tuple[CurvePoint, ...]  # the fewest pictures first
    measured_on: int  # validation pictures
    floor: float
    scale: float
    exponent: float
    interval: tuple[float, float] | None  # of `gain`, 95 %, in percentage points; None where too little was seen

    def error(self, pictures: float) -> float:
        """Return the error that the fit expects of so many training pictures."""
        return min(1.0, max(0.0, self.floor + self.scale * math.pow(pictures, -self.exponent)))

    @property
    def twice(self) -> int:
        """Twice the training pictures there are."""
        return 2 * self.points[-1].pictures

    @property
    def gain(self) -> float:
        """Accuracy that twice the training pictures would gain by the fit, in percentage points."""
        return 100 * (self.error(self.points[-1].pictures) - self.error(self.twice))

    @property
    def is_measurable(self) -> bool:
        """Whether the interval of the gain is known and lies above 0."""
        return self.interval is not None and self.interval[0] > _NOTHING

    @property
    def wrong(self) -> int:
        """Validation pictures answered wrong after training on everything, rounded from the mean over trainings."""
        return round(self.points[-1].error * self.measured_on)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "points": [
                {
                    "share": point.share,
                    "pictures": point.pictures,
                    "seeds": point.seeds,
                    "error": point.error,
                    "interval": point.interval.as_list(),
                }
                for point in self.points
            ],
            "measured_on": self.measured_on,
            "fit": {"floor": self.floor, "scale": self.scale, "exponent": self.exponent},
            "twice": {
                "pictures": self.twice,
                "error": self.error(self.twice),
                "gain": self.gain,
                "interval": list(self.interval) if self.interval is not None else None,
                "is_measurable": self.is_measurable,
                "sentence": sentence(self),
            },
        }


def trace_curve(
    trials: Sequence[Trial],
    *,
    seed: int = 0,
    resamplings: int = RESAMPLINGS,
    groups: NDArray[np.int64] | None = None,
) -> LearningCurve:
    """Fit a learning curve and return its extrapolation with an interval.

    Args:
        trials: at least three sizes, the fewest pictures first, all of the same N > 0 validation pictures.
        seed: of the resampling of validation pictures and of trainings.
        resamplings: how many.
        groups: group numbers (N,) of validation pictures that are drawn together; None draws each alone.

    Raises:
        ValueError: there are fewer than three sizes, or they are not of the same pictures.

    Source of the form: J. Hestness and others, "Deep learning scaling is predictable, empirically", 2017; T. Viering
    and M. Loog, "The shape of learning curves: a review", IEEE TPAMI 45, 2023, section 3.1. The interval: percentiles
    of the bootstrap (B. Efron and R. Tibshirani, 1993, chapter 13) over validation pictures and trainings, with none
    below `LEAST_VALIDATED` validation pictures or `LEAST_WRONG` wrong answers.
    """
    held_out = {wrong.shape[1] for _, _, wrong in trials}
    if len(trials) < 3 or len(held_out) != 1 or not min(held_out):
        raise ValueError(f"{len(trials)} sizes on {sorted(held_out)} pictures make no curve")
    sizes = np.array([pictures for _, pictures, _ in trials], dtype=np.float64)
    errors = np.array([wrong.mean() for _, _, wrong in trials])
    (floor,), (scale,), (exponent,) = (ends.tolist() for ends in _fit_all(sizes, errors[None]))
    drawn = _fit_all(sizes, _resampled(trials, seed, resamplings, groups))
    low, high = np.percentile(100 * _gains(*drawn, trials[-1][1]), [2.5, 97.5]).tolist()
    measured_on, points = held_out.pop(), []
    for share, pictures, wrong in trials:
        error = float(wrong.mean())
        effect = design_effect(wrong.mean(axis=0), groups)
        interval = wilson(round(error * measured_on) / effect, measured_on / effect)
        points.append(CurvePoint(share, pictures, len(wrong), error, interval))
    return honest(LearningCurve(tuple(points), measured_on, floor, scale, exponent, (low, high)))


def honest(curve: LearningCurve) -> LearningCurve:
    """Remove the interval of the gain from twice the data where too few wrong answers were seen for one."""
    if curve.measured_on >= LEAST_VALIDATED and curve.wrong >= LEAST_WRONG:
        return curve
    return replace(curve, interval=None)


def sentence(curve: LearningCurve) -> str:
    """Return what twice the data would gain, as a sentence."""
    text = f"Twice the data ({curve.twice:,} training pictures) would gain"
    if curve.interval is None:
        seen = f"{curve.wrong:,} wrong {'answer' if curve.wrong == 1 else 'answers'} among {curve.measured_on:,}"
        return (
            f"{text} nothing that can be measured: there {'is' if curve.wrong == 1 else 'are'} {seen} validation"
            f" {'picture' if curve.measured_on == 1 else 'pictures'}, and to tell a gain from chance takes at least"
            f" {LEAST_WRONG} among {LEAST_VALIDATED}."
        )
    low, high = (round(end, 2) for end in curve.interval)
    between = f"95 % interval {low + 0.0:.2f} to {high + 0.0:.2f}"
    if not curve.is_measurable:
        return (
            f"{text} nothing that can be measured on {curve.measured_on:,} validation pictures:"
            f" {round(curve.gain, 2) + 0.0:.2f} points ({between})."
        )
    return f"{text} about {curve.gain:.2f} points of accuracy ({between})."


def _resampled(trials: Sequence[Trial], seed: int, resamplings: int, groups: NDArray[np.int64] | None = None) -> Floats:
    """Return the errors (R, T) after drawing validation pictures, and trainings of each size, with replacement."""
    random = np.random.default_rng(seed)
    pictures = trials[0][2].shape[1]
    if groups is None:
        weights = random.multinomial(pictures, np.full(pictures, 1 / pictures), size=resamplings) / pictures
    else:
        _, which = np.unique(groups, return_inverse=True)
        count = int(which.max()) + 1
        drawn = random.multinomial(count, np.full(count, 1 / count), size=resamplings)[:, which]
        weights = drawn / drawn.sum(axis=1, keepdims=True)
    columns = []
    for _, _, wrong in trials:
        seeds = len(wrong)
        by_seed = weights @ wrong.T.astype(np.float64)
        shares = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamplings) / seeds
        columns.append((by_seed * shares).sum(axis=1))
    return np.stack(columns, axis=1)


def _fit_all(sizes: Floats, errors: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit every row of errors (R, T) by least squares, the floor within 0..1; return floors, scales, exponents (R,)."""
    best = np.full(len(errors), math.inf)
    floors, scales, exponents = np.zeros((3, len(errors)))
    for exponent in EXPONENTS:
        basis = (sizes / sizes[-1]) ** -exponent
        floor, scale = _line(basis, errors)
        loss = ((floor[:, None] + scale[:, None] * basis - errors) ** 2).sum(axis=1)
        better = loss < best - 1e-15
        best = np.where(better, loss, best)
        floors = np.where(better, floor, floors)
        scales = np.where(better, scale * sizes[-1] ** exponent, scales)
        exponents = np.where(better, exponent, exponents)
    return floors, scales, exponents


def _line(basis: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Return floor and scale (R,) of errors = floor + scale x basis with the floor held within 0..1."""
    centred = basis - basis.mean()
    scale = (errors @ centred) / (centred @ centred)
    floor = errors.mean(axis=1) - scale * basis.mean()
    held = np.clip(floor, 0.0, 1.0)
    scale = np.where(floor == held, scale, (errors - held[:, None]) @ basis / (basis @ basis))
    return held, scale


def _gains(floors: Floats, scales: Floats, exponents: Floats, pictures: int) -> Floats:
    """Return what twice the pictures take off the error (R,)."""
    now, then = (np.clip(floors + scales * float(many) ** -exponents, 0, 1) for many in (pictures, 2 * pictures))
    return now - then
