"""The verb `train`: data and a recipe in, a finished and measured run out.

What it prints is in train_report.py, the training itself in training/run.py.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.backbone import fetch_backbone
from pawsight.classifier.bundle import add_figures
from pawsight.classifier.costs import read_costs
from pawsight.classifier.engine import PRECISION_NAMES, best_precision, check_device
from pawsight.classifier.predictor import answer_texts
from pawsight.classifier.trust import UNFAMILIAR, SelectiveOptions
from pawsight.commands.growth import GrowingRun, growing_run, growth_record, options_of
from pawsight.commands.run_split import given_split
from pawsight.commands.train_report import TrainReport, gain_from_patch, summary
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import CPU, Device, cache_folder, this_machine
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
from pawsight.data.reading import FolderReading
from pawsight.data.sources import IN_PROGRAM, Source, listed, resolve
from pawsight.data.tables import columns_text
from pawsight.distributed.feature_extraction import check_recipe, read_files_by_pool
from pawsight.distributed.ray_actors import EngineName, Pool, pool_for
from pawsight.evaluation.calibration import expected_calibration_error, log_losses, squared_distances
from pawsight.evaluation.cross_validation import FEWEST, CrossValidation, is_small
from pawsight.evaluation.metrics import measure
from pawsight.evaluation.selective import Abstention, measure_abstention, measure_costs, measure_sets
from pawsight.evaluation.several_labels import SeveralLabelsMetrics, measure_labels
from pawsight.models.recipes import AUTO, RECIPES, Recipe, RecipeOptions, make_recipe
from pawsight.reports.audit_page import COLUMNS
from pawsight.reports.run_record import RunRecord

if TYPE_CHECKING:
    from pawsight.training.context import Floats, RunEnvironment
    from pawsight.training.run import TrainedRun

_KINDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", Mapping: "a mapping"}
MOST_FOLDS = 100
PROBE = "probe"  # what is trained where no recipe is named
_OF_THIS_MACHINE = ("out", "resume", "engine", "actors", "ray_address")  # options that the same run may have otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a classifier is trained: the options of `pawsight train`. `train` takes each as a keyword too."""

    # A name from `pawsight recipes`, or a recipe of your own; None is probe, with `from_run` the recipe of that run.
    recipe: str | Recipe | None = None
    # Pretrained network of the recipe probe: a name, the path of an ONNX file, or "auto", the best by
    # cross-validation of those that are installed or in the cache.
    backbone: str | os.PathLike[str] | None = None
    # Of the pixels that such a file was trained on, from 0 to 1: "0.485,0.456,0.406", or three numbers.
    mean: str | Sequence[float] | None = None
    std: str | Sequence[float] | None = None  # their standard deviations; without both the file scales pixels itself
    backbone_licence: str | None = None  # of such a file, an SPDX name, for the model card
    image_px: int | None = None  # side of the square pictures that the network sees, in pixels
    epochs: int | None = None  # passes over the training set, for recipes that train by gradients
    batch_size: int | None = None  # pictures per training step, for recipes that train by gradients
    learning_rate: float | None = None  # of the optimizer, for recipes that train by gradients
    patience: int | None = None  # epochs without a better validation loss before training stops; 0 is never
    precision: str | None = None  # "f32" or "bf16", the number format of gradients
    class_weights: bool | None = None  # give pictures of rare classes more weight
    # Where the recipe probe reads its backbone: "last" layer, "blocks", the features "selected" from every depth, or
    # "auto", the smallest of these that none clearly beats by cross-validation in the training set.
    depth: str | None = None
    seed: int | None = None  # of everything random but the split; None is the recipe's, 0 for named ones
    split: str | os.PathLike[str] | None = None  # a CSV with the columns path,part, or a run whose split is used
    split_seed: int | None = None  # of a split drawn at random; runs with different seeds share it
    allow_leaks: bool = False  # with split, report duplicates in different subsets instead of refusing them
    # Folds of a cross-validation that measures the run in place of validation and test: all pictures are trained on.
    folds: int | None = None
    patch: str | os.PathLike[str] | None = None  # corrected labels, as `pawsight review` writes them
    # A finished run that grows: its pictures stay in their subsets, its recipe and options hold where none are given.
    from_run: str | os.PathLike[str] | None = None
    # With from_run: more pictures, as DATA. One that the run has is no new picture, and its label here counts.
    add: str | os.PathLike[str] | None = None
    # With from_run: class -> the class that its pictures are to have, e.g. {"tabby": "cats"}.
    merge: Mapping[str, str] | None = None
    drop: Sequence[str] | None = None  # with from_run: classes whose pictures are left out
    # Largest share of wrong answers, e.g. 0.01; predictions may then be `unsure`. None: every familiar picture is
    # answered.
    max_error: float | None = None
    max_error_per_class: float | None = None  # largest share of wrong answers among those with each class
    sets: float | None = None  # share of prediction sets that hold the true class, e.g. 0.95; predictions have a `set`
    # Costs of mistakes: a table with the columns true, predicted and cost, or {("true class", "answer"): cost}. A pair
    # that is not listed costs 1, a right answer 0. Pictures are answered with the class of least expected cost.
    costs: str | os.PathLike[str] | Mapping[tuple[str, str], float] | None = None
    false_alarms: float = 0.01  # share of ordinary pictures that may be called `unfamiliar`
    answer_all: bool = False  # call no picture unfamiliar
    none_class: str | None = None  # class that stands for none of the others: its pictures are called unfamiliar
    out: str | os.PathLike[str] = "runs"  # folder in which the numbered run folder is made
    weights: str | os.PathLike[str] | None = None  # file with MobileNetV2's weights, for the recipe `mobilenet`
    # Of a table: role (path, label, part, group) -> header, or number of the column from 1 where there is none, e.g.
    # {"path": "image", "label": "breed"}. None goes by the names that people use.
    columns: Mapping[str, str] | None = None
    max_megapixels: int | None = None  # width x height of a picture, in millions; larger ones are left out. None is 50
    allow_missing: float | None = None  # largest share of the pictures that may be unreadable; None is 0.1
    reading: FolderReading | None = None  # how classes and parts are read from folders; None: as their names say
    resume: bool = False  # continue the newest unfinished run of the same recipe on the same data
    # What computes the features of a frozen backbone: "cpu", "gpu", "npu", or "auto" for what OpenVINO prefers. It is
    # trusted if it computes what the CPU does, to a thousandth.
    device: Device = CPU
    engine: EngineName = "local"  # `ray` computes features in a pool of actors; the classifier is the same
    actors: int | None = None  # for `ray`; None is one for each core
    ray_address: str | None = None  # of a running cluster

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(TrainOptions).items():
            object.__setattr__(self, name, _of_kind(name, getattr(self, name), get_args(kind) or (kind,)))

    def changed(self, **keywords: Unpack[TrainKeywords]) -> TrainOptions:
        """Return the options with some of them changed.

        Raises:
            WrongUsage: there is no such option, or a value is of another type.
        """
        names = [field.name for field in fields(self)]
        if unknown := [name for name in keywords if name not in names]:
            near = get_close_matches(unknown[0], names, 1)
            raise WrongUsage(
                f"There is no option {unknown[0]!r}.",
                f"Nearest is {near[0]!r}." if near else "",
                "To list the options, type help(pawsight.TrainOptions)",
            )
        return replace(self, **keywords)

    def made_recipe(self, usual: str | Recipe = PROBE) -> Recipe:
        """Return the recipe with these options applied.

        Args:
            usual: what is trained where no recipe is named.

        Raises:
            WrongUsage: there is no such recipe, or a value cannot be used.
        """
        changes = {field.name: getattr(self, field.name) for field in fields(RecipeOptions)}
        return make_recipe(
            self.recipe or usual, RecipeOptions(**changes | {"class_weights": self.class_weights or None})
        )


