"""The verb `report`: finished runs in, one report out, with what a run does not hold yet computed first.

The pages are written in reports/. The test set is not evaluated.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.classifier.bundle import read_bundle
from pawsight.commands.evaluate import slices_of, store_slices, trace_learning_curve
from pawsight.commands.run_split import held_out
from pawsight.core.errors import BadCatalog, PawsightError, WrongUsage
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import SUSPECTS as SUSPECTS_FILE
from pawsight.core.storage import sha256_of_file, write_json
from pawsight.evaluation.compare import TIE
from pawsight.evaluation.slices import Judged
from pawsight.reports.ladder_report import LadderReport, RungResult, build_report, told_about
from pawsight.reports.ladder_words import percent, points_between, signed
from pawsight.reports.run_folder import read_rung
from pawsight.reports.trust_page import LEARNING_CURVE, SLICES, SUSPECTS
from pawsight.reports.trust_stored import read_curve, read_slices, read_suspects

if TYPE_CHECKING:
    from pawsight.commands.review import ReviewReport

_NAMED_RUNS = 6  # up to which a folder's name lists every run
QUICK = "Left out because of --quick."
WITHOUT_BACKBONE = "This needs features of the recipe probe, which was not trained in this ladder."
_KEPT = 60  # likely wrong labels that are stored
_ACROSS = 12  # pairs of similar pictures in two subsets
_FEATURES = (SUSPECTS, LEARNING_CURVE)  # need a backbone


def report(
    runs: Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None = None,
    quick: bool = False,
    progress: Progress = SILENT,
) -> LadderReport:
    """Write a report about one run or several.

    Args:
        runs: run folders, the simplest first.
        out: folder for report.html, report.md and report.json; None for the run's own folder, or for several runs
            a folder beside the last one that is named after them all.
        quick: leave out slices, likely wrong labels and learning curve where the run does not hold them yet. They take
            some seconds each, need the run's pictures and are then stored in the run.
        progress: hears how far it is.

    Raises:
        PawsightError: a folder is no finished run, two lie on different data, or the disk refused.
    """
    folders = [Path(run).expanduser().resolve() for run in runs]
    if not folders:
        raise WrongUsage("There is no run to report on.", "", "Name finished runs, e.g. pawsight report runs/001")
    place, measured = Path(out) if out is not None else default_out(folders), told_about(folders)
    absent: Mapping[str, str] = {}
    if measured is not None:
        absent = dict.fromkeys(lacking(measured), QUICK) if quick else complete(measured, progress=progress)
    with progress.stage("Writing the report", None):
        return build_report(folders, place, absent=absent)


def default_out(folders: Sequence[Path]) -> Path:
    """Return the folder for a report where none is named: the same for the same runs."""
    if len(set(folders)) == 1:
        return folders[0]
    names = list(dict.fromkeys(folder.name for folder in folders))
    named = names if len(names) <= _NAMED_RUNS else [names[0], "to", names[-1]]
    return folders[-1].parent / "-".join(["report", *named])


def summary(made: LadderReport) -> list[str]:
    """Return what the report says as lines of text."""
    names: Mapping[Path | None, str] = _names(made.rungs)
    width = max(map(len, names.values()))
    lines = [_line(rung, f"{names[rung.run]:<{width}}") for rung in made.rungs]
    if made.chosen is not None:
        lines.append(f"Chosen on validation: {names.get(made.chosen_run, made.chosen)}")
        test = f"right on {_score(made.test)}" if made.test else "the run holds no score"
        lines.append(f"Test: {test}")
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in [*lines, f"Report: {made.report}"]]


def _names(rungs: Sequence[RungResult]) -> dict[Path | None, str]:
    """Return a name for each run: its recipe, with the folder's name or path as far as that is needed."""
    recipes = Counter(rung.recipe for rung in rungs)
    folders = Counter((rung.recipe, rung.run.name) for rung in rungs)
    names: dict[Path | None, str] = {}
    for rung in rungs:
        folder = rung.run.name if folders[rung.recipe, rung.run.name] == 1 else str(rung.run)
        names[rung.run] = rung.recipe if recipes[rung.recipe] == 1 else f"{rung.recipe}, run {folder}"
    return names


