"""Metrics as plain values for JSON, tables and terminals.

Enters: `Metrics`. Leaves: dictionaries and lines of text. Does not know: files, models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pawsight.evaluation.metrics import Metrics


def to_jsonable(metrics: Metrics | None) -> dict[str, Any] | None:
    """Return metrics as plain JSON values, None where there was nothing to measure."""
    if metrics is None:
        return None
    plain = asdict(metrics)
    return plain | {"interval": metrics.interval.as_list(), "intervals": metrics.intervals.as_lists()}


def sentence(metrics: Metrics | None) -> str:
    """Return the one line that says how good a classifier is on one part."""
    if metrics is None:
        return "no pictures, so nothing can be said"
    return (
        f"{100 * metrics.accuracy:.1f} % right of {metrics.pictures:,} (95 % interval {metrics.interval}), "
        f"log loss {metrics.log_loss:.3f}{_ends(metrics)}; always the commonest class: {100 * metrics.baseline:.1f} %"
    )


def _ends(metrics: Metrics) -> str:
    known = metrics.intervals.log_loss
    return f" ({known.low:.3f}-{known.high:.3f})" if known is not None else ""


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Return the lines of a table whose first `left` columns stand to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def table_rows(metrics: Metrics) -> list[tuple[str, str, str, str, str]]:
    """Return class, pictures, precision, recall and F1 as text, one row a class."""
    return [
        (one.name, f"{one.pictures:,}", f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}")
        for one in metrics.classes
    ]


def confusions(metrics: Metrics, *, most: int = 5) -> list[tuple[str, str, int]]:
    """Return the commonest mistakes: truth, answer, how often; at most `most`."""
    names = [one.name for one in metrics.classes]
    wrong = [
        (names[row], names[column], count)
        for row, counts in enumerate(metrics.confusion)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(wrong, key=lambda one: (-one[2], one[0], one[1]))[:most]
