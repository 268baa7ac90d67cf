"""What a heat map is, and how to say in words where it lies.

Enters: numbers on a grid over a picture. Leaves: a `HeatMap`, a place in words and as a box. Does not know: how the
numbers were found, colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Method = Literal["cam", "occlusion"]
Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]

_FINE = 96  # cells along each side of the grid on which areas are measured
_CORE = 0.5  # share of the evidence that the place in words and the box are about
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


@dataclass(frozen=True, slots=True)
class HeatMap:
    """What each place of one picture said for or against one class.

    The numbers are those of a linear score: the class's logit less the mean of all logits, which is what the
    probability depends on (a softmax does not notice a number added to all). Those of the method `cam` add up: their
    mean plus `bias` is that score. Those of `occlusion` are how much of it was lost when the place was covered.
    """

    label: str  # the class
    values: Floats  # (h, w), over the whole picture, rows from the top; above 0 speaks for the class
    bias: float  # what is said for the class whatever the picture is; 0 with occlusion
    method: Method
    size: tuple[int, int]  # width and height of the picture as shown upright, in pixels

    @property
    def silent(self) -> bool:
        """Whether nothing in the picture speaks for the class."""
        return not float(self.values.max()) > 0.0

    def box(self) -> Box | None:
        """Return the box (left, top, right, bottom) round `core_of`, in the picture's pixels; None for nothing."""
        core = core_of(self)
        if core is None:
            return None
        (top, bottom), (left, right) = (_ends(np.any(core, axis=axis)) for axis in (1, 0))
        wide, high = self.size
        return round(left * wide), round(top * high), round(right * wide), round(bottom * high)

    def place(self) -> str:
        """Return the place in words, e.g. "top left" or "centre", with the share of the picture it takes."""
        core = core_of(self)
        if core is None:
            return "nowhere: nothing in the picture speaks for it"
        weights = finer(self, (_FINE, _FINE)) * core
        row, column = (_third(weights.sum(axis=axis)) for axis in (1, 0))
        words = "centre" if row == column == 1 else " ".join((_ROWS[row], _COLUMNS[column]))
        return f"{words}, {max(1, round(100 * core.mean()))} % of the picture"


def finer(heat: HeatMap, size: tuple[int, int]) -> Floats:
    """Return what speaks for the class, smoothly, on a grid of another size.

    Args:
        heat: the map.
        size: width and height of the grid.

    Returns:
        values (height, width) from 0 to 1, where 1 is the strongest; all 0 where nothing speaks for the class.
    """
    if heat.silent:
        return np.zeros(size[::-1], np.float32)
    scaled = heat.values / float(heat.values.max())
    smooth = Image.fromarray(scaled.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    positive = np.clip(np.asarray(smooth, np.float32), 0.0, None)
    strongest: Floats = positive / max(float(positive.max()), 1e-12)
    return strongest


def core_of(heat: HeatMap) -> NDArray[np.bool_] | None:
    """Return the smallest area that holds half of all that speaks for the class, on a fine grid; None for nothing."""
    if heat.silent:
        return None
    core: NDArray[np.bool_] = finer(heat, (_FINE, _FINE)) >= core_level(heat)
    return core


def core_level(heat: HeatMap) -> float:
    """Return the heat, of `finer`, above which half of all that speaks for the class lies; 0 where nothing does."""
    falling = np.sort(finer(heat, (_FINE, _FINE)), axis=None)[::-1].astype(np.float64)
    count = int(np.searchsorted(np.cumsum(falling), _CORE * falling.sum()))
    return float(falling[min(count, falling.size - 1)])


def _ends(taken: NDArray[np.bool_]) -> tuple[float, float]:
    """Return where a run of cells begins and ends, as shares of the whole."""
    cells = np.flatnonzero(taken)
    return float(cells[0]) / taken.size, float(cells[-1] + 1) / taken.size


def _third(weights: Floats) -> int:
    """Return in which third of a side the middle of some weights lies: 0, 1 or 2."""
    middle = float(weights @ (np.arange(weights.size) + 0.5)) / (float(weights.sum()) * weights.size)
    return min(2, int(3 * middle))
