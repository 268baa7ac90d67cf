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
from pawsight.commands.evaluate import keep, slices_of, trace_learning_curve
from pawsight.commands.run_split import held_out
from pawsight.core.errors import BadDataset, PawsightError, WrongUsage
from pawsight.core.progress import SILENT, Progress, ProgressLike, progress_of
from pawsight.core.runs import LEARNING_CURVE as LEARNING_CURVE_FILE
from pawsight.core.runs import SLICES as SLICES_FILE
from pawsight.core.runs import SUSPECTS as SUSPECTS_FILE
from pawsight.core.runs import is_run, is_unfinished
from pawsight.core.storage import as_path, path_texts, sha256_of_file
from pawsight.core.text import plural
from pawsight.evaluation.comparison import TIE
from pawsight.reports.ladder_report import HTML, CandidateResult, LadderReport, build_report, report_subject
from pawsight.reports.run_record import RunRecord, SlicesRecord
from pawsight.reports.trust_page import LEARNING_CURVE, SLICES, SUSPECTS
from pawsight.reports.words import percent, points_between, signed

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
    progress: ProgressLike = None,
) -> LadderReport:
    """Write a report about one run or several.

    Args:
        runs: run folders, the simplest first.
        out: folder for report.html, report.md and report.json; None for the run's own folder, or for several runs
            a folder beside the last one that is named after them all.
        quick: leave out slices, likely wrong labels and learning curve where the run does not hold them yet. They take
            some seconds each, need the run's pictures and are then stored in the run.
        progress: as for `train`.

    Raises:
        PawsightError: a folder is no finished run, two lie on different data, or the disk refused.
    """
    progress = progress_of(progress)
    folders = _finished([as_path(run) for run in path_texts(runs)], progress)
    if not folders:
        raise WrongUsage("There is no run to report on.", "", "Name finished runs, e.g. pawsight report runs/001")
    place, measured = Path(out) if out is not None else default_out(folders), report_subject(folders)
    absent: dict[str, str] = {}
    computed: dict[str, dict[str, Any]] = {}
    if measured is not None and quick:
        absent = dict.fromkeys(lacking(measured), QUICK)
    elif measured is not None:
        absent, computed = complete(measured, progress=progress)
    with progress.stage("Writing the report", None):
        return build_report(folders, place, absent=absent, computed=computed)


def _finished(runs: Sequence[Path], progress: Progress) -> list[Path]:
    """Return the runs to report on; of several (`runs/*`) unfinished ones and reports are left out."""
    finished = []
    for run in runs:
        is_report = (run / HTML).is_file() and not is_run(run)
        if len(runs) > 1 and (is_unfinished(run) or is_report):
            why = "it is a report" if is_report else "it is unfinished; --resume continues it"
            progress.say(f"Left out {run}: {why}")
        else:
            finished.append(run.resolve())
    return finished


def default_out(folders: Sequence[Path]) -> Path:
    """Return the folder for a report where none is named: the same for the same runs."""
    if len(set(folders)) == 1:
        return folders[0]
    names = list(dict.fromkeys(folder.name for folder in folders))
    named = names if len(names) <= _NAMED_RUNS else [names[0], "to", names[-1]]
    return folders[-1].parent / "-".join(["report", *named])


def summary(made: LadderReport) -> list[str]:
    """Return what the report says as lines of text."""
    names: Mapping[Path | None, str] = _names(made.candidates)
    width = max(map(len, names.values()))
    lines = [_line(candidate, f"{names[candidate.run]:<{width}}") for candidate in made.candidates]
    if made.chosen is not None:
        lines.append(f"Chosen on validation: {names.get(made.chosen_run, made.chosen)}")
        test = f"right on {_score(made.test)}" if made.test else "the run holds no score"
        if made.several_labels is not None and "test" in made.several_labels:
            test = _score_of_labels(made.several_labels["test"])
        lines.append(f"Test: {test}")
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in [*lines, f"Report: {made.report}"]]


def _names(candidates: Sequence[CandidateResult]) -> dict[Path | None, str]:
    """Return a name for each run: its recipe, with the folder's name or path as far as that is needed."""
    recipes = Counter(candidate.recipe for candidate in candidates)
    folders = Counter((candidate.recipe, candidate.run.name) for candidate in candidates)
    names: dict[Path | None, str] = {}
    for candidate in candidates:
        folder = candidate.run.name if folders[candidate.recipe, candidate.run.name] == 1 else str(candidate.run)
        names[candidate.run] = (
            candidate.recipe if recipes[candidate.recipe] == 1 else f"{candidate.recipe}, run {folder}"
        )
    return names


