"""Out-of-fold probabilities of a linear head: its outputs for each picture when it was fitted without it, in seconds.

Equal and near-equal pictures share a fold, else a wrong label would be supported by its own copy. The second round
leaves out the labels that the first one doubts most, so that wrong labels teach less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.training.folds import group_folds, label_folds
from pawsight.training.logistic import blas_threads_for, fit_logistic, fit_sigmoids
from pawsight.training.relevance import standardised

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]

FOLDS = 5
ROUNDS = 2
# Stronger than what is best for accuracy: a head that can fit single pictures memorises wrong labels.
STRENGTH = 1e-3  # inverse strength of the L2 penalty on standardised features; measured, see docs/experiments.md
MOST_DOUBTED = 0.3  # share of a class that the second round may leave out at most


def out_of_fold(
    features: Floats,
    labels: Labels,
    groups: Labels,
    *,
    classes: int,
    seed: int = 0,
    rounds: int = ROUNDS,
    progress: Progress = SILENT,
) -> Floats:
    """Return the probabilities that heads give pictures they were not fitted to.

    Args:
        features: of all pictures (N, D).
        labels: class indices (N,), right or wrong, each in [0, classes).
        groups: group numbers (N,); pictures of one group are never on both sides of a fold.
        classes: how many there are, C.
        seed: of the folds.
        rounds: from the second on, labels that the round before doubts are left out of the fits.

    Returns:
        probabilities (N, C), rows adding up to 1; a row of NaN where the other folds have no picture of the picture's
        own class, so that its label cannot be doubted.

    Source: C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
    Journal of Artificial Intelligence Research 70, 2021 (out-of-fold probabilities; fits without doubted labels).
    """
    scaled, _, _ = standardised(features.astype(np.float32))
    taught = np.ones(len(labels), dtype=bool)
    probabilities = np.full((len(labels), classes), np.nan, np.float32)
    with (
        progress.stage("Asking for a second opinion", rounds * FOLDS, "folds") as step,
        blas_threads_for(len(labels), classes),
    ):
        for round_number in range(rounds):
            fold = group_folds(labels, groups, FOLDS, seed + round_number)
            for number in range(FOLDS):
                rows = fold == number
                probabilities[rows] = fit_and_predict(scaled, labels, taught & ~rows, rows, classes)
                step.advance()
            taught = ~doubted(probabilities, labels, classes=classes)
    return probabilities


def out_of_fold_labels(
    features: Floats, truth: Flags, groups: Labels, *, seed: int = 0, progress: Progress = SILENT
) -> Floats:
    """Return the probabilities of several labels that heads give pictures they were not fitted to.

    Args:
        features: of all pictures (N, D).
        truth: whether each picture is said to have each label (N, L).
        groups: group numbers (N,); pictures of one group are never on both sides of a fold.
        seed: of the folds.
        progress: is advanced with each fold.

    Returns:
        probabilities (N, L); NaN where all pictures of the other folds have the label, or none.
    """
    from scipy.special import expit

    scaled, _, _ = standardised(features.astype(np.float32))
    fold = label_folds(truth, groups, min(FOLDS, len(np.unique(groups))), seed)
    probabilities = np.full(truth.shape, np.nan, np.float32)
    folds = int(fold.max()) + 1
    with (
        progress.stage("Asking for a second opinion", folds, "folds") as step,
        blas_threads_for(len(truth), truth.shape[1]),
    ):
        for number in range(folds):
            taught, rows = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            known = np.flatnonzero(truth[taught].any(axis=0) & ~truth[taught].all(axis=0))
            if len(known):
                weights, bias = fit_sigmoids(scaled[taught], truth[np.ix_(taught, known)], strength=STRENGTH)
                probabilities[np.ix_(rows, known)] = expit(scaled[rows] @ weights + bias)
            step.advance()
    return probabilities


def doubted(probabilities: Floats, labels: Labels, *, classes: int) -> NDArray[np.bool_]:
    """Say for each picture (N,) whether its label is too doubtful to be fitted to.

    A label is doubtful when another class is likelier; of each class at most the 30 % most doubtful are marked.
    """
    margins = margins_of(probabilities, labels)
    found = np.zeros(len(labels), dtype=bool)
    for label in range(classes):
        own = np.flatnonzero(labels == label)
        worst = own[np.argsort(-np.nan_to_num(margins[own], nan=-1.0), kind="stable")]
        worst = worst[: int(MOST_DOUBTED * len(own))]
        found[worst] = margins[worst] > 0
    return found


def margins_of(probabilities: Floats, labels: Labels) -> Floats:
    """Return the largest probability of another class minus that of the given one (N,); NaN where nothing is known."""
    rows = np.arange(len(labels))
    given = probabilities[rows, labels]
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    margins: Floats = others.max(axis=1) - given
    return margins


def fit_and_predict(
    scaled: Floats, labels: Labels, taught: NDArray[np.bool_], held_out: NDArray[np.bool_], classes: int
) -> Floats:
    """Return the probabilities (held out, C) of a head fitted to the taught pictures."""
    from scipy.special import softmax

    probabilities = np.zeros((int(held_out.sum()), classes), np.float32)
    known = np.unique(labels[taught])
    if len(known) > 1 and len(probabilities):
        numbers = np.searchsorted(known, labels[taught])  # without gaps
        weights, bias = fit_logistic(scaled[taught], numbers, strength=STRENGTH)
        probabilities[:, known] = softmax(scaled[held_out] @ weights + bias, axis=1)
    elif len(known) == 1:
        probabilities[:, known] = 1.0
    probabilities[~np.isin(labels[held_out], known)] = np.nan
    return probabilities
