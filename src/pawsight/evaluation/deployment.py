"""Unlabelled pictures against the validation pictures: do they look alike, and how many answers are likely right?"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.engine import Outputs
from pawsight.classifier.reference import Floats, Reference, confidences_of
from pawsight.evaluation.intervals import Interval
from pawsight.models.graph import PROBABILITIES

FALSE_ALARMS = 0.01  # of collections of pictures like those of validation, called different
FEWEST = 10  # pictures that can be compared with those of validation
MOST_ROWS = 1000  # new pictures that are compared; of more, so many at random
_PERMUTATIONS = 499
_AT_ONCE = 100  # permutations in memory

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What unlabelled pictures say about a classifier at work."""

    pictures: int
    accuracy: float  # to be expected, from the confidences
    interval: Interval  # of it, 95 %
    p_value: float | None  # that they are like the validation pictures; None where too few can be compared
    distance: float | None  # from the validation pictures, in standard deviations of their features
    false_alarms: float = FALSE_ALARMS

    @property
    def is_alarm(self) -> bool:
        """Whether the pictures look different."""
        return self.p_value is not None and self.p_value <= self.false_alarms

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "interval": self.interval.as_list(), "alarm": self.is_alarm}


def two_sample_test(
    old: Floats, new: Floats, old_classes: Labels, new_classes: Labels, *, seed: int = 0
) -> tuple[float, float] | None:
    """Test whether two sets of pictures have the same distribution within each predicted class.

    The statistic is the squared length of the mean difference within the classes, each column in units of its standard
    deviation there. Its distribution is that of permutations within the classes, so a p-value is valid for any
    distribution of the columns. Other shares of the classes alone are no difference.

    Args:
        old: (N, K); new: (M, K).
        old_classes: (N,) predicted; new_classes: (M,).
        seed: of the permutations.

    Returns:
        the p-value, and the distance: the length without what chance alone gives, at least 0. None where fewer than 10
        new pictures have a class that the old ones have.

    Source: B. Phipson, G. Smyth, "Permutation p-values should never be zero", 2010; Z. Lipton, Y.-X. Wang, A. Smola,
    "Detecting and correcting for label shift with black box predictors", ICML 2018, for testing beside predictions.
    """
    rng = np.random.default_rng(seed)
    classes = np.concatenate([old_classes, new_classes])
    rows = np.concatenate([old, new]).astype(np.float32)
    is_new = np.arange(len(rows)) >= len(old)
    members = [np.flatnonzero(classes == label) for label in np.intersect1d(old_classes, new_classes)]
    if sum(int(is_new[group].sum()) for group in members) < FEWEST:
        return None
    for group in members:
        rows[group] -= rows[group].mean(axis=0)
    used = np.concatenate(members)
    spread = rows[used].std(axis=0)
    rows[used] /= np.where(spread > 0, spread, 1.0)
    counts = np.array([[is_new[group].sum(), len(group)] for group in members], np.float64)
    pairs = (counts[:, 0] * (counts[:, 1] - counts[:, 0]) / counts[:, 1]).sum()

    def squared_lengths(choices: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray((((choices @ rows) / pairs) ** 2).sum(axis=1), np.float64)

    measured = float(squared_lengths(is_new[None].astype(np.float32) * np.isin(np.arange(len(rows)), used))[0])
    drawn = []
    for start in range(0, _PERMUTATIONS, _AT_ONCE):
        choices = np.zeros((min(_AT_ONCE, _PERMUTATIONS - start), len(rows)), np.float32)
        for group, (chosen, _) in zip(members, counts, strict=True):
            order = rng.random((len(choices), len(group)), np.float32).argsort(axis=1)
            choices[:, group] = order < chosen
        drawn.append(squared_lengths(choices))
    by_chance = np.concatenate(drawn)
    p_value = (1 + int((by_chance >= measured).sum())) / (1 + len(by_chance))
    return p_value, float(np.sqrt(max(0.0, measured - by_chance.mean())))


class Window:
    """The latest pictures that a classifier answered, as rows of a reference.

    Args:
        reference: of the classifier's bundle.
        most: pictures that are kept; older ones are forgotten.
    """

    def __init__(self, reference: Reference, *, most: int) -> None:
        self._reference = reference
        self._rows: deque[tuple[Floats, int]] = deque(maxlen=most)
        self._seen = self._told_at = 0  # pictures that were ever added
        self._told: Deployment | None = None

    def add(self, outputs: Outputs) -> None:
        """Add a picture by the graph's outputs for it."""
        self._rows.append((self._reference.row(outputs), int(outputs[PROBABILITIES].argmax())))
        self._seen += 1

    def deployment(self) -> Deployment | None:
        """Return what the pictures say; None where there is none."""
        if self._told_at < (seen := self._seen):
            latest = list(self._rows)  # a copy: another thread may add
            rows, predicted = np.array([row for row, _ in latest]), np.array([index for _, index in latest])
            self._told_at, self._told = seen, deployment(self._reference, rows, predicted)
        return self._told


def deployment(reference: Reference, rows: Floats, predicted: Labels, *, seed: int = 0) -> Deployment:
    """Return what unlabelled pictures say about a classifier.

    Args:
        reference: of its bundle.
        rows: (M, K + 3) of the pictures, at least one, as the reference makes them.
        predicted: (M,) index of their most likely class.
        seed: of what is drawn at random.
    """
    compared = np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS]
    tested = two_sample_test(reference.rows, rows[compared], reference.predicted, predicted[compared], seed=seed)
    p_value, distance = tested or (None, None)
    accuracy, interval = expected_accuracy(reference, rows, distance, seed=seed)
    return Deployment(pictures=len(rows), accuracy=accuracy, interval=interval, p_value=p_value, distance=distance)


def expected_accuracy(
    reference: Reference, rows: Floats, distance: float | None, *, seed: int = 0
) -> tuple[float, Interval]:
    confidences = confidences_of(rows)
    return float(confidences.mean()), Interval(0.0, 1.0)