def _line(candidate: CandidateResult, name: str) -> str:
    if candidate.several_labels is not None and "validation" in candidate.several_labels:
        return f"{name}  {_score_of_labels(candidate.several_labels['validation'])}"
    if candidate.validation is None and candidate.cross_validation is not None:
        return f"{name}  {_score(candidate.cross_validation):>24}  by cross-validation; it has no validation set"
    if candidate.validation is None:
        return f"{name}  not measured on validation"
    text, gain = f"{name}  {_score(candidate.validation):>24}", candidate.gain
    if gain is None:
        return text
    points = f"{signed(gain.points)} points ({points_between(gain.interval)})"
    verdict = "a tie" if gain.verdict == TIE else gain.verdict
    # Runs with different splits share only some of the pictures they were measured on.
    is_part = gain.pictures < candidate.validation["pictures"]
    shared = f", on the {plural(gain.pictures, 'picture')} both validated on"
    return f"{text}  {points}, {verdict}{shared if is_part else ''}"


def _score_of_labels(measured: Mapping[str, Any]) -> str:
    average, ends = measured["mean_average_precision"], measured["intervals"]["mean_average_precision"]
    within = f" ({100 * ends[0]:.1f}-{100 * ends[1]:.1f} %)" if ends else ""
    exact = f"every label right of {percent(measured['exact_match'])}"
    return f"mean average precision {percent(average)}{within}, {exact}"


def _score(measured: Mapping[str, Any]) -> str:
    low, high = measured["interval"]
    return f"{percent(measured['accuracy'])} ({100 * low:.1f}-{100 * high:.1f} %)"


def complete(
    run: Path, *, features: bool = True, progress: Progress = SILENT
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Compute slices, likely wrong labels and learning curve that a run does not hold yet, and keep them in it.

    Args:
        run: folder of a finished run.
        features: also what needs a backbone.
        progress: hears how far it is, and what could not be kept.

    Returns:
        why a part could not be made, by its name in `reports.trust_page`; the parts that were made, by their files.
    """
    absent, computed = {}, {}
    make = {
        SLICES: (SLICES_FILE, _slices),
        SUSPECTS: (SUSPECTS_FILE, _suspects),
        LEARNING_CURVE: (LEARNING_CURVE_FILE, _learning_curve),
    }
    for name in lacking(run):
        if name in _FEATURES and not features:
            absent[name] = WITHOUT_BACKBONE
            continue
        file, compute = make[name]
        try:
            computed[file] = compute(run, progress)
        except PawsightError as error:
            absent[name] = f"{error.what} {error.why}".strip()
        else:
            keep(run / file, computed[file], progress)
    return absent, computed


def lacking(run: Path) -> list[str]:
    """Return the names of the parts that a run does not hold."""
    record = RunRecord.read(run)
    held = {SLICES: record.slices, SUSPECTS: record.suspects, LEARNING_CURVE: record.learning_curve}
    if record.label_rules:  # the curve is one of pictures that are of one class each
        del held[LEARNING_CURVE]
    return [name for name, part in held.items() if part is None]


def _slices(run: Path, progress: Progress) -> dict[str, Any]:
    record = RunRecord.read(run)
    answers = record.answers
    part = held_out(run, "validation", progress=progress)
    unchanged = [
        file
        for file in part.candidates
        if file.path.is_file() and sha256_of_file(file.path) == part.contents[file.name]
    ]
    if not answers or not unchanged:
        raise BadDataset(
            "The validation pictures of the run were moved or changed."
            if answers
            else "The run holds no answers to validation pictures.",
            "",
            "Put them back, or train again.",
        )
    slices = slices_of(unchanged, answers, grey_range=record.grey_range, progress=progress)
    return SlicesRecord(subset="validation", pictures=len(unchanged), slices=slices).to_json()


def _suspects(run: Path, progress: Progress) -> dict[str, Any]:
    from pawsight.commands.review import review

    read_bundle(run)  # refuses a run without its classifier before anything slow
    return suspects_json(review(run, progress=progress))


def _learning_curve(run: Path, progress: Progress) -> dict[str, Any]:
    return trace_learning_curve(run, progress=progress).to_json()


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
    pictures, (near, similarities) = report.pictures, report.near
    pairs = {
        (min(row, int(other)), max(row, int(other))): float(similarity)
        for row in range(len(near))
        for other, similarity in zip(near[row], similarities[row], strict=True)
        if other >= 0 and (pictures[row].part or "") != (pictures[int(other)].part or "")
    }
    for (row, other), similarity in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_ACROSS]:
        first, second = sorted((pictures[row], pictures[other]), key=lambda picture: picture.part == "validation")
        yield {"path": first.name, "other": second.name, "similarity": similarity}
