"""Calibration: Brier score, expected calibration error with its interval, and the bins of a reliability diagram.

The temperature that calibrates a classifier is fitted in `classifier.trust`. Bins are of equal width, as in C. Guo,
G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017: a picture's bin then depends
on its own confidence alone, so resampled pictures keep their bins. Bins of equal mass (J. Nixon et al., "Measuring
calibration in deep learning", CVPR workshops 2019) would split a good classifier's confident answers more finely, and
be mostly noise there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawsight.evaluation.intervals import Interval, share_interval

BINS = 15
LEAST = 20  # pictures in a group of a reliability diagram
# Probabilities are clipped here, as by scikit-learn's log_loss: one wrong certainty costs 36 nats and not infinity.
TINY = float(np.finfo(np.float64).eps)
_DRAWS = 1000
_HALVINGS = 20  # of a bracket of twice the error: to its millionth part
_PRIOR = 1  # picture added to each bin, right as often as its confidence says, so that no bin is beyond doubt
_LOW_END, _HIGH_END = 0.975, 0.025

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures of similar confidence."""

    low: float  # the lowest confidence in it
    high: float  # the highest
    pictures: int  # at least 1
    confidence: float  # mean probability of the answers
    accuracy: float  # share of them that are right
    interval: Interval  # of the accuracy, Wilson, 95 %


def expected_calibration_error(
    true: Ints, probabilities: Floats, bins: int = BINS, *, weights: Floats | None = None
) -> float:
    """Return how far confidence and accuracy lie apart, as a share in [0, 1], averaged over the pictures.

    Args:
        true: class indices (N,), each in [0, C), N at least 1.
        probabilities: (N, C), rows adding up to 1.
        bins: number of bins of equal width.
        weights: of the pictures (N,); None: all count the same.

    In small samples it lies above the truth, since even a perfectly calibrated classifier is off by chance in each bin.
    """
    right = probabilities.argmax(axis=1) == true
    shares = np.ones(len(true)) if weights is None else weights
    gaps = (right - probabilities.max(axis=1).astype(np.float64)) * shares
    sums = np.bincount(bins_of(probabilities, bins), weights=gaps, minlength=bins)
    return float(np.abs(sums).sum() / shares.sum())


def brier_score(true: Ints, probabilities: Floats) -> float:
    """Return the mean over N pictures of the squared distance from the truth, summed over the C classes: in [0, 2].

    Source: G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.
    """
    return float(squared_distances(true, probabilities).mean())


def log_losses(true: Ints, probabilities: Floats) -> Doubles:
    """Return -ln(probability of the truth), in nats, of each picture (N,)."""
    given = np.asarray(probabilities, np.float64)[np.arange(len(true)), true]
    return np.asarray(np.abs(np.log(np.clip(given, TINY, 1.0))))  # never -0.0, which reads badly


def squared_distances(true: Ints, probabilities: Floats) -> Doubles:
    """Return each picture's part (N,) of the Brier score."""
    given = np.asarray(probabilities, np.float64)
    return np.asarray(np.einsum("ij,ij->i", given, given) - 2 * given[np.arange(len(true)), true] + 1)


