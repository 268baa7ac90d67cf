"""Calibration: is what a classifier calls 90 % right nine times in ten, and the temperature that makes it so.

Enters: true class indices and probabilities. Leaves: errors, bins, temperatures. Does not know: files, models.

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
LEAST_TEMPERATURE, GREATEST_TEMPERATURE = 0.05, 20.0
TINY = 1e-12  # probabilities are clipped here, so that one wrong certainty costs 27.6 nats and not infinity
_STEPS = 60  # bisection alone would need 40 for the ninth digit; Newton's steps mostly take 6

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


def fit_temperature(true: Ints, logits: Floats) -> float:
    """Return the temperature that lowers the log loss of softmax(logits / temperature) most.

    Args:
        true: class indices (N,), each in [0, C).
        logits: (N, C), or the logarithms of probabilities, which serve as well; of pictures not trained on.

    Returns:
        a temperature in [0.05, 20]. 1.0, so no change, where N is 0 or where every answer is right: such pictures ask
        for ever surer answers (the temperature would go to 0) and say nothing about when to stop.

    Source: Guo et al. 2017 (above). The loss is convex in 1 / temperature; Newton's steps, halved where they leave the
    bracket.
    """
    scores = _log_softmax(logits)
    if not len(true) or bool((scores.argmax(axis=1) == true).all()):
        return 1.0
    low, high, sharpness = 1 / GREATEST_TEMPERATURE, 1 / LEAST_TEMPERATURE, 1.0
    for _ in range(_STEPS):
        slope, curvature = _derivatives(true, scores, sharpness)
        low, high = (low, sharpness) if slope > 0 else (sharpness, high)
        tried = sharpness - slope / curvature if curvature > 0 else low
        moved = tried if low < tried < high else (low + high) / 2
        if abs(moved - sharpness) < 1e-9 * sharpness:
            break
        sharpness = moved
    return float(np.clip(1 / sharpness, LEAST_TEMPERATURE, GREATEST_TEMPERATURE))


def with_temperature(probabilities: Floats, temperature: float) -> Doubles:
    """Return softmax(log(probabilities) / temperature), (N, C): flatter above 1, sharper below, the order as it was.

    Raises:
        ValueError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"{temperature} is no temperature")
    scores = np.log(np.clip(np.asarray(probabilities, np.float64), TINY, 1.0)) / temperature
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _bin(index: int, bins: int, right: NDArray[np.bool_], confidences: Floats) -> Bin:
    hits, pictures = int(right.sum()), len(right)
    confidence = float(confidences.mean(dtype=np.float64))
    return Bin(index / bins, (index + 1) / bins, pictures, confidence, hits / pictures, wilson(hits, pictures))


def _log_softmax(logits: Floats) -> Doubles:
    given = np.asarray(logits, np.float64)
    shifted = given - given.max(axis=1, keepdims=True) if given.size else given
    scores = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(np.maximum(scores, np.log(TINY)))


def _derivatives(true: Ints, scores: Doubles, sharpness: float) -> tuple[float, float]:
    """Return the first and second derivative of the log loss by sharpness = 1 / temperature."""
    powers = np.exp(sharpness * scores)
    shares = powers / powers.sum(axis=1, keepdims=True)
    mean = (shares * scores).sum(axis=1)
    spread = (shares * scores**2).sum(axis=1) - mean**2
    return float((mean - scores[np.arange(len(true)), true]).mean()), float(spread.mean())
