"""A model card: README.md with YAML front matter, as Hugging Face shows it, filled from the run.

Enters: an `Order`, best with its run. Leaves: README.md. Does not know: how any figure was found.

What the run does not know (licence, who made it, what it is for) stands there as a thing to fill in, and no figure
stands without its interval. Names of classes and files come from strangers: they are escaped for YAML and Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pawsight.core.runs import METRICS
from pawsight.core.storage import write_text
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.learning_curve import sentence
from pawsight.exports.facts import DECODING, facts_of
from pawsight.exports.target import Order
from pawsight.reports.run_record import (
    KeptCurve,
    KeptSlices,
    finite,
    listing,
    mapping,
    read_curve,
    read_json,
    read_slices,
)
from pawsight.reports.words import visible

TEMPLATE = "card.md.j2"
SLICES_SHOWN = 10
CLASSES_SHOWN = 50
_SPECIAL = str.maketrans(
    {letter: f"\\{letter}" for letter in "\\`*_{}[]()#+-.!|~$^=:@'\"/"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def make_card(order: Order, places: Mapping[str, Path]) -> None:
    """Write the card."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701  # Markdown: everything passes through `md` or `yaml`
        loader=PackageLoader("pawsight", "exports/templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": markdown, "yaml": yaml, "percent": percent}
    write_text(places["card"], environment.get_template(TEMPLATE).render(view(order)))


def markdown(text: object) -> str:
    """Return text that Markdown, and HTML within it, shows as it is, on one line."""
    return visible(text).translate(_SPECIAL)


def yaml(value: object) -> str:
    """Return a value as YAML: JSON is YAML, and in ASCII no reader takes a name for anything else."""
    return json.dumps(value)


def percent(share: float) -> str:
    """Return a share with one digit."""
    return f"{100 * share:.1f} %"


def view(order: Order) -> dict[str, Any]:
    """Return all that the template shows, as plain values."""
    bundle, metrics = order.bundle, _metrics(order.run)
    card, split = bundle.card, mapping(metrics.get("split"))
    return {
        "classes": list(card.classes),
        "classes_shown": CLASSES_SHOWN,
        "facts": facts_of(order),
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
        "slices": None if order.run is None else _slices(read_slices(order.run)),
        "curve": None if order.run is None else _curve(read_curve(order.run)),
        "left_out": len(listing(metrics.get("left_out"))),
        "straddling": len(listing(metrics.get("straddling"))),
    }


def _metrics(run: Path | None) -> Mapping[str, Any]:
    return mapping(read_json(run / METRICS)) if run else {}


def _part(name: str, metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return one part's figures as (name, value, interval) rows, None where the run does not say."""
    plain = mapping(metrics.get(name))
    accuracy, pictures = finite(plain.get("accuracy")), finite(plain.get("pictures"))
    ends = _ends(plain.get("interval"))
    if accuracy is None or not pictures or ends is None:
        return None
    rows = [("accuracy", percent(accuracy), f"{percent(ends[0])} to {percent(ends[1])}")]
    for key, told in (("roc_auc", "area under the ROC curve"), ("macro_f1", "macro F1"), ("log_loss", "log loss"),
                      ("brier", "Brier score"), ("ece", "expected calibration error")):  # fmt: skip
        value, within = finite(plain.get(key)), _ends(mapping(plain.get("intervals")).get(key))
        if value is not None:
            rows.append(
                (told, f"{value:.4f}", "not known" if within is None else f"{within[0]:.4f} to {within[1]:.4f}")
            )
    return {
        "name": name,
        "pictures": int(pictures),
        "accuracy": accuracy,
        "interval": ends,
        "baseline": finite(plain.get("baseline")),
        "rows": rows,
        "classes": [_of_class(mapping(one)) for one in listing(plain.get("classes"))],
    }


def _of_class(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return one class's row; the recall is a share of its pictures, so its interval is Wilson's."""
    pictures, recall = int(finite(plain.get("pictures")) or 0), finite(plain.get("recall"))
    ends = wilson(round((recall or 0.0) * pictures), pictures) if pictures and recall is not None else None
    return {
        "name": str(plain.get("name", "")),
        "pictures": pictures,
        "recall": "-" if ends is None or recall is None else f"{percent(recall)} ({ends})",
    }


def _ends(value: object) -> tuple[float, float] | None:
    ends = [finite(one) for one in listing(value)]
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
