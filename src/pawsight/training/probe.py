"""The linear probe: logistic regression on frozen features, its regularisation chosen inside the training subset.

Here the regularisation is chosen; one fit is in `logistic`, where the features come from in `features`. The majority
vote, the baseline of every other recipe, is here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.models.backbones import find_backbone
from pawsight.models.efficientnet_lite import backbone_onnx
from pawsight.models.graph import append_head, mean_colour_graph
from pawsight.training.context import Layer, TrainedModel, TrainingContext
from pawsight.training.logistic import fit_logistic

# Inverse strengths of the L2 penalty on standardised features, from strong to weak.
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# Work is counted as pictures x classes. Small fits: OpenBLAS spends 1 s on waking threads that share two cores, and
# 0.02 s on one. Large ones: the strength is chosen on a stratified sample, so that it costs no more than the fit.
SINGLE_THREAD = 100_000
_MOST_CHOSEN_ON = 400_000
TINY_SPREAD = 1e-6  # a feature that never changes is not divided by its standard deviation

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


def train_majority(context: TrainingContext) -> TrainedModel:
    """Predict the shares of the classes in the training subset, whatever the picture shows."""
    counts = np.bincount(context.labels("train"), minlength=len(context.classes))
    bias = np.log(np.maximum(counts, 1e-9) / counts.sum()).astype(np.float32)
    weights = np.zeros((3, len(bias)), np.float32)
    shares = (counts / counts.sum()).astype(np.float32)
    return TrainedModel(
        graph=append_head(mean_colour_graph(context.recipe.image_px), weights, bias, classes=context.classes),
        probabilities={subset: np.tile(shares, (len(context.split.part(subset)), 1)) for subset in context.held_out},
        parameters=(len(bias), 0),
    )


def probe_model(context: TrainingContext, head: Head) -> TrainedModel:
    """Return the frozen backbone with a head that was fitted on its features."""
    recipe, classes = context.recipe, len(context.classes)
    with context.env.stopwatch.stage("writing"):
        graph = append_head(
            backbone_onnx(recipe.backbone, recipe.image_px), head.weights, head.bias, classes=context.classes
        )
    backbone = find_backbone(recipe.backbone)
    trainable = (backbone.feature_dim + 1) * classes
    return TrainedModel(
        graph=graph,
        probabilities={subset: head.probabilities(context.features(subset)) for subset in context.held_out},
        parameters=(backbone.parameters + trainable, trainable),
        layers=(
            Layer(recipe.backbone, "frozen backbone", str(backbone.feature_dim), backbone.parameters),
            Layer("head", "logistic regression", str(classes), trainable),
        ),
        notes=(regularisation_note(head, context.labels("train"), duplicate_groups(context), context.classes),),
        precision=context.precision,
        computed=context.sink.computed if context.sink else 0,
        out_of_fold=head.out_of_fold,
    )


def duplicate_groups(context: TrainingContext) -> Labels:
    """Number the groups of equal and near-equal training pictures (N,); each other picture is a group of its own."""
    rows = {assigned.name: row for row, assigned in enumerate(context.split.part("train"))}
    groups = np.arange(len(rows))
    for duplicates in context.split.alike:
        members = [rows[assigned.name] for assigned in duplicates if assigned.name in rows]
        groups[members] = min(members, default=0)
    return groups


def regularisation_note(head: Head, labels: Labels, groups: Labels, classes: Sequence[str]) -> str:
    """Say which strength was taken, and that it was chosen by cross-validation or why not."""
    strength = f"strength of the regularisation C = {head.strength:g}"
    if head.folds:
        return f"{strength}, chosen by {head.folds} folds in training"
    # Near-duplicates share a fold, so they count as one picture.
    least = min(range(len(classes)), key=lambda label: len(np.unique(groups[labels == label])))
    return f"{strength}, the default: class '{classes[least]}' has too few pictures in training to choose it by folds"


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
    """Fit a regularised logistic regression on frozen features.

    Args:
        features: of the training subset (N, D).
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
    spread = np.where(spread < TINY_SPREAD, 1.0, spread).astype(np.float32)
    scaled = (features - centre) / spread
    rows = stratified_sample(labels, most=max(_MOST_CHOSEN_ON // classes, 2 * classes), seed=seed)
    folds = min(folds, int(np.bincount(labels[rows], minlength=classes).min()))
    own = labels[rows]
    logits: dict[float, Floats] = {}  # strength -> (M, C): of each of the rows by the head fitted without it
    with threadpool_limits(1 if len(labels) * classes <= SINGLE_THREAD else None, user_api="blas"):
        if folds > 1:
            splits = _folds(own, groups if groups is None else groups[rows], folds, seed)
            with progress.stage("Choosing the regularisation", len(splits), "folds") as step:
                for fitted, held_out in splits:
                    inside, outside, start = scaled[rows[fitted]], scaled[rows[held_out]], None
                    for strength in STRENGTHS:  # each fit starts where the one before ended
                        start = weights, bias = fit_logistic(inside, own[fitted], strength=strength, start=start)
                        table = logits.setdefault(strength, np.empty((len(own), len(bias)), np.float32))
                        table[held_out] = outside @ weights + bias
                    step.advance()
        losses = {strength: _log_loss(table, own) for strength, table in logits.items()}
        best = min(losses, key=lambda strength: losses[strength]) if losses else STRENGTHS[len(STRENGTHS) // 2]
        weights, bias = fit_logistic(scaled, labels, strength=best)
    weights = weights / spread[:, None]
    bias = bias - centre @ weights
    return Head(
        weights.astype(np.float32),
        bias.astype(np.float32),
        best,
        folds if losses else 0,
        tuple(losses.items()),
        (rows, logits[best]) if losses else None,
    )


def stratified_sample(labels: Labels, *, most: int, seed: int) -> Labels:
    """Return rows, in order: all of them, or a stratified sample of about `most` with two of each class at least."""
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    counts = np.bincount(labels)
    rank_in_class = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.maximum(2, np.ceil(counts * most / len(labels)))
    return np.sort(by_class[rank_in_class < np.repeat(kept, counts)])


def _folds(labels: Labels, groups: Labels | None, folds: int, seed: int) -> list[tuple[Labels, Labels]]:
    """Return rows to fit and rows held out for each fold; a group follows its first member where classes allow it."""
    number = stratified_folds(labels, folds, seed)
    if groups is not None:
        _, firsts, which = np.unique(groups, return_index=True, return_inverse=True)
        together = number[firsts[which]]
        counts = np.zeros((folds, int(labels.max()) + 1), np.int64)
        np.add.at(counts, (together, labels), 1)
        if (counts.sum(axis=0) > counts).all() and counts.sum(axis=1).all():
            number = together
    return [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(folds)]


def stratified_folds(labels: Labels, folds: int, seed: int) -> Labels:
    """Return the fold of each row (N,): those of scikit-learn's StratifiedKFold, shuffled by the same seed."""
    draws = np.random.RandomState(seed)
    number, before = np.empty(len(labels), np.int64), 0
    present, firsts = np.unique(labels, return_index=True)
    for label in present[np.argsort(firsts)]:
        rows = np.flatnonzero(labels == label)
        own = np.sort((before + np.arange(len(rows))) % folds)
        draws.shuffle(own)
        number[rows], before = own, before + len(rows)
    return number


def _log_loss(logits: Floats, labels: Labels) -> float:
    from scipy.special import log_softmax

    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
