"""How far to trust a run, for its report: likely wrong labels, slices and learning curve, and all of it as JSON.

Calibration and the risk guarantee are in `trust_answers.py`, the findings of the audit in `trust_audit.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pawsight.core.runs import from_here
from pawsight.core.text import typed
from pawsight.data.label_sets import in_words
from pawsight.evaluation.comparison import TIE, WORSE
from pawsight.evaluation.learning_curve import sentence
from pawsight.evaluation.slices import Slice
from pawsight.reports import words
from pawsight.reports.charts import curve_svg
from pawsight.reports.growth import growth_view
from pawsight.reports.pictures import Gallery, gallery_of
from pawsight.reports.run_record import CurveRecord, LikelyWrong, RunRecord, SlicesRecord, SuspectsRecord
from pawsight.reports.trust_answers import answers_view, calibration_json
from pawsight.reports.trust_audit import audit_json, audit_view

SLICES, SUSPECTS, LEARNING_CURVE = "slices", "suspects", "learning_curve"
Row = dict[str, Any]  # of a table, by column
NOT_COMPUTED = "Not computed for this run."
_SUSPECTS = 12  # shown
_SLICES = 24  # rows of the table
_NAMED, _EACH = 3, 4  # worst slices with pictures, and pictures of each
_TITLES = {"format": "format {}", "folder": "folder {}"}


def make_trust(run: RunRecord, absent: Mapping[str, str]) -> Row:
    """Return how far to trust a run, as pictures and words that are not yet escaped.

    Args:
        run: the run.
        absent: why slices, suspects or learning_curve could not be computed, where that was tried.
    """
    gallery = gallery_of(run)
    suspects, slices, curve = run.suspects, run.slices, run.learning_curve
    kept = {SUSPECTS: suspects, SLICES: slices, LEARNING_CURVE: curve}
    commands = commands_for(run)
    return {
        "audit": audit_view(run, gallery, suspects),
        "answers": answers_view(run),
        "suspects": suspects_view(run, suspects, gallery) if suspects is not None else None,
        "slices": slices_view(slices, gallery) if slices is not None else None,
        "curve": curve_view(curve) if curve is not None else None,
        "growth": growth_view(run.growth, gallery) if run.growth is not None else None,
        "absent": {
            name: {"why": absent.get(name) or NOT_COMPUTED, "command": commands[name]}
            for name, part in kept.items()
            if part is None
        },
        "gain_from_patch": patch_sentence(run) if suspects is None else "",
    }


def trust_json(run: RunRecord) -> dict[str, Any]:
    """Return every figure of the page as plain JSON values; what the run does not keep is None."""
    values = run.to_json()
    abstention = values["abstention"] or {}
    suspects, slices, curve = run.suspects, run.slices, run.learning_curve
    return {
        "run": str(from_here(run.folder)),
        "audit": audit_json(run),
        "cross_validation": values["cross_validation"],
        "calibration": calibration_json(run),
        "abstention": {key: value for key, value in abstention.items() if key != "guard"} or None,
        "guard": abstention.get("guard") or None,
        "suspects": dict(suspects.plain) if suspects is not None else None,
        "gain_from_patch": values["gain_from_patch"],
        "growth": values["growth"],
        "slices": slices.to_json() if slices is not None else None,
        "learning_curve": curve.to_json() if curve is not None else None,
        "looks_at_test": run.looks_at_test,
    }


def commands_for(run: RunRecord) -> dict[str, str]:
    """Return what to type for each part that a run may lack."""
    return {
        SUSPECTS: typed("review", run.shown),
        SLICES: typed("evaluate", run.shown, "--slices"),
        LEARNING_CURVE: typed("evaluate", run.shown, "--learning-curve"),
    }


def suspects_view(run: RunRecord, kept: SuspectsRecord, gallery: Gallery) -> Row:
    """Return the labels that are likely wrong, as text and pictures."""
    text = f"{kept.flagged:,} of {kept.pictures:,} labels of train and validation are more likely wrong than right"
    text = f"{text}, by a model that was not trained on them and by the most similar pictures."
    if kept.left_out:
        text += f" {words.pictures(kept.left_out).capitalize()} could not be read again."
    if not kept.flagged and kept.top:
        text += " These are the least certain."
    return {
        "sentence": text,
        "rows": [_suspect(label, gallery, several_labels=bool(run.label_rules)) for label in kept.top[:_SUSPECTS]],
        "command": typed("review", run.shown),
        "gain": patch_sentence(run),
    }


def patch_sentence(run: RunRecord) -> str:
    """Return what the labels that the run was trained with gained, empty where it was trained with none."""
    gain = run.gain_from_patch
    if gain is None:
        return "" if run.patch is None else "The run does not record what its label patch gained."
    verdict = "no more than chance" if gain.verdict == TIE else gain.verdict
    return (
        f"It was trained with a label patch: {words.signed(gain.points)} points of accuracy against the run it "
        f"was decided on (95{words.NBSP}% interval {words.points_between(gain.interval)},"
        f" {words.chance(gain.p_value)}: "
        f"{verdict}), both judged by the corrected labels of {words.pictures(gain.pictures)} of validation."
    )


def slices_view(kept: SlicesRecord, gallery: Gallery) -> Row:
    """Return the slices on which the run is worse, as text and pictures."""
    tested = [slice_ for slice_ in kept.slices if slice_.p_holm is not None]
    worse = [slice_ for slice_ in tested if slice_.verdict == WORSE]
    lowest = min(tested, key=lambda slice_: slice_.accuracy, default=None)
    named = worse[:_NAMED] or ([lowest] if lowest is not None and lowest.worst else [])
    return {
        "sentence": _slices_sentence(kept, len(tested), worse, lowest),
        "rows": [_slice_row(slice_) for slice_ in kept.slices[:_SLICES]],
        "more": max(0, len(kept.slices) - _SLICES),
        "spots": [_spot(slice_, gallery) for slice_ in named],
    }


def curve_view(kept: CurveRecord) -> Row:
    """Return what the learning curve shows."""
    note = f"Each point is a {words.visible(kept.trained)}, trained on a share of the training set and measured on "
    note += f"{words.pictures(kept.curve.measured_on)} of validation."
    if kept.is_stand_in:
        note += " It stands in for the recipe of the run, which may learn differently."
    if kept.left_out:
        note += f" {words.pictures(kept.left_out).capitalize()} of the run were changed since or are gone."
    return {
        "sentence": sentence(kept.curve).replace(" -", f" {words.MINUS}"),
        "note": note,
        "svg": curve_svg(kept.curve),
        "points": [
            (
                words.whole(point.pictures),
                words.percent(1 - point.error),
                words.between((1 - point.interval.high, 1 - point.interval.low)),
            )
            for point in kept.curve.points
        ],
    }


def _suspect(label: LikelyWrong, gallery: Gallery, *, several_labels: bool) -> Row:
    given, suggested = (in_words(text) if several_labels else text for text in (label.given, label.suggested))
    return {
        "given": given,
        "suggested": suggested,
        "score": f"{label.score:.2f}",
        "reason": label.reason.replace(" %", f"{words.NBSP}%"),
        "is_suspect": label.is_suspect,
        "exhibit": gallery.exhibit([label.path]),
    }


def _slices_sentence(kept: SlicesRecord, tested: int, worse: list[Slice], lowest: Slice | None) -> str:
    test = f"Fisher’s exact test of each against the rest, Holm’s correction over {tested:,}"
    where = f"{words.pictures(kept.pictures)} of {words.visible(kept.subset)}"
    if not tested:
        return f"No kind of picture among {where} has enough of them to be tested."
    if worse:
        names = words.joined([words.visible(slice_name(slice_)) for slice_ in worse[:_NAMED]])
        more = f" and {len(worse) - _NAMED} more" if len(worse) > _NAMED else ""
        return f"Of {where} it is worse beyond chance on: {names}{more} ({test})."
    text = f"No kind of picture among {where} is worse than the rest beyond chance ({test})."
    if lowest is not None and lowest.accuracy < 1:
        text += f" The lowest: {words.visible(slice_name(lowest))}, {words.percent(lowest.accuracy)}."
    return text


def slice_name(slice_: Slice) -> str:
    """Return what a slice is called on a page."""
    return _TITLES.get(slice_.kind, "{}").format(slice_.name)


def _slice_row(slice_: Slice) -> Row:
    return {
        "name": slice_name(slice_),
        "pictures": words.pictures(slice_.pictures),
        "accuracy": words.percent(slice_.accuracy),
        "interval": words.between(slice_.interval.as_list()),
        "rest": words.percent(slice_.rest_accuracy) if slice_.rest_accuracy is not None else "",
        "chance": words.chance(slice_.p_holm) if slice_.p_holm is not None else "",
        "verdict": slice_.verdict,
    }


def _spot(slice_: Slice, gallery: Gallery) -> Row:
    name = slice_name(slice_)
    text = f"{name[:1].upper()}{name[1:]}: right on {slice_.right:,} of {words.pictures(slice_.pictures)}"
    if slice_.difference is not None:
        text += f", {words.signed(slice_.difference)} points against the rest"
    exhibits = [
        gallery.exhibit([wrong.path], f"answered {wrong.predicted}, {words.certainty(wrong.probability)}")
        for wrong in slice_.worst
    ]
    shown = [exhibit for exhibit in exhibits if exhibit.is_there][:_EACH] or exhibits[:_EACH]
    return {"sentence": f"{text}.", "exhibits": shown}
