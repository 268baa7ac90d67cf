"""What a report answers before anything else: how good, how sure, where weakest, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pawsight.core.text import plural, typed
from pawsight.evaluation.slices import Slice
from pawsight.reports import words
from pawsight.reports.run_record import RunRecord, figure
from pawsight.reports.several_labels import measured_on, several_cards, several_sentence
from pawsight.reports.trust_page import slice_name

Card = tuple[str, str, str]  # what it is, the figure, what stands below it


def first_screen(run: RunRecord, name: str) -> Mapping[str, Any]:
    """Return the verdict, the cards, the weakest kind of picture and the next step, as text that is not yet escaped.

    Args:
        run: the chosen run, or the only one.
        name: what the report calls it.
    """
    text, command = _next_step(run)
    return {
        "verdict": _verdict(run, name),
        "cards": [
            *several_cards(run),
            *(card for card in (_accuracy(run), _answered(run), _calibration(run), _issues(run)) if card),
        ],
        "weakest": _weakest(run),
        "next": text,
        "command": command,
    }


def _verdict(run: RunRecord, name: str) -> str:
    if (known := measured_on(run)) is not None:
        return several_sentence(*known)
    score, how = run.test or run.validation, ""
    if score is None and run.cross_validation is not None:
        score, how = run.cross_validation.metrics, "By cross-validation, "
    if score is None:
        return f"{name} was not measured."
    subset = "test" if run.test is not None else "validation" if run.validation is not None else "training"
    subject = f"{how}{name[:1].lower()}{name[1:]}" if how and name.startswith("The ") else f"{how}{name}"
    text = f"{subject} is right on {words.percent(score.accuracy)} of {words.whole(score.pictures)} {subset} pictures"
    if score.interval.low <= score.baseline:
        return f"{text}, which is not better beyond chance than always answering the commonest class."
    return f"{text}; always answering the commonest class is right on {words.percent(score.baseline)}."


def _accuracy(run: RunRecord) -> Card | None:
    score = run.test or run.validation or (run.cross_validation.metrics if run.cross_validation else None)
    if score is None:
        return None
    subset = "Test" if run.test is not None else "Validation" if run.validation is not None else "Cross-validated"
    ends = f"95{words.NBSP}% interval {words.between(score.interval.as_list())}, {words.pictures(score.pictures)}"
    return f"{subset} accuracy", words.percent(score.accuracy), ends


def _answered(run: RunRecord) -> Card | None:
    if run.label_rules and run.max_error is not None:
        return None  # counted by label
    for subset in ("test", "validation"):
        decided = run.decided.get(subset)
        if isinstance(decided, Mapping) and decided.get("pictures"):
            answered, pictures = decided["answered"], decided["pictures"]
            rest = f"{answered:,} of {words.pictures(pictures)} of {subset}; the rest is unsure or unfamiliar"
            return "Answered", words.percent(answered / pictures), rest
    return None


def _calibration(run: RunRecord) -> Card | None:
    for subset, score in (("test", run.test), ("validation", run.validation)):
        known = figure(score, "ece")
        if known is not None:
            error, _ = known
            return "Calibration error", words.percent(error), f"between confidence and accuracy, on {subset}"
    return None


def _issues(run: RunRecord) -> Card | None:
    if run.findings is None:
        return None
    severe = sum(finding.severity == "high" for finding in run.findings)
    return "Data issues", f"{len(run.findings):,}", f"{severe:,} of high severity" if run.findings else "none found"


def _weakest(run: RunRecord) -> str:
    tested = [slice_ for slice_ in run.slices.slices if slice_.p_holm is not None] if run.slices is not None else []
    lowest: Slice | None = min(tested, key=lambda slice_: slice_.accuracy, default=None)
    if lowest is not None and lowest.accuracy < 1:
        chance = "" if lowest.verdict == "worse" else "; chance alone explains that"
        right = f"{words.percent(lowest.accuracy)} of {words.pictures(lowest.pictures)} are right"
        return f"Weakest kind of picture: {slice_name(lowest)}, {right}{chance}."
    if (labels := run.several_labels.get("validation")) is not None:
        f1, name = min(((label.f1, label.name) for label in labels.labels if label.f1 is not None), default=(1.0, ""))
        return f"Weakest label: “{name}”, F1 {words.percent(f1)} on validation." if f1 < 1 else ""
    recalls = [(scores.recall, scores) for scores in (run.validation.classes if run.validation is not None else ())]
    known = [(recall, scores) for recall, scores in recalls if recall is not None and scores.pictures]
    recall, weakest = min(known, key=lambda pair: pair[0], default=(1.0, None))
    if weakest is None or recall == 1:
        return ""
    right = f"{words.percent(recall)} of {words.pictures(weakest.pictures)} of validation are right"
    return f"Weakest class: “{weakest.name}”, {right}."


def _next_step(run: RunRecord) -> tuple[str, str]:
    """Return what to do next and the command for it; the first that applies."""
    suspects = run.suspects
    if suspects is not None and suspects.flagged:
        wrong = plural(suspects.flagged, "label that is", "labels that are")
        return f"Check {wrong} more likely wrong than right (no file is changed):", typed("review", run.shown)
    if run.test is None and "test" not in run.several_labels and run.sizes.get("test"):
        return "When all choices are made, measure it on the test set:", typed("evaluate", run.shown, "--test")
    return "Use it on a page on this machine:", typed("serve", run.shown)
