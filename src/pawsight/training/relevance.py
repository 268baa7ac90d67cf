"""Chooses the averages and maxima of every depth that say most about the classes.

Head2Toe (U. Evci, V. Dumoulin, H. Larochelle, M. Mozer, ICML 2022, arXiv 2201.03529) fits a linear model to all of them
with a group lasso and keeps those with the largest weights. Ridge regression on the labels, solved in the dual on a
sample of the pictures, finds as good ones in a fraction of a second (docs/experiments.md).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pawsight.models.efficientnet_lite import Channels
from pawsight.training.features import FeatureTable
from pawsight.training.folds import stratified_sample

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

SELECTED_FEATURES = 2048
_SAMPLE = 1000  # pictures that the ridge regression is fitted to; 2,000 chose nothing better
_RIDGE = 10.0  # penalty, in mean eigenvalues of the pictures' Gram matrix; measured, see docs/experiments.md
TINY_SPREAD = 1e-6  # a feature that never changes is not divided by its standard deviation


class Relevance:
    """Finds the most relevant features of some pictures; what folds have in common is computed once, when asked for.

    Args:
        features: of N pictures at every depth.
        labels: class indices (N,).
        seed: of the stratified sample of the pictures that is used.
        truth: whether each picture has each of several labels (N, L), for which features are to be found; the classes
            then only stratify the sample. None where the classes are what is to be told apart.
    """

    def __init__(
        self, features: FeatureTable, labels: Labels, *, seed: int, truth: NDArray[np.bool_] | None = None
    ) -> None:
        self._rows = stratified_sample(labels, most=max(_SAMPLE, 2 * (int(labels.max()) + 1)), seed=seed)
        self._features, own = features.part(self._rows), labels[self._rows]
        self._truths = np.eye(int(own.max()) + 1)[own] if truth is None else truth[self._rows].astype(np.float64)

    @cached_property
    def _scaled_and_gram(self) -> tuple[Floats, Floats]:
        scaled = standardised(self._features.read(np.arange(self._features.width)))[0]
        return scaled, scaled @ scaled.T

    def most_relevant(self, allowed: NDArray[np.bool_] | None = None) -> Channels:
        """Return the columns of the 2,048 features that matter most for telling the classes apart, in rising order.

        Relevance is the norm, over classes or labels, of a feature's weights in a ridge regression on their centred
        zeros and ones.

        Args:
            allowed: which of the N pictures may be looked at; None for all of them.
        """
        from scipy.linalg import solve

        scaled, table = self._scaled_and_gram
        inside = np.arange(len(self._rows)) if allowed is None else np.flatnonzero(allowed[self._rows])
        gram, truths = table[np.ix_(inside, inside)], self._truths[inside]
        gram[np.diag_indices(len(inside))] += max(_RIDGE * np.trace(gram) / len(inside), TINY_SPREAD)
        shares = np.zeros((len(self._rows), truths.shape[1]), np.float32)
        shares[inside] = solve(gram, (truths - truths.mean(axis=0)).astype(np.float32), assume_a="pos")
        relevance = np.linalg.norm(scaled.T @ shares, axis=1)
        return np.sort(np.argsort(-relevance, kind="stable")[:SELECTED_FEATURES])


def columns_at(
    depth: str, features: FeatureTable, labels: Labels, *, seed: int = 0, truth: NDArray[np.bool_] | None = None
) -> Channels:
    """Return the columns that a depth reads: fixed ones, or those that matter most, as `Relevance` finds them."""
    if depth in features.depths:
        return features.depths[depth]
    return Relevance(features, labels, seed=seed, truth=truth).most_relevant()


def standardised(features: Floats) -> tuple[Floats, Floats, Floats]:
    """Give features (N, D) the mean 0 and the standard deviation 1, in place; return them, and what they had (D,)."""
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread < TINY_SPREAD, 1.0, spread).astype(np.float32)
    features -= centre
    features /= spread
    return features, centre, spread
