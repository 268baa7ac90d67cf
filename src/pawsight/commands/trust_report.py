"""What a training run says of the worth of its answers: calibration before and after, promise, guard.

Enters: truths and probabilities before and after the temperature, what was settled. Leaves: JSON values and lines of
text. Does not know: how it was settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.trust import Trust
from pawsight.evaluation.calibration import brier_score, expected_calibration_error
from pawsight.evaluation.metrics import log_loss

if TYPE_CHECKING:
    from pawsight.training.run import TrainedRun

_MEASURES = {"ece": expected_calibration_error, "brier": brier_score, "log_loss": log_loss}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustReport:
    """How far the answers of a run hold."""

    trust: Trust
    pictures: int  # the temperature was fitted on
    parts: Mapping[str, Mapping[str, Mapping[str, float]]]  # part -> measure -> "before" and "after"
    asked: float | None = None  # share of errors that was to be promised
    broken: str = ""  # why it could not be
    classes: int = 2

    def calibration(self) -> dict[str, Any]:
        """Return plain JSON values about the temperature."""
        known = {"temperature": self.trust.temperature, "fitted_on": self.trust.fitted_on, "pictures": self.pictures}
        return known | {part: {name: dict(pair) for name, pair in told.items()} for part, told in self.parts.items()}

    def abstention(self) -> dict[str, Any] | None:
        """Return plain JSON values about promise and guard, None where every picture is answered unasked."""
        if self.asked is None:
            return None
        plain = asdict(self.trust)
        why = self.broken or None
        return {"max_error": self.asked, "promise": plain["promise"], "guard": plain["guard"], "broken": why}

    def lines(self) -> list[str]:
        """Return lines for people."""
        return [_calibration_line(self), *_promise_lines(self), *_guard_lines(self)]


def trust_report(outcome: TrainedRun) -> TrustReport:
    """Measure what the temperature changed on the held-out parts, and take over what was settled."""
    pairs = {
        part: (outcome.labels[part], outcome.uncalibrated[part], table)
        for part, table in outcome.model.probabilities.items()
        if len(table)
    }
    return TrustReport(
        trust=outcome.trust,
        pictures=outcome.calibrated_on,
        parts={part: _before_and_after(*tables) for part, tables in pairs.items()},
        asked=outcome.options.max_error if outcome.options else None,
        broken=outcome.no_guarantee,
        classes=len(outcome.catalog.classes),
    )


def _before_and_after(
    true: NDArray[np.int64], before: NDArray[np.float32], after: NDArray[np.float32]
) -> dict[str, dict[str, float]]:
    return {name: {"before": how(true, before), "after": how(true, after)} for name, how in _MEASURES.items()}


def _calibration_line(report: TrustReport) -> str:
    if not report.pictures:
        return "Calibration no temperature: there are no answers that were not fitted to"
    told = f"temperature {report.trust.temperature:.2f} from {report.pictures:,} {report.trust.fitted_on}"
    if "validation" in report.parts:
        error = report.parts["validation"]["ece"]
        told += (
            f"; expected calibration error on validation {100 * error['before']:.2f} % before,"
            f" {100 * error['after']:.2f} % after"
        )
    return f"Calibration {told}"


def _promise_lines(report: TrustReport) -> list[str]:
    promise = report.trust.promise
    if report.asked is None:
        return []
    if promise is None:
        return [f"WARNING     no promise: {report.broken}"]
    low, high = promise.coverage_interval
    is_no_bar = promise.threshold * report.classes <= 1  # the best of C probabilities is at least 1 / C
    bar = "no picture is unsure" if is_no_bar else f"answered from {100 * promise.threshold:.2f} % on"
    return [
        f"Promise     at most {100 * promise.max_error:.4g} % of the answered pictures wrong, with"
        f" {100 * promise.confidence:.0f} % confidence: {bar},"
        f" {promise.answered:,} of {promise.pictures:,} on validation ({100 * promise.coverage:.1f} %,"
        f" {100 * low:.1f}-{100 * high:.1f} %), {promise.errors:,} of them wrong"
    ]


def _guard_lines(report: TrustReport) -> list[str]:
    guard = report.trust.guard
    if guard is None:
        return []
    caught = ", ".join(f"{one.caught} of {one.pictures} {one.kind}" for one in guard.caught)
    return [
        f"Guard       unlike anything seen: {caught} noticed, at most {100 * guard.false_alarms:.4g} % false alarms"
    ]
