"""Cross-validation of a whole probe: each fold is answered by a head that was made without it, from the start.

The folds inside `probe.fit_head` choose depth and strength, so their answers flatter the choice: by several points of
accuracy where pictures are few. Here that choice is made again in each fold.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.training.features import FeatureTable
from pawsight.training.folds import group_folds

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
NEVER = -1e4  # logit of a class that a head does not know: its probability is 0 at any temperature


def cross_validate(
    fit: Callable[..., Callable[[FeatureTable], Floats]],
    features: FeatureTable,
    labels: Labels,
    groups: Labels,
    *,
    classes: int,
    folds: int,
    seed: int,
    progress: Progress = SILENT,
) -> Floats:
    """Return the logits (N, C) of each picture by a head fitted to the other folds.

    Args:
        fit: takes features, labels without gaps, `classes` and `groups`, and returns what gives features their logits.
        features: of the pictures (N, W).
        labels: class indices (N,).
        groups: numbers (N,) of groups of pictures, which are never split.
        classes: how many there are, C.
        folds: of about the same size, each with its share of each class as far as groups allow.
        seed: of the folds.
        progress: is advanced with each fold.

    Returns:
        `NEVER` for a class that has no picture in the other folds; rows of NaN for pictures of such a class,
        since nothing can be said of them.

    Source: M. Stone, "Cross-validatory choice and assessment of statistical predictions", Journal of the Royal
    Statistical Society B 36, 1974.
    """
    fold = group_folds(labels, groups, folds, seed)
    logits = np.full((len(labels), classes), np.nan, np.float32)
    with progress.stage("Cross-validating", folds, "folds") as step:
        for number in range(folds):
            inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            known, numbers = np.unique(labels[inside], return_inverse=True)
            if len(known) > 1 and len(outside):
                head = fit(features.part(inside), numbers, classes=len(known), groups=groups[inside])
                table = np.full((len(outside), classes), NEVER, np.float32)
                table[:, known] = head(features.part(outside))
                table[~np.isin(labels[outside], known)] = np.nan
                logits[outside] = table
            step.advance()
    return logits
