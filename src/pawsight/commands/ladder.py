"""The verb `ladder`: every rung trained on the same split, and the story told in one report.

Enters: data and the names of recipes. Leaves: finished runs and a report over them. Does not know: terminals.

The test part stays sealed until the rungs have been compared on validation; then the chosen one is measured on it,
once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from pawsight.commands.evaluate import evaluate
from pawsight.commands.given_split import given_split
from pawsight.commands.log import Logged
from pawsight.commands.order import Order, command_for, existing
from pawsight.commands.report import summary as report_summary
from pawsight.commands.train import train_on
from pawsight.commands.train_report import TrainReport
from pawsight.commands.trust_parts import complete
from pawsight.core.errors import MissingExtra, PawsightError, TrainingFailed, WeightsUnavailable, WrongUsage
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Progress, Stopwatch
from pawsight.core.runs import new_group, set_latest
from pawsight.data.sources import Source, resolve
from pawsight.models.ladder import RUNGS, Wishes, make_recipe
from pawsight.models.recipe import SEES
from pawsight.reports.ladder_report import LadderReport, build_report
from pawsight.reports.run_record import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderOutcome:
    """The runs of a ladder, those that were left out and why, and the report."""

    report: LadderReport
    left_out: Mapping[str, str]  # recipe -> reason

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `ladder --json` prints them."""
        return self.report.to_json() | {"left_out": dict(self.left_out)}


def ladder(
    data: str | os.PathLike[str],
    *,
    recipes: Sequence[str] | None = None,
    epochs: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    split: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    runs: str | os.PathLike[str] = "runs",
    weights: str | os.PathLike[str] | None = None,
    progress: Progress = SILENT,
) -> LadderOutcome:
    """Train several recipes on one split, compare them, and write the report.

    Args:
        data: as for `train`.
        recipes: names, in the order of climbing; None: all of them.
        epochs: for those that learn by gradients, instead of their own.
        time_limit: seconds; a rung that would begin later is left out, and the report says so.
        seed: of everything random but the split.
        split, split_seed: as for `train`.
        runs: folder in which the rungs' run folders are made, and the report beside them.
        weights: file with MobileNetV2's weights; without it and without Keras's download that rung is left out.

    Raises:
        PawsightError: no rung could be trained.
    """
    names = _known(list(recipes) if recipes is not None else list(RUNGS))
    given = given_split(split, split_seed)
    log, start = Logged(progress), monotonic()
    source = _announced(data, names, seed, log)
    file, place, told = existing(weights), Path(runs).absolute(), os.fspath(data)
    reports: list[TrainReport] = []
    left_out: dict[str, str] = {}
    for name in names:
        if time_limit is not None and reports and monotonic() - start > time_limit:
            left_out[name] = f"the time limit of {time_limit:.0f} s was over"
            continue
        wishes = Wishes(epochs=epochs if RUNGS[name].recipe.epochs else None, seed=seed, split_seed=split_seed)
        command = command_for(told, name, wishes, weights if name == "mobilenet" else None, split=split)
        order = Order(
            runs=place, command=command, weights=file, parts=("validation",), given=given, data=os.fspath(data)
        )
        _climb(source, name, wishes, order, reports, left_out, log)
    return LadderOutcome(report=_tell(reports, left_out, place, log), left_out=left_out)


def _announced(data: str | os.PathLike[str], names: Sequence[str], seed: int, log: Logged) -> Source:
    """Say what is going to happen, and return the source."""
    log.say(f"Machine  {this_machine()}")
    log.say(f"Data     {os.fspath(data)}")
    log.say(f"Recipes  {', '.join(names)}, seed {seed}")
    source = resolve(data, cache=cache_folder(), progress=log)
    if source.note:
        log.say(f"Note     {source.note}")
    return source


def _climb(
    source: Source,
    name: str,
    wishes: Wishes,
    order: Order,
    reports: list[TrainReport],
    left_out: dict[str, str],
    log: Logged,
) -> None:
    """Train one rung; it is left out, with the reason, where something is missing or its training fails."""
    log.say(f"Rung     {make_recipe(name, wishes)}")
    try:
        report = train_on(source, make_recipe(name, wishes), order, log, Stopwatch())
    except (MissingExtra, WeightsUnavailable, TrainingFailed) as error:
        left_out[name] = f"{error.what} {error.fix if isinstance(error, MissingExtra) else error.why}".strip()
        log.say(f"         left out: {left_out[name]}")
        return
    reports.append(report)
    if report.validation is not None:
        figures = f"{100 * report.validation.accuracy:.1f} % ({report.validation.interval})"
        log.say(f"         validation {figures} in {report.seconds['total']:.1f} s")


def _tell(reports: Sequence[TrainReport], left_out: Mapping[str, str], runs: Path, log: Logged) -> LadderReport:
    """Measure the chosen rung on the test part, once, and write the report over all of them."""
    if not reports:
        raise PawsightError("No rung could be trained.", "; ".join(left_out.values()), "Try: --recipes probe")
    folders = [report.run for report in reports]
    chosen = _best(reports)
    if chosen is not None and reports[0].split.sizes["test"]:
        measured = evaluate(chosen, test=True, counts_look=False, progress=log)
        RunRecord.read(chosen).store_test(measured.metrics)
    set_latest(chosen or folders[-1])
    absent = complete(chosen, features=_has_features(chosen, reports), progress=log) if chosen is not None else {}
    return build_report(folders, new_group(runs, "ladder"), left_out=left_out, absent=absent)


def _has_features(chosen: Path, reports: Sequence[TrainReport]) -> bool:
    """Say whether a rung has seen all pictures with the backbone that the chosen run's figures need."""
    from pawsight.training.again import seeing_recipe

    seen = {(one.recipe.backbone, one.recipe.image_px) for one in reports if one.recipe.method in SEES}
    wanted = seeing_recipe(next(one.recipe for one in reports if one.run == chosen))
    return (wanted.backbone, wanted.image_px) in seen


def _best(reports: Sequence[TrainReport]) -> Path | None:
    """Return the run that is right most often on validation; equal ones are told apart by their log loss."""
    measured = [(report.validation, report.run) for report in reports if report.validation is not None]
    if not measured:
        return None
    return max(measured, key=lambda pair: (pair[0].accuracy, -pair[0].log_loss))[1]


def _known(names: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in names if name not in RUNGS]
    if unknown or not names:
        raise WrongUsage(
            f"There is no recipe called {', '.join(map(repr, unknown)) or repr('')}.",
            f"The recipes are {', '.join(RUNGS)}.",
            "Type for example --recipes cnn,probe",
        )
    return names


def summary(outcome: LadderOutcome) -> list[str]:
    """Return the lines that tell a person how the rungs compare."""
    left_out = [f"Left out: {name}, {reason}" for name, reason in outcome.left_out.items()]
    return [*report_summary(outcome.report), *left_out]
