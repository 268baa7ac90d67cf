"""The report over one run or several, as report.html, report.md and report.json: `build_report`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.core.errors import WrongUsage
from pawsight.core.runs import from_here
from pawsight.core.storage import as_path, write_json, write_text
from pawsight.core.text import plural, typed, visible
from pawsight.evaluation.comparison import Gain, compare, corrected, pictures_to_settle
from pawsight.reports.first_screen import first_screen
from pawsight.reports.ladder_page import Ladder, make_page
from pawsight.reports.run_record import RunRecord, figure, metrics_json
from pawsight.reports.several_labels import several_json
from pawsight.reports.style import chart_variables, environment
from pawsight.reports.trust_page import make_trust, trust_json
from pawsight.reports.words import certainty

if TYPE_CHECKING:
    from jinja2 import Environment

HTML, MARKDOWN, JSON = "report.html", "report.md", "report.json"
SHARED = 0.5  # of the smaller data set's pictures: a data set that grew or was cleaned is still the same


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateResult:
    """One candidate as programs read it."""

    recipe: str
    run: Path
    validation: Mapping[str, Any] | None  # as in the run's metrics.json
    seconds_per_epoch: float | None
    parameters: Mapping[str, Any] | None
    gain: Gain | None  # over the candidate below; None for the first and where nothing can be compared
    cross_validation: Mapping[str, Any] | None = None  # as in the run's metrics.json
    more_pictures: int | None = None  # that would settle a tie; 0 where it is settled, None where no number would
    several_labels: Mapping[str, Any] | None = None  # as in the run's metrics.json, where a picture may have several

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "recipe": self.recipe,
            "run": str(from_here(self.run)),
            "validation": dict(self.validation) if self.validation is not None else None,
            "cross_validation": dict(self.cross_validation) if self.cross_validation is not None else None,
            "seconds_per_epoch": self.seconds_per_epoch,
            "parameters": dict(self.parameters) if self.parameters is not None else None,
            "gain": self.gain.to_json() | {"more_pictures": self.more_pictures} if self.gain is not None else None,
            **({} if self.several_labels is None else {"several_labels": dict(self.several_labels)}),
        }


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class LadderReport:
    """What a ladder came to, and where its report stands."""

    candidates: tuple[CandidateResult, ...]  # lowest first
    chosen: str | None  # recipe of the candidate with the best validation accuracy; None where none was measured
    chosen_run: Path | None
    test: Mapping[str, Any] | None  # of the chosen candidate, as in its metrics.json
    report: Path  # absolute, report.html
    trust: Mapping[str, Any] | None = None  # about the chosen run, or the only one
    several_labels: Mapping[str, Any] | None = None  # its figures, where a picture may have several labels

    def __repr__(self) -> str:
        runs = plural(len(self.candidates), "run")
        return f"LadderReport({runs}, chosen: {self.chosen}, report: {str(from_here(self.report))!r})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `report --json` prints them."""
        return {
            "rungs": [run.to_json() for run in self.candidates],
            "chosen": self.chosen,
            "chosen_run": str(from_here(self.chosen_run)) if self.chosen_run is not None else None,
            "test": dict(self.test) if self.test is not None else None,
            "trust": dict(self.trust) if self.trust is not None else None,
            "report": str(from_here(self.report)),
            **({} if self.several_labels is None else {"several_labels": dict(self.several_labels)}),
        }


def build_report(
    runs: Sequence[Path],
    target: Path,
    *,
    seed: int = 0,
    left_out: Mapping[str, str] | None = None,
    absent: Mapping[str, str] | None = None,
    computed: Mapping[str, Mapping[str, Any]] | None = None,
) -> LadderReport:
    """Write report.html, report.md and report.json about finished runs.

    Args:
        runs: run folders, the lowest candidate first; a run named twice counts once.
        target: folder for the three files, made where it is missing; reports that stand there are replaced.
        seed: of the choice of pictures that are shown.
        left_out: recipes that were asked for and not trained, each with the reason.
        absent: why slices, suspects or learning_curve of the chosen run could not be computed, where that was tried.
        computed: those parts as JSON values, by their files in the chosen run, in case it does not hold them.

    Returns:
        what the report says.

    Raises:
        WrongUsage: no run is given, a folder is no finished run, or two lie on different data. StorageError: the disk
            refused.
    """
    if not runs:
        raise WrongUsage("There is no run to report on.", "", "Name finished runs, e.g. pawsight report runs/001")
    folders = list(dict.fromkeys(as_path(run).resolve() for run in runs))
    place = as_path(target).absolute()
    ladder = _read(folders, page=place)
    again = typed("report", *(run.shown for run in ladder.candidates), "--out", ".")
    subject = _subject(ladder)
    subject = replace(subject, computed=computed or {}) if subject is not None else None
    trust = make_trust(subject, absent or {}) if subject is not None else None
    page = make_page(ladder, again=again, seed=seed, left_out=left_out or {}, trust=trust)
    name = f"Of {len(folders)} candidates, {page['chosen']}" if len(folders) > 1 else "The classifier"
    is_measured = subject is not None and (
        subject.test or subject.validation or subject.cross_validation or subject.several_labels
    )
    page["first"] = first_screen(subject, name) if subject is not None and is_measured else None
    report = _result(ladder, place / HTML, subject)
    write_text(place / MARKDOWN, render_markdown(page))
    write_json(place / JSON, report.to_json())
    write_text(place / HTML, render_html(page))
    return report