def _line(rung: RungResult, name: str) -> str:
    if rung.validation is None:
        return f"{name}  not measured on validation"
    text = f"{name}  {_score(rung.validation):>24}"
    if rung.gain is None:
        return text
    gain = f"{signed(rung.gain.points)} points ({points_between(rung.gain.interval)})"
    verdict = "a tie" if rung.gain.verdict == TIE else rung.gain.verdict
    # Runs with different splits share only some of the pictures they were measured on.
    is_part = rung.gain.pictures < rung.validation["pictures"]
    shared = f", on the {rung.gain.pictures:,} {'picture' if rung.gain.pictures == 1 else 'pictures'} both validated on"
    return f"{text}  {gain}, {verdict}{shared if is_part else ''}"


def _score(measured: Mapping[str, Any]) -> str:
    low, high = measured["interval"]
    return f"{percent(measured['accuracy'])} ({100 * low:.1f}-{100 * high:.1f} %)"


def complete(run: Path, *, features: bool = True, progress: Progress = SILENT) -> dict[str, str]:
    """Compute slices, likely wrong labels and learning curve that a run does not hold yet, and store them in it.

    Args:
        run: folder of a finished run.
        features: also what needs a backbone.
        progress: hears how far it is.

    Returns:
        why a part could not be made, by its name in `reports.trust_page`.
    """
    absent = {}
    for name in lacking(run):
        if name in _FEATURES and not features:
            absent[name] = WITHOUT_BACKBONE
            continue
        try:
            if name == SLICES:
                _store_slices(run, progress)
            elif name == SUSPECTS:
                _store_suspects(run, progress)
            else:
                trace_learning_curve(run, progress=progress)
        except PawsightError as error:
            absent[name] = f"{error.what} {error.why}".strip()
    return absent


def lacking(run: Path) -> list[str]:
    """Return the names of the parts that a run does not hold."""
    held = {SLICES: read_slices(run), SUSPECTS: read_suspects(run), LEARNING_CURVE: read_curve(run)}
    return [name for name, part in held.items() if part is None]


def _store_slices(run: Path, progress: Progress) -> None:
    answers = read_rung(run).answers
    judged = [
        Judged(answer.path, answer.answered.label, answer.answered.predicted, answer.probability) for answer in answers
    ]
    part = held_out(run, "validation")
    unchanged = [
        file
        for file in part.candidates
        if file.path.is_file() and sha256_of_file(file.path) == part.contents[file.name]
    ]
    if not judged or not unchanged:
        raise BadCatalog(
            "The validation pictures of the run were moved or changed."
            if judged
            else "The run holds no answers to validation pictures.",
            "",
            "Put them back, or train again.",
        )
    slices = slices_of(unchanged, judged, progress=progress)
    store_slices(run, slices, part="validation", pictures=len(unchanged))


def _store_suspects(run: Path, progress: Progress) -> None:
    from pawsight.commands.review import review

    read_bundle(run)  # refuses a run without its classifier before anything slow
    write_json(run / SUSPECTS_FILE, suspects_json(review(run, progress=progress)))


def suspects_json(report: ReviewReport) -> dict[str, Any]:
    """Return the top of a review's ranking as plain JSON values."""
    rows = list(report.rows())
    return {
        "pictures": len(rows),
        "flagged": report.suspects,
        "left_out": len(report.left_out),
        "suspects": rows[:_KEPT],
        "alike_across": list(_alike_across(report)),
    }


def _alike_across(report: ReviewReport) -> Iterator[dict[str, Any]]:
    """Yield nearest neighbours of which one is in train and one in validation, without duplicates."""
    pictures, near = report.pictures, report.near
    pairs = {
        (min(row, int(other)), max(row, int(other))): float(similarity)
        for row in range(len(near.rows))
        for other, similarity in zip(near.rows[row], near.similarities[row], strict=True)
        if other >= 0 and (pictures[row].part or "") != (pictures[int(other)].part or "")
    }
    for (row, other), similarity in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_ACROSS]:
        first, second = sorted((pictures[row], pictures[other]), key=lambda picture: picture.part == "validation")
        yield {"path": first.name, "other": second.name, "similarity": similarity}
