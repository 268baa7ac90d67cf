"""The verb `compare`: a table of finished runs and paired tests between them, on the pictures that all have answered.

The tests are in evaluation/comparison.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pawsight.commands.run_split import count_look, looks_sentence
from pawsight.core.errors import WrongUsage
from pawsight.core.progress import ProgressLike, progress_of
from pawsight.core.storage import as_path, path_texts
from pawsight.core.text import typed
from pawsight.evaluation.comparison import TIE, Gain, corrected, pictures_to_settle
from pawsight.evaluation.comparison import compare as paired_gain
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.metrics import Metrics, aligned, measure, to_jsonable, why_no_auc
from pawsight.evaluation.several_labels import SeveralLabelsMetrics, measure_labels
from pawsight.evaluation.several_labels import to_jsonable as several_labels_json
from pawsight.reports.candidates import command_of
from pawsight.reports.run_record import AnswerTable, RunRecord, shared
from pawsight.reports.words import points_between, signed

MOST_PAIRED = 4  # runs up to which each is compared with each; of more each with the first


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

    part: str  # "validation" or "test"; "train" where all runs were measured by cross-validation alone
    pictures: int  # that all runs share
    runs: tuple[str, ...]  # as they were given
    recipes: tuple[str, ...]
    metrics: tuple[Metrics | SeveralLabelsMetrics, ...]  # of each run on the shared pictures
    pairs: tuple[Pair, ...]
    left_aside: tuple[int, ...]  # pictures of each run that not all share
    looks_at_test: tuple[int, ...] = ()  # evaluations of each test set, this one included; empty on validation

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `compare --json` prints them."""
        return {
            "part": self.part,
            "pictures": self.pictures,
            "runs": [
                {"run": run, "recipe": recipe, "left_aside": aside} | _plain(metrics)
                for run, recipe, aside, metrics in zip(
                    self.runs, self.recipes, self.left_aside, self.metrics, strict=True
                )
            ],
            "pairs": [pair.to_json() for pair in self.pairs],
            "looks_at_test": list(self.looks_at_test),
        }


def compare(
    runs: Sequence[str | os.PathLike[str]], *, test: bool = False, seed: int = 0, progress: ProgressLike = None
) -> CompareReport:
    """Compare finished runs on the held-out pictures that they share.

    Args:
        runs: at least two run folders; with more than four each is compared with the first alone. Where all of them
            were measured by cross-validation alone, those answers are compared.
        test: compare on the test set, where every run was measured on it already; counts as an evaluation of each.
        seed: of the resampling behind the intervals.
        progress: as for `train`.

    Raises:
        PawsightError: a folder is no finished run, or the runs share no picture of that set.
    """
    progress = progress_of(progress)
    runs = path_texts(runs)
    named = {as_path(run).resolve(): run for run in reversed(runs)}
    folders = list(dict.fromkeys(as_path(run).resolve() for run in runs))
    if len(folders) < 2:
        raise WrongUsage(
            "compare needs two runs or more.",
            _why_not(folders, runs),
            "Type for example: pawsight compare runs/001 runs/002",
        )
    records, names = [RunRecord.read(folder) for folder in folders], [named[folder] for folder in folders]
    part = "test" if test else _part(records, names)
    _check_one_kind(records, names)
    tables = [_answers(record, name, part) for record, name in zip(records, names, strict=True)]
    common = shared(tables)
    if not common[0].answered:
        raise WrongUsage(
            f"{', '.join(names[:-1])} and {names[-1]} share no {part} picture.",
            "They were trained on different data or with different splits.",
            f"Train them on one split, e.g. {typed('train', 'DATA', '--split', names[0])}, or measure both on new"
            f" pictures: {typed('evaluate', names[-1], 'DATA')}",
        )
    with progress.stage("Comparing", len(records), "runs") as step:
        measured = []
        # Of the same pictures, so what one run knows of their groups holds for all, as in the pairs below.
        groups = next((table.groups for table in common if table.groups is not None), None)
        for record, table in zip(records, common, strict=True):
            measured.append(_measured(record, table, seed, groups))
            step.advance()
    pairs = _pairs(names, common)
    return CompareReport(
        part=part,
        pictures=len(common[0].answered),
        runs=tuple(names),
        recipes=tuple(record.recipe for record in records),
        metrics=tuple(measured),
        pairs=pairs,
        left_aside=tuple(len(table.answered) - len(common[0].answered) for table in tables),
        looks_at_test=tuple(count_look(folder) for folder in folders) if test else (),
    )


