"""Unlabelled pictures against the validation pictures: do they look alike, and how many answers are likely right?"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle
from pawsight.classifier.engine import Outputs
from pawsight.classifier.reference import Floats, Reference, confidences_of
from pawsight.core.errors import WrongUsage
from pawsight.evaluation.intervals import Interval
from pawsight.models.graph import PROBABILITIES

FALSE_ALARMS = 0.01  # of collections of pictures like those of validation, called different
FEWEST = 10  # pictures that can be compared with those of validation
MOST_ROWS = 1000  # new pictures that are compared; of more, so many at random
MOST_REMEMBERED = 20_000  # new pictures of a window
_PERMUTATIONS = 499
_AT_ONCE = 100  # permutations in memory
_TIE = 1 - 1e-5  # the same pictures in another order give sums that differ in their last digits
_USUAL = 0.95  # quantile of the distances of validation pictures up to which a confidence is wholly believed
_SIGMAS = 1.96

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
    p_value = (1 + int((by_chance >= measured * _TIE).sum())) / (1 + len(by_chance))
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

    @classmethod
    def of(cls, bundle: Bundle, *, most: int = MOST_REMEMBERED) -> Window:
        """Return an empty window of a bundle's classifier.

        Raises:
            WrongUsage: the bundle has no reference.
        """
        if bundle.reference is None:
            raise WrongUsage(
                f"{bundle.folder} keeps nothing to compare pictures with.",
                "It was made by an earlier version, with fewer than 10 validation pictures, or with --class-weights.",
                "Train again, with more pictures where they were few and without weights, or leave --expect out.",
            )
        return cls(bundle.reference, most=most)

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
    accuracy, interval = expected_accuracy(reference, rows, predicted)
    return Deployment(pictures=len(rows), accuracy=accuracy, interval=interval, p_value=p_value, distance=distance)


def expected_accuracy(reference: Reference, rows: Floats, predicted: Labels) -> tuple[float, Interval]:
    """Return the share of right answers to be expected for unlabelled pictures, and its 95 % interval.

    The mean confidence is right for pictures like those of validation, after what it is off by there, and too high for
    others: under shift it was off by up to 70 points (docs/experiments.md). So the confidence of a picture is believed
    in part only: wholly up to the distance that 95 % of the validation pictures keep, and half at twice that. For the
    rest, any share from none to the confidence may be right; halfway from chance to the confidence is expected. Where
    validation is that far too, the share that is not believed there is taken off.

    Args:
        reference: of the classifier's bundle.
        rows: (M, K + 3) of the pictures, at least one.
        predicted: (M,) index of their most likely class.

    Source: average confidence, and its failure under shift: S. Garg et al., "Leveraging unlabeled data to predict
    out-of-distribution performance", ICLR 2022; D. Guillory et al., "Predicting with confidence on unseen
    distributions", ICCV 2021.
    """
    known, given = _distances(reference, rows, predicted)
    usual = np.quantile(known, _USUAL)
    doubts, doubts_at_home = (1 - np.minimum(1.0, usual / np.maximum(away, usual)) for away in (given, known))
    doubts *= max(0.0, 1 - doubts_at_home.mean() / max(doubts.mean(), 1e-9))
    confidences = confidences_of(rows)
    right, seen = reference.right, len(reference.right)
    believed = np.clip(confidences + right.mean() - confidences_of(reference.rows).mean(), 0.0, 1.0)
    half = (1 / reference.classes + confidences) / 2
    accuracy, low, high = (
        float(((1 - doubts) * believed + doubts * others).mean())
        for others in (half, np.zeros_like(half), np.maximum(believed, confidences))
    )
    share = (right.sum() + 1) / (seen + 2)  # of right answers on validation, whose error the correction has

    def error(expected: float) -> float:
        smoothed = (expected * len(rows) + 1) / (len(rows) + 2)
        return float(_SIGMAS * np.sqrt(smoothed * (1 - smoothed) / len(rows) + share * (1 - share) / seen))

    return accuracy, Interval(max(0.0, low - error(low)), min(1.0, high + error(high)))


def _distances(
    reference: Reference, rows: Floats, predicted: Labels
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean squared distance of each validation picture (N,) and new picture (M,) from its class's centre.

    A centre is the mean of the class in validation, drawn towards the mean of all by the weight of two pictures; for a
    validation picture it is that of the others. Distances are in units of those of validation; the confidence is left
    out.
    """
    own, new = reference.rows[:, :-1].astype(np.float64), rows[:, :-1].astype(np.float64)
    middle = own.mean(axis=0)
    sums = np.zeros((reference.classes, own.shape[1]))
    np.add.at(sums, reference.predicted, own)
    counts = np.bincount(reference.predicted, minlength=reference.classes)[:, None]
    at_home = own - (sums[reference.predicted] - own + 2 * middle) / (counts[reference.predicted] + 1)
    away = new - (sums[predicted] + 2 * middle) / (counts[predicted] + 2)
    spread = at_home.std(axis=0)
    spread[spread == 0] = 1.0
    return ((at_home / spread) ** 2).mean(axis=1), ((away / spread) ** 2).mean(axis=1)
