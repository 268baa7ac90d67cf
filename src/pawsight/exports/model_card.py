"""The target card: a model card, README.md with YAML front matter as Hugging Face shows it, filled from the run.

What the run does not know (licence, author, purpose) is left to fill in, and every figure has its interval. Names of
classes and files are not trusted: they are escaped for YAML and Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pawsight.core.runs import METRICS
from pawsight.core.storage import write_text
from pawsight.core.text import percent, visible
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.learning_curve import sentence
from pawsight.exports.export_context import DECODING, ExportContext, metadata_of
from pawsight.reports.run_folder import finite, listing, mapping, read_json
from pawsight.reports.trust_stored import KeptCurve, KeptSlices, read_curve, read_slices

TEMPLATE = "card.md.j2"
SLICES_SHOWN = 10
CLASSES_SHOWN = 50
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
    bundle, metrics = context.bundle, _metrics(context.run)
    card, split = bundle.card, mapping(metrics.get("split"))
    return {
        "classes": list(card.classes),
        "classes_shown": CLASSES_SHOWN,
        "facts": metadata_of(context),
        "decoding": DECODING,
        "card": card,
        "trained_on": len(bundle.trained),
        "counts": mapping(metrics.get("counts")),
        "split": {part: int(finite(split.get(part)) or 0) for part in ("train", "validation", "test")},
        "how": str(split.get("how", "")),
        "parts": [part for name in ("validation", "test") if (part := _part(name, metrics)) is not None],
        "calibration": _calibration(metrics),
        "promise": card.trust.promise,
        "guard": card.trust.guard,
        "slices": None if context.run is None else _slices(read_slices(context.run)),
        "curve": None if context.run is None else _curve(read_curve(context.run)),
        "left_out": len(listing(metrics.get("left_out"))),
        "straddling": len(listing(metrics.get("straddling"))),
    }


def _metrics(run: Path | None) -> Mapping[str, Any]:
    return mapping(read_json(run / METRICS)) if run else {}


def _part(name: str, metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a subset's figures as (name, value, interval) rows, None where the run has none."""
    plain = mapping(metrics.get(name))
    accuracy, pictures = finite(plain.get("accuracy")), finite(plain.get("pictures"))
    ends = _ends(plain.get("interval"))
    if accuracy is None or not pictures or ends is None:
        return None
    rows = [("accuracy", percent(accuracy), f"{percent(ends[0])} to {percent(ends[1])}")]
    for key, name_shown in (("roc_auc", "area under the ROC curve"), ("macro_f1", "macro F1"), ("log_loss", "log loss"),
                      ("brier", "Brier score"), ("ece", "expected calibration error")):  # fmt: skip
        value, within = finite(plain.get(key)), _ends(mapping(plain.get("intervals")).get(key))
        if value is not None:
            rows.append(
                (name_shown, f"{value:.4f}", "not known" if within is None else f"{within[0]:.4f} to {within[1]:.4f}")
            )
    return {
        "name": name,
        "pictures": int(pictures),
        "accuracy": accuracy,
        "interval": ends,
        "baseline": finite(plain.get("baseline")),
        "rows": rows,
        "classes": [_class_row(mapping(row)) for row in listing(plain.get("classes"))],
    }


def _class_row(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return one class's row; the recall is a share of its pictures, so its interval is Wilson's."""
    pictures, recall = int(finite(plain.get("pictures")) or 0), finite(plain.get("recall"))
    ends = wilson(round((recall or 0.0) * pictures), pictures) if pictures and recall is not None else None
    return {
        "name": str(plain.get("name", "")),
        "pictures": pictures,
        "recall": "-" if ends is None or recall is None else f"{percent(recall)} ({ends})",
    }


def _ends(value: object) -> tuple[float, float] | None:
    ends = [finite(end) for end in listing(value)]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    return ends[0], ends[1]


def _calibration(metrics: Mapping[str, Any]) -> dict[str, float] | None:
    ece = mapping(mapping(mapping(metrics.get("calibration")).get("validation")).get("ece"))
    before, after = finite(ece.get("before")), finite(ece.get("after"))
    return None if before is None or after is None else {"before": before, "after": after}


def _slices(kept: KeptSlices | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    shown: Sequence[Any] = kept.slices[:SLICES_SHOWN]
    return {"part": kept.part, "all": len(kept.slices), "shown": shown}


def _curve(kept: KeptCurve | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    twice = kept.curve.twice
    ends = twice.interval
    return {
        "points": kept.curve.points,
        "twice": twice.pictures,
        "error": percent(twice.error),
        "gain": f"{twice.gain:.1f} points (95 % interval {ends[0]:.1f} to {ends[1]:.1f})" if ends else "",
        "sentence": sentence(kept.curve),
        "is_stand_in": kept.is_stand_in,
        "trained": kept.trained,
    }
