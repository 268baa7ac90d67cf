"""What else a run's folder says of the classifier that it holds: figures of validation, and its report.

Enters: the bundle in a run folder, or one that lies alone. Leaves: plain JSON values, a path. Does not know: HTTP.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pawsight.classifier.bundle import Bundle
from pawsight.core.runs import METRICS

REPORT = "report.html"
_LARGEST = 4 * 2**20  # bytes of figures; with a thousand classes they stay below


def validation_of(bundle: Bundle) -> dict[str, Any] | None:
    """Return pictures, accuracy and its 95 % interval on the validation part; None where nobody wrote them down."""
    path = bundle.folder.parent / METRICS
    try:
        if path.stat().st_size > _LARGEST:
            return None
        values = json.loads(path.read_bytes())
        if values["split"]["digest"] != bundle.card.split_digest:  # figures of another classifier
            return None
        part = values["validation"]
        low, high = (_share(end) for end in part["interval"])
        return {"pictures": int(part["pictures"]), "accuracy": _share(part["accuracy"]), "interval": [low, high]}
    except (OSError, KeyError, TypeError, ValueError):
        return None


def report_of(bundle: Bundle) -> Path | None:
    """Return the report that `pawsight report RUN` wrote beside the bundle, if it did."""
    path = bundle.folder.parent / REPORT
    return path if path.is_file() else None


def _share(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is no share")
    return float(value)