def report_subject(runs: Sequence[Path]) -> Path | None:
    """Return the run whose trust a report tells about: the chosen one, else the only one; None where there is none.

    Raises:
        WrongUsage: a folder is no finished run, or two lie on different data.
    """
    subject = _subject(_read(list(dict.fromkeys(as_path(run).resolve() for run in runs))))
    return subject.folder if subject is not None else None


def _read(folders: Sequence[Path], page: Path | None = None) -> Ladder:
    candidates = [RunRecord.read(folder) for folder in folders]
    check_one_data(candidates)
    return climbed([replace(run, page=page) for run in candidates])


def climbed(candidates: Sequence[RunRecord]) -> Ladder:
    """Compare each candidate with the one below and choose the best.

    The highest validation accuracy is chosen, of several labels the highest mean average precision; ties go to the
    lower log loss, then to the lower candidate.
    """
    answers = [run.answers for run in candidates]
    gains = [compare(lower, upper) for lower, upper in pairwise(answers)]
    measured = [run for run in candidates if run.is_measured]
    chosen = min(measured, key=_rank) if measured else None
    return Ladder(candidates=tuple(candidates), gains=(None, *corrected(gains)), chosen=chosen)


def render_html(page: Mapping[str, Any]) -> str:
    """Return the page as one self-contained HTML file."""
    template = _environment().get_template("report.html.j2")
    return template.render(
        page=page,
        light=chart_variables(dark=False),
        dark=chart_variables(dark=True),
        several=len(page["candidates"]) > 1,
    )


def render_markdown(page: Mapping[str, Any]) -> str:
    """Return the page as Markdown, without pictures."""
    text = _environment().get_template("report.md.j2").render(page=page, several=len(page["candidates"]) > 1)
    return re.sub(r"\n{3,}", "\n\n", text)


def as_markdown(text: object) -> str:
    """Return text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|~$&!" else letter for letter in visible(text))


def _environment() -> Environment:
    return environment(certainty=certainty, md=as_markdown, code=_as_code)


def _as_code(text: object) -> str:
    """Return text as a Markdown code span, whatever ticks are in it; with angle brackets as text that is escaped.

    Within a span nothing can be escaped, and not every reader of Markdown keeps tags in one from being tags.
    """
    shown = visible(text)
    if "<" in shown or ">" in shown:
        return as_markdown(text)
    fence = "`" * (max((len(run) for run in "".join(c if c == "`" else " " for c in shown).split()), default=0) + 1)
    return f"{fence} {shown} {fence}" if "`" in shown else f"`{shown}`"


def _subject(ladder: Ladder) -> RunRecord | None:
    return ladder.chosen or (ladder.candidates[0] if len(ladder.candidates) == 1 else None)


def _rank(run: RunRecord) -> tuple[float, float]:
    if (labels := run.several_labels.get("validation")) is not None:
        return -(labels.mean_average_precision or 0.0), labels.log_loss
    score = run.validation
    if score is None:
        return math.inf, math.inf
    loss = figure(score, "log_loss")
    return -score.accuracy, math.inf if loss is None else loss[0]


def _result(ladder: Ladder, report: Path, subject: RunRecord | None) -> LadderReport:
    chosen, comparisons = ladder.chosen, sum(gain is not None for gain in ladder.gains)
    return LadderReport(
        candidates=tuple(
            _candidate_result(run, gain, comparisons) for run, gain in zip(ladder.candidates, ladder.gains, strict=True)
        ),
        chosen=chosen.recipe if chosen is not None else None,
        chosen_run=chosen.folder if chosen is not None else None,
        test=metrics_json(chosen.test) if chosen is not None else None,
        report=report,
        trust=trust_json(subject) if subject is not None else None,
        several_labels=several_json(subject) if subject is not None and subject.label_rules else None,
    )


def _candidate_result(run: RunRecord, gain: Gain | None, comparisons: int) -> CandidateResult:
    return CandidateResult(
        recipe=run.recipe,
        run=run.folder,
        validation=metrics_json(run.validation),
        cross_validation=run.cross_validation_json(),
        seconds_per_epoch=run.seconds_per_epoch,
        parameters={"total": run.parameters, "trainable": run.trainable} if run.parameters is not None else None,
        gain=gain,
        more_pictures=pictures_to_settle(gain, comparisons=comparisons) if gain is not None else None,
        several_labels=run.to_json().get("several_labels"),
    )


def check_one_data(runs: Sequence[RunRecord]) -> None:
    """Refuse runs of different data; another split, seed or copy of the same pictures is welcome.

    A page describes the pictures once and trust once: of two data sets it would mix the one with the other.

    Raises:
        WrongUsage: two runs lie on different data.
    """
    first = runs[0]
    for other in runs[1:]:
        if _is_other_data(first, other):
            one_by_one = [typed("report", run.shown) for run in (first, other)]
            roots = [str(run.root or "data that it does not name") for run in (first, other)]
            raise WrongUsage(
                "These runs were trained on different data, so they cannot share one report.",
                f"{first.folder} was trained on {roots[0]}, {other.folder} on {roots[1]}.",
                f"Make a report of each: {' and '.join(one_by_one)}",
            )


def _is_other_data(first: RunRecord, other: RunRecord) -> bool:
    if first.digest == other.digest or first.root is None or other.root is None or first.root == other.root:
        return False
    ours, theirs = ({picture.sha256 for picture in run.split} for run in (first, other))
    return len(ours & theirs) < SHARED * min(len(ours), len(theirs)) or not ours or not theirs
