"""What else a run's folder says of the classifier that it holds: figures of validation, and its report.

Enters: the bundle in a run folder, or one that lies alone. Leaves: plain JSON values, a path. Does not know: HTTP.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pawsight.classifier.bundle import Bundle
from pawsight.core.errors import WrongUsage
from pawsight.core.runs import METRICS
from pawsight.reports.run_record import RunRecord

REPORT = "report.html"
_LARGEST = 4 * 2**20  # bytes of figures; with a thousand classes they stay below


def validation_of(bundle: Bundle) -> dict[str, Any] | None:
    """Return pictures, accuracy and its 95 % interval on the validation part; None where nobody wrote them down."""
    run = bundle.folder.parent
    try:
        if (run / METRICS).stat().st_size > _LARGEST:
            return None
        record = RunRecord.read(run)
    except (OSError, WrongUsage):
        return None
    scores = record.validation
    if scores is None or record.digest != bundle.card.split_digest:  # figures of another classifier
        return None
    return scores.headline()


def report_of(bundle: Bundle) -> Path | None:
    """Return the report that `pawsight report RUN` wrote beside the bundle, if it did."""
    path = bundle.folder.parent / REPORT
    return path if path.is_file() else None
