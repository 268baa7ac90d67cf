"""The verb `train`: data and a recipe in, a finished and measured run out.

What it prints is in train_report.py, the training itself in training/run.py.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pawsight.classifier.engine import PRECISION_NAMES, best_precision
from pawsight.classifier.trust import SelectiveOptions
from pawsight.commands.run_split import given_split
from pawsight.commands.train_report import TrainReport, gain_from_patch, summary
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Progress, Step, Stopwatch
from pawsight.core.runs import (
    APPLIED_PATCH,
    AUDIT,
    HISTORY,
    LOG,
    PREDICTIONS,
    set_latest,
    write_history,
    write_table,
)
from pawsight.core.storage import write_text
from pawsight.data.audit import audit
from pawsight.data.dataset import grey_range_sentence
from pawsight.data.given_split import SplitFile
from pawsight.data.label_patch import Patch, read_patch, write_patch
from pawsight.data.sources import Source, resolve
from pawsight.distributed.feature_extraction import check_recipe, read_files_by_pool
from pawsight.distributed.ray_actors import EngineName, Pool, pool_for
from pawsight.evaluation.calibration import brier_score, expected_calibration_error
from pawsight.evaluation.metrics import log_loss, measure
from pawsight.models.recipes import RECIPES, Recipe, RecipeOptions, make_recipe
from pawsight.reports.audit_page import COLUMNS
from pawsight.reports.run_record import RunRecord

if TYPE_CHECKING:
    from pawsight.training.run import TrainedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a source is trained on."""

    recipe: Recipe
    runs: Path  # folder that holds the run folders
    command: str  # the command that makes the same run again
    weights: Path | None = None  # of MobileNetV2
    parts: tuple[str, ...] = ("validation", "test")  # subsets to measure; without "test" the test set is not evaluated
    resume: bool = False
    given: SplitFile | None = None  # the split, where it is not drawn by a seed
    patch: Patch | None = None  # corrected labels
    caution: SelectiveOptions | None = None  # None: every picture is answered
    data: str = ""  # as the user named it
    latest: bool = False  # whether the link `latest` is set to the run
    pool: Pool | None = None  # Ray actors that compute features; None is this process
    max_megapixels: int | None = None  # of a picture; None is the decoder's
    allow_missing: float | None = None  # largest share of the pictures that may be unreadable; None is a tenth


