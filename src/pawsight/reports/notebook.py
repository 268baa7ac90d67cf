"""A run and its answers as a notebook shows them: figures, curve or confusion matrix, gravest findings, mistakes.

All of it together is below 20 kB, whatever the run holds: a notebook keeps every output that it has shown.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from pawsight.core.text import html_table, plural
from pawsight.data.split import Assigned
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.metrics import Metrics
from pawsight.reports.audit_page import EXPLAINED
from pawsight.reports.audit_page import figure as finding_text
from pawsight.reports.charts import describe_history, draw_accuracy
from pawsight.reports.pictures import show
from pawsight.reports.run_record import SUBSETS, RunRecord, figure
from pawsight.reports.style import drawing, environment, new_figure, shortened, to_png
from pawsight.reports.words import certainty, percent

MOST_BYTES = 18_000
_THUMBNAIL = 64  # pixels
_CARDS, _FINDINGS = 10, 5  # shown
_CARD = "margin:0;width:80px;font-size:11px;line-height:1.25;overflow-wrap:anywhere"
_CLASSES = 12  # up to which the confusion matrix is shown
_LETTERS = 60  # of a name
_FIGURES = {"log_loss": "log loss", "macro_f1": "macro F1", "ece": "calibration error"}


def run_html(record: RunRecord) -> str:
    """Return a run as HTML for a cell of a notebook, self-contained and escaped."""
    subset = "validation" if record.validation is not None or record.test is None else "test"
    metrics: Metrics | None = getattr(record, subset)
    findings = [
        f"{EXPLAINED[finding.problem].title}: {shortened(finding.path, _LETTERS)} {finding_text(finding)}".rstrip()
        for finding in (record.findings or ())[:_FINDINGS]
        if finding.severity != "low"
    ]
    page = {
        "title": f"Run {record.shown}",
        "subtitle": _subtitle(record),
        "scores": _scores(record),
        "subset": subset,
        "curve": _curve(record) if record.history else "",
        "described": describe_history(record.history) if record.history else "",
        "classes": [shortened(name, _LETTERS // 4) for name in record.classes],
        "confusion": _confusion(metrics, record.classes),
        "findings": findings,
        "findings_count": plural(len(record.findings or ()), "finding"),
    }
    text = environment().get_template("notebook.html.j2").render(page=page)
    wrong = sorted((answer for answer in record.answers if not answer.is_right), key=lambda answer: -answer.probability)
    if not wrong:
        return text
    title = f"The most confident of {plural(len(wrong), 'mistake')} on validation:"
    return text + answers_html(title, wrong, record, most_bytes=MOST_BYTES - len(text.encode()))


def answers_html(title: str, answers: Sequence[Answer], record: RunRecord, *, most_bytes: int = MOST_BYTES) -> str:
    """Return the first ten answers of a run as HTML, with a thumbnail of each picture that still is what it was.

    Args:
        title: a line above them.
        answers: in the order in which they are shown.
        record: of the run, which knows where its pictures are.
        most_bytes: fewer are shown where they would take more.
    """
    cards, left = [], most_bytes - 200 - len(title.encode())
    for answer in answers[:_CARDS]:
        placed = Assigned(answer.path, answer.sha256, answer.label, "")
        shown = show(record.root, placed, record.grey_range, side=_THUMBNAIL)
        image = f'<img src="{shown.address}" width="{shown.width}" height="{shown.height}" alt="">' * bool(
            shown.address
        )
        predicted, label, path = (
            html.escape(shortened(text, letters))
            for text, letters in ((answer.predicted, 20), (answer.label, 20), (answer.path, 2 * _LETTERS))
        )
        verdict = "right" if answer.is_right else f"is {label}"
        cards.append(
            f'<figure style="{_CARD}" title="{path}">{image}'
            f"<figcaption>{predicted} {certainty(answer.probability)}<br>{verdict}</figcaption></figure>"
        )
        left -= len(cards[-1].encode())
        if left < 0:
            cards.pop()
            break
    return f'<p>{html.escape(title)}</p><div style="display:flex;flex-wrap:wrap;gap:8px">{"".join(cards)}</div>'


def _curve(record: RunRecord) -> str:
    """Return accuracy against epoch as a data: address: a PNG of 16 colours, since an SVG has each mark as text."""
    with drawing("run"):
        figure, (axes,) = new_figure(4.6, 2.8)
        draw_accuracy(axes, record.history, record.baseline)
        figure.legend(loc="outside upper left", ncols=2, fontsize=8)
        content = to_png(figure, dpi=80)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").quantize(16).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _subtitle(record: RunRecord) -> str:
    network = f" on {record.backbone} at {record.image_px} px" if record.backbone else ""
    pictures = plural(sum(record.counts.values()), "picture")
    sizes = ", ".join(f"{record.sizes.get(name, 0):,} {name}" for name in SUBSETS)
    return f"{record.recipe}{network}; {pictures} of {plural(len(record.classes), 'class', 'classes')}: {sizes}"


def _scores(record: RunRecord) -> str:
    """Return the figures of validation and test with their 95 % intervals, as a table."""
    measured = {name: metrics for name in ("validation", "test") if (metrics := getattr(record, name)) is not None}
    if not measured:
        return "<p>Nothing was measured: there are no validation and no test pictures.</p>"
    rows = [["accuracy", *(f"{percent(metrics.accuracy)} ({metrics.interval})" for metrics in measured.values())]]
    for name, called in _FIGURES.items():
        known = [figure(metrics, name) for metrics in measured.values()]
        rows.append([called, *("unknown" if pair is None else _with_ends(*pair) for pair in known)])
    rows += [["always the commonest class", *(percent(metrics.baseline) for metrics in measured.values())]]
    header = [f"{name}, {plural(metrics.pictures, 'picture')}" for name, metrics in measured.items()]
    return html_table(["", *header], rows, caption="with 95 % intervals")


def _with_ends(value: float, interval: Interval | None) -> str:
    return f"{value:.3f}" + (f" ({interval.low:.3f} to {interval.high:.3f})" if interval else "")


def _confusion(metrics: Metrics | None, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the matrix, names and cells with count and shade; none where there are many classes."""
    if metrics is None or len(classes) > _CLASSES:
        return []
    return [
        {
            "name": shortened(name, _LETTERS // 4),
            "cells": [{"count": count, "shade": round(0.5 * count / (sum(row) or 1), 2)} for count in row],
        }
        for name, row in zip(classes, metrics.confusion, strict=False)
    ]