def _of_kind(name: str, value: Any, kinds: Sequence[Any]) -> Any:
    """Return the value of an option, numbers of NumPy as those of Python.

    Raises:
        WrongUsage: it is of none of the kinds, which are those of its annotation.
    """
    classes = tuple(get_origin(kind) or kind for kind in kinds if isinstance(get_origin(kind) or kind, type))
    if str in classes and isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Integral | Real) and not isinstance(value, bool) and (int in classes or float in classes):
        if isinstance(value, Integral):
            return int(value)
        if float in classes:
            return float(value)
    elif (isinstance(value, classes) and (bool in classes or not isinstance(value, bool))) or not classes:
        return value
    kind = next((_KINDS[kind] for kind in classes if kind in _KINDS), f"a {classes[0].__name__}")
    raise WrongUsage(
        f"The option {name} cannot be {repr(value)[:60]}.".replace("\n", " "),
        f"It is of type {type(value).__name__}, and {kind} is needed.",
        "To list the options, type help(pawsight.TrainOptions)",
    )


class TrainKeywords(TypedDict, total=False):
    """The fields of `TrainOptions`, so that type checkers know the keywords of `train`."""

    recipe: str | Recipe | None
    backbone: str | os.PathLike[str] | None
    mean: str | Sequence[float] | None
    std: str | Sequence[float] | None
    backbone_licence: str | None
    image_px: int | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    patience: int | None
    precision: str | None
    class_weights: bool | None
    depth: str | None
    seed: int | None
    split: str | os.PathLike[str] | None
    split_seed: int | None
    allow_leaks: bool
    folds: int | None
    patch: str | os.PathLike[str] | None
    from_run: str | os.PathLike[str] | None
    add: str | os.PathLike[str] | None
    merge: Mapping[str, str] | None
    drop: Sequence[str] | None
    max_error: float | None
    max_error_per_class: float | None
    sets: float | None
    costs: str | os.PathLike[str] | Mapping[tuple[str, str], float] | None
    false_alarms: float
    answer_all: bool
    none_class: str | None
    out: str | os.PathLike[str]
    weights: str | os.PathLike[str] | None
    columns: Mapping[str, str] | None
    max_megapixels: int | None
    allow_missing: float | None
    reading: FolderReading | None
    resume: bool
    device: Device
    engine: EngineName
    actors: int | None
    ray_address: str | None


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
    _check_growth(data, options)
    if options.from_run is None:
        growing, recipe, name = None, options.made_recipe(), path_text(data, IN_PROGRAM)
        command = command_for(name, options)
    else:
        given_options, name = options, os.fspath(data) if data is not None else ""
        options, recipe, growing = _growing(data, options, log)
        command = command_for(name, replace(given_options, from_run=options.from_run))
    _check_recipe(recipe, options)
    pool = pool_for(options.engine, options.actors, options.ray_address, options.device, needed_by="--engine ray")
    weights, selective = existing(options.weights), _selective(options)
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


