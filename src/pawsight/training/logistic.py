"""Logistic regression with an L2 penalty, as scikit-learn fits it, without the second that its import takes.

Enters: features, class indices, the inverse strength of the penalty. Leaves: one row of weights a class, or a single
row for two classes. Does not know: folds, which strength is best, pictures.

Minimised is mean(log loss) + |weights|^2 / (2 C N), the intercepts unpunished, by L-BFGS with the settings of
scikit-learn's LogisticRegression. Where the steps end matters: at a tolerance of 1e-3 they end well before the minimum,
which holds the weights back a little more; another minimiser, as good by that tolerance, gave other probabilities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawsight.training.lbfgs import minimise

Floats = NDArray[np.float32]
Exact = NDArray[np.float64]
Labels = NDArray[np.int64]

_LEAST_GAIN = 64 * np.finfo(float).eps  # of a step, as a share of the value
_MOST_TRIES = 50  # lengths of one step


def fit_logistic(
    features: Floats,
    labels: Labels,
    *,
    strength: float,
    tolerance: float,
    most_steps: int,
    start: tuple[Floats, Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Fit weights and intercepts.

    Args:
        features: (N, D), standardised.
        labels: class indices (N,) from 0 to C - 1, each class at least once.
        strength: C of the penalty, its inverse strength.
        tolerance: steps end when no part of the gradient is larger.
        most_steps: or after so many.
        start: weights and intercepts to begin at.

    Returns:
        weights (K, D) and intercepts (K,), where K is C, or 1 for two classes: the second against the first.
    """
    classes = int(labels.max()) + 1
    rows, width = (1 if classes == 2 else classes), features.shape[1]
    penalty = 1.0 / (strength * len(labels))
    loss = _two_classes if rows == 1 else _more_classes
    truths = labels[:, None].astype(np.float32) if rows == 1 else np.eye(classes, dtype=np.float32)[labels]

    def slope(flat: Exact) -> tuple[float, Exact]:
        table = flat.reshape(width + 1, rows).T
        weights, bias = table[:, :-1], table[:, -1]
        value, pointwise = loss(features @ weights.astype(np.float32).T + bias.astype(np.float32), truths)
        gradient = np.empty((width + 1, rows))
        gradient[:-1] = (pointwise.T @ features + penalty * weights).T
        gradient[-1] = pointwise.sum(axis=0)
        return value + 0.5 * penalty * float((weights**2).sum()), gradient.ravel()

    first: Exact = np.zeros((width + 1, rows)) if start is None else np.column_stack(start).T.astype(np.float64)
    found = minimise(
        slope,
        first.ravel(),
        tolerance=tolerance,
        least_gain=_LEAST_GAIN,
        most_steps=most_steps,
        most_tries=_MOST_TRIES,
    )
    table = found.reshape(width + 1, rows).T.astype(np.float32)
    return table[:, :-1].copy(), table[:, -1].copy()


def _two_classes(logits: Floats, truths: Floats) -> tuple[float, Floats]:
    """Return the mean loss and its slope (N, 1) in each logit (N, 1), where truths (N, 1) are 0 or 1."""
    exact = logits.astype(np.float64)  # of few numbers; the products of many stay in float32
    values = (np.logaddexp(0, exact) - truths * exact).astype(np.float32)
    slopes = (np.exp(-np.logaddexp(0, -exact)) - truths).astype(np.float32)
    return float(values.sum() / len(logits)), slopes / np.float32(len(logits))


def _more_classes(logits: Floats, truths: Floats) -> tuple[float, Floats]:
    """Return the mean loss and its slope (N, C) in each logit (N, C), where truths (N, C) are 1 for the class."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    sums = powers.sum(axis=1, keepdims=True)
    values = (np.log(sums[:, 0]) - (truths * shifted).sum(axis=1)).astype(np.float32)
    slopes = (powers / sums - truths).astype(np.float32)
    return float(values.sum() / len(logits)), slopes / np.float32(len(logits))