def _check_one_kind(records: Sequence[RunRecord], names: Sequence[str]) -> None:
    """Refuse runs of which some give a picture one class and others several labels, or other labels.

    Raises:
        WrongUsage: with the first two that differ.
    """
    kinds = {record.classes if record.label_rules else (): name for record, name in zip(records, names, strict=True)}
    if len(kinds) > 1:
        first, other, *_ = kinds.values()
        raise WrongUsage(
            f"{first} and {other} give their pictures other labels.",
            "Only answers about the same labels can be compared.",
            "Train both with one table, and with the same --several-labels or --label-separator.",
        )


def _measured(
    record: RunRecord, table: AnswerTable, seed: int, groups: NDArray[np.int64] | None
) -> Metrics | SeveralLabelsMetrics:
    """Return the figures of a run on the shared pictures, of which there are some."""
    if record.label_rules:
        several = measure_labels(
            table.truth, table.probabilities, record.label_rules, table.classes, seed=seed, groups=groups
        )
        return cast("SeveralLabelsMetrics", several)
    true, shares = table.true, table.probabilities
    return cast("Metrics", measure(true, shares, table.classes, commonest=record.commonest, seed=seed, groups=groups))


def _plain(metrics: Metrics | SeveralLabelsMetrics) -> dict[str, Any]:
    plain = several_labels_json(metrics) if isinstance(metrics, SeveralLabelsMetrics) else to_jsonable(metrics)
    return plain or {}


def _why_not(folders: Sequence[Path], runs: Sequence[str | os.PathLike[str]]) -> str:
    if not folders:
        return "No run was named."
    times = "twice" if len(runs) == 2 else f"{len(runs):,} times"
    return "1 run was named." if len(runs) == 1 else f"The same run was named {times}: {os.fspath(runs[0])}"


def summary(report: CompareReport) -> list[str]:
    """Return the report as lines of text."""
    what = "cross-validated training" if report.part == "train" else report.part
    lines = [f"On the {report.pictures:,} {what} pictures that all {len(report.runs)} runs share:"]
    if any(report.left_aside):
        aside = [f"{count:,} of {run}" for run, count in zip(report.runs, report.left_aside, strict=True) if count]
        lines.append(f"Left out, because not all runs have them with the same label: {', '.join(aside)}.")
    several = [metrics for metrics in report.metrics if isinstance(metrics, SeveralLabelsMetrics)]
    of_classes = [metrics for metrics in report.metrics if isinstance(metrics, Metrics)]
    if several:
        header: tuple[str, ...] = ("run", "recipe", "mean AP", "95 %", "F1", "95 %", "all right", "95 %", "log loss")
        lines += aligned([header, *map(_row_of_labels, report.runs, report.recipes, several)], left=2)
        lines.append("Gains are in the share of pictures of which every label is right:")
    else:
        header = ("run", "recipe", "right", "95 %", "log loss", "95 %", "ROC AUC", "95 %", "macro F1", "ECE")
        lines += aligned([header, *map(_row, report.runs, report.recipes, of_classes)], left=2)
    if of_classes and (metrics := of_classes[0]).roc_auc is None:  # of the same pictures for all
        lines.append(f"ROC AUC is not defined: {why_no_auc({row.name: row.pictures for row in metrics.classes})} here.")
    if len(report.runs) > MOST_PAIRED:
        lines.append(f"Each against the first, {report.runs[0]}, as there are more than {MOST_PAIRED}:")
    lines += map(_line, report.pairs)
    if report.looks_at_test:
        lines.append(looks_sentence(max(report.looks_at_test)))
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _part(records: Sequence[RunRecord], names: Sequence[str]) -> str:
    """Return the subset that runs are compared on, where it is not the test set.

    Raises:
        WrongUsage: some were measured by cross-validation alone, and others not.
    """
    crossed = [
        name
        for record, name in zip(records, names, strict=True)
        if record.validation is None and record.cross_validation is not None
    ]
    if len(crossed) == len(names):
        return "train"
    if crossed:
        raise WrongUsage(
            f"{crossed[0]} has no validation set to compare on.",
            "It was measured by cross-validation alone (--folds), and others of these runs were not.",
            f"Train all of them with --folds, or measure them on new pictures: {typed('evaluate', crossed[0], 'DATA')}",
        )
    return "validation"


