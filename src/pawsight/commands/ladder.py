"""The verb `ladder`: trains recipes on one split and compares them in one report.

The test set is evaluated once, by the recipe that is best on validation.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from pawsight.classifier.bundle import add_figures
from pawsight.commands.evaluate import measure_run
from pawsight.commands.report import complete
from pawsight.commands.report import summary as report_summary
from pawsight.commands.run_split import given_split
from pawsight.commands.train import Log, train_on
from pawsight.commands.train_options import TrainOptions, existing
from pawsight.commands.train_report import TrainReport
from pawsight.core.errors import MissingExtra, PawsightError, TrainingFailed, WeightsUnavailable, WrongUsage
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import ProgressLike, Stopwatch, progress_of
from pawsight.core.runs import BUNDLE, new_group, set_latest
from pawsight.core.storage import path_text
from pawsight.core.text import typed
from pawsight.data.reading import FolderReading
from pawsight.data.sources import IN_PROGRAM, listed, resolve
from pawsight.models.recipes import FINETUNE, RECIPES, make_recipe
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
    allow_leaks: bool = False,
    out: str | os.PathLike[str] = "runs",
    weights: str | os.PathLike[str] | None = None,
    columns: Mapping[str, str] | None = None,
    max_megapixels: int | None = None,
    allow_missing: float | None = None,
    reading: FolderReading | None = None,
    progress: ProgressLike = None,
) -> LadderOutcome:
    """Train several recipes on one split, compare them, and write the report.

    Args:
        data: as for `train`.
        recipes: names, the simplest first; None: all of them.
        epochs: for those that train by gradients, instead of their own.
        time_limit: seconds; a recipe that would begin later is left out, and the report says so.
        seed: of everything random but the split.
        split, split_seed, allow_leaks: as for `train`.
        out: folder in which the run folders are made, and the report beside them.
        columns, max_megapixels, allow_missing, reading: as for `train`.
        weights: file with MobileNetV2's weights; without it and without Keras's download that recipe is left out.
        progress: as for `train`.

    Raises:
        PawsightError: no recipe could be trained.
    """
    progress = progress_of(progress)
    if reading is not None and reading.several_labels:
        raise WrongUsage(
            "pawsight ladder compares recipes on pictures that are of one class each.",
            f"{shlex.join(reading.words())} says that a picture may have several labels.",
            f"Train the recipe that gives several: {typed('train', path_text(data, IN_PROGRAM), *reading.words())}",
        )
    names = list(recipes) if recipes is not None else list(RECIPES)
    _check_known(names)
    log, start = Log(progress), monotonic()
    given, weights_file, folder = (
        given_split(split, split_seed, allow_leaks=allow_leaks),
        existing(weights),
        Path(out).absolute(),
    )
    log.say(f"Machine  {this_machine()}")
    log.say(f"Data     {path_text(data, IN_PROGRAM)}")
    log.say(f"Recipes  {', '.join(names)}, seed {seed}")
    source = listed(resolve(data, cache=cache_folder(), reading=reading, columns=columns, progress=log), log)
    reports: list[TrainReport] = []
    left_out: dict[str, str] = {}
    for name in names:
        if time_limit is not None and reports and monotonic() - start > time_limit:
            left_out[name] = f"the time limit of {time_limit:.0f} s was over"
            continue
        options = TrainOptions(
            recipe=name,
            epochs=epochs if RECIPES[name].recipe.epochs else None,
            seed=seed,
            split=split,
            split_seed=split_seed,
            allow_leaks=allow_leaks,
            out=out,
            weights=weights if name == "mobilenet" else None,
            columns=columns,
            max_megapixels=max_megapixels,
            allow_missing=allow_missing,
            reading=reading,
        )
        recipe = options.made_recipe()
        log.say(f"Recipe   {recipe}")
        try:
            report = train_on(
                source,
                options,
                log,
                Stopwatch(),
                recipe=recipe,
                data=os.fspath(data),
                weights=weights_file,
                given=given,
                measured=("validation",),
                latest=False,
            )
        except (MissingExtra, WeightsUnavailable, TrainingFailed) as error:
            left_out[name] = f"{error.what} {error.fix if isinstance(error, MissingExtra) else error.why}".strip()
            log.say(f"         left out: {left_out[name]}")
            continue
        reports.append(report)
        if report.validation is not None:
            figures = f"{100 * report.validation.accuracy:.1f} % ({report.validation.interval})"
            log.say(f"         validation {figures} in {report.record.seconds['total']:.1f} s")
    return LadderOutcome(report=_compared(reports, left_out, folder, log), left_out=left_out)


def _check_known(names: Sequence[str]) -> None:
    if FINETUNE in names:
        make_recipe(FINETUNE)  # says what replaces it
    unknown = [name for name in names if name not in RECIPES]
    if unknown or not names:
        raise WrongUsage(
            f"There is no recipe called {', '.join(map(repr, unknown)) or repr('')}.",
            f"The recipes are {', '.join(RECIPES)}.",
            "Type for example --recipes cnn,probe",
        )


def _compared(reports: Sequence[TrainReport], left_out: Mapping[str, str], runs: Path, log: Log) -> LadderReport:
    """Measure the chosen run on the test set, once, and write the report over all of them."""
    if not reports:
        raise PawsightError("No recipe could be trained.", "; ".join(left_out.values()), "Try: --recipes probe")
    folders, chosen = [report.run for report in reports], _best(reports)
    if chosen is not None and reports[0].split.sizes["test"]:
        # The end of training: not counted, and a picture that was lost meanwhile ends no ladder.
        measured = measure_run(chosen, test=True, allow_missing=1.0, progress=log)
        record = replace(RunRecord.read(chosen), test=measured.metrics)
        add_figures(chosen / BUNDLE, record.measured())
        record.write()
    if note := set_latest(chosen or folders[-1]):
        log.say(f"Note     {note}")
    target = new_group(runs, "ladder")
    if chosen is None:
        return build_report(folders, target, left_out=left_out)
    absent, computed = complete(chosen, features=_has_features(chosen, reports), progress=log)
    return build_report(folders, target, left_out=left_out, absent=absent, computed=computed)


def _best(reports: Sequence[TrainReport]) -> Path | None:
    """Return the run with the best validation accuracy, and among equal ones the lowest log loss."""
    measured = [(report.validation, report.run) for report in reports if report.validation is not None]
    if not measured:
        return None
    return max(measured, key=lambda pair: (pair[0].accuracy, -pair[0].log_loss))[1]


def _has_features(chosen: Path, reports: Sequence[TrainReport]) -> bool:
    """Say whether one of the runs computed the features that the chosen run's figures need."""
    from pawsight.training.features import probe_recipe

    recipes = [report.recipe for report in reports]
    seen = {(recipe.backbone, recipe.image_px) for recipe in recipes if recipe.method == "probe"}
    wanted = probe_recipe(next(report.recipe for report in reports if report.run == chosen))
    return (wanted.backbone, wanted.image_px) in seen


def summary(outcome: LadderOutcome) -> list[str]:
    """Return the comparison as lines of text."""
    left_out = [f"Left out: {name}, {reason}" for name, reason in outcome.left_out.items()]
    return [*report_summary(outcome.report), *left_out]
