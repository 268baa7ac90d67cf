"""The reliability diagram: how often answers are right, by how sure they are, before and after calibration.

Enters: bins of `pawsight.evaluation.calibration`. Leaves: SVG text for a page. Does not know: runs, temperatures.

Nothing is told by colour alone: before are hollow diamonds, after full discs, the larger the more pictures. The numbers
above are pictures after calibration, the strokes 95 % intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pawsight.evaluation.calibration import Bin
from pawsight.reports.chart_style import INK, MAIN, MUTED, PAPER, SECOND, drawing, new_figure, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def reliability_svg(before: Sequence[Bin], after: Sequence[Bin], *, name: str = "reliability") -> str:
    """Return share right against confidence, with its 95 % interval after calibration, as an SVG element.

    Args:
        before, after: bins that hold pictures, the least sure first; `before` may be empty.
        name: unique on its page.
    """
    with drawing(name):
        figure, (axes,) = new_figure(4.3, 4.0)
        lowest = max(0.0, min((one.low for one in (*before, *after)), default=0.0))
        axes.plot([lowest, 1], [lowest, 1], color=MUTED, linestyle=":", linewidth=1.2, label="as sure as right")
        _marks(axes, before, "before", SECOND, filled=False)
        axes.vlines(*_ends(after), color=MAIN, linewidth=1.2)
        _marks(axes, after, "after", MAIN, filled=True)
        for one in after:
            axes.annotate(f"{one.pictures:,}", (one.confidence, 1.045), ha="center", color=MUTED, fontsize=7.5)
        axes.set_xlim(lowest - 0.02, 1.03)
        axes.set_ylim(0, 1.11)
        axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
        axes.set_xlabel("how sure the answers are")
        axes.set_ylabel("share of them that is right")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, labelcolor=INK)
        return to_svg(figure, name=name, alt=describe(before, after))


def describe(before: Sequence[Bin], after: Sequence[Bin]) -> str:
    """Return what a person reads off the diagram."""
    if not after:
        return "There are no answers to compare with the truth."
    pictures = sum(one.pictures for one in after)
    told = f"{pictures:,} answers by how sure they are. Expected calibration error {_error(after)} after calibration"
    return f"{told}, {_error(before)} before." if before else f"{told}."


def _error(bins: Sequence[Bin]) -> str:
    pictures = sum(one.pictures for one in bins)
    gap = sum(one.pictures * abs(one.accuracy - one.confidence) for one in bins) / pictures
    return f"{100 * gap:.2f} %"


def _marks(axes: Axes, bins: Sequence[Bin], label: str, colour: str, *, filled: bool) -> None:
    """Mark each bin; no line joins them, since a bin of two pictures would swing it from floor to ceiling."""
    if bins:
        sizes = [16 + 14 * math.log10(one.pictures) for one in bins]
        places = [one.confidence for one in bins], [one.accuracy for one in bins]
        face = colour if filled else PAPER
        axes.scatter(
            *places, s=sizes, marker="o" if filled else "D", facecolor=face, edgecolor=colour, label=label, zorder=3
        )


def _ends(bins: Sequence[Bin]) -> tuple[list[float], list[float], list[float]]:
    return [one.confidence for one in bins], [one.interval.low for one in bins], [one.interval.high for one in bins]
