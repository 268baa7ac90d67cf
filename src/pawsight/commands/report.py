"""The verb `report`: finished runs in, one report out.

Enters: names of run folders. Leaves: a `LadderReport` and three files. Does not know: terminals.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pawsight.commands.trust_parts import QUICK, complete, lacking
from pawsight.core.errors import WrongUsage
from pawsight.core.progress import SILENT, Progress
from pawsight.evaluation.comparison import TIE
from pawsight.reports.ladder_report import CandidateResult, LadderReport, build_report, report_subject
from pawsight.reports.words import percent, points_between, signed

_NAMED_RUNS = 6  # up to which a folder's name lists every run


def report(
    runs: Sequence[str | os.PathLike[str]],
    *,
    target: str | os.PathLike[str] | None = None,
    quick: bool = False,
    progress: Progress = SILENT,
) -> LadderReport:
    """Write a report about one run or several.

    Args:
        runs: run folders, the lowest candidate first.
        target: folder for report.html, report.md and report.json; None for the run's own folder, or for several runs
            a folder beside the last one that is named after them all.
        quick: leave out what the run told about does not keep yet: slices, likely wrong labels, learning curve.
            They take some seconds each, need its pictures and are then kept in it.
        progress: who is told how far it is.

    Raises:
        PawsightError: a folder is no finished run, two lie on different data, or the disk refused.
    """
    folders = [Path(run).expanduser().resolve() for run in runs]
    if not folders:
        raise WrongUsage("There is no run to report on.", "", "Name finished runs, e.g. pawsight report runs/001")
    place = Path(target) if target is not None else default_target(folders)
    absent = _completed(report_subject(folders), quick, progress)
    with progress.stage("Writing the report", None):
        return build_report(folders, place, absent=absent)


def _completed(run: Path | None, quick: bool, progress: Progress) -> Mapping[str, str]:
    """Compute what the run told about lacks, and return why a part stays away."""
    if run is None:
        return {}
    return dict.fromkeys(lacking(run), QUICK) if quick else complete(run, progress=progress)


def default_target(folders: Sequence[Path]) -> Path:
    """Return where a report goes when nobody says: equal runs, equal place."""
    if len(set(folders)) == 1:
        return folders[0]
    names = list(dict.fromkeys(folder.name for folder in folders))
    told = names if len(names) <= _NAMED_RUNS else [names[0], "to", names[-1]]
    return folders[-1].parent / "-".join(["report", *told])


def summary(made: LadderReport) -> list[str]:
    """Return the lines that tell a person what the report says."""
    names: Mapping[Path | None, str] = _names(made.candidates)
    width = max(map(len, names.values()))
    lines = [_line(candidate, f"{names[candidate.run]:<{width}}") for candidate in made.candidates]
    if made.chosen is not None:
        lines.append(f"Chosen on validation: {names.get(made.chosen_run, made.chosen)}")
        test = f"right on {_score(made.test)}" if made.test else "the run holds no score"
        lines.append(f"Test: {test}")
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in [*lines, f"Report: {made.report}"]]


def _names(candidates: Sequence[CandidateResult]) -> dict[Path | None, str]:
    """Return by run what it is called: its recipe, with the folder where recipes recur, whole where its name does."""
    recipes = Counter(candidate.recipe for candidate in candidates)
    folders = Counter((candidate.recipe, candidate.run.name) for candidate in candidates)
    told = {one.run: one.run.name if folders[one.recipe, one.run.name] == 1 else str(one.run) for one in candidates}
    return {
        one.run: one.recipe if recipes[one.recipe] == 1 else f"{one.recipe}, run {told[one.run]}" for one in candidates
    }


def _line(candidate: CandidateResult, name: str) -> str:
    if candidate.validation is None:
        return f"{name}  not measured on validation"
    told = f"{name}  {_score(candidate.validation):>24}"
    if candidate.gain is None:
        return told
    gain = candidate.gain
    points = f"{signed(gain.points)} points ({points_between(gain.interval)})"
    verdict = "a tie" if gain.verdict == TIE else gain.verdict
    # Runs that were cut differently share a part of what they were measured on, maybe a small one.
    is_part = gain.pictures < candidate.validation["pictures"]
    shared = f", on the {gain.pictures:,} {'picture' if gain.pictures == 1 else 'pictures'} both validated on"
    return f"{told}  {points}, {verdict}{shared if is_part else ''}"


def _score(measured: Mapping[str, Any]) -> str:
    low, high = measured["interval"]
    return f"{percent(measured['accuracy'])} ({100 * low:.1f}-{100 * high:.1f} %)"
