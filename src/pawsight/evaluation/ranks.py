"""The area under the ROC curve by ranks, of weighted pictures, and what each picture adds to it.

Enters: scores and which pictures are of the class. Leaves: areas. Does not know: classes' names, resampling.

The area is the chance that a picture of the class scores above one that is not, ties counting half (J. A. Hanley,
B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic curve", Radiology 143, 1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Pictures in the order of their scores."""

    order: NDArray[np.int64]  # (N,)
    is_own: Flags  # (N,) of the class, in that order
    ends: NDArray[np.int64] | None  # the last place of each group of equal scores; None where no two are equal


def ranked(is_own: Flags, scores: NDArray[np.floating]) -> Ranked:
    """Sort pictures once.

    Args:
        is_own: whether a picture is of the class, (N,).
        scores: (N,), higher for the class.
    """
    order = np.argsort(scores, kind="stable")
    steps = np.diff(scores[order]) != 0
    ends = None if steps.all() else np.append(np.flatnonzero(steps), len(scores) - 1)
    return Ranked(order, is_own[order], ends)


def areas(pictures: Ranked, weights: NDArray[np.float32]) -> Doubles:
    """Return the area for each row of weights (R, N), NaN where a row gives one of the two sides no weight."""
    sorted_weights = np.take(weights, pictures.order, axis=1)
    own = sorted_weights * pictures.is_own.astype(np.float32)
    others = sorted_weights - own
    if pictures.ends is not None:
        starts = np.concatenate([[0], pictures.ends[:-1] + 1])
        own, others = np.add.reduceat(own, starts, axis=1), np.add.reduceat(others, starts, axis=1)
    # Counts below 2^24 are exact in float32; the share beaten keeps the sum of products small enough for it.
    below = np.cumsum(others, axis=1)
    sides = own.sum(axis=1), below[:, -1].copy()
    below -= others / 2
    won = np.einsum("ij,ij->i", own, below / np.maximum(sides[1], 1)[:, None])
    is_known = (sides[0] > 0) & (sides[1] > 0)
    return np.asarray(np.divide(won, sides[0], out=np.full(len(weights), np.nan), where=is_known))


def area(is_own: Flags, scores: NDArray[np.floating]) -> float:
    """Return the area of equally weighted pictures, NaN where one of the two sides is empty."""
    return float(_placements(ranked(is_own, scores))[0])


def influence(is_own: Flags, scores: NDArray[np.floating]) -> tuple[float, Doubles]:
    """Return the area and how much each picture (N,) pulls at it, 0 on average; NaN where a side is empty.

    Their mean square over N is the variance of E. R. DeLong et al., Biometrics 44, 1988, with N where that has N - 1.
    """
    pictures = ranked(is_own, scores)
    mean, placements = _placements(pictures)
    pulls = np.empty(len(scores))
    sides = np.where(pictures.is_own, is_own.sum(), len(is_own) - is_own.sum())
    pulls[pictures.order] = (placements - mean) * len(scores) / np.maximum(sides, 1)
    return mean, pulls


def _placements(pictures: Ranked) -> tuple[float, Doubles]:
    """Return the area and each picture's share of the other side that it is rightly above or below, in order."""
    own = pictures.is_own.astype(np.float64)
    places = np.arange(len(own))
    group = places if pictures.ends is None else np.searchsorted(pictures.ends, places)
    shares = []
    for side in (1 - own, own):
        counts = np.bincount(group, weights=side)
        shares.append(
            ((np.cumsum(counts) - counts / 2) / side.sum())[group] if side.any() else np.full(len(own), np.nan)
        )
    below, above = shares
    placements = np.where(pictures.is_own, below, 1 - above)
    return (float(placements[pictures.is_own].mean()) if own.any() else np.nan), placements
