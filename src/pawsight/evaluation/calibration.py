"""Calibration: is what a classifier calls 90 % right nine times in ten, and the temperature that makes it so.

Enters: true class indices and probabilities. Leaves: errors, bins. Does not know: files, models.

Bins are of equal width, as in C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks",
ICML 2017: a picture's bin then depends on nothing but its own confidence, so that resampled pictures keep their bins
and pictures of equal confidence cannot part. Bins of equal mass (J. Nixon et al., "Measuring calibration in deep
learning", CVPR workshops 2019) would split a good classifier's sure answers more finely, and be mostly noise there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawsight.evaluation.intervals import Interval, wilson

BINS = 15
TINY = 1e-12  # probabilities are clipped here, so that one wrong certainty costs 27.6 nats and not infinity

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bin:
    """The pictures whose answers were about equally sure."""

    low: float  # of the confidence, excluded except by the first bin
    high: float  # of the confidence, included
    pictures: int  # at least 1
    confidence: float  # mean probability of the answers
    accuracy: float  # share of them that are right
    interval: Interval  # of the accuracy, Wilson, 95 %


def expected_calibration_error(true: Ints, probabilities: Floats, bins: int = BINS) -> float:
    """Return how far confidence and accuracy lie apart, as a share in [0, 1], averaged over the pictures.

    Args:
        true: class indices (N,), each in [0, C), N at least 1.
        probabilities: (N, C), rows adding up to 1.
        bins: number of bins of equal width.

    In small samples it lies above the truth, since even a perfectly calibrated classifier is off by chance in each bin.
    """
    right = probabilities.argmax(axis=1) == true
    gaps = right - probabilities.max(axis=1).astype(np.float64)
    sums = np.bincount(bins_of(probabilities, bins), weights=gaps, minlength=bins)
    return float(np.abs(sums).sum() / len(true))


def brier_score(true: Ints, probabilities: Floats) -> float:
    """Return the mean over N pictures of the squared distance from the truth, summed over the C classes: in [0, 2].

    Source: G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.
    """
    return float(squared_distances(true, probabilities).mean())


def squared_distances(true: Ints, probabilities: Floats) -> Doubles:
    """Return each picture's part (N,) of the Brier score."""
    given = np.asarray(probabilities, np.float64)
    return np.asarray(np.einsum("ij,ij->i", given, given) - 2 * given[np.arange(len(true)), true] + 1)


def reliability(true: Ints, probabilities: Floats, bins: int = BINS) -> tuple[Bin, ...]:
    """Return the bins that hold pictures, the least sure first.

    Args:
        true: class indices (N,), each in [0, C).
        probabilities: (N, C), rows adding up to 1.
        bins: number of bins of equal width.
    """
    places = bins_of(probabilities, bins)
    right = probabilities.argmax(axis=1) == true
    confidences = probabilities.max(axis=1)
    return tuple(
        _bin(index, bins, right[places == index], confidences[places == index]) for index in np.unique(places).tolist()
    )


def bins_of(probabilities: Floats, bins: int = BINS) -> Ints:
    """Return the bin (N,) of each answer by its confidence: (0, 1/bins], ..., (1 - 1/bins, 1]."""
    confidences = probabilities.max(axis=1).astype(np.float64)
    return np.asarray(np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1))


def _bin(index: int, bins: int, right: NDArray[np.bool_], confidences: Floats) -> Bin:
    hits, pictures = int(right.sum()), len(right)
    confidence = float(confidences.mean(dtype=np.float64))
    return Bin(index / bins, (index + 1) / bins, pictures, confidence, hits / pictures, wilson(hits, pictures))