def reliability(
    true: Ints, probabilities: Floats, *, least: int = LEAST, groups: Ints | None = None
) -> tuple[Bin, ...]:
    """Return bins of equal count, the least confident first: no point of a diagram rests on a few pictures.

    Args:
        true: class indices (N,), each in [0, C), N at least 1.
        probabilities: (N, C), rows adding up to 1.
        least: pictures in each bin; fewer than that in all are one bin.
        groups: group numbers (N,) of pictures that are not independent; None where all are.
    """
    right, confidences = probabilities.argmax(axis=1) == true, probabilities.max(axis=1).astype(np.float64)
    order = np.argsort(confidences, kind="stable")
    found = []
    for inside in np.array_split(order, min(BINS, max(1, len(order) // least))):
        hits, own = int(right[inside].sum()), confidences[inside]
        ends = share_interval(right[inside], None if groups is None else groups[inside])
        low, high = float(own[0]), float(own[-1])
        found.append(Bin(low, high, len(inside), float(own.mean()), hits / len(inside), ends))
    return tuple(found)


def bins_of(probabilities: Floats, bins: int = BINS) -> Ints:
    """Return the bin (N,) of each answer by its confidence: (0, 1/bins], ..., (1 - 1/bins, 1]."""
    confidences = probabilities.max(axis=1).astype(np.float64)
    return np.asarray(np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1))


def ece_interval(
    true: Ints, probabilities: Floats, bins: int = BINS, *, seed: int = 0, effect: float = 1.0
) -> Interval | None:
    """Return the 95 % interval of the expected calibration error, widened to hold what was measured.

    The error is a sum of absolute gaps, so chance only adds to it: 300 pictures of a perfectly calibrated classifier
    measure some 4 %, and resampling adds the same once more. The percentile bootstrap therefore lies above the truth
    (it held it 0 to 96 times in 100: docs/decisions/0007-intervals.md). This interval inverts a test (E. L. Lehmann,
    J. P. Romano, "Testing Statistical Hypotheses", chapter 3): it holds the errors that could have led to the measured
    one. How a true error spreads over the bins is not known, and one gap hides less than many small ones do; so the
    lower end is sought with the gaps that chance does not explain, the upper end with all gaps, the smallest made half
    as wide as chance is.

    Args:
        true: class indices (N,), each in [0, C), N at least 1.
        probabilities: (N, C), rows adding up to 1.
        bins: as for the error itself.
        seed: of 1,000 draws. Time does not depend on N beyond one pass.
        effect: of pictures that come in groups, as `design_effect` has it: chance is that much larger.

    Returns:
        the interval, or None where every answer has confidence 1 and is right.
    """
    gaps, noise = _gaps_and_noise(true, probabilities, bins, np.random.default_rng(seed))
    noise *= effect**0.5
    measured, spreads = float(np.abs(gaps).sum()), noise.std(axis=0)
    if not spreads.max() > 1e-12:
        return None
    low = _error_with(_unexplained(gaps, spreads), noise, measured, _LOW_END)
    high = _error_with(np.where(gaps < 0, -1, 1) * np.hypot(gaps, spreads / 2), noise, measured, _HIGH_END)
    return Interval(min(low, measured), min(1.0, max(high, measured)))


def _gaps_and_noise(
    true: Ints, probabilities: Floats, bins: int, chance: np.random.Generator
) -> tuple[Doubles, Doubles]:
    """Return each bin's gap (B,) as its share in the error, with its sign, and what chance adds to it (draws, B)."""
    places = bins_of(probabilities, bins)
    right = (probabilities.argmax(axis=1) == true).astype(np.float64)
    pictures = np.bincount(places, minlength=bins)
    hits = np.bincount(places, weights=right, minlength=bins)
    sure = np.bincount(places, weights=probabilities.max(axis=1), minlength=bins)
    confidences = np.clip(sure / np.maximum(pictures, 1), 0.0, 1.0)
    likely = np.clip((hits + _PRIOR * confidences) / (pictures + _PRIOR), 0.0, 1.0)
    drawn = chance.multinomial(len(true), pictures / len(true), _DRAWS)
    noise = chance.binomial(drawn, likely) - drawn * confidences - pictures * (likely - confidences)
    return (hits - sure) / len(true), noise / len(true)


def _unexplained(gaps: Doubles, spreads: Doubles) -> Doubles:
    """Return the gaps less what chance alone puts into each; if nothing is left, the one that stands out most."""
    left = np.sign(gaps) * np.sqrt(np.maximum(gaps**2 - spreads**2, 0.0))
    if left.any():
        return np.asarray(left)
    lone = np.zeros_like(gaps)
    lone[np.argmax(np.abs(gaps) / np.maximum(spreads, 1e-12))] = 1.0
    return lone


def _error_with(shape: Doubles, noise: Doubles, measured: float, quantile: float) -> float:
    """Return the true error, spread over the bins like `shape`, of which `quantile` of all samples measure less."""
    unit = shape / np.abs(shape).sum()
    low, high = 0.0, 2 * measured
    if _share_below(0.0 * unit, noise, measured) <= quantile:
        return 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_above = _share_below(middle * unit, noise, measured) > quantile
        low, high = (middle, high) if is_above else (low, middle)
    return low


def _share_below(gaps: Doubles, noise: Doubles, measured: float) -> float:
    return float((np.abs(gaps + noise).sum(axis=1) <= measured).mean())