def _answers(run: RunRecord, name: str, part: str) -> AnswerTable:
    table = run.label_table(part) if run.label_rules else run.answer_table(part)
    if not table.answered and part == "test":
        command, _ = command_of(run)
        raise WrongUsage(
            f"{name} has no answers to its test set.",
            "pawsight train stores them; pawsight ladder does not evaluate every run on the test set.",
            f"Leave out --test to compare on validation, or train it by itself: {command}",
        )
    return table


def _pairs(names: Sequence[str], tables: Sequence[AnswerTable]) -> tuple[Pair, ...]:
    every = range(len(names))
    chosen = list(combinations(every, 2)) if len(names) <= MOST_PAIRED else [(0, other) for other in every[1:]]
    gains = corrected([paired_gain(tables[first].answered, tables[second].answered) for first, second in chosen])
    return tuple(
        Pair(names[first], names[second], gain, pictures_to_settle(gain, comparisons=len(chosen)))
        for (first, second), gain in zip(chosen, gains, strict=True)
        if gain is not None
    )


def _row(run: str, recipe: str, metrics: Metrics) -> tuple[str, ...]:
    ends = metrics.intervals
    area = f"{metrics.roc_auc:.4f}" if metrics.roc_auc is not None else "-"
    return (
        run,
        recipe,
        f"{100 * metrics.accuracy:.1f} %",
        f"{100 * metrics.interval.low:.1f}-{100 * metrics.interval.high:.1f}",
        f"{metrics.log_loss:.3f}",
        _ends(ends["log_loss"], 3),
        area,
        _ends(ends["roc_auc"], 4),
        f"{metrics.macro_f1:.3f}",
        f"{100 * metrics.ece:.1f} %",
    )


def _row_of_labels(run: str, recipe: str, metrics: SeveralLabelsMetrics) -> tuple[str, ...]:
    cells = []
    for name in ("mean_average_precision", "micro_f1", "exact_match"):
        value, ends = getattr(metrics, name), metrics.intervals[name]
        cells += ["-" if value is None else f"{100 * value:.1f} %"]
        cells += ["-" if ends is None else f"{100 * ends.low:.1f}-{100 * ends.high:.1f}"]
    return run, recipe, *cells, f"{metrics.log_loss:.3f}"


def _ends(interval: Interval | None, digits: int) -> str:
    return f"{interval.low:.{digits}f}-{interval.high:.{digits}f}" if interval is not None else "-"


def _line(pair: Pair) -> str:
    gain = pair.gain
    text = f"{pair.second} against {pair.first}: {signed(gain.points)} points ({points_between(gain.interval)})"
    text += f", p = {gain.p_value:.2g}"
    if gain.p_holm is not None:
        text += f", {gain.p_holm:.2g} after Holm's correction"
    if gain.verdict != TIE:
        return f"{text}: {gain.verdict}"
    if pair.more_pictures is None:
        return f"{text}: a tie; there is no difference at all, so more pictures would not settle it"
    return f"{text}: a tie; about {pair.more_pictures:,} more pictures would settle it if it is real"
