"""A run as a notebook shows it: figures, curve or confusion matrix, gravest findings, confident mistakes.

All of it together is below 20 kB, whatever the run holds: a notebook keeps every output that it has shown.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from pawsight.core.text import html_table, plural
from pawsight.data.split import Assigned
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
_MISTAKES, _FINDINGS = 10, 5
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
    wrong = sorted((answer for answer in record.answers if not answer.is_right), key=lambda answer: -answer.probability)
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
        "wrong": plural(len(wrong), "mistake") if wrong else "",
        "mistakes": [],
    }
    template = environment().get_template("notebook.html.j2")
    text, mistakes = template.render(page=page), []
    for answer in wrong[:_MISTAKES]:
        caption = {
            "path": shortened(answer.path, 2 * _LETTERS),
            "label": shortened(answer.label, _LETTERS // 3),
            "predicted": shortened(answer.predicted, _LETTERS // 3),
            "text": certainty(answer.probability),
        }
        placed = Assigned(answer.path, answer.sha256, answer.label, "validation")
        mistakes.append((caption, show(record.root, placed, record.grey_range, side=_THUMBNAIL)))
        longer = template.render(page=page | {"mistakes": mistakes})
        if len(longer.encode()) > MOST_BYTES:
            break
        text = longer
    return text


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
