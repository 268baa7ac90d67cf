"""How much a random split flatters: a probe's accuracy by folds that tear groups apart, and by folds that keep them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.models.recipes import LAST
from pawsight.training.features import FeatureTable
from pawsight.training.probe import Z95, fit_head, paired_difference

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSplitGain:
    """What a probe seems to gain where pictures of one group lie on both sides of a split."""

    pictures: int  # that were answered both ways
    random: float  # accuracy by random folds
    grouped: float  # accuracy by folds that keep groups together
    interval: tuple[float, float]  # 95 %, of the first minus the second, in percentage points; by groups

    @property
    def points(self) -> float:
        """How much a random split flatters, in percentage points."""
        return 100 * (self.random - self.grouped)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "pictures": self.pictures,
            "random": self.random,
            "grouped": self.grouped,
            "points": self.points,
            "interval": list(self.interval),
        }

    def sentence(self) -> str:
        """Return one line for people."""
        low, high = self.interval
        return (
            f"A random split would show {100 * self.random:.1f} % right where one that keeps groups together shows"
            f" {100 * self.grouped:.1f} %: {self.points:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}), by"
            f" cross-validation of a probe on {self.pictures:,} pictures."
        )


def random_split_gain(
    features: FeatureTable,
    labels: Labels,
    groups: Labels,
    *,
    folds: int,
    seed: int = 0,
    progress: Progress = SILENT,
) -> RandomSplitGain | None:
    """Cross-validate a probe on the last layer twice, by random folds and by folds that keep groups together.

    Args:
        features: of N pictures.
        labels: class indices (N,), each present.
        groups: group numbers (N,).
        folds: how many; fewer where a class has fewer groups.
        seed: of the folds.

    Returns:
        None where a class has a single group, so that it cannot be answered by folds that keep groups together.
    """
    right = []
    for kept in (None, groups):
        head = fit_head(
            features,
            labels,
            classes=int(labels.max()) + 1,
            folds=folds,
            seed=seed,
            depth=LAST,
            groups=kept,
            progress=progress,
        )
        if head.out_of_fold is None:
            return None
        rows, logits = head.out_of_fold
        right.append((logits.argmax(axis=1) == labels[rows]).astype(np.float32))
    gained, error = paired_difference(right[0] - right[1], groups[rows])
    return RandomSplitGain(
        pictures=len(rows),
        random=float(right[0].mean()),
        grouped=float(right[1].mean()),
        interval=(100 * (gained - Z95 * error), 100 * (gained + Z95 * error)),
    )
