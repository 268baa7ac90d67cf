"""The learning curve as a picture: error against training pictures, and where twice as many would lead.

Enters: a `LearningCurve`. Leaves: an SVG element. Does not know: runs, pages.

What was measured has a full mark and a whole line of fit; what is only expected has a hollow mark and a dashed line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pawsight.evaluation.learning_curve import LearningCurve, sentence
from pawsight.reports.chart_style import INK, MAIN, MUTED, PAPER, SECOND, drawing, new_figure, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS = 60  # of each line


def curve_svg(curve: LearningCurve, *, name: str = "learning-curve") -> str:
    """Return the curve as an SVG element; `name` is unique on its page.

    Args:
        curve: at least three points.
        name: put before identifiers.
    """
    with drawing(name):
        figure, (axes,) = new_figure(4.6, 3.4)
        _measured(axes, curve)
        _expected(axes, curve)
        _axes(axes, curve)
        figure.legend(loc="outside upper left", ncols=2, fontsize=9, columnspacing=1.4, labelcolor=INK)
        return to_svg(figure, name=name, alt=describe(curve))


def describe(curve: LearningCurve) -> str:
    """Return what a person reads off the chart."""
    told = "; ".join(f"{one.pictures:,} pictures {100 * one.error:.1f} % ({one.interval})" for one in curve.points)
    return f"Share of validation pictures answered wrong after training on {told}. {sentence(curve)}"


def _measured(axes: Axes, curve: LearningCurve) -> None:
    sizes = [one.pictures for one in curve.points]
    axes.vlines(
        sizes, [one.interval.low for one in curve.points], [one.interval.high for one in curve.points],
        color=MAIN, linewidth=4.5, alpha=0.35, label="95 % interval",
    )  # fmt: skip
    errors = [one.error for one in curve.points]
    axes.plot(sizes, errors, linestyle="none", marker="o", markersize=6, color=MAIN, label="measured")
    inside = np.geomspace(sizes[0], sizes[-1], _STEPS)
    axes.plot(inside, [curve.fit.error(size) for size in inside], color=MUTED, linewidth=1.6, label="fit")


def _expected(axes: Axes, curve: LearningCurve) -> None:
    now, twice = curve.points[-1].pictures, curve.twice
    beyond = np.geomspace(now, twice.pictures, _STEPS)
    axes.plot(beyond, [curve.fit.error(size) for size in beyond], color=SECOND, linewidth=1.6, linestyle=(0, (4, 2)))
    if twice.interval is not None:
        low, high = (curve.fit.error(now) - gain / 100 for gain in reversed(twice.interval))
        axes.vlines(twice.pictures, max(0.0, low), max(0.0, high), color=SECOND, linewidth=4.5, alpha=0.35)
    axes.plot(
        twice.pictures, twice.error, linestyle="none", marker="D", markersize=7, markerfacecolor=PAPER,
        markeredgecolor=SECOND, markeredgewidth=1.6, label="twice the data",
    )  # fmt: skip


def _axes(axes: Axes, curve: LearningCurve) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    ticks = [one.pictures for one in curve.points] + [curve.twice.pictures]
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axes.set_xlim(ticks[0] / 1.25, ticks[-1] * 1.25)
    axes.tick_params(axis="x", labelsize=8.5)
    # 80 % and 100 % stand close together on a logarithmic axis
    for label, share in zip(axes.get_xticklabels(), [*(one.share for one in curve.points), 2.0], strict=True):
        label.set_visible(not 0.5 < share < 1)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("training pictures, logarithmic")
    axes.set_ylabel("validation error")