def train(
    data: str | os.PathLike[str],
    *,
    recipe: str = "probe",
    backbone: str | None = None,
    image_px: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    precision: str | None = None,
    class_weights: bool | None = None,
    depth: str | None = None,
    seed: int = 0,
    split: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    allow_leaks: bool = False,
    patch: str | os.PathLike[str] | None = None,
    max_error: float | None = None,
    false_alarms: float = 0.01,
    out: str | os.PathLike[str] = "runs",
    weights: str | os.PathLike[str] | None = None,
    max_megapixels: int | None = None,
    allow_missing: float | None = None,
    resume: bool = False,
    engine: EngineName = "local",
    actors: int | None = None,
    ray_address: str | None = None,
    progress: Progress = SILENT,
) -> TrainReport:
    """Train a classifier on labelled pictures.

    Args:
        data: a folder, an archive, a URL of one, a CSV with the columns path,label, or the name of a data set.
        recipe: a name from `pawsight recipes`.
        backbone: pretrained network of the recipes probe and finetune.
        image_px: side of the square pictures that the network sees, in pixels.
        epochs: passes over the training set, for recipes that train by gradients.
        batch_size: pictures per training step, for recipes that train by gradients.
        learning_rate: of the optimizer, for recipes that train by gradients.
        patience: epochs without a better validation loss before training stops; 0 is never.
        precision: "f32" or "bf16", the number format of gradients.
        class_weights: give pictures of rare classes more weight.
        depth: where the recipe probe reads its backbone: "last" layer, "blocks", the features "selected" from every
            depth, or "auto", the smallest of these that none clearly beats by cross-validation in the training set.
        seed: of everything random but the split.
        split: a CSV with the columns path,part, or a run whose split is used; instead of a split drawn at random.
        split_seed: of the split; runs with different seeds share it.
        allow_leaks: with split, report duplicates in different subsets instead of refusing them.
        patch: corrected labels, as `pawsight review` writes them; the data itself is not changed.
        max_error: largest share of wrong answers, e.g. 0.01; predictions may then be `unsure` or
            `unlike anything seen`. None: every picture is answered.
        false_alarms: with max_error, share of ordinary pictures that may be called unlike anything seen.
        out: folder in which the numbered run folder is made.
        weights: file with MobileNetV2's weights, for the recipe `mobilenet` where Keras cannot download them.
        max_megapixels: width x height of a picture, in millions; larger ones are left out. None is 50.
        allow_missing: largest share of the pictures that may be unreadable; None is 0.1. Above 0.01 there is a warning.
        resume: continue the newest unfinished run of the same recipe on the same data, where there is one.
        engine: `local` computes features in this process, `ray` in a pool of actors; the classifier is the same.
        actors: for `ray`; None is one for each core.
        ray_address: of a running cluster.
        progress: hears how far it is.

    Raises:
        PawsightError: something is wrong with data, installation or disk; it says what, why and what to do.

    Examples:
        >>> report = pawsight.train("photos/")
        >>> report.validation.accuracy > report.validation.baseline
        True
    """
    recipe_options = RecipeOptions(
        backbone=backbone,
        image_px=image_px,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        precision=precision,
        class_weights=class_weights or None,
        depth=depth,
        seed=seed,
        split_seed=split_seed,
    )
    made, name = make_recipe(recipe, recipe_options), os.fspath(data)
    if engine == "ray":
        check_recipe(made)
    pool = pool_for(engine, actors, ray_address, needed_by="--engine ray")
    caution = SelectiveOptions(max_error=max_error, false_alarms=false_alarms) if max_error is not None else None
    reading = {"max_megapixels": max_megapixels, "allow_missing": allow_missing, "allow_leaks": allow_leaks}
    options = TrainOptions(
        recipe=made,
        runs=Path(out).absolute(),
        command=command_for(
            name, recipe, recipe_options, weights, split=split, patch=patch, caution=caution, reading=reading
        ),
        max_megapixels=max_megapixels,
        allow_missing=allow_missing,
        weights=existing(weights),
        resume=resume,
        given=given_split(split, split_seed, allow_leaks=allow_leaks),
        patch=read_patch(Path(patch).expanduser()) if patch is not None else None,
        caution=caution,
        data=name,
        pool=pool,
        latest=True,
    )
    log, stopwatch, machine = Log(progress), Stopwatch(), this_machine()
    log.say(f"Machine  {machine}")
    log.say(f"Data     {name}")
    log.say(f"Recipe   {made}, inference in {PRECISION_NAMES[best_precision(machine)]}")
    if options.pool is not None:
        log.say(f"Engine   {options.pool}")
    with stopwatch.stage("fetching"):
        source = resolve(data, cache=cache_folder(), progress=log)
    if source.note:
        log.say(f"Note     {source.note}")
    return train_on(source, options, log, stopwatch)


def train_on(source: Source, options: TrainOptions, log: Log, stopwatch: Stopwatch) -> TrainReport:
    """Train a recipe on a source that is already there, measure it and write the run's tables."""
    from pawsight.training.context import RunEnvironment
    from pawsight.training.run import train_run
    from pawsight.training.run_folder import kept_or_removed, remove_checkpoint

    env = RunEnvironment(
        options.runs, cache_folder(), this_machine(), log, stopwatch, options.weights, data=options.data
    )
    if options.max_megapixels is not None:
        env = replace(env, max_megapixels=options.max_megapixels)
    if options.allow_missing is not None:
        env = replace(env, allow_missing=options.allow_missing)
    with env.held, ExitStack() as stack:
        outcome = train_run(
            source,
            options.recipe,
            env,
            held_out=options.parts,
            resume=options.resume,
            given=options.given,
            patch=options.patch,
            options=options.caution,
            reader=partial(
                read_files_by_pool,
                recipe=options.recipe,
                machine=env.machine,
                stopwatch=stopwatch,
                pool=options.pool,
                until=stack,
            )
            if options.pool
            else None,
        )
        with kept_or_removed(outcome.folder):
            if options.patch is not None:
                write_patch(outcome.folder / APPLIED_PATCH, options.patch.decisions)
            with stopwatch.stage("measuring"):
                report = _report(outcome, options, str(env.machine), stopwatch)
            _write(report, outcome, log)
        if options.latest and (note := set_latest(outcome.folder)):
            log.say(f"Note     {note}")
    remove_checkpoint(outcome.folder)  # last of all: while it is there, the run can be continued
    return report


