"""Numbers -> pictures: training curves, the ladder, the confusion matrix.

Enters: epochs, scores, counts. Leaves: SVG text for a page, or a PNG and an SVG file. Does not know: runs, models.

Nothing is told by colour alone: training is a dashed line with hollow marks, validation a whole line with full ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pawsight.core.runs import Epoch, best_epoch
from pawsight.core.storage import write_bytes, write_text
from pawsight.core.text import percent
from pawsight.evaluation.intervals import Interval
from pawsight.reports.chart_style import (
    GRID,
    INK,
    MAIN,
    MUTED,
    PAPER,
    SECOND,
    drawing,
    new_figure,
    shortened,
    to_png,
    to_svg,
    to_svg_file,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKED = 40  # epochs up to which each has a mark
_STEEP = 8  # times ln C: a loss above it would press all others flat, so the axis becomes logarithmic
_NAME_LETTERS = 22


@dataclass(frozen=True, slots=True)
class Guessing:
    """What knowing nothing scores, drawn as a line to stay above (accuracy) or below (loss)."""

    classes: int
    baseline: float | None = None  # share of the commonest class


@dataclass(frozen=True, slots=True)
class Score:
    """One rung on the ladder chart."""

    name: str
    accuracy: float
    interval: Interval
    is_chosen: bool = False


def draw_history(history: Sequence[Epoch], target_png: Path, target_svg: Path, *, guessing: Guessing) -> None:
    """Draw accuracy and loss against epoch, side by side, as two files.

    Args:
        history: at least one epoch.
        target_png, target_svg: where to; what stands there is replaced.
        guessing: for the line of knowing nothing.

    Raises:
        ValueError: there is no epoch. StorageError: the disk refused.
    """
    if not history:
        raise ValueError("a history without epochs cannot be drawn")
    with drawing("history"):
        figure, (left, right) = new_figure(9.0, 3.8, columns=2)
        _accuracy(left, history, guessing)
        _loss(right, history, guessing)
        _legend(figure, left)
        write_bytes(target_png, to_png(figure))
        write_text(target_svg, to_svg_file(figure, name="history", alt=describe(history)))


def accuracy_svg(history: Sequence[Epoch], guessing: Guessing, *, name: str) -> str:
    """Return accuracy against epoch as an SVG element; `name` is unique on its page."""
    with drawing(name):
        figure, (axes,) = new_figure(4.3, 3.1)
        _accuracy(axes, history, guessing)
        _legend(figure, axes)
        return to_svg(figure, name=name, alt=f"Accuracy against epoch. {describe(history)}")


def loss_svg(history: Sequence[Epoch], guessing: Guessing, *, name: str) -> str:
    """Return loss against epoch as an SVG element; `name` is unique on its page."""
    with drawing(name):
        figure, (axes,) = new_figure(4.3, 3.1)
        _loss(axes, history, guessing)
        _legend(figure, axes)
        return to_svg(figure, name=name, alt=f"Loss against epoch. {describe(history)}")


def describe(history: Sequence[Epoch]) -> str:
    """Return what a person reads off the curves."""
    best, last = best_epoch(history), history[-1]
    known = math.isfinite(best.val_accuracy)
    told = f"After {len(history)} epochs training accuracy is {percent(last.accuracy)}"
    told += f" and validation accuracy {percent(last.val_accuracy)}." if known else "; validation was not measured."
    return f"{told} The best epoch is {best.number} with {percent(best.val_accuracy)}." if known else told


def ladder_svg(scores: Sequence[Score], *, baseline: float | None, name: str = "ladder") -> str:
    """Return the validation accuracy of every rung with its 95 % interval, the first rung lowest, as an SVG element."""
    with drawing(name):
        figure, (axes,) = new_figure(4.5, 1.1 + 0.42 * len(scores))
        for row, score in enumerate(scores):
            _rung(axes, row, score)
        lows = [score.interval.low for score in scores] + ([baseline] if baseline is not None else [])
        lowest = min(lows)
        axes.set_xlim(max(0.0, lowest - 0.06 * (1.02 - lowest)), 1.005)
        axes.set_ylim(-0.6, len(scores) - 0.35)
        axes.set_yticks(range(len(scores)), [shortened(score.name, _NAME_LETTERS) for score in scores])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        _percent_axis(axes, "x")
        axes.set_xlabel("validation accuracy, with 95 % interval")
        if baseline is not None:
            axes.axvline(
                baseline, color=MUTED, linewidth=1.2, linestyle=(0, (1, 2)), label="always the commonest class"
            )
            figure.legend(loc="outside upper left", fontsize=9)
        told = "; ".join(f"{one.name} {percent(one.accuracy)} ({one.interval})" for one in scores)
        return to_svg(figure, name=name, alt=f"Validation accuracy of every rung: {told}.")


def _rung(axes: Axes, row: int, score: Score) -> None:
    low, high = score.interval.low, score.interval.high
    axes.hlines(row, low, high, color=MAIN, linewidth=5.5, alpha=0.35)
    face = MAIN if score.is_chosen else PAPER
    axes.plot(
        score.accuracy,
        row,
        marker="D" if score.is_chosen else "o",
        markersize=7,
        markerfacecolor=face,
        markeredgecolor=MAIN,
        markeredgewidth=1.6,
    )
    weight = "bold" if score.is_chosen else "normal"
    axes.annotate(
        percent(score.accuracy),
        (score.accuracy, row),
        (0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        fontweight=weight,
    )


def _accuracy(axes: Axes, history: Sequence[Epoch], guessing: Guessing) -> None:
    _curves(axes, history, [one.accuracy for one in history], [one.val_accuracy for one in history])
    best = best_epoch(history)
    if math.isfinite(best.val_accuracy):
        _mark(axes, best.number, best.val_accuracy, f"best: epoch {best.number}, {percent(best.val_accuracy)}")
    if guessing.baseline is not None:
        _knowing_nothing(axes, guessing.baseline)
    axes.margins(y=0.12)
    _percent_axis(axes, "y")
    axes.set_ylabel("accuracy")


def _loss(axes: Axes, history: Sequence[Epoch], guessing: Guessing) -> None:
    values = [one.loss for one in history] + [one.val_loss for one in history]
    _curves(axes, history, values[: len(history)], values[len(history) :])
    best = best_epoch(history)
    if math.isfinite(best.val_accuracy) and math.isfinite(best.val_loss):
        _mark(axes, best.number, best.val_loss, f"best: epoch {best.number}")
    ignorance = math.log(max(guessing.classes, 2))
    _knowing_nothing(axes, ignorance, f" (ln {max(guessing.classes, 2):,})")
    if max((value for value in values if math.isfinite(value)), default=0.0) > _STEEP * ignorance:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
        axes.set_ylabel("loss in nats, logarithmic")
    else:
        axes.set_ylim(bottom=0)
        axes.margins(y=0.12)
        axes.set_ylabel("loss in nats")


def _curves(axes: Axes, history: Sequence[Epoch], training: Sequence[float], validation: Sequence[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = [one.number for one in history]
    size = 4.0 if len(history) <= _MARKED else 0.0
    axes.plot(
        epochs, training, color=SECOND, linestyle="--", marker="o", markersize=size, markerfacecolor=PAPER,
        linewidth=1.4, label="training",
    )  # fmt: skip
    axes.plot(epochs, validation, color=MAIN, marker="o", markersize=size, linewidth=2.0, label="validation")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))
    if len(history) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("epoch")


def _mark(axes: Axes, epoch: int, value: float, label: str) -> None:
    axes.plot(
        epoch, value, marker="*", markersize=14, color=MAIN, markeredgecolor=INK, markeredgewidth=0.8,
        linestyle="none", label=label, zorder=5,
    )  # fmt: skip


def _knowing_nothing(axes: Axes, value: float, how: str = "") -> None:
    axes.axhline(value, color=MUTED, linewidth=1.4, linestyle=(0, (1, 2)), label=f"knowing nothing{how}")


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=9, columnspacing=1.4, labelcolor=INK)


def _percent_axis(axes: Axes, which: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    axis.grid(visible=True, color=GRID)
