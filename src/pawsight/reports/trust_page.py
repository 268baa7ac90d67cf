"""How far to trust a run, whole: what its report shows of it and what programs read.

Enters: a run, and why some parts could not be computed. Leaves: a `TrustPage` and JSON values. Does not know: HTML,
where anything is written.

A part that the run does not keep is told in one line with what to type.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pawsight.reports.run_folder import Rung, mapping
from pawsight.reports.trust_answers import AnswersView, answers_view, calibration_json
from pawsight.reports.trust_audit import AuditView, audit_json, audit_view
from pawsight.reports.trust_exhibits import gallery_of
from pawsight.reports.trust_stored import read_curve, read_slices, read_suspects
from pawsight.reports.trust_weak import (
    CurveView,
    SlicesView,
    SuspectsView,
    curve_view,
    patch_sentence,
    slices_view,
    suspects_view,
)

SLICES, SUSPECTS, LEARNING_CURVE = "slices", "suspects", "learning_curve"
NOT_COMPUTED = "This was not computed for this run."


@dataclass(frozen=True, slots=True)
class Absent:
    """A part that the run does not keep."""

    why: str
    command: str  # computes it


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPage:
    """How far to trust one run, in words that are not yet escaped."""

    audit: AuditView
    answers: AnswersView
    suspects: SuspectsView | None
    slices: SlicesView | None
    curve: CurveView | None
    absent: Mapping[str, Absent]  # of suspects, slices and learning_curve
    gain_from_patch: str  # beside absent suspects; else it stands with them


def make_trust(rung: Rung, absent: Mapping[str, str]) -> TrustPage:
    """Tell how far to trust a run.

    Args:
        rung: the run.
        absent: why slices, suspects or learning_curve could not be computed, where somebody tried.
    """
    gallery = gallery_of(rung)
    suspects, slices, curve = read_suspects(rung.folder), read_slices(rung.folder), read_curve(rung.folder)
    kept = {SUSPECTS: suspects, SLICES: slices, LEARNING_CURVE: curve}
    commands = commands_for(rung)
    return TrustPage(
        audit=audit_view(rung, gallery, suspects),
        answers=answers_view(rung),
        suspects=suspects_view(rung, suspects, gallery) if suspects is not None else None,
        slices=slices_view(slices, gallery) if slices is not None else None,
        curve=curve_view(curve) if curve is not None else None,
        absent={name: Absent(absent.get(name) or NOT_COMPUTED, commands[name]) for name in kept if kept[name] is None},
        gain_from_patch=patch_sentence(rung) if suspects is None else "",
    )


def trust_json(rung: Rung) -> dict[str, Any]:
    """Return every figure of the page as plain JSON values; what the run does not keep is None."""
    abstention = mapping(rung.plain.get("abstention"))
    suspects, slices, curve = read_suspects(rung.folder), read_slices(rung.folder), read_curve(rung.folder)
    return {
        "run": str(rung.folder),
        "audit": audit_json(rung),
        "calibration": calibration_json(rung),
        "abstention": {key: value for key, value in abstention.items() if key != "guard"} or None,
        "guard": dict(mapping(abstention.get("guard"))) or None,
        "suspects": dict(suspects.plain) if suspects is not None else None,
        "gain_from_patch": dict(mapping(rung.plain.get("gain_from_patch"))) or None,
        "slices": dict(slices.plain) if slices is not None else None,
        "learning_curve": dict(curve.plain) if curve is not None else None,
        "looks_at_test": rung.looks_at_test,
    }


def commands_for(rung: Rung) -> dict[str, str]:
    """Return what to type for each part that a run may lack."""
    run = str(rung.folder)
    return {
        SUSPECTS: shlex.join(["pawsight", "review", run]),
        SLICES: shlex.join(["pawsight", "evaluate", run, "--slices"]),
        LEARNING_CURVE: shlex.join(["pawsight", "evaluate", run, "--learning-curve"]),
    }
