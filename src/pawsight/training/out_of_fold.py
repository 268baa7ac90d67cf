"""What a linear head says of each picture that it has not learnt from: out-of-fold probabilities in seconds.

Enters: features, labels and duplicate groups. Leaves: probabilities (N, C). Does not know: pictures, parts, what the
answers are compared with.

Equal and near-equal pictures share a fold, else a wrong label would vouch for its own copy. The second round learns
without the labels that the first one doubts most, so that wrong labels teach less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.data.split import stratified_counts, stratified_group_split
from pawsight.training.logistic import fit_logistic

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

FOLDS = 5
ROUNDS = 2
# Stronger than what is best for accuracy: a head that can fit single pictures learns wrong labels by heart.
STRENGTH = 1e-3  # inverse strength of the L2 penalty on standardised features; measured, see docs/experiments.md
MOST_DOUBTED = 0.3  # share of a class that the second round may leave out at most
_ALONE = 100_000  # pictures x classes below which OpenBLAS is quicker on its own, as for the probe
_TINY_SPREAD = 1e-6


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
    """Return what heads say of pictures that they have not learnt from.

    Args:
        features: of all pictures (N, D).
        labels: class indices (N,), right or wrong, each in [0, classes).
        groups: group numbers (N,); pictures of one group are never on both sides of a fold.
        classes: how many there are, C.
        seed: of the folds.
        rounds: from the second on, labels that the round before doubts are not learnt from.

    Returns:
        probabilities (N, C), rows adding up to 1; a row of NaN where the other folds show nothing of the picture's
        own class, so that nothing can be said against its label.

    Source: C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
    Journal of Artificial Intelligence Research 70, 2021 (out-of-fold probabilities; learning without the doubted).
    """
    from threadpoolctl import threadpool_limits

    spread = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(spread < _TINY_SPREAD, 1.0, spread)
    scaled = scaled.astype(np.float32, copy=False)
    taught = np.ones(len(labels), dtype=bool)
    probabilities = np.full((len(labels), classes), np.nan, np.float32)
    with (
        progress.stage("Asking for a second opinion", rounds * FOLDS, "folds") as step,
        threadpool_limits(1 if len(labels) * classes <= _ALONE else None, user_api="blas"),
    ):
        for round_number in range(rounds):
            fold = _folds(labels, groups, classes, seed + round_number)
            for number in range(FOLDS):
                rows = fold == number
                probabilities[rows] = _answers(scaled, labels, taught & ~rows, rows, classes)
                step.advance()
            taught = ~doubted(probabilities, labels, classes=classes)
    return probabilities


def doubted(probabilities: Floats, labels: Labels, *, classes: int) -> NDArray[np.bool_]:
    """Say of each picture (N,) whether its label is so doubtful that nothing should be learnt from it.

    Doubtful is a label that is not the likeliest; of each class at most 30 %, the most doubtful ones.
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


def _folds(labels: Labels, groups: Labels, classes: int, seed: int) -> Labels:
    """Deal pictures into folds, stratified and whole groups at a time; returns fold numbers (N,)."""
    order = np.random.default_rng(seed).permutation(len(labels))
    wanted = stratified_counts(np.bincount(labels, minlength=classes), [1 / FOLDS] * FOLDS)
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = stratified_group_split(labels[order], groups[order], wanted)
    return fold


def _answers(
    scaled: Floats, labels: Labels, taught: NDArray[np.bool_], asked: NDArray[np.bool_], classes: int
) -> Floats:
    """Return probabilities (asked, C) of a head fitted to the taught pictures."""
    from scipy.special import softmax

    answers = np.zeros((int(asked.sum()), classes), np.float32)
    known = np.unique(labels[taught])
    if len(known) > 1 and len(answers):
        numbers = np.searchsorted(known, labels[taught])  # without gaps
        weights, bias = fit_logistic(scaled[taught], numbers, strength=STRENGTH)
        answers[:, known] = softmax(scaled[asked] @ weights + bias, axis=1)
    elif len(known) == 1:
        answers[:, known] = 1.0
    answers[~np.isin(labels[asked], known)] = np.nan
    return answers
