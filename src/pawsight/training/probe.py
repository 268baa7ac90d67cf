"""Features -> a linear head: regularised logistic regression, its strength chosen inside the training part.

Enters: features and labels of the training part alone. Leaves: a `Head`. Does not know: pictures, validation, test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.training.logistic import fit_logistic

# Inverse strengths of the L2 penalty on standardised features, from strong to weak.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# Work is counted as pictures x classes. Small fits: OpenBLAS spends 1 s on waking threads that share two cores, and
# 0.02 s on its own. Large ones: the strength is chosen on a stratified sample, so that it costs no more than the fit.
_ALONE = 100_000
_MOST_CHOSEN_ON = 400_000
_TINY_SPREAD = 1e-6  # a feature that never changes is left as it is instead of being divided by nothing

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Head:
    """A linear layer over raw features: logits = features @ weights + bias."""

    weights: Floats  # (D, C)
    bias: Floats  # (C,)
    strength: float  # the inverse strength that was chosen
    folds: int  # of the cross-validation that chose it; 0 where a class had too few pictures for any
    log_losses: tuple[tuple[float, float], ...]  # strength -> mean out-of-fold log loss, in nats; empty without folds
    out_of_fold: tuple[Labels, Floats] | None = None  # rows (M,) and their logits (M, C) by heads fitted without them

    def probabilities(self, features: Floats) -> Floats:
        """Return softmax probabilities (N, C) for features (N, D)."""
        from scipy.special import softmax

        shares: Floats = softmax(features @ self.weights + self.bias, axis=1)
        return shares


def fit_head(
    features: Floats,
    labels: Labels,
    *,
    classes: int,
    folds: int,
    seed: int,
    groups: Labels | None = None,
    progress: Progress = SILENT,
) -> Head:
    """Fit a head.

    Args:
        features: of the training part (N, D).
        labels: class indices (N,), each class present.
        classes: how many there are.
        folds: of the stratified cross-validation; fewer are used where a class has fewer pictures, none where a
            class has a single one (then the middle strength is taken). Where pictures x classes exceed 400,000 the
            strength is chosen on a stratified sample of the pictures.
        seed: of the folds and the sample.
        groups: numbers (N,) of the groups of pictures that look the same, which share a fold where that leaves every
            class in every fold; None where no two do.

    Source: scikit-learn's LogisticRegression (lbfgs) and StratifiedKFold.
    """
    from threadpoolctl import threadpool_limits

    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread < _TINY_SPREAD, 1.0, spread).astype(np.float32)
    scaled = (features - centre) / spread
    rows = _sample(labels, most=max(_MOST_CHOSEN_ON // classes, 2 * classes), seed=seed)
    folds = min(folds, int(np.bincount(labels[rows], minlength=classes).min()))
    with threadpool_limits(1 if len(labels) * classes <= _ALONE else None, user_api="blas"):
        parts = _folds(labels[rows], groups if groups is None else groups[rows], folds, seed) if folds > 1 else []
        held_out = _out_of_fold(scaled[rows], labels[rows], parts, progress)
        losses = {one: _log_loss(logits, labels[rows]) for one, logits in held_out.items()}
        strength = min(losses, key=lambda one: losses[one]) if losses else STRENGTHS[len(STRENGTHS) // 2]
        weights, bias = fit_logistic(scaled, labels, strength=strength)
    weights = weights / spread[:, None]
    bias = bias - centre @ weights
    return Head(
        weights.astype(np.float32),
        bias.astype(np.float32),
        strength,
        folds if losses else 0,
        tuple(losses.items()),
        (rows, held_out[strength]) if losses else None,
    )


def _sample(labels: Labels, *, most: int, seed: int) -> Labels:
    """Return rows, in order: all of them, or a stratified sample of about `most` with two of each class at least."""
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    place_in_class = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.maximum(2, np.ceil(counts * most / len(labels)))
    return np.sort(by_class[place_in_class < np.repeat(kept, counts)])


def _folds(labels: Labels, groups: Labels | None, folds: int, seed: int) -> list[tuple[Labels, Labels]]:
    """Return rows to fit and rows held out for each fold; a group follows its first member where classes allow it."""
    number = _dealt(labels, folds, seed)
    if groups is not None:
        _, firsts, which = np.unique(groups, return_index=True, return_inverse=True)
        together = number[firsts[which]]
        counts = np.zeros((folds, int(labels.max()) + 1), np.int64)
        np.add.at(counts, (together, labels), 1)
        if (counts.sum(axis=0) > counts).all() and counts.sum(axis=1).all():
            number = together
    return [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(folds)]


def _dealt(labels: Labels, folds: int, seed: int) -> Labels:
    """Deal rows into folds, class by class: the folds of scikit-learn's StratifiedKFold, shuffled by the same seed."""
    draws = np.random.RandomState(seed)
    number, before = np.empty(len(labels), np.int64), 0
    present, firsts = np.unique(labels, return_index=True)
    for label in present[np.argsort(firsts)]:
        rows = np.flatnonzero(labels == label)
        own = np.sort((before + np.arange(len(rows))) % folds)
        draws.shuffle(own)
        number[rows], before = own, before + len(rows)
    return number


def _out_of_fold(
    scaled: Floats, labels: Labels, parts: Sequence[tuple[Labels, Labels]], progress: Progress
) -> dict[float, Floats]:
    """Return for each strength the logits (N, C) of every row by the head fitted without it; nothing without folds."""
    logits: dict[float, Floats] = {}
    if not parts:
        return logits
    with progress.stage("Choosing the regularisation", len(parts), "folds") as step:
        for fitted, held_out in parts:
            inside, outside, start = scaled[fitted], scaled[held_out], None
            for strength in STRENGTHS:  # each fit starts where the one before ended
                start = weights, bias = fit_logistic(inside, labels[fitted], strength=strength, start=start)
                table = logits.setdefault(strength, np.empty((len(labels), len(bias)), np.float32))
                table[held_out] = outside @ weights + bias
            step.advance()
    return logits


def _log_loss(logits: Floats, labels: Labels) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
