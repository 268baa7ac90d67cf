"""Fits probes to a tenth, a fifth, ... of the training subset; the curve itself is in `evaluation.learning_curve`.

Subsets are stratified and nested: a fifth contains the tenth. Shares below 1 are drawn three times, since a few
pictures matter there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.evaluation.learning_curve import Trial
from pawsight.models.recipes import LAST
from pawsight.training.features import FeatureTable
from pawsight.training.probe import fit_head

SHARES = (0.1, 0.2, 0.4, 0.8, 1.0)
SEEDS = 3
Labels = NDArray[np.int64]


def try_sizes(
    train: tuple[FeatureTable, Labels],
    validation: tuple[FeatureTable, Labels],
    *,
    classes: int,
    folds: int,
    depth: str = LAST,
    seed: int = 0,
    groups: Labels | None = None,
    shares: Sequence[float] = SHARES,
    seeds: int = SEEDS,
    progress: Progress = SILENT,
) -> list[Trial]:
    """Fit heads on growing shares of the training subset and measure each on all of validation.

    Args:
        train, validation: features (N, W) and class indices (N,); every class is in training.
        classes: how many there are.
        folds: of the cross-validation inside each fit.
        depth: where each of them reads the backbone, as `fit_head` takes it.
        seed: of the subsets; drawing number k uses seed + k.
        groups: group numbers (N,) of training pictures that come and stay out together; None where each is alone.
        shares: of the training subset, growing; all of it is trained on once, since there is nothing to draw.
        seeds: drawings of each share below 1.

    Returns:
        a trial for each share, leaving out shares that come to no more pictures than the one before.
    """
    drawings = [subset_order(train[1], seed=seed + number, groups=groups) for number in range(seeds)]
    sizes = _sizes(drawings, shares)
    results = []
    with progress.stage(
        "Learning from less", sum(1 if share == 1 else seeds for share, _ in sizes), "trainings"
    ) as step:
        for share, pictures in sizes:
            wrong = []
            for number, ranks in enumerate(drawings[:1] if share == 1 else drawings):
                rows = np.flatnonzero(ranks <= share)
                features, labels = train[0].part(rows), train[1][rows]
                own = None if groups is None else groups[rows]
                head = fit_head(
                    features, labels, classes=classes, folds=folds, seed=seed + number, depth=depth, groups=own
                )
                wrong.append(head.probabilities(validation[0]).argmax(axis=1) != validation[1])
                step.advance()
            results.append((share, pictures, np.stack(wrong)))
    return results


def subset_order(labels: Labels, *, seed: int, groups: Labels | None = None) -> NDArray[np.float64]:
    """Return for each picture (N,) the smallest share of the training subset that contains it.

    The first of each class has 0, so that every share has every class; others have (rank + 1) / pictures of the class,
    their rank being random. A group comes as a whole, at the mean of what its pictures have.
    """
    shares = np.empty(len(labels))
    random = np.random.default_rng(seed)
    if groups is not None:
        _, which = np.unique(groups, return_inverse=True)
        place = random.permutation(int(which.max()) + 1)[which]
        order = np.argsort(place, kind="stable")
        first = []  # group of each class
        for label in np.unique(labels):
            own = order[labels[order] == label]
            shares[own] = (np.arange(len(own)) + 1) / len(own)
            first.append(which[own[0]])
        means = np.bincount(which, shares) / np.bincount(which)
        means[first] = 0.0
        return means[which]
    for label in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == label))
        shares[own] = (np.arange(len(own)) + 1) / len(own)
        shares[own[0]] = 0.0
    return shares


def _sizes(drawings: Sequence[NDArray[np.float64]], shares: Sequence[float]) -> list[tuple[float, int]]:
    """Return share and mean number of pictures, without those that add nothing."""
    sizes: list[tuple[float, int]] = []
    for share in shares:
        pictures = round(np.mean([(ranks <= share).sum() for ranks in drawings]))
        if not sizes or pictures > sizes[-1][1]:
            sizes.append((share, pictures))
    return sizes