def _report(outcome: TrainedRun, options: TrainOptions, machine: str, stopwatch: Stopwatch) -> TrainReport:
    fitted, trust, classes, split = outcome.model, outcome.trust, outcome.dataset.classes, outcome.split
    measured = {part: measure(outcome.labels[part], table, classes) for part, table in fitted.probabilities.items()}
    answers, gained, recipe = fitted.probabilities.get("validation"), None, outcome.recipe
    if options.patch is not None and answers is not None and len(answers):
        predicted = [classes[index] for index in answers.argmax(axis=1)]
        gained = gain_from_patch(options.patch, split.part("validation"), predicted, split=options.given)
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
        baseline=outcome.dataset.baseline,
        left_out=tuple((file.name, file.reason) for file in outcome.dataset.left_out),
        adds=RECIPES[recipe.name].adds,
        parameters=fitted.parameters[0],
        trainable=fitted.parameters[1],
        layers=fitted.layers,
        epochs=len(seconds),
        seconds_per_epoch=sum(seconds) / len(seconds) if seconds else None,
        notes=(*fitted.notes, *([grey_range_sentence(greys)] if greys else [])),
        depth=fitted.depth or {},
        patch=outcome.patched,
        gain_from_patch=gained,
        temperature=trust.temperature,
        fitted_on=trust.fitted_on,
        calibrated_on=outcome.calibrated_on,
        calibrated=_calibrated(outcome),
        max_error=outcome.options.max_error if outcome.options else None,
        guarantee=trust.guarantee,
        detector=trust.detector,
        no_guarantee=outcome.no_guarantee,
        command=options.command,
        seconds=stopwatch.seconds(),
        machine=machine,
        settings=recipe.to_dict(),
        root=outcome.dataset.root,
    )
    return TrainReport(
        record=record,
        recipe=recipe,
        dataset=outcome.dataset,
        split=split,
        computed=fitted.computed,
        findings=tuple(audit(outcome.dataset, split)),
        data=options.data or str(outcome.dataset.root),
    )


def _calibrated(outcome: TrainedRun) -> dict[str, dict[str, tuple[float, float]]]:
    """Measure what calibration changed on the held-out subsets: subset -> figure -> before and after."""
    figures = {"ece": expected_calibration_error, "brier": brier_score, "log_loss": log_loss}
    return {
        part: {
            name: (how(outcome.labels[part], outcome.uncalibrated[part]), how(outcome.labels[part], after))
            for name, how in figures.items()
        }
        for part, after in outcome.model.probabilities.items()
        if len(after)
    }


def _write(report: TrainReport, outcome: TrainedRun, log: Log) -> None:
    """Write the tables and curves of the run; its metrics come last, since they say that it is finished."""
    run, classes, history = report.run, report.dataset.classes, outcome.model.history
    rows = [
        (picture.name, picture.sha256, part, picture.label, classes[int(row.argmax())], *map(str, row))
        for part, table in outcome.model.probabilities.items()
        for picture, row in zip(report.split.part(part), table, strict=True)
    ]
    header = ("path", "sha256", "part", "label", "predicted", *(f"p({name})" for name in classes))
    write_table(run / PREDICTIONS, header, rows)
    findings = [(finding.path, finding.problem, finding.value, finding.severity) for finding in report.findings]
    write_table(run / AUDIT, COLUMNS, findings)
    if history:
        from pawsight.reports.charts import draw_history

        write_history(run / HISTORY, history)
        baseline = report.validation.baseline if report.validation else report.dataset.baseline
        draw_history(history, run / "history.png", run / "history.svg", classes=len(classes), baseline=baseline)
    for line in summary(report):
        log.note(line)
    write_text(run / LOG, log.text())
    report.record.write()


def command_for(
    data: str,
    recipe: str,
    recipe_options: RecipeOptions,
    weights: str | os.PathLike[str] | None,
    *,
    split: str | os.PathLike[str] | None = None,
    patch: str | os.PathLike[str] | None = None,
    caution: SelectiveOptions | None = None,
    reading: Mapping[str, float | None] = MappingProxyType({}),
) -> str:
    """Return the command line that makes the same run again."""
    given = {**asdict(recipe_options), **reading}
    changed: Mapping[str, Any] = {key: value for key, value in given.items() if value not in (None, False)}
    options = [f"--{key.replace('_', '-')}" + ("" if value is True else f" {value}") for key, value in changed.items()]
    files = {"weights": weights, "split": split, "patch": patch}
    paths = [f"--{key} {shlex.quote(os.fspath(file))}" for key, file in files.items() if file is not None]
    limits = asdict(caution) if caution else {}
    shares = [f"--{key.replace('_', '-')} {100 * share:.10g}%" for key, share in limits.items()]
    return " ".join(["pawsight train", shlex.quote(data), f"--recipe {recipe}", *options, *paths, *shares])


def existing(weights: str | os.PathLike[str] | None) -> Path | None:
    """Return the path of a weights file.

    Raises:
        WrongUsage: there is no such file.
    """
    path = Path(weights).expanduser() if weights is not None else None
    if path is not None and not path.is_file():
        what = f"{path} is not a regular file." if path.exists() else f"There is no file {path}."
        raise WrongUsage(what, "--weights needs a file with MobileNetV2's weights (.h5).", "Check the path.")
    return path


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
