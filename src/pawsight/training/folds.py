"""Folds for cross-validation, stratified by class or label, and stratified samples of rows; each from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pawsight.data.split import iterative_split, stratified_counts, stratified_group_split

Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]


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


def group_folds(labels: Labels, groups: Labels, folds: int, seed: int) -> Labels:
    """Return the fold of each row (N,): stratified as far as groups allow, which are never split."""
    order = np.random.default_rng(seed).permutation(len(labels))
    wanted = stratified_counts(np.bincount(labels), [1 / folds] * folds)
    number = np.empty(len(labels), dtype=np.int64)
    number[order] = stratified_group_split(labels[order], groups[order], wanted)
    return number


def folds_for_fits(labels: Labels, groups: Labels | None, folds: int, seed: int) -> Labels | None:
    """Return the fold of each row (N,), so that the rows outside each fold have every class.

    Args:
        labels: class indices (N,), each class present.
        groups: numbers (N,) of the groups of pictures that look the same, which are never split; None where no two do.
        folds: how many; fewer where a class has fewer groups.
        seed: of the folds.

    Returns:
        the folds, or None where a class has a single group, or groups of several classes leave no other way.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    folds = min(folds, int(np.bincount(pairs[0]).min()))
    if folds < 2:
        return None
    if len(np.unique(groups)) == len(labels):
        return stratified_folds(labels, folds, seed)
    number = group_folds(labels, groups, folds, seed)
    counts = np.zeros((folds, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (number, labels), 1)
    return number if (counts < counts.sum(axis=0)).all() and counts.sum(axis=1).all() else None


def label_folds(truth: Flags, groups: Labels, folds: int, seed: int) -> Labels:
    """Return the fold of each picture (N,), from 0: groups are whole, and each fold has its share of every label.

    Args:
        truth: whether each picture has each label (N, L).
        groups: numbers (N,) of groups of pictures.
        folds: how many, as many as there are groups at most.
        seed: of the order in which equal groups are placed.
    """
    order = np.random.default_rng(seed).permutation(len(truth))
    number = np.empty(len(truth), np.int64)
    number[order] = iterative_split(truth[order], groups[order], [1 / folds] * folds)
    return np.unique(number, return_inverse=True)[1]  # a fold may be empty where groups are large


def rarest_labels(truth: Flags) -> Labels:
    """Return a stratum (N,) for each picture, numbered without gaps: the rarest label that it has, or none at all."""
    counts = truth.sum(axis=0)
    rarest = np.where(truth, counts, len(truth) + 1).argmin(axis=1)
    return np.unique(np.where(truth.any(axis=1), rarest, -1), return_inverse=True)[1]
