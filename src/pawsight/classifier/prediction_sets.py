"""Prediction sets: for each picture the classes that it may be, the true one among them as often as promised.

A class is in the set of a picture if its probability reaches the threshold of that class. The thresholds are order
statistics of answers to pictures that were not fitted to, so the promise holds whatever the distribution.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]
LEAST_COVERAGE, GREATEST_COVERAGE = 0.5, 0.999  # that may be asked for
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSets:
    """The true class is in the set of at least `coverage` of the pictures, on average over draws of the pictures.

    It holds for the pictures of each class that has a threshold of its own, and of those that share one together.
    """

    coverage: float  # share of sets that hold the true class
    thresholds: tuple[float, ...]  # (C,) probability from which on a class is in the set
    pictures: tuple[int, ...]  # (C,) of each class, that its threshold was set on
    shared: tuple[int, ...]  # indices of the classes with too few pictures for a threshold of their own
    measured_on: str  # where these pictures are from

    def of(self, probabilities: Floats) -> tuple[int, ...]:
        """Return the classes (indices) that one picture may be, the likeliest first; the likeliest always is one.

        Args:
            probabilities: (C,) of one picture.
        """
        order = np.argsort(-probabilities, kind="stable")
        inside = self.hold(probabilities[None])[0]
        return tuple(int(index) for index in order if inside[index])

    def hold(self, probabilities: Floats) -> NDArray[np.bool_]:
        """Return which classes are in the set of each picture (N, C)."""
        inside = np.asarray(probabilities, np.float64) >= np.asarray(self.thresholds)
        inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
        return np.asarray(inside)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as a bundle's card has them."""
        plain = asdict(self)
        return plain | {name: list(plain[name]) for name in ("thresholds", "pictures", "shared")}


def fewest_for_sets(coverage: float) -> int:
    """Return how many pictures a threshold needs: 19 for 95 %, 9 for 90 %."""
    return math.ceil(coverage / (1 - coverage) - _ROUNDING)


def choose_sets(true: Labels, probabilities: Floats, *, coverage: float, measured_on: str) -> PredictionSets | None:
    """Return the smallest sets of this kind that keep the promise, None where there are too few pictures.

    A class with enough pictures gets a threshold of its own, so that the promise holds for its pictures alone. The
    others share one; where they are too few together, the class with the fewest pictures among the rest joins them.

    Args:
        true: class indices (N,), of pictures not fitted to.
        probabilities: (N, C).
        coverage: share of sets that hold the true class.
        measured_on: where the pictures are from.

    Source: M. Sadinle, J. Lei, L. Wasserman, "Least ambiguous set-valued classifiers with bounded error levels",
    Journal of the American Statistical Association 114, 2019 (a class is in the set if its probability is high enough);
    V. Vovk, "Conditional validity of inductive conformal predictors", Machine Learning 92, 2013 (by class).
    """
    classes, needed = probabilities.shape[1], fewest_for_sets(coverage)
    counts = np.bincount(true, minlength=classes)
    if counts.sum() < needed:
        return None
    order = np.argsort(counts, kind="stable")
    least = int((counts < needed).sum())
    while 0 < least < classes and counts[order[:least]].sum() < needed:
        least += 1
    shared, given = np.sort(order[:least]), probabilities[np.arange(len(true)), true].astype(np.float64)
    thresholds = np.zeros(classes)
    for members in ([shared] if least else []) + [np.array([label]) for label in np.sort(order[least:])]:
        ranked = np.sort(given[np.isin(true, members)])
        thresholds[members] = ranked[math.floor((len(ranked) + 1) * (1 - coverage) + _ROUNDING) - 1]
    return PredictionSets(
        coverage=coverage,
        thresholds=tuple(map(float, thresholds)),
        pictures=tuple(map(int, counts)),
        shared=tuple(map(int, shared)),
        measured_on=measured_on,
    )