def _check_recipe(recipe: Recipe, options: TrainOptions) -> None:
    """Refuse what the recipe cannot be trained with.

    Raises:
        WrongUsage: an engine, a device or folds do not fit the recipe, or this machine.
    """
    if options.engine == "ray":
        check_recipe(recipe)
    if recipe.backbone == AUTO and options.engine == "ray":
        raise WrongUsage(
            "--backbone auto cannot be used with --engine ray.",
            "The networks are compared in this process.",
            "Leave one of the two out.",
        )
    if options.device != CPU:
        check_device(options.device)
    if options.device != CPU and recipe.method != "probe":
        raise WrongUsage(
            f"The recipe {recipe.name} cannot be trained with --device {options.device}.",
            "A device computes the features of a frozen backbone, and this recipe has none.",
            "Leave --device out, or type --recipe probe",
        )
    check_folds(options.folds, recipe)


def _check_growth(data: object, options: TrainOptions) -> None:
    """Refuse options of growth that do not fit each other.

    Raises:
        WrongUsage: one is given without the run that is to grow, or contradicts it.
    """
    if options.from_run is None:
        idle = next((name for name in ("add", "merge", "drop") if getattr(options, name)), None)
        if idle is not None:
            raise WrongUsage(
                f"--{idle} has no effect without --from.",
                "It says what a finished run grows by.",
                "Name the run, e.g. --from runs/latest",
            )
        if data is None:
            raise WrongUsage(
                "DATA is missing.",
                "A classifier is trained on labelled pictures.",
                "Type for example: pawsight train photos/, or with more pictures for a run:"
                " pawsight train --from runs/latest --add photos/",
            )
    for name in ("split", "allow_leaks"):
        if options.from_run is not None and getattr(options, name):
            raise WrongUsage(
                f"--{name.replace('_', '-')} has no effect beside --from.",
                "The pictures of the run stay in its subsets.",
                "Leave one of the two out.",
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


def _selective(options: TrainOptions) -> SelectiveOptions:
    """Return what is asked of the answers."""
    return SelectiveOptions(
        max_error=options.max_error,
        max_error_per_class=options.max_error_per_class,
        sets=options.sets,
        costs=None if options.costs is None else read_costs(options.costs),
        false_alarms=options.false_alarms,
        answer_all=options.answer_all,
        none_class=options.none_class,
    )


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
                report = _report(outcome, env, patch, given, growing, command=command or command_for(data, options))
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
        growth = growth_record(growing, split, {**predicted, **out_of_fold}, env.progress)
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


def command_for(data: str, options: TrainOptions) -> str:
    """Return what makes the same run again: a command line, or a line of Python where no command line can say it."""
    usual, recipe = TrainOptions(), options.recipe or (PROBE if options.from_run is None else None)
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    changed = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in values.items()
        if name not in ("recipe", *_OF_THIS_MACHINE) and value and value != getattr(usual, name)
    }
    if isinstance(recipe, Recipe) or isinstance(options.costs, Mapping):
        texts = {name: f"pawsight.{value!r}" if name == "reading" else repr(value) for name, value in changed.items()}
        own = f"pawsight.{recipe!r}" if isinstance(recipe, Recipe) else repr(recipe)
        keywords = [*([repr(data)] if data else []), *([f"recipe={own}"] if recipe else [])]
        return f"pawsight.train({', '.join([*keywords, *(f'{name}={text}' for name, text in texts.items())])})"
    for name in (
        "max_error",
        "max_error_per_class",
        "sets",
        *(("false_alarms",) if options.max_error or "false_alarms" in changed else ()),
    ):
        if values[name] is not None:
            changed[name] = f"{100 * values[name]:.10g}%"
    if options.columns:
        changed["columns"] = columns_text(options.columns)
    words = [word for name, value in changed.items() for word in _words(name, value)]
    named = [*([data] if data else []), *(["--recipe", recipe] if recipe else [])]
    return shlex.join(["pawsight", "train", *named, *words])


