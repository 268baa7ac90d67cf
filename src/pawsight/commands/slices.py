"""Slices of what a bundle was measured on, for `evaluate --slices`.

Enters: the pictures and what was answered. Leaves: slices, and their table as lines. Does not know: bundles, terminals.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, usable_cores
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import SLICES
from pawsight.core.storage import write_json
from pawsight.data.facts_of_files import facts_of_files
from pawsight.data.finder import Candidate
from pawsight.evaluation.comparison import WORSE
from pawsight.evaluation.slices import Judged, Slice, measure_slices, slice_members

_ROWS = 20  # of the table for people; --json has all


def slices_of(
    candidates: Sequence[Candidate], judged: Sequence[Judged], *, progress: Progress = SILENT
) -> tuple[Slice, ...]:
    """Return how a classifier does by trait, format and folder.

    Args:
        candidates: files; those that were not answered to are passed over.
        judged: the answers, by the names of the candidates.
    """
    answers = {one.path: one for one in judged}
    asked = [one for one in candidates if one.name in answers]
    with Cache(cache_folder() / "cache") as cache:
        facts = facts_of_files(asked, cache=cache, threads=usable_cores(), progress=progress)
    known = [answers[one.name] for one in asked if one.name in facts]
    members = slice_members(
        [one.path for one in known], [one.label for one in known], [facts[one.path] for one in known]
    )
    return measure_slices(known, members)


def store_slices(run: Path, slices: Sequence[Slice], *, part: str, pictures: int) -> None:
    """Write a run's slices.json, for its report: slices of one of its own parts, with so many pictures."""
    write_json(run / SLICES, {"part": part, "pictures": pictures, "slices": [one.to_json() for one in slices]})


def slice_lines(slices: Sequence[Slice]) -> list[list[str]]:
    """Return the table, a header and the worst first, as cells; nothing without slices."""
    if not slices:
        return []
    rows = [["slice", "pictures", "right", "95 % interval", "the rest", "p (Holm)", "verdict"]]
    for one in slices[:_ROWS]:
        rest = "-" if one.rest_accuracy is None else f"{100 * one.rest_accuracy:.1f} %"
        p_holm = "-" if one.p_holm is None else "< 0.001" if one.p_holm < 0.001 else f"{one.p_holm:.3f}"
        name = one.name if one.kind == "trait" else f"{one.kind}: {one.name}" if one.kind != "fifth" else one.name
        rows.append(
            [name, f"{one.pictures:,}", f"{100 * one.accuracy:.1f} %", str(one.interval), rest, p_holm, one.verdict]
        )
    return rows


def slice_remarks(slices: Sequence[Slice]) -> list[str]:
    """Return what follows the table: the pictures of the slices that are worse, and what the test allows to say."""
    more = len(slices) - _ROWS
    lines = [f"and {more:,} more slices (all with --json)"] if more > 0 else []
    worse = [one for one in slices if one.verdict == WORSE]
    tested = sum(one.p_holm is not None for one in slices)
    if not tested:
        lines.append("No slice is large enough to test.")
    elif not worse:
        lines.append(
            f"No slice is worse than the rest beyond chance (Fisher's exact test, Holm's correction over {tested:,})."
        )
    for one in worse:
        lines.append(
            f"Worse on {one.name} pictures, by {-(one.difference or 0.0):.1f} points; wrong, the surest first:"
        )
        lines += [f"  {wrong.path}: {wrong.label} taken for {wrong.predicted}" for wrong in one.worst]
    return lines
