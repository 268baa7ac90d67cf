"""The verb `train`: data and a recipe in, a finished and measured run out.

Its options are in train_options.py, what it prints in train_report.py, the training itself in training/run.py.
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
from numpy.typing import NDArray

from pawsight.classifier.backbone import fetch_backbone
from pawsight.classifier.bundle import add_figures
from pawsight.classifier.engine import PRECISION_NAMES, best_precision
from pawsight.classifier.predictor import answer_texts
from pawsight.classifier.trust import UNFAMILIAR, SelectiveOptions
from pawsight.commands.growth import FROM_COMMAND, GrowingRun, growing_run, growth_record, options_of
from pawsight.commands.run_split import given_split
from pawsight.commands.train_options import TrainKeywords, TrainOptions, check_fits, check_growth, command_for, existing
from pawsight.commands.train_report import TrainReport, gain_from_patch, summary
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
from pawsight.data.audit import audit
from pawsight.data.dataset import grey_range_sentence
from pawsight.data.given_split import SplitFile
from pawsight.data.groups import numbers_of
from pawsight.data.label_patch import Patch, read_patch, write_patch
from pawsight.data.sources import IN_PROGRAM, Source, listed, resolve
from pawsight.distributed.feature_extraction import read_files_by_pool
from pawsight.distributed.ray_actors import Pool, pool_for
from pawsight.evaluation.calibration import expected_calibration_error, log_losses, squared_distances
from pawsight.evaluation.cross_validation import FEWEST, CrossValidation, is_small
from pawsight.evaluation.metrics import measure
from pawsight.evaluation.selective import Abstention, measure_abstention, measure_costs, measure_sets
from pawsight.evaluation.several_labels import SeveralLabelsMetrics, measure_labels
from pawsight.models.recipes import RECIPES, Recipe
from pawsight.reports.audit_page import COLUMNS
from pawsight.reports.run_record import RunRecord

if TYPE_CHECKING:
    from pawsight.training.context import Floats, RunEnvironment
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
    usual, own, name = TrainOptions(), recipe_of(growing.folder), from_here(growing.folder)
    asked = options_of(growing)
    asked = {option: value for option, value in asked.items() if getattr(options, option) == getattr(usual, option)}
    if shown := ", ".join(f"{option} {value}" for option, value in asked.items() if value != getattr(usual, option)):
        log.say(f"Note     as {name} was asked for: {shown}")
    options = replace(options, **asked, from_run=os.fspath(growing.folder), split_seed=options.split_seed or None)
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
                report = _report(outcome, env, patch, given, growing, options, command=command)
            _write(report, outcome, log)
        if latest and (note := set_latest(outcome.folder)):
            log.say(f"Note     {note}")
    remove_checkpoint(outcome.folder)  # last of all: while it is there, the run can be continued
    return report


def _report(
    outcome: TrainedRun,
    env: RunEnvironment,
    patch: Patch | None,
    given: SplitFile | None,
    growing: GrowingRun | None,
    options: TrainOptions,
    *,
    command: str,
) -> TrainReport:
    fitted, trust, classes, split = outcome.model, outcome.trust, outcome.dataset.classes, outcome.split
    groups = {part: numbers_of([picture.group for picture in split.part(part)]) for part in fitted.probabilities}
    commonest = _commonest(outcome) if outcome.labels else None
    measured = {
        part: measure(outcome.labels[part], table, classes, commonest=commonest, groups=groups[part])
        for part, table in fitted.probabilities.items()
        if part in outcome.labels
    }
    answered = {part: table for part, table in fitted.probabilities.items() if len(table)}
    answers, gained, recipe = fitted.probabilities.get("validation"), None, outcome.recipe
    predicted = {part: answer_texts(trust, table, classes) for part, table in answered.items()}
    if patch is not None and answers is not None and len(answers):
        gained = gain_from_patch(patch, split.part("validation"), predicted["validation"], split=given)
    crossed = _cross_validation(outcome)
    growth = None
    if growing is not None:
        is_crossed = crossed is not None and measured.get("validation") is None
        out_of_fold = {"train": _answers_out_of_fold(outcome)} if is_crossed else {}
        usual = TrainOptions()
        asked = {name: getattr(options, name) for name in FROM_COMMAND}
        asked = {name: value for name, value in asked.items() if value != getattr(usual, name)}
        growth = growth_record(growing, split, {**predicted, **out_of_fold}, env.progress, asked=asked)
    headline = measured.get("validation") or (crossed.metrics if crossed else None)
    seconds = [epoch.seconds for epoch in fitted.history]
    greys = outcome.dataset.grey_range
    record = RunRecord(
        folder=outcome.folder,
        recipe=recipe.name,
        backbone=recipe.backbone,
        image_px=recipe.image_px,
        seed=recipe.seed,
        precision=fitted.precision,
        grey_range=greys,
        classes=classes,
        counts=outcome.dataset.counts,
        digest=split.digest,
        sizes=split.sizes,
        how=split.how,
        split_seed=recipe.split_seed,
        leaks=split.duplicates_across_parts,
        validation=measured.get("validation"),
        test=measured.get("test"),
        cross_validation=crossed,
        baseline=headline.baseline if headline else None,
        left_out=tuple((file.name, file.reason) for file in outcome.dataset.left_out),
        adds=RECIPES[recipe.name].adds if recipe.name in RECIPES else "",
        parameters=fitted.parameters[0],
        trainable=fitted.parameters[1],
        layers=fitted.layers,
        epochs=len(seconds),
        seconds_per_epoch=sum(seconds) / len(seconds) if seconds else None,
        notes=(*fitted.notes, *([grey_range_sentence(greys)] if greys else [])),
        depth=fitted.depth or {},
        patch=outcome.patched,
        gain_from_patch=gained,
        growth=growth,
        temperature=trust.temperature,
        fitted_on=trust.fitted_on,
        calibrated_on=outcome.calibrated_on,
        calibration_gain=outcome.calibration_gain,
        calibrated=_calibrated(outcome),
        max_error=outcome.options.max_error,
        max_error_per_class=outcome.options.max_error_per_class,
        guarantee=trust.guarantee,
        by_class=trust.by_class,
        sets=trust.sets,
        costs=trust.costs,
        measured_sets={
            part: measure_sets(outcome.labels[part], table, trust.sets, groups=groups[part])
            for part, table in answered.items()
        }
        if trust.sets
        else {},
        measured_costs={part: measure_costs(outcome.labels[part], table, trust) for part, table in answered.items()}
        if trust.costs
        else {},
        label_rules=trust.labels,
        several_labels=_several_labels(outcome),
        detector=trust.detector,
        decided={
            part: figures.to_json() for part, table in answered.items() if (figures := _decided(outcome, part, table))
        },
        no_guarantee=outcome.no_guarantee,
        command=command,
        seconds=env.stopwatch.seconds(),
        machine=str(env.machine),
        settings=recipe.to_dict(),
        root=outcome.dataset.root,
        data_notes=(*outcome.dataset.warnings, *outcome.dataset.notes),
    )
    return TrainReport(
        record=record,
        recipe=recipe,
        dataset=outcome.dataset,
        split=split,
        computed=fitted.computed,
        findings=audit(outcome.dataset, split),
        data=env.data,
    )


def _several_labels(outcome: TrainedRun) -> dict[str, SeveralLabelsMetrics]:
    """Measure the answers about several labels by subset; where validation is small, those out of fold too."""
    split, names, crossed = outcome.split, outcome.dataset.classes, outcome.model.out_of_fold
    held_out = [label for picture in split.part("validation") for label in split.labels_of(picture)]
    tables = {part: table for part, table in outcome.model.probabilities.items() if part in outcome.truths}
    is_few = split.sizes["validation"] < FEWEST or is_small(held_out, names)
    if outcome.truths and crossed is not None and is_few:
        tables["train"] = crossed
    measured = {}
    for part, table in tables.items():
        known = np.isfinite(table).all(axis=1)
        pictures = split.part(part)
        groups = numbers_of([pictures[row].group for row in np.flatnonzero(known)])
        metrics = measure_labels(outcome.truths[part][known], table[known], outcome.trust.labels, names, groups=groups)
        if metrics is not None:
            measured[part] = metrics
    return measured


def _decided(outcome: TrainedRun, part: str, table: Floats) -> Abstention | None:
    """Count how many pictures of a held-out subset are answered; its other figures are those of all."""
    otherwise = replace(outcome.trust, detector=None)
    familiar = outcome.familiar.get(part, [True] * len(table))
    decisions = [
        otherwise.decide(row, None) if known else UNFAMILIAR for row, known in zip(table, familiar, strict=True)
    ]
    return measure_abstention((outcome.labels or outcome.truths)[part], table, decisions, outcome.trust)


def _commonest(outcome: TrainedRun) -> int:
    """Return the class that the training subset has most pictures of, the first of several, as `majority` answers."""
    return int(np.bincount(outcome.labels["train"], minlength=len(outcome.dataset.classes)).argmax())


def _cross_validation(outcome: TrainedRun) -> CrossValidation | None:
    """Measure the answers out of fold where validation is small; None where there are none."""
    model, classes, table = outcome.model, outcome.dataset.classes, outcome.model.out_of_fold
    if (
        table is None
        or outcome.truths
        or not is_small([assigned.label for assigned in outcome.split.part("validation")], classes)
    ):
        return None
    known = ~np.isnan(table).any(axis=1)
    named = numbers_of([assigned.group for assigned in outcome.split.part("train")])
    groups = None if named is None else named[known]
    labels = outcome.labels["train"][known]
    metrics = measure(labels, table[known], classes, commonest=_commonest(outcome), groups=groups)
    unmeasured = int((~known).sum()) if model.is_whole else 0  # of others only a sample is answered
    if metrics is None:
        return None
    return CrossValidation(folds=model.folds, metrics=metrics, unmeasured=unmeasured, is_whole=model.is_whole)


def _answers_out_of_fold(outcome: TrainedRun) -> list[str | None]:
    """Return the answer out of fold to each training picture (N,), None where it was in no fold."""
    table, classes = outcome.model.out_of_fold, outcome.dataset.classes
    rows = table if table is not None else np.full((len(outcome.labels["train"]), 1), np.nan)
    return [None if np.isnan(row).any() else classes[int(row.argmax())] for row in rows]


def _calibrated(outcome: TrainedRun) -> dict[str, dict[str, tuple[float, float]]]:
    """Measure what calibration changed on the held-out subsets: subset -> figure -> before and after.

    A recipe with class weights is calibrated for classes that are equally frequent, and measured so too.
    """
    from pawsight.training.logistic import class_weights

    changes = {}
    for part, after in outcome.model.probabilities.items():
        if part in outcome.labels and len(true := outcome.labels[part]):
            weights = class_weights(true, classes=after.shape[1]) if outcome.recipe.class_weights else None
            ends = [_calibration_figures(true, table, weights) for table in (outcome.uncalibrated[part], after)]
            changes[part] = {name: (ends[0][name], ends[1][name]) for name in ends[0]}
    return changes


def _calibration_figures(
    true: NDArray[np.int64], table: NDArray[np.floating], weights: NDArray[np.float32] | None
) -> dict[str, float]:
    return {
        "ece": expected_calibration_error(true, table, weights=weights),
        "brier": float(np.average(squared_distances(true, table), weights=weights)),
        "log_loss": float(np.average(log_losses(true, table), weights=weights)),
    }


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
