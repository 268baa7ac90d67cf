"""Draws the confusion matrix, from 2 classes to 1,000, as SVG.

A cell is darker the larger its share of its row. Few classes get counts in the cells, many only shades.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pawsight.reports.style import INK, MAIN, drawing, new_figure, shortened, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_COUNTED = 12  # classes up to which each cell says its count
WIDE = 6  # classes up to which the matrix fits beside a table
NAMED = 30  # classes up to which each row and column has its name
_LETTERS = 14


def confusion_svg(confusion: Sequence[Sequence[int]], names: Sequence[str], *, name: str = "confusion") -> str:
    """Return the confusion matrix as an SVG element.

    Args:
        confusion: counts (C, C), row = truth, column = answer.
        names: the C class names in order.
        name: unique on its page.
    """
    with drawing(name):
        side = side_of(len(names))
        figure, (axes,) = new_figure(side, side * 0.94)
        counts = draw_confusion(axes, confusion, names)
        return to_svg(figure, name=name, alt=_described(counts, names))


def draw_confusion(axes: Axes, confusion: Sequence[Sequence[int]], names: Sequence[str]) -> NDArray[np.int64]:
    """Draw the confusion matrix (C, C), row = truth, column = answer, and return it as an array."""
    counts = np.asarray(confusion, dtype=np.int64)
    _shade(axes, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    if len(names) <= _COUNTED:
        _write_counts(axes, counts)
    _name_axes(axes, names)
    return counts


def side_of(classes: int) -> float:
    """Return the width in inches: small for few classes, and never more than a page can show."""
    return min(7.0, 2.6 + 0.42 * classes)


def _shade(axes: Axes, shares: NDArray[np.float64]) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    classes = len(shares)
    axes.set_xlim(-0.5, classes - 0.5)
    axes.set_ylim(classes - 0.5, -0.5)
    axes.set_aspect("equal")
    if classes <= _COUNTED:
        for row, column in np.ndindex(*shares.shape):
            patch = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=MAIN, alpha=_alpha(shares[row, column].item()))
            axes.add_patch(patch)
        return
    picture = np.empty((classes, classes, 4))
    picture[..., :3] = to_rgb(MAIN)
    picture[..., 3] = np.where(shares > 0, 0.06 + 0.94 * np.sqrt(shares), 0.0)
    axes.imshow(picture, interpolation="none", aspect="equal")


def _alpha(share: float) -> float:
    # A cell stays light enough for ink on it in both modes, so that no number needs a second colour.
    return 0.04 + 0.46 * float(share)


def _write_counts(axes: Axes, counts: NDArray[np.int64]) -> None:
    size = 11 if len(counts) <= WIDE else 9
    for row, column in np.ndindex(*counts.shape):
        if len(counts) > WIDE and not counts[row, column]:
            continue  # a page of zeros hides the mistakes
        weight = "bold" if row == column else "normal"
        text = f"{counts[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, fontweight=weight, color=INK)


def _name_axes(axes: Axes, names: Sequence[str]) -> None:
    axes.grid(visible=False)
    axes.set_ylabel("truth")
    axes.set_xlabel("answer")
    axes.tick_params(length=0)
    if len(names) > NAMED:
        axes.set_xticks([])
        axes.set_yticks([])
        return
    short = [shortened(name, _LETTERS) for name in names]
    size = 10 if len(names) <= WIDE else max(4.5, 9.5 - 0.1 * len(names))
    is_turned = (len(names) > WIDE and max(map(len, short)) > 2) or max(map(len, short)) * len(short) > 26
    turn: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if is_turned else {}
    axes.set_xticks(range(len(names)), short, fontsize=size, **turn)
    axes.set_yticks(range(len(names)), short, fontsize=size)


def _described(counts: NDArray[np.int64], names: Sequence[str]) -> str:
    total, right = int(counts.sum()), int(np.trace(counts))
    text = f"Confusion matrix, rows are the truth: {right:,} of {total:,} on the diagonal."
    if len(names) > _COUNTED:
        return f"{text} The commonest mistakes stand in the table beside it."
    wrong = [
        f"{counts[row, column]:,} {names[row]} taken for {names[column]}"
        for row, column in np.ndindex(*counts.shape)
        if row != column and counts[row, column]
    ]
    return f"{text} {'; '.join(wrong[:6])}{'.' if len(wrong) <= 6 else ' and others.'}" if wrong else text
