"""The options of `train`, as the command line and Python give them: their kinds, which fit each other, what is typed.

What is done with them is in train.py.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypedDict, Unpack, get_args, get_origin, get_type_hints

from pawsight.classifier.costs import read_costs
from pawsight.classifier.engine import check_device
from pawsight.classifier.trust import SelectiveOptions
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import CPU, Device
from pawsight.core.storage import as_path
from pawsight.data.reading import FolderReading
from pawsight.data.tables import columns_text
from pawsight.distributed.feature_extraction import check_recipe
from pawsight.distributed.ray_actors import EngineName
from pawsight.models.recipes import AUTO, Recipe, RecipeOptions, make_recipe

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

    def selective(self) -> SelectiveOptions:
        """Return what is asked of the answers.

        Raises:
            WrongUsage: a share or a cost cannot be used. DataError, StorageError: the table of costs cannot be read.
        """
        return SelectiveOptions(
            max_error=self.max_error,
            max_error_per_class=self.max_error_per_class,
            sets=self.sets,
            costs=None if self.costs is None else read_costs(self.costs),
            false_alarms=self.false_alarms,
            answer_all=self.answer_all,
            none_class=self.none_class,
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


def check_fits(recipe: Recipe, options: TrainOptions) -> None:
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
    _check_folds(options.folds, recipe)


def _check_folds(folds: int | None, recipe: Recipe) -> None:
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


def check_growth(data: object, options: TrainOptions) -> None:
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
