"""What a bundle keeps of validation pictures so that later pictures can be compared with them: numbers, no pixels.

A picture is a row of numbers: its features along the directions in which training pictures differ most, how much of
them lies outside, their length, and the confidence of the answer. What is compared is in evaluation/deployment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pawsight.models.graph import FEATURES, PROBABILITIES

if TYPE_CHECKING:
    from pawsight.classifier.engine import Outputs

MOST_PICTURES = 1000  # of a reference
MOST_DIRECTIONS = 32
ARRAYS = ("mean", "spread", "directions", "rows", "predicted", "right")
_OTHER_COLUMNS = 3  # of a row: outside the directions, length along them, confidence
_LEAST = 1e-6  # of a confidence's distance from 0 and 1, and of a length

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reference:
    """Validation pictures as rows of numbers, and how a row is made of a picture's features."""

    mean: Floats  # (D,) of the training pictures' features
    spread: Floats  # (D,) their standard deviations
    directions: Floats  # (D, K) orthonormal columns, of standardised features
    rows: Floats  # (N, K + 3) of the validation pictures
    predicted: NDArray[np.int32]  # (N,) index of their most likely class
    right: NDArray[np.bool_]  # (N,) whether that is their class
    classes: int  # of the classifier, C

    def row(self, outputs: Outputs) -> Floats:
        """Return the row (K + 3,) of one picture from the graph's outputs for it."""
        (row,) = self.rows_of(outputs[FEATURES][None], outputs[PROBABILITIES][None])
        return np.asarray(row)

    def rows_of(self, features: Floats, probabilities: Floats) -> Floats:
        """Return the rows (N, K + 3) of pictures from features (N, D) and probabilities (N, C)."""
        scaled = (features - self.mean) / self.spread
        along = scaled @ self.directions
        inside = (along**2).sum(axis=1)
        outside = np.maximum((scaled**2).sum(axis=1) - inside, _LEAST)
        confidence = np.clip(probabilities.max(axis=1), _LEAST, 1 - _LEAST)
        rows: Floats = np.column_stack(
            [
                along,
                np.log(outside) / 2,
                np.log(np.maximum(inside, _LEAST)) / 2,
                np.log(confidence / (1 - confidence)),
            ]
        ).astype(np.float32)
        return rows

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, as a bundle has them."""
        return {name: getattr(self, name) for name in ARRAYS}

    def fault(self) -> str:
        """Say why these arrays cannot be a reference of a classifier; empty where they can."""
        width, directions = self.directions.shape if self.directions.ndim == 2 else (0, 0)
        expected: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
            "mean": ((width,), np.float32),
            "spread": ((width,), np.float32),
            "directions": ((width, directions), np.float32),
            "rows": ((len(self.rows), directions + _OTHER_COLUMNS), np.float32),
            "predicted": ((len(self.rows),), np.int32),
            "right": ((len(self.rows),), np.bool_),
        }
        for name, array in self.arrays().items():
            shape, kind = expected[name]
            if array.shape != shape or array.dtype != kind or not len(array):
                return f"{name} has another shape or kind"
            if not np.isfinite(array).all():
                return f"{name} has numbers that are not finite"
        if not (self.spread > 0).all() or self.predicted.min() < 0 or self.predicted.max() >= self.classes:
            return "spread or predicted is out of range"
        return ""


def confidences_of(rows: Floats) -> NDArray[np.float64]:
    """Return the confidences (N,) of rows (N, K + 3)."""
    return np.asarray(1 / (1 + np.exp(-rows[:, -1].astype(np.float64))))
