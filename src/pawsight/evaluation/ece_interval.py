"""The interval of the expected calibration error.

Enters: true class indices and probabilities. Leaves: an interval. Does not know: other figures.

The error is a sum of absolute gaps, so chance only ever adds to it: of a perfectly calibrated classifier 300 pictures
measure some 4 %, and resampling adds the same once more. The percentile bootstrap therefore lies above the truth (it
held it 0 to 96 times in 100, see docs/decisions/0007-intervals.md). This interval turns the question round instead: it
holds the errors that could have led to the measured one (inverting a test; E. L. Lehmann, J. P. Romano, "Testing
Statistical Hypotheses", chapter 3). How a true error spreads over the bins is not known, and a lone gap hides less than
many small ones do; so the lower end is sought with the gaps that chance does not explain, the upper end with all gaps,
the smallest made half as wide as chance is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawsight.evaluation.calibration import BINS, bins_of
from pawsight.evaluation.intervals import Interval

_DRAWS = 1000
_HALVINGS = 20  # of a bracket of twice the error: to its millionth part
_PRIOR = 1  # picture added to each bin, right as often as they are sure, so that a bin all right is not beyond doubt
_LOW_END, _HIGH_END = 0.975, 0.025

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]


def ece_interval(true: Ints, probabilities: Floats, bins: int = BINS, *, seed: int = 0) -> Interval | None:
    """Return the 95 % interval of the expected calibration error, widened to hold what was measured.

    Args:
        true: class indices (N,), each in [0, C), N at least 1.
        probabilities: (N, C), rows adding up to 1.
        bins: as for the error itself.
        seed: of 1,000 draws. Time does not depend on N beyond one pass.

    Returns:
        the interval, or None where every answer is wholly sure and right, which chance is not seen to change.
    """
    gaps, noise = _gaps_and_noise(true, probabilities, bins, np.random.default_rng(seed))
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
