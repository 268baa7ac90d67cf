"""When a picture is unlike anything seen: directions from the training part, a threshold from validation.

Enters: features of the two parts. Leaves: a mean with directions, a threshold. Does not know: pictures,
graphs, classes.

What is measured is how much of a picture's features lies outside the directions in which training pictures differ:
the reconstruction error of a principal component analysis, as a share (I. Ndiour, N. Ahuja, O. Tickoo,
"Out-of-distribution detection with subspace techniques and probabilistic modeling of features", arXiv 2012.04250).
Nearest neighbours noticed as much and Mahalanobis distances less, while this keeps no picture's features in the bundle
(docs/experiments.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_COMPONENTS = 256
_LEAST_COMPONENTS = 4
_SPARE, _ROUNDS = 16, 4  # of the randomised search for directions
_MOST_ROWS = 4000  # training pictures looked at; more change nothing that can be measured

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Subspace:
    """Where the features of training pictures lie."""

    mean: Floats  # (D,)
    directions: Floats  # (D, K), orthonormal columns, the most telling first


def some_rows(count: int, *, seed: int) -> Rows:
    """Return the training rows to look at, in order: all of them, or 4,000 at random."""
    if count <= _MOST_ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:_MOST_ROWS])


def fit_subspace(features: Floats, *, seed: int = 0) -> Subspace | None:
    """Return the 256 directions in which features (N, D) differ most, fewer where N or D is small.

    None where so few pictures or features leave no directions to keep, or every picture gives the same features.

    Source: N. Halko, P.-G. Martinsson, J. Tropp, "Finding structure with randomness", SIAM Review 53, 2011.
    """
    from threadpoolctl import threadpool_limits

    components = min(MOST_COMPONENTS, len(features) // 2, features.shape[1] // 2)
    mean = features.mean(axis=0)
    centred = features - mean
    if components < _LEAST_COMPONENTS or not float(np.abs(centred).max()) > 0:
        return None
    width = min(components + _SPARE, *centred.shape)
    tried = np.random.default_rng(seed).normal(size=(centred.shape[1], width)).astype(np.float32)
    with threadpool_limits(1, user_api="blas"):  # see training/probe.py: threads that wait for each other take seconds
        for _ in range(_ROUNDS):
            tried = np.linalg.qr(centred.T @ (centred @ tried))[0]
        seen = centred @ tried
        _, turned = np.linalg.eigh(seen.T @ seen)
        directions = tried @ turned[:, ::-1][:, :components]
    return Subspace(mean.astype(np.float32), np.ascontiguousarray(directions, np.float32))


def threshold_for(unlikeness: Floats, false_alarms: float) -> float | None:
    """Return the unlikeness above which a new picture like these N lies with a chance of at most `false_alarms`.

    That holds for any distribution (split conformal prediction: V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning
    in a random world", 2005): it is the k-th smallest with k = ceil((N + 1) (1 - false_alarms)). None where N is below
    `least_pictures`.
    """
    place = math.ceil((len(unlikeness) + 1) * (1 - false_alarms) - 1e-9)
    return float(np.sort(unlikeness)[place - 1]) if place <= len(unlikeness) else None


def least_pictures(false_alarms: float) -> int:
    """Return how many pictures a threshold needs: 99 for 1 %."""
    return math.ceil(1 / false_alarms - 1e-9) - 1
