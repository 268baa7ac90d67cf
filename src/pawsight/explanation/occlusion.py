"""Occlusion: what is lost when a place is covered, for any graph.

Enters: one square of pixels and a way to have squares answered. Leaves: a map of what each place was worth. Does not
know: what the graph is, OpenVINO.

A window slides over the picture, cell by cell, and covers what is below it with the picture's mean colour (Zeiler and
Fergus 2014, "Visualizing and Understanding Convolutional Networks", who cover with grey). Each cell gets the mean of
the losses under the windows that cover it. Nothing is random. Window and cover were chosen by measurement
(docs/experiments.md), and so was this method, over random masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from pawsight.explanation.heat import Floats
from pawsight.images.decode import Pixels

CELLS = 8  # of the map, along each side
_WINDOW = 3  # cells along each side of what is covered at once

Scores = Callable[[Iterable[Pixels]], Floats]


def occlusion_map(square: Pixels, scores: Scores) -> Floats:
    """Cover each place of a picture and see what becomes of a score.

    Args:
        square: pixels (S, S, 3) uint8, S at least 8.
        scores: gives the score (N,) of each of N squares, which it takes lazily and in order.

    Returns:
        (8, 8) what was lost: above 0 where the score fell when the place was covered.
    """
    places = [(row, column) for row in _starts() for column in _starts()]
    answered = scores(_covered(square, places))
    lost = answered[0] - answered[1:]
    total, count = np.zeros((2, CELLS, CELLS), np.float64)
    for (row, column), loss in zip(places, lost, strict=True):
        cells = np.s_[max(row, 0) : row + _WINDOW, max(column, 0) : column + _WINDOW]
        total[cells] += loss
        count[cells] += 1
    return np.asarray(total / count, np.float32)


def _starts() -> range:
    """Return where windows begin, in cells; some stand partly outside, so that all cells are met alike."""
    return range(1 - _WINDOW, CELLS)


def _covered(square: Pixels, places: Iterable[tuple[int, int]]) -> Iterator[Pixels]:
    """Yield the picture as it is, then with one place after the other covered."""
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
