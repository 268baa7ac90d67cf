"""Charts: training curves, the candidates of a ladder, the learning curve, the reliability diagram.

The confusion matrix is drawn in `confusion_matrix.py`, colours and fonts are in `style.py`. Nothing is shown by colour
alone: training is a dashed line with hollow marks, validation a solid line with full ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pawsight.core.runs import Epoch, best_epoch
from pawsight.core.storage import write_bytes, write_text
from pawsight.core.text import percent
from pawsight.evaluation.calibration import Bin
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.learning_curve import LearningCurve, sentence
from pawsight.reports.style import (
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
_STEPS = 60  # of each line
_HISTOGRAM = 20  # bins of equal width from 0 to 1


def draw_history(
    history: Sequence[Epoch], target_png: Path, target_svg: Path, *, classes: int, baseline: float | None
) -> None:
    """Draw accuracy and loss against epoch, side by side, as two files.

    Args:
        history: at least one epoch.
        target_png, target_svg: where to; what stands there is replaced.
        classes: how many; with the baseline they give the lines of knowing nothing.
        baseline: accuracy of always answering the commonest class, None where it is not known.

    Raises:
        ValueError: there is no epoch. StorageError: the disk refused.
    """
    if not history:
        raise ValueError("a history without epochs cannot be drawn")
    with drawing("history"):
        figure, (left, right) = new_figure(9.0, 3.8, columns=2)
        draw_accuracy(left, history, baseline)
        draw_loss(right, history, classes)
        _legend(figure, left)
        write_bytes(target_png, to_png(figure))
        write_text(target_svg, to_svg_file(figure, name="history", alt=describe_history(history)))


def accuracy_svg(history: Sequence[Epoch], *, baseline: float | None, name: str) -> str:
    """Return accuracy against epoch as an SVG element; `name` is unique on its page."""
    with drawing(name):
        figure, (axes,) = new_figure(4.3, 3.1)
        draw_accuracy(axes, history, baseline)
        _legend(figure, axes)
        return to_svg(figure, name=name, alt=f"Accuracy against epoch. {describe_history(history)}")


def loss_svg(history: Sequence[Epoch], *, classes: int, name: str) -> str:
    """Return loss against epoch as an SVG element; `name` is unique on its page."""
    with drawing(name):
        figure, (axes,) = new_figure(4.3, 3.1)
        draw_loss(axes, history, classes)
        _legend(figure, axes)
        return to_svg(figure, name=name, alt=f"Loss against epoch. {describe_history(history)}")


def describe_history(history: Sequence[Epoch]) -> str:
    """Return what a person reads off the curves."""
    best, last = best_epoch(history), history[-1]
    known = math.isfinite(best.val_accuracy)
    text = f"After {len(history)} epochs training accuracy is {_percent(last.accuracy)}"
    text += f" and validation accuracy {_percent(last.val_accuracy)}." if known else "; validation was not measured."
    return f"{text} The best epoch is {best.number} with {_percent(best.val_accuracy)}." if known else text


def ladder_svg(
    scores: Sequence[tuple[str, float, Interval]], *, chosen: int | None, baseline: float | None, name: str = "ladder"
) -> str:
    """Return the validation accuracy of every candidate with its 95 % interval as an SVG element.

    Args:
        scores: name, accuracy and interval of each, the lowest on the chart first.
        chosen: the place of the chosen one.
        baseline: accuracy of always answering the commonest class, None where it is not known.
        name: unique on its page.
    """
    with drawing(name):
        figure, (axes,) = new_figure(4.5, 1.1 + 0.42 * len(scores))
        for row, (_, accuracy, interval) in enumerate(scores):
            _candidate(axes, row, accuracy, interval, is_chosen=row == chosen)
        lows = [interval.low for _, _, interval in scores] + ([baseline] if baseline is not None else [])
        lowest = min(lows)
        axes.set_xlim(max(0.0, lowest - 0.06 * (1.02 - lowest)), 1.005)
        axes.set_ylim(-0.6, len(scores) - 0.35)
        axes.set_yticks(range(len(scores)), [shortened(label, _NAME_LETTERS) for label, _, _ in scores])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        _percent_axis(axes, "x")
        axes.set_xlabel("validation accuracy, with 95 % interval")
        if baseline is not None:
            axes.axvline(
                baseline, color=MUTED, linewidth=1.2, linestyle=(0, (1, 2)), label="always the commonest class"
            )
            figure.legend(loc="outside upper left", fontsize=9)
        text = "; ".join(f"{label} {_percent(accuracy)} ({interval})" for label, accuracy, interval in scores)
        return to_svg(figure, name=name, alt=f"Validation accuracy of every candidate: {text}.")


def _candidate(axes: Axes, row: int, accuracy: float, interval: Interval, *, is_chosen: bool) -> None:
    axes.hlines(row, interval.low, interval.high, color=MAIN, linewidth=5.5, alpha=0.35)
    face = MAIN if is_chosen else PAPER
    axes.plot(
        accuracy,
        row,
        marker="D" if is_chosen else "o",
        markersize=7,
        markerfacecolor=face,
        markeredgecolor=MAIN,
        markeredgewidth=1.6,
    )
    weight = "bold" if is_chosen else "normal"
    axes.annotate(
        percent(accuracy),
        (accuracy, row),
        (0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        fontweight=weight,
    )


def draw_accuracy(axes: Axes, history: Sequence[Epoch], baseline: float | None) -> None:
    """Draw accuracy against epoch, with that of always answering the commonest class where it is known."""
    _curves(axes, history, [epoch.accuracy for epoch in history], [epoch.val_accuracy for epoch in history])
    best = best_epoch(history)
    if math.isfinite(best.val_accuracy):
        _mark(axes, best.number, best.val_accuracy, f"best: epoch {best.number}, {percent(best.val_accuracy)}")
    if baseline is not None:
        _knowing_nothing(axes, baseline)
    axes.margins(y=0.12)
    _percent_axis(axes, "y")
    axes.set_ylabel("accuracy")


def draw_loss(axes: Axes, history: Sequence[Epoch], classes: int) -> None:
    """Draw the loss in nats against epoch, with that of knowing nothing."""
    values = [epoch.loss for epoch in history] + [epoch.val_loss for epoch in history]
    _curves(axes, history, values[: len(history)], values[len(history) :])
    best = best_epoch(history)
    if math.isfinite(best.val_accuracy) and math.isfinite(best.val_loss):
        _mark(axes, best.number, best.val_loss, f"best: epoch {best.number}")
    ignorance = math.log(max(classes, 2))
    _knowing_nothing(axes, ignorance, f" (ln {max(classes, 2):,})")
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

    epochs = [epoch.number for epoch in history]
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


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %" if math.isfinite(value) else "unknown"


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
        return to_svg(figure, name=name, alt=describe_learning_curve(curve))


def describe_learning_curve(curve: LearningCurve) -> str:
    """Return what a person reads off the chart."""
    errors = [f"{point.pictures:,} pictures {100 * point.error:.1f} % ({point.interval})" for point in curve.points]
    text = "; ".join(errors)
    return f"Share of validation pictures answered wrong after training on {text}. {sentence(curve)}"


def _measured(axes: Axes, curve: LearningCurve) -> None:
    sizes = [point.pictures for point in curve.points]
    axes.vlines(
        sizes, [point.interval.low for point in curve.points], [point.interval.high for point in curve.points],
        color=MAIN, linewidth=4.5, alpha=0.35, label="95 % interval",
    )  # fmt: skip
    errors = [point.error for point in curve.points]
    axes.plot(sizes, errors, linestyle="none", marker="o", markersize=6, color=MAIN, label="measured")
    inside = np.geomspace(sizes[0], sizes[-1], _STEPS)
    axes.plot(inside, [curve.error(size) for size in inside], color=MUTED, linewidth=1.6, label="fit")


def _expected(axes: Axes, curve: LearningCurve) -> None:
    now, twice = curve.points[-1].pictures, curve.twice
    beyond = np.geomspace(now, twice, _STEPS)
    axes.plot(beyond, [curve.error(size) for size in beyond], color=SECOND, linewidth=1.6, linestyle=(0, (4, 2)))
    if curve.interval is not None:
        low, high = (curve.error(now) - gain / 100 for gain in reversed(curve.interval))
        axes.vlines(twice, max(0.0, low), max(0.0, high), color=SECOND, linewidth=4.5, alpha=0.35)
    axes.plot(
        twice, curve.error(twice), linestyle="none", marker="D", markersize=7, markerfacecolor=PAPER,
        markeredgecolor=SECOND, markeredgewidth=1.6, label="twice the data",
    )  # fmt: skip


def _axes(axes: Axes, curve: LearningCurve) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    ticks = [point.pictures for point in curve.points] + [curve.twice]
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axes.set_xlim(ticks[0] / 1.25, ticks[-1] * 1.25)
    axes.tick_params(axis="x", labelsize=8.5)
    # 80 % and 100 % stand close together on a logarithmic axis
    for label, share in zip(axes.get_xticklabels(), [*(point.share for point in curve.points), 2.0], strict=True):
        label.set_visible(not 0.5 < share < 1)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %")
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("training pictures, logarithmic")
    axes.set_ylabel("validation error")


def reliability_svg(
    before: Sequence[Bin], after: Sequence[Bin], confidences: NDArray[np.floating], *, name: str = "reliability"
) -> str:
    """Return share right against confidence, above a histogram of the confidences, as an SVG element.

    Args:
        before, after: bins that hold pictures, the least confident first; `before` may be empty.
        confidences: of the answers (N,), after calibration, in [0, 1].
        name: unique on its page.
    """
    with drawing(name):
        figure, (axes, below) = new_figure(4.3, 5.0, heights=(3, 1))
        draw_reliability(axes, before, after)
        axes.set_xlabel("")
        draw_confidences(below, confidences, axes)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, labelcolor=INK)
        return to_svg(figure, name=name, alt=describe_reliability(before, after))


def draw_confidences(axes: Axes, confidences: NDArray[np.floating], above: Axes) -> None:
    """Draw the share of the answers in each twentieth of the confidence, on the axis of the diagram above."""
    from matplotlib.ticker import PercentFormatter

    shares = np.full(len(confidences), 1 / max(len(confidences), 1))
    axes.hist(
        confidences,
        bins=np.linspace(0, 1, _HISTOGRAM + 1).tolist(),
        weights=shares,
        color=MAIN,
        edgecolor=PAPER,
        linewidth=0.8,
    )
    axes.set_xlim(above.get_xlim())
    axes.set_xticks(above.get_xticks())
    axes.set_ylim(0, 1.04)
    axes.set_yticks([0, 0.5, 1])
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.set_xlabel("confidence")
    axes.set_ylabel("answers")


def draw_reliability(axes: Axes, before: Sequence[Bin], after: Sequence[Bin]) -> None:
    """Draw share right against confidence, with its 95 % interval after calibration."""
    from matplotlib.ticker import PercentFormatter

    lowest = max(0.0, min((bin_.low for bin_ in (*before, *after)), default=0.0))
    lowest = min(math.floor(_HISTOGRAM * lowest), _HISTOGRAM - 1) / _HISTOGRAM  # also where all are certain
    axes.plot([lowest, 1], [lowest, 1], color=MUTED, linestyle=":", linewidth=1.2, label="perfectly calibrated")
    _marks(axes, before, "before", SECOND, filled=False)
    axes.vlines(*_ends(after), color=MAIN, linewidth=1.2)
    _marks(axes, after, "after", MAIN, filled=True)
    axes.set_xlim(lowest - 0.04 * (1 - lowest), 1 + 0.04 * (1 - lowest))
    axes.set_xticks([tick for tick in axes.get_xticks() if lowest <= tick <= 1])
    axes.set_ylim(0, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    counts = [bin_.pictures for bin_ in after]
    each = f", {min(counts):,} or more a mark" if counts else ""
    axes.set_xlabel(f"confidence{each}")
    axes.set_ylabel("accuracy")


def describe_reliability(before: Sequence[Bin], after: Sequence[Bin]) -> str:
    """Return what a person reads off the diagram."""
    if not after:
        return "There are no answers to compare with the truth."
    pictures = sum(bin_.pictures for bin_ in after)
    text = f"{pictures:,} answers by confidence. Confidence and accuracy are {_error(after)} apart after calibration"
    return f"{text}, {_error(before)} before." if before else f"{text}."


def _error(bins: Sequence[Bin]) -> str:
    pictures = sum(bin_.pictures for bin_ in bins)
    gap = sum(bin_.pictures * abs(bin_.accuracy - bin_.confidence) for bin_ in bins) / pictures
    return f"{100 * gap:.2f} %"


def _marks(axes: Axes, bins: Sequence[Bin], label: str, colour: str, *, filled: bool) -> None:
    """Mark each bin; no line joins them, since a bin of two pictures would swing it from floor to ceiling."""
    if bins:
        sizes = [16 + 14 * math.log10(bin_.pictures) for bin_ in bins]
        places = [bin_.confidence for bin_ in bins], [bin_.accuracy for bin_ in bins]
        face = colour if filled else PAPER
        axes.scatter(
            *places, s=sizes, marker="o" if filled else "D", facecolor=face, edgecolor=colour, label=label, zorder=3
        )


def _ends(bins: Sequence[Bin]) -> tuple[list[float], list[float], list[float]]:
    return (
        [bin_.confidence for bin_ in bins],
        [bin_.interval.low for bin_ in bins],
        [bin_.interval.high for bin_ in bins],
    )
