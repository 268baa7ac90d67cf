"""Occlusion: how much of a class's score is lost when a place of the picture is covered, for any network.

A window slides over the picture, cell by cell, and covers it with the picture's mean colour (Zeiler and Fergus 2014,
"Visualizing and Understanding Convolutional Networks", cover with grey). Each cell gets the mean of the losses under
the windows that cover it. Nothing is random. docs/experiments.md has the measurements that chose window, cover and
method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pawsight.images.decode import Pixels

Floats = NDArray[np.float32]

CELLS = 8  # of the map, along each side
_WINDOW = 3  # cells along each side of the window

Scores = Callable[[Iterable[Pixels]], Floats]


def occlusion_map(square: Pixels, scores: Scores) -> Floats:
    """Cover each place of a picture in turn and measure the loss of a score.

    Args:
        square: pixels (S, S, 3) uint8, S at least 8.
        scores: gives the score (N,) of each of N squares, which it takes lazily and in order.

    Returns:
        losses (8, 8): above 0 where the score fell when the place was covered.
    """
    starts = range(1 - _WINDOW, CELLS)  # some windows stand partly outside, so that every cell is covered equally often
    places = [(row, column) for row in starts for column in starts]
    answers = scores(_covered(square, places))
    losses = answers[0] - answers[1:]
    total, count = np.zeros((2, CELLS, CELLS), np.float64)
    for (row, column), loss in zip(places, losses, strict=True):
        cells = np.s_[max(row, 0) : row + _WINDOW, max(column, 0) : column + _WINDOW]
        total[cells] += loss
        count[cells] += 1
    return np.asarray(total / count, np.float32)


def _covered(square: Pixels, places: Iterable[tuple[int, int]]) -> Iterator[Pixels]:
    """Yield the picture unchanged, then with each place covered in turn."""
    side = len(square)
    colour = np.rint(square.mean(axis=(0, 1))).astype(np.uint8)
    edges = [round(side * cell / CELLS) for cell in range(CELLS + 1)]
    yield square
    for row, column in places:
        covered = square.copy()
        window = np.s_[
            edges[max(row, 0)] : edges[min(row + _WINDOW, CELLS)],
            edges[max(column, 0)] : edges[min(column + _WINDOW, CELLS)],
        ]
        covered[window] = colour
        yield covered
