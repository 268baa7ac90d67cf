"""One fit of logistic regression with an L2 penalty: scikit-learn's objective and stopping rules, solved by SciPy.

A softmax over classes, or a sigmoid for each of several labels. The regularisation is chosen in `probe` and
`several_labels`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Exact = NDArray[np.float64]
Labels = NDArray[np.int64]

# The settings of scikit-learn's LogisticRegression(solver="lbfgs"). At a tolerance of 1e-3 the steps end well before
# the minimum, which holds the weights back a little more: another solver would end elsewhere and be another head.
_LEAST_GAIN = 64 * np.finfo(float).eps  # of a step, as a share of the value
_LINE_SEARCH_STEPS = 50
_ROWS_AT_ONCE = 4096  # in float64; for all, 70,000 pictures of 1,000 classes would take 2 GB more
_SINGLE_THREAD = 100_000  # pictures x classes of a fit that is quicker on one thread


def blas_threads_for(pictures: int, classes: int) -> AbstractContextManager[object]:
    """Limit the threads of linear algebra while heads of a size are fitted.

    Small fits: OpenBLAS spends seconds on waking threads that share two cores, and 0.02 s on one. SciPy has an OpenBLAS
    of its own, which must be loaded to be limited.
    """
    import scipy.linalg
    import scipy.optimize  # noqa: F401
    from threadpoolctl import threadpool_limits

    threads = 1 if pictures * classes <= _SINGLE_THREAD else None
    limits: AbstractContextManager[object] = threadpool_limits(threads, user_api="blas")
    return limits


def fit_logistic(
    features: Floats,
    labels: Labels,
    *,
    strength: float,
    weights: Floats | None = None,
    tolerance: float = 1e-3,
    most_steps: int = 200,
    start: tuple[Floats, Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Fit coefficients and intercepts.

    Minimised is mean(weight * log loss) + |coefficients|^2 / (2 C N); the intercepts are not penalised.

    Args:
        features: (N, D), standardised.
        labels: class indices (N,) from 0 to C - 1, each class at least once.
        strength: C of the penalty, its inverse strength.
        weights: of the pictures (N,), 1 on average; None: each has 1.
        tolerance: steps end when no part of the gradient is larger.
        most_steps: or after so many.
        start: coefficients and biases to begin at.

    Returns:
        coefficients (D, C) and biases (C,) of a softmax. Two classes are fitted as one logit, the second against the
        first, which is then halved to either side.

    Source: scikit-learn's LogisticRegression.
    """
    classes = int(labels.max()) + 1
    binary = classes == 2
    loss = _sigmoids if binary else _softmax
    truths = labels[:, None].astype(np.float32) if binary else np.eye(classes, dtype=np.float32)[labels]
    shares = None if weights is None else weights[:, None].astype(np.float32)
    table = np.zeros((features.shape[1] + 1, classes)) if start is None else np.vstack(start).astype(np.float64)
    first = table[:, 1:] - table[:, :1] if binary else table
    table = _minimised(loss, features, truths, shares, first, strength, tolerance, most_steps)
    if binary:
        table = np.hstack([-table, table]) / 2
    return table[:-1].astype(np.float32), table[-1].astype(np.float32)


def fit_sigmoids(
    features: Floats,
    truth: NDArray[np.bool_],
    *,
    strength: float,
    tolerance: float = 1e-3,
    most_steps: int = 200,
    start: tuple[Floats, Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Fit a logistic regression for each of several labels, all in one go: they share the products with the features.

    Args:
        features: (N, D), standardised.
        truth: whether each picture has each label (N, L). A label that all pictures have, or none, gets a large bias.
        strength, tolerance, most_steps, start: as for `fit_logistic`.

    Returns:
        coefficients (D, L) and biases (L,) of the logits.

    Source: scikit-learn's OneVsRestClassifier of LogisticRegression.
    """
    table = np.zeros((features.shape[1] + 1, truth.shape[1])) if start is None else np.vstack(start).astype(np.float64)
    table = _minimised(_sigmoids, features, truth.astype(np.float32), None, table, strength, tolerance, most_steps)
    return table[:-1].astype(np.float32), table[-1].astype(np.float32)


def _minimised(
    loss: Callable[[Floats, Floats, Floats | None], tuple[float, Floats]],
    features: Floats,
    truths: Floats,
    weights: Floats | None,
    first: Exact,
    strength: float,
    tolerance: float,
    most_steps: int,
) -> Exact:
    """Return coefficients and, in the last row, biases (D + 1, K) that minimise a loss with its penalty."""
    from scipy.optimize import minimize

    width, columns = features.shape[1], first.shape[1]
    penalty = 1.0 / (strength * len(features))

    def value_and_gradient(flat: Exact) -> tuple[float, Exact]:
        table, bias = np.split(flat.reshape(width + 1, columns), [width])
        value, slopes = loss(features @ table.astype(np.float32) + bias.astype(np.float32), truths, weights)
        gradient = np.concatenate([features.T @ slopes + penalty * table, slopes.sum(axis=0, keepdims=True)])
        return value + 0.5 * penalty * float((table**2).sum()), gradient.ravel()

    options = {"gtol": tolerance, "ftol": _LEAST_GAIN, "maxiter": most_steps, "maxls": _LINE_SEARCH_STEPS}
    found: Exact = minimize(value_and_gradient, first.ravel(), method="L-BFGS-B", jac=True, options=options).x
    return found.reshape(width + 1, columns)


def class_weights(labels: Labels, *, classes: int) -> Floats:
    """Return a weight for each picture (N,), inverse to the size of its class, with a mean of 1."""
    counts = np.bincount(labels, minlength=classes)
    each = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return each[labels].astype(np.float32)


def _sigmoids(logits: Floats, truths: Floats, weights: Floats | None) -> tuple[float, Floats]:
    """Return the mean loss, summed over columns, and its slope (N, K) in each logit (N, K); truths are 0 or 1."""
    exact = logits.astype(np.float64)  # of few numbers; the products of many stay in float32
    values = (np.logaddexp(0, exact) - truths * exact).astype(np.float32)
    slopes = (np.exp(-np.logaddexp(0, -exact)) - truths).astype(np.float32)
    if weights is not None:
        values, slopes = values * weights, slopes * weights
    return float(values.sum() / len(logits)), slopes / np.float32(len(logits))


def _softmax(logits: Floats, truths: Floats, weights: Floats | None) -> tuple[float, Floats]:
    """Return the mean loss and its slope (N, C) in each logit (N, C), where truths (N, C) are 1 for the class."""
    values, slopes = np.empty(len(logits), np.float32), np.empty_like(logits)
    for start in range(0, len(logits), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        shifted = logits[rows].astype(np.float64) - logits[rows].max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        sums = powers.sum(axis=1, keepdims=True)
        values[rows] = np.log(sums[:, 0]) - (truths[rows] * shifted).sum(axis=1)
        slopes[rows] = powers / sums - truths[rows]
    if weights is not None:
        values, slopes = values * weights[:, 0], slopes * weights
    return float(values.sum() / len(logits)), slopes / np.float32(len(logits))
