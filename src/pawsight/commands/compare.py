"""The verb `compare`: finished runs in, a table and paired tests out.

Enters: names of run folders. Leaves: a `CompareReport`. Does not know: terminals, models.

All figures are of the pictures that every run has answered to, so that no run is helped by easier ones.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from pawsight.commands.sealed import count_look, told_looks
from pawsight.core.errors import WrongUsage
from pawsight.core.progress import SILENT, Progress
from pawsight.evaluation.comparison import TIE, Gain, corrected, pictures_to_settle
from pawsight.evaluation.comparison import compare as gain_between
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.metrics import Metrics, aligned, measure, to_jsonable
from pawsight.reports.candidates import command_of
from pawsight.reports.run_record import AnswerTable, RunRecord, shared
from pawsight.reports.words import points_between, signed

MOST_PAIRED = 4  # runs up to which each is compared with each; of more each with the first


@dataclass(frozen=True, slots=True)
class Compared:
    """One run on the shared pictures."""

    name: str  # as it was given
    recipe: str
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs on the shared pictures: what the second gains over the first."""

    first: str
    second: str
    gain: Gain
    more_pictures: int | None  # that would settle a tie; 0 where it is settled, None where no number would

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        names = {"first": self.first, "second": self.second}
        return names | self.gain.to_json() | {"more_pictures": self.more_pictures}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareReport:
    """How runs compare."""

    part: str  # "validation" or "test"
    pictures: int  # that all runs share
    runs: tuple[Compared, ...]
    pairs: tuple[Pair, ...]
    left_aside: tuple[int, ...]  # pictures of each run's part that not all share
    looks_at_test: tuple[int, ...] = ()  # of each run so far, this one included; empty on validation

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `compare --json` prints them."""
        return {
            "part": self.part,
            "pictures": self.pictures,
            "runs": [
                {"run": one.name, "recipe": one.recipe, "left_aside": aside} | (to_jsonable(one.metrics) or {})
                for one, aside in zip(self.runs, self.left_aside, strict=True)
            ],
            "pairs": [pair.to_json() for pair in self.pairs],
            "looks_at_test": list(self.looks_at_test),
        }


def compare(
    runs: Sequence[str | os.PathLike[str]], *, test: bool = False, seed: int = 0, progress: Progress = SILENT
) -> CompareReport:
    """Compare finished runs on the held-out pictures that they share.

    Args:
        runs: at least two run folders; of more than four each is compared with the first alone.
        test: compare on the test part, where every run was measured on it already; counts as a look at each.
        seed: of the resampling behind the intervals.
        progress: who is told how far it is.

    Raises:
        PawsightError: a folder is no finished run, or the runs share no picture of the part.
    """
    named = {Path(run).expanduser().resolve(): os.fspath(run) for run in reversed(runs)}
    folders = list(dict.fromkeys(Path(run).expanduser().resolve() for run in runs))
    if len(folders) < 2:
        raise WrongUsage(
            "There is nothing to compare with.",
            _why_not(folders, runs),
            "Name two runs or more, e.g. pawsight compare runs/001 runs/002",
        )
    part, names = "test" if test else "validation", [named[folder] for folder in folders]
    records = [RunRecord.read(folder) for folder in folders]
    tables = [_answers(record, name, part) for record, name in zip(records, names, strict=True)]
    common = shared(tables)
    if not common[0].answered:
        raise _nothing_shared(names, part)
    looks = tuple(count_look(folder) for folder in folders) if test else ()
    with progress.stage("Comparing", len(records), "runs") as step:
        compared = []
        for record, name, table in zip(records, names, common, strict=True):
            compared.append(Compared(name, record.recipe, _measured(table, seed)))
            step.advance()
    return CompareReport(
        part=part,
        pictures=len(common[0].answered),
        runs=tuple(compared),
        pairs=_pairs(names, common),
        left_aside=tuple(len(table.answered) - len(common[0].answered) for table in tables),
        looks_at_test=looks,
    )


def _why_not(folders: Sequence[Path], runs: Sequence[str | os.PathLike[str]]) -> str:
    if not folders:
        return "No run was named."
    times = "twice" if len(runs) == 2 else f"{len(runs):,} times"
    return "1 run was named." if len(runs) == 1 else f"The same run was named {times}: {os.fspath(runs[0])}"


def summary(report: CompareReport) -> list[str]:
    """Return the lines that tell a person how runs compare."""
    lines = [f"On the {report.pictures:,} {report.part} pictures that all {len(report.runs)} runs share:"]
    if any(report.left_aside):
        aside = [f"{count:,} of {one.name}" for one, count in zip(report.runs, report.left_aside, strict=True) if count]
        lines.append(f"Left aside, as not all runs have them under the same label: {', '.join(aside)}.")
    header = ("run", "recipe", "right", "95 %", "log loss", "95 %", "ROC AUC", "95 %", "macro F1", "ECE")
    lines += aligned([header, *map(_row, report.runs)], left=2)
    if len(report.runs) > MOST_PAIRED:
        lines.append(f"Each against the first, {report.runs[0].name}, as there are more than {MOST_PAIRED}:")
    lines += [*map(_told, report.pairs)]
    if report.looks_at_test:
        lines.append(told_looks(max(report.looks_at_test)))
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _answers(run: RunRecord, name: str, part: str) -> AnswerTable:
    table = run.answer_table(part)
    if not table.answered and part == "test":
        command, _ = command_of(run)
        raise WrongUsage(
            f"{name} has not answered to its test part.",
            "A run's answers to it are kept where it was trained by itself; a ladder keeps it sealed.",
            f"Compare on validation (leave out --test), or train it by itself: {command}",
        )
    return table


def _nothing_shared(names: Sequence[str], part: str) -> WrongUsage:
    return WrongUsage(
        f"{', '.join(names[:-1])} and {names[-1]} share no {part} picture.",
        "They were trained on different data or on different splits of it.",
        f"Train them on one split, e.g. pawsight train DATA --split {names[0]}, or measure both on new pictures: "
        f"pawsight evaluate {names[-1]} DATA",
    )


def _measured(table: AnswerTable, seed: int) -> Metrics:
    metrics = measure(table.true, table.probabilities, table.classes, seed=seed)
    if metrics is None:
        raise ValueError("a table without pictures cannot be measured")
    return metrics


def _pairs(names: Sequence[str], tables: Sequence[AnswerTable]) -> tuple[Pair, ...]:
    every = range(len(names))
    chosen = list(combinations(every, 2)) if len(names) <= MOST_PAIRED else [(0, other) for other in every[1:]]
    gains = corrected([gain_between(tables[one].answered, tables[other].answered) for one, other in chosen])
    return tuple(
        Pair(names[one], names[other], gain, pictures_to_settle(gain, comparisons=len(chosen)))
        for (one, other), gain in zip(chosen, gains, strict=True)
        if gain is not None
    )


def _row(one: Compared) -> tuple[str, ...]:
    metrics, ends = one.metrics, one.metrics.intervals
    area = f"{metrics.roc_auc:.4f}" if metrics.roc_auc is not None else "-"
    return (
        one.name,
        one.recipe,
        f"{100 * metrics.accuracy:.1f} %",
        f"{100 * metrics.interval.low:.1f}-{100 * metrics.interval.high:.1f}",
        f"{metrics.log_loss:.3f}",
        _ends(ends.log_loss, 3),
        area,
        _ends(ends.roc_auc, 4),
        f"{metrics.macro_f1:.3f}",
        f"{100 * metrics.ece:.1f} %",
    )


def _ends(interval: Interval | None, digits: int) -> str:
    return f"{interval.low:.{digits}f}-{interval.high:.{digits}f}" if interval is not None else "-"


def _told(pair: Pair) -> str:
    gain = pair.gain
    told = f"{pair.second} against {pair.first}: {signed(gain.points)} points ({points_between(gain.interval)})"
    told += f", p = {gain.p_value:.2g}"
    if gain.p_holm is not None:
        told += f", {gain.p_holm:.2g} after Holm's correction"
    if gain.verdict != TIE:
        return f"{told}: {gain.verdict}"
    if pair.more_pictures is None:
        return f"{told}: a tie; no difference was seen, so no number of pictures would settle it"
    return f"{told}: a tie; about {pair.more_pictures:,} more pictures would settle it if it is real"