def _words(name: str, value: Any) -> list[str]:
    """Return what is typed for one option of `TrainOptions`."""
    option = "--from" if name == "from_run" else f"--{name.replace('_', '-')}"
    if isinstance(value, FolderReading):
        return value.words()
    if name == "merge":
        return [word for pair in value.items() for word in (option, "=".join(pair))]
    if name == "drop":
        return [word for label in ([value] if isinstance(value, str) else value) for word in (option, label)]
    return [option, *([] if value is True else [str(value)])]


def check_folds(folds: int | None, recipe: Recipe) -> None:
    """Refuse a cross-validation that cannot be made.

    Raises:
        WrongUsage: there are too few folds or too many, or the recipe is no probe.
    """
    if folds is not None and not 2 <= folds <= MOST_FOLDS:
        raise WrongUsage(
            f"--folds cannot be {folds}.",
            f"Each fold is left out of one training: from 2 to {MOST_FOLDS} are possible.",
            "Type for example --folds 5",
        )
    if folds is not None and recipe.method != "probe":
        raise WrongUsage(
            f"The recipe {recipe.name} cannot be measured with --folds {folds}.",
            "It would be trained again for each fold; only a probe on a frozen backbone takes seconds for that.",
            "Leave --folds out, or type --recipe probe",
        )


def existing(weights: str | os.PathLike[str] | None) -> Path | None:
    """Return the path of a weights file.

    Raises:
        WrongUsage: there is no such file.
    """
    path = as_path(weights) if weights is not None else None
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
