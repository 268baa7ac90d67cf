"""One number that makes probabilities mean what they say: the temperature of the softmax.

Enters: true class indices and logarithms of probabilities of pictures that were not fitted to. Leaves: a temperature,
probabilities. Does not know: models, parts.

Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST, GREATEST = 0.05, 20.0
_TINY = 1e-38  # near the least normal float32: what underflowed counts as this
_STEPS = 80

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]


def fit_temperature(true: Labels, log_probabilities: Floats) -> float:
    """Return the temperature that gives softmax(log_probabilities / temperature) the lowest log loss.

    Args:
        true: class indices (N,), each in [0, C).
        log_probabilities: (N, C), or logits: what is added to a row does not matter.

    Returns:
        a temperature from 0.05 to 20; 1.0 where every answer is right or there is none, since such answers could be
        made surer without end and say nothing of where to stop.
    """
    scores = np.asarray(log_probabilities, np.float64)
    if not len(true) or bool((scores.argmax(axis=1) == true).all()):
        return 1.0
    scores = scores - scores.max(axis=1, keepdims=True)
    low, high = 1 / GREATEST, 1 / LEAST  # of the inverse, in which the loss is convex: halve on its slope
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _slope(true, scores, middle) > 0 else (middle, high)
    return float(np.clip(2 / (low + high), LEAST, GREATEST))


def with_temperature(probabilities: Floats, temperature: float) -> NDArray[np.float32]:
    """Return probabilities (N, C) as the graph gives them when its logits are divided by a temperature.

    Raises:
        ValueError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"{temperature:g} is no temperature")
    scores = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY)) / temperature
    powers = np.exp(scores - scores.max(axis=1, keepdims=True)) if len(scores) else scores
    shares: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def log_probabilities(probabilities: Floats) -> NDArray[np.float64]:
    """Return logarithms, those of what underflowed included."""
    logs: NDArray[np.float64] = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY))
    return logs


def _slope(true: Labels, scores: NDArray[np.float64], sharpness: float) -> float:
    """Return the slope of the log loss in 1 / temperature: mean score expected minus mean score of the truth."""
    powers = np.exp(scores * sharpness)
    expected = (powers * scores).sum(axis=1) / powers.sum(axis=1)
    return float((expected - scores[np.arange(len(true)), true]).mean())
