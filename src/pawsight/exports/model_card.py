"""The target card: a model card, README.md with YAML front matter as Hugging Face shows it, filled from the run.

What the run does not know (licence, author, purpose) is left to fill in, and every figure has its interval. Names of
classes and files are not trusted: they are escaped for YAML and Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pawsight.core.errors import WrongUsage
from pawsight.core.storage import write_text
from pawsight.core.text import percent, visible
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.learning_curve import sentence
from pawsight.evaluation.metrics import ClassMetrics, Metrics
from pawsight.evaluation.several_labels import LabelMetrics, SeveralLabelsMetrics
from pawsight.exports.export_context import ExportContext, metadata_of
from pawsight.reports.run_record import SUBSETS, CurveRecord, RunRecord, figure, finite

TEMPLATE = "card.md.j2"
SLICES_SHOWN = 10
CLASSES_SHOWN = 50
_FIGURES = {
    "roc_auc": "area under the ROC curve",
    "macro_f1": "macro F1",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "expected calibration error",
}
_SPECIAL = str.maketrans(
    {letter: f"\\{letter}" for letter in "\\`*_{}[]()#+-.!|~$^=:@'\"/"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def make_card(context: ExportContext, paths: Mapping[str, Path]) -> None:
    """Write the card."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701  # Markdown: every value passes through `md` or `yaml`
        loader=PackageLoader("pawsight", "exports/templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown, "yaml": yaml, "percent": percent}
    write_text(paths["card"], environment.get_template(TEMPLATE).render(view(context)))


def markdown(text: object) -> str:
    """Return text on one line, escaped so that Markdown and the HTML within it show it literally."""
    return visible(text).translate(_SPECIAL)


def yaml(value: object) -> str:
    """Return a value as YAML: as JSON, which is YAML, in ASCII, which no reader misreads."""
    return json.dumps(value)


def view(context: ExportContext) -> dict[str, Any]:
    """Return the values that the template shows."""
    bundle, record = context.bundle, _record(context.run)
    card = bundle.card
    measured = {"validation": record.validation, "test": record.test} if record else {}
    parts = [_part(name, scores) for name, scores in measured.items() if scores is not None]
    if record and record.several_labels:
        known = record.several_labels  # those of training, out of fold, are not of this classifier
        parts = [_part_of_labels(name, known[name]) for name in ("validation", "test") if name in known]
    return {
        "several": card.several_labels,
        "classes": list(card.classes),
        "classes_shown": CLASSES_SHOWN,
        "facts": metadata_of(context),
        "card": card,
        "backbone": {
            "name": card.recipe.get("backbone", ""),
            "sha256": card.recipe.get("backbone_sha256", ""),
            "licence": card.recipe.get("backbone_licence", ""),
        },
        "trained_on": len(bundle.trained),
        "counts": record.counts if record else {},
        "split": {subset: record.sizes.get(subset, 0) if record else 0 for subset in SUBSETS},
        "how": record.how if record else "",
        "parts": parts,
        "crossed": record.cross_validation.sentences(record.validation) if record and record.cross_validation else [],
        "calibration": record.calibrated.get("validation", {}).get("ece") if record else None,
        "guarantee": card.trust.guarantee,
        "by_class": card.trust.by_class,
        "never": [name for name, kept in zip(card.classes, card.trust.by_class, strict=False) if kept is None],
        "detector": card.trust.detector,
        "slices": record.slices if record else None,
        "slices_shown": SLICES_SHOWN,
        "curve": _curve(record.learning_curve) if record else None,
        "left_out": len(record.left_out) if record else 0,
        "straddling": len(record.leaks or ()) if record else 0,
    }


def _record(run: Path | None) -> RunRecord | None:
    """Return what the run says about itself, None where there is no run or it says nothing."""
    with suppress(WrongUsage):
        return RunRecord.read(run) if run is not None else None
    return None


def _part(name: str, scores: Metrics) -> dict[str, Any]:
    """Return the figures on one subset as (name, value, interval) rows."""
    low, high = scores.interval.as_list()
    rows = [("accuracy", percent(scores.accuracy), f"{percent(low)} to {percent(high)}")]
    for key, title in _FIGURES.items():
        if (known := figure(scores, key)) is not None:
            value, ends = known
            rows.append((title, f"{value:.4f}", "not known" if ends is None else f"{ends.low:.4f} to {ends.high:.4f}"))
    return {
        "name": name,
        "pictures": scores.pictures,
        "accuracy": scores.accuracy,
        "interval": (low, high),
        "baseline": finite(scores.baseline),
        "rows": rows,
        "classes": [_of_class(known, scores.design_effect or 1.0) for known in scores.classes],
    }


def _part_of_labels(name: str, scores: SeveralLabelsMetrics) -> dict[str, Any]:
    """Return the figures on one subset where a picture may have several labels."""
    ends = {key: "not known" if found is None else str(found) for key, found in scores.intervals.items()}
    values = [
        ("mean_average_precision", "mean average precision", scores.mean_average_precision),
        ("micro_f1", "F1 over all labels", scores.micro_f1),
        ("macro_f1", "F1, mean over labels", scores.macro_f1),
        ("exact_match", "pictures of which every label is right", scores.exact_match),
    ]
    exact = scores.intervals["exact_match"]
    return {
        "name": name,
        "pictures": scores.pictures,
        "accuracy": scores.exact_match,
        "interval": (0.0, 1.0) if exact is None else tuple(exact.as_list()),
        "baseline": None,
        "rows": [(title, percent(value), ends[key]) for key, title, value in values if value is not None],
        "classes": [_of_label(known) for known in scores.labels],
    }


def _of_label(scores: LabelMetrics) -> dict[str, Any]:
    shares = {"average precision": scores.average_precision, "precision": scores.precision, "recall": scores.recall}
    shown = [
        "-" if value is None else f"{name} {percent(value)}{f' ({ends})' if ends else ''}"
        for name, value in shares.items()
        for ends in [scores.intervals[name.replace(" ", "_")]]
    ]
    return {"name": scores.name, "pictures": scores.pictures, "recall": ", ".join(shown)}


def _of_class(scores: ClassMetrics, effect: float) -> dict[str, Any]:
    """Return one class's row; the recall is a share of its pictures, so its interval is Wilson's."""
    pictures, recall = scores.pictures, finite(scores.recall)
    ends = wilson(round(recall * pictures) / effect, pictures / effect) if pictures and recall is not None else None
    return {
        "name": scores.name,
        "pictures": pictures,
        "recall": "-" if ends is None or recall is None else f"{percent(recall)} ({ends})",
    }


def _curve(kept: CurveRecord | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    curve, ends = kept.curve, kept.curve.interval
    return {
        "points": curve.points,
        "twice": curve.twice,
        "error": percent(curve.error(curve.twice)),
        "gain": f"{curve.gain:.1f} points (95 % interval {ends[0]:.1f} to {ends[1]:.1f})" if ends else "",
        "sentence": sentence(curve),
        "is_stand_in": kept.is_stand_in,
        "trained": kept.trained,
    }
