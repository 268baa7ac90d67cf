"""The verb `train`: data and a recipe in, a finished and measured run out.

Its options are in train_options.py, its figures in train_record.py, what it prints in train_report.py. The training
itself is in training/run.py.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from pawsight.classifier.backbone import fetch_backbone
from pawsight.classifier.bundle import add_figures
from pawsight.classifier.engine import PRECISION_NAMES, best_precision
from pawsight.classifier.predictor import answer_texts
from pawsight.classifier.trust import SelectiveOptions
from pawsight.commands.growth import GrowingRun, growing_run, options_of
from pawsight.commands.run_split import given_split
from pawsight.commands.train_options import TrainKeywords, TrainOptions, check_fits, check_growth, command_for, existing
from pawsight.commands.train_record import measure_trained
from pawsight.commands.train_report import TrainReport, summary
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Progress, Step, Stopwatch
from pawsight.core.runs import (
    APPLIED_PATCH,
    AUDIT,
    BUNDLE,
    HISTORY,
    LOG,
    PREDICTIONS,
    from_here,
    set_latest,
    write_history,
    write_table,
)
from pawsight.core.storage import as_path, path_text, write_text
from pawsight.data.given_split import SplitFile
from pawsight.data.label_patch import Patch, read_patch, write_patch
from pawsight.data.sources import IN_PROGRAM, Source, listed, resolve
from pawsight.distributed.feature_extraction import read_files_by_pool
from pawsight.distributed.ray_actors import Pool, pool_for
from pawsight.models.recipes import Recipe
from pawsight.reports.audit_page import COLUMNS

if TYPE_CHECKING:
    from pawsight.training.run import TrainedRun


def train(
    data: str | os.PathLike[str] | None = None,
    options: TrainOptions = TrainOptions(),
    *,
    progress: Progress = SILENT,
    **keywords: Unpack[TrainKeywords],
) -> TrainReport:
    """Train a classifier on labelled pictures.

    Args:
        data: a folder, an archive, a URL of one, a table with the columns path,label, or the name of a data set. With
            `from_run` None, or what the pictures of that run lie in now, e.g. another folder.
        options: how it is trained.
        progress: hears how far it is.
        keywords: fields of `TrainOptions` that differ from `options`.

    Raises:
        PawsightError: something is wrong with data, installation or disk; it says what, why and what to do.

    Examples:
        >>> report = train("photos/")
        >>> report.validation.accuracy > report.validation.baseline
        True
    """
    options, log = options.changed(**keywords), Log(progress)
    check_growth(data, options)
    if options.from_run is None:
        growing, recipe, name = None, options.made_recipe(), path_text(data, IN_PROGRAM)
        command = command_for(name, options)
    else:
        given_options, name = options, os.fspath(data) if data is not None else ""
        options, recipe, growing = _growing(data, options, log)
        command = command_for(name, replace(given_options, from_run=options.from_run))
    check_fits(recipe, options)
    pool = pool_for(options.engine, options.actors, options.ray_address, options.device, needed_by="--engine ray")
    weights, selective = existing(options.weights), options.selective()
    if growing is None:
        given = given_split(options.split, options.split_seed or 0, allow_leaks=options.allow_leaks)
    else:
        given = growing.given
    patch = read_patch(as_path(options.patch)) if options.patch is not None else None
    stopwatch, machine = Stopwatch(), this_machine()
    log.say(f"Machine  {machine}")
    log.say(f"Data     {name or f'the pictures of {options.from_run}'}")
    log.say(f"Recipe   {recipe}, inference in {PRECISION_NAMES[best_precision(machine)]}")
    if pool is not None:
        log.say(f"Engine   {pool}")
    with stopwatch.stage("fetching"):
        recipe = fetch_backbone(recipe, options.backbone, progress=log)
        if growing is None:
            reading, columns = options.reading, options.columns
            found = resolve(data or "", cache=cache_folder(), reading=reading, columns=columns, progress=log)
            source = listed(found, log)
        else:
            source = growing.source
    return train_on(
        source,
        options,
        log,
        stopwatch,
        recipe=recipe,
        data=name,
        weights=weights,
        given=given,
        patch=patch,
        pool=pool,
        selective=selective,
        growing=growing,
        command=command,
    )


def _growing(
    data: str | os.PathLike[str] | None, options: TrainOptions, log: Log
) -> tuple[TrainOptions, Recipe, GrowingRun]:
    """Return options and recipe as the run that grows has them where none are given, and that run.

    Raises:
        As `growing_run`, and WrongUsage: an option does not fit the run's recipe.
    """
    from pawsight.training.features import recipe_of

    growing = growing_run(
        options.from_run or "",
        options.add,
        merged=options.merge or {},
        dropped=[options.drop] if isinstance(options.drop, str) else options.drop or (),
        place=data,
        reading=options.reading,
        columns=options.columns,
        allow_missing=options.allow_missing,
        progress=log,
    )
    own, name, given = recipe_of(growing.folder), from_here(growing.folder), options.given()
    asked = {option: value for option, value in options_of(growing).items() if option not in given}
    options = replace(options, **asked)
    if shown := ", ".join(f"{option} {value}" for option, value in options.given().items() if option in asked):
        log.say(f"Note     as {name} was asked for: {shown}")
    options = replace(options, from_run=os.fspath(growing.folder), split_seed=options.split_seed or None)
    recipe = options.made_recipe(own)
    before, after = own.to_dict(), recipe.to_dict()
    keys = after if before["name"] == after["name"] else ["name"]
    changes = [f"{key} {after[key]} instead of {before[key]}" for key in keys if after[key] != before[key]]
    if changes:
        log.say(f"Note     other than {name}: {', '.join(changes)}")
    return options, recipe, growing


def train_on(
    source: Source,
    options: TrainOptions,
    log: Log,
    stopwatch: Stopwatch,
    *,
    recipe: Recipe,
    data: str,
    weights: Path | None = None,
    given: SplitFile | None = None,
    patch: Patch | None = None,
    pool: Pool | None = None,
    selective: SelectiveOptions = SelectiveOptions(),
    growing: GrowingRun | None = None,
    command: str = "",
    measured: tuple[str, ...] = ("validation", "test"),
    latest: bool = True,
) -> TrainReport:
    """Train a recipe on a source that is already there, measure it and write the run's tables.

    Args:
        source: the pictures.
        options: how it is trained; what they name is given beside them, read and checked.
        log: is told what happens, and becomes the run's log.txt.
        stopwatch: times the stages.
        recipe: with the options applied.
        data: as the user named it.
        weights, given, patch, pool, selective, growing: what the options of the same or a similar name lead to.
        command: that makes the same run again; empty: `options` say it.
        measured: subsets to measure; without "test" the test set is not evaluated.
        latest: whether the link `latest` is set to the run.
    """
    from pawsight.training.context import RunEnvironment
    from pawsight.training.run import train_run
    from pawsight.training.run_folder import kept_or_removed, remove_checkpoint

    folder = Path(options.out).absolute()
    env = RunEnvironment(
        folder, cache_folder(), this_machine(), log, stopwatch, weights, data=data, device=options.device
    )
    if growing is not None:
        env = replace(env, command=command)
    if options.max_megapixels is not None:
        env = replace(env, max_megapixels=options.max_megapixels)
    if options.allow_missing is not None:
        env = replace(env, allow_missing=options.allow_missing)
    with env.held, ExitStack() as stack:
        outcome = train_run(
            source,
            recipe,
            env,
            held_out=measured if options.folds is None else ("validation",),
            folds=options.folds,
            resume=options.resume,
            given=given,
            patch=patch,
            options=selective,
            reader=partial(
                read_files_by_pool,
                recipe=recipe,
                machine=env.machine,
                stopwatch=stopwatch,
                pool=pool,
                until=stack,
            )
            if pool
            else None,
        )
        with kept_or_removed(outcome.folder):
            if patch is not None:
                write_patch(outcome.folder / APPLIED_PATCH, patch.decisions)
            with stopwatch.stage("measuring"):
                command = command or command_for(data, options)
                report = measure_trained(outcome, env, patch, given, growing, options, command=command)
            _write(report, outcome, log)
        if latest and (note := set_latest(outcome.folder)):
            log.say(f"Note     {note}")
    remove_checkpoint(outcome.folder)  # last of all: while it is there, the run can be continued
    return report


def _write(report: TrainReport, outcome: TrainedRun, log: Log) -> None:
    """Write the tables and curves of the run; its metrics come last, since they say that it is finished."""
    run, classes, history = report.run, report.dataset.classes, outcome.model.history
    answers = {part: answer_texts(outcome.trust, table, classes) for part, table in outcome.model.probabilities.items()}
    rows = [
        (picture.name, picture.sha256, part, picture.label, answer, *map(str, row))
        for part, table in outcome.model.probabilities.items()
        for picture, answer, row in zip(report.split.part(part), answers[part], table, strict=True)
    ]
    crossed = outcome.model.out_of_fold
    if crossed is not None and report.record.cross_validation is not None and report.validation is None:
        rows += [
            (picture.name, picture.sha256, "train", picture.label, classes[int(row.argmax())], *map(str, row))
            for picture, row in zip(report.split.part("train"), crossed, strict=True)
            if not np.isnan(row).any()
        ]
    header = ("path", "sha256", "part", "label", "predicted", *(f"p({name})" for name in classes))
    write_table(run / PREDICTIONS, header, rows)
    findings = [(finding.path, finding.problem, finding.value, finding.severity) for finding in report.findings]
    write_table(run / AUDIT, COLUMNS, findings)
    if history:
        from pawsight.reports.charts import draw_history

        write_history(run / HISTORY, history)
        baseline = report.record.baseline
        draw_history(history, run / "history.png", run / "history.svg", classes=len(classes), baseline=baseline)
    for line in summary(report):
        log.note(line)
    write_text(run / LOG, log.text())
    add_figures(run / BUNDLE, report.record.measured())
    report.record.write()


class Log:
    """A `Progress` that passes everything on and keeps the lines for the run's log.txt."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines: list[str] = []

    def stage(self, name: str, total: int | None, unit: str = "") -> AbstractContextManager[Step]:
        """Open a stage and note that it began."""
        self.note(f"{name}: {total if total is not None else 'some'} {unit}".rstrip())
        return self._progress.stage(name, total, unit)

    def say(self, line: str) -> None:
        """Pass a line on and keep it."""
        self.note(line)
        self._progress.say(line)

    def note(self, line: str) -> None:
        """Keep a line without passing it on."""
        self._lines.append(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}")

    def text(self) -> str:
        """Return all lines, each with its time in UTC."""
        return "\n".join(self._lines) + "\n"
