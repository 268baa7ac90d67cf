"""Recipes: everything that decides a training run, and the table of named ones from the majority vote to the probe.

Expected figures are of the exercise's photographs (2,000 to train on, 808 to validate on) on two x86 cores with
AVX-512 and without a GPU; docs/experiments.md has the runs behind them.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from pawsight.core.errors import WrongUsage
from pawsight.core.storage import as_path, sha256_of_file
from pawsight.models.backbones import BACKBONES, PUBLISHED, channel_values, check_image_px, find_backbone

FINETUNE = "finetune"  # of runs that were made before it was removed (decisions/0020); they load and predict
METHODS = ("majority", "probe", "network", "transfer", FINETUNE)
AUTO, LAST, SELECTED, BLOCKS = "auto", "last", "selected", "blocks"
DEPTHS = (AUTO, LAST, SELECTED, BLOCKS)
_LARGEST_FILE = 2**31  # bytes: protobuf's limit
MOBILENET = "mobilenet-v2"
_MACHINE = "2 x86 cores with AVX-512, no GPU"

_WORDS = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_RANGES: Mapping[str, tuple[float, float]] = {
    "image_px": (32, 1024),
    "rotation": (0.0, 0.5),
    "batch_size": (1, 4096),
    "epochs": (0, 10_000),
    "learning_rate": (1e-9, 10.0),
    "warmup_epochs": (0, 1000),
    "patience": (0, 10_000),
    "folds": (2, 20),
    "seed": (0, 2**31 - 1),
    "split_seed": (0, 2**31 - 1),
}
_CHOICES: Mapping[str, Sequence[str]] = {
    "method": METHODS,
    "scaling": ("raw", "signed"),
    "fill": ("reflect", "nearest"),
    "precision": ("auto", "f32", "bf16"),
    "depth": DEPTHS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides a training run: equal recipes on equal data give equal runs."""

    name: str = "probe"
    method: str = "probe"  # how it is trained; one of METHODS
    backbone: str = "efficientnet-lite1"  # pretrained network, where the method has one; "" otherwise
    image_px: int = 240  # side of the square the network sees
    scaling: str = "raw"  # what a network without a backbone is fed: "raw" 0..255 or "signed" -1..1
    flip_horizontal: bool = False  # training pictures are mirrored left to right, at random
    flip_vertical: bool = False
    rotation: float = 0.0  # largest rotation either way at random, as a fraction of a full turn
    fill: str = "reflect"  # what fills the corners of a rotated picture: "reflect" or "nearest"
    batch_size: int = 32
    epochs: int = 0  # passes over the training part; 0 for methods without gradients
    learning_rate: float = 1e-3
    warmup_epochs: int = 0  # of a learning rate that then follows a cosine to nothing; 0: constant
    patience: int = 0  # epochs without a better validation loss before training stops; 0: never
    class_weights: bool = False  # pictures of rare classes count more
    precision: str = "auto"  # of the gradients' arithmetic: "f32", "bf16", or what the processor is best at
    folds: int = 5  # of the cross-validation that chooses the strength of the probe's regularisation
    depth: str = LAST  # where a probe reads its backbone; a recipe without it is older than the choice
    seed: int = 0
    backbone_sha256: str = ""  # of the file, where the backbone comes from one
    backbone_licence: str = ""  # of its weights, an SPDX name; empty where it is not known
    mean: str = ""  # of the pixels that the file was trained on, from 0 to 1, for red, green and blue: "0.5,0.5,0.5"
    std: str = ""  # their standard deviations; without both the file scales pixels itself
    split_seed: int = 0  # of the cut into parts, apart from `seed` so that runs of several seeds have equal splits

    def __post_init__(self) -> None:
        problems = _problems(asdict(self))
        if problems:
            raise WrongUsage(f"The recipe {self.name!r} cannot be used.", "\n".join(problems))

    def __str__(self) -> str:
        sees = f"{self.backbone} at {self.image_px} px" if self.backbone else f"{self.image_px} px"
        epochs = f", {self.epochs} epochs" if self.epochs else ""
        cut = f", split seed {self.split_seed}" if self.split_seed else ""
        return f"{self.name}: {sees}{epochs}, seed {self.seed}{cut}"

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return asdict(self)

    def to_toml(self) -> str:
        """Return the recipe as TOML, one key a line."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())


def recipe_from_toml(text: str) -> Recipe:
    """Read a recipe.

    Raises:
        WrongUsage: the text is no TOML, or has keys or values that no recipe has; all problems are listed.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is one, and so is a number of 5,000 digits
        raise WrongUsage("The recipe is not TOML.", f"The reader says: {error}.") from error
    return recipe_from_mapping(values)


def recipe_from_mapping(values: Mapping[str, Any]) -> Recipe:
    """Make a recipe from plain values, refusing unknown keys and wrong types."""
    known = {field.name: str(field.type) for field in fields(Recipe)}
    problems = [f"unknown key {key!r}; known are {', '.join(known)}" for key in values if key not in known]
    problems += _misfits(values, known)
    if problems:
        raise WrongUsage("The recipe cannot be used.", "\n".join(problems))
    exact: dict[str, Any] = {key: float(value) if known[key] == "float" else value for key, value in values.items()}
    return Recipe(**exact)


def _problems(values: Mapping[str, Any]) -> list[str]:
    kinds = {field.name: str(field.type) for field in fields(Recipe)}
    if wrong := _misfits(values, kinds):
        return wrong
    outside = [
        f"{key} must be from {low} to {high}, not {_quoted(values[key])}"
        for key, (low, high) in _RANGES.items()
        if not low <= values[key] <= high
    ]
    unknown = [
        f"{key} must be one of {', '.join(choices)}, not {_quoted(values[key])}"
        for key, choices in _CHOICES.items()
        if values[key] not in choices
    ]
    return outside + unknown


def _misfits(values: Mapping[str, Any], kinds: Mapping[str, str]) -> list[str]:
    """Return what is of another kind than it must be; keys that have none are left out."""
    return [
        f"{key} must be {_WORDS[kinds[key]]}, not {_quoted(value)}"
        for key, value in values.items()
        if key in kinds and not _fits(value, kinds[key])
    ]


def _fits(value: object, kind: str) -> bool:
    """Say whether a value is of a kind; the int 1 is a float too."""
    return type(value).__name__ == kind or (kind == "float" and type(value) is int and abs(value) < 2**53)


def _quoted(value: object) -> str:
    """Return a value for a message; Python writes no number of more than 4,300 digits."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:180]}..."


@dataclass(frozen=True, slots=True)
class NamedRecipe:
    """A recipe of the table, with what a user wants to know before choosing it."""

    recipe: Recipe
    description: str
    adds: str  # to the recipe above it in the table
    parameters: tuple[int, int]  # total and trainable, for two classes; a contract test compares them with Keras
    _: KW_ONLY
    seconds: float  # expected of a whole training run: the median of three without AMX
    # Lowest and highest on validation. Six runs are three in float32 and three in bfloat16; fewer are all in float32.
    accuracy: tuple[float, float]
    runs: int  # in which both were measured
    machine: str = _MACHINE

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `recipes --json` prints them."""
        total, trainable = self.parameters
        return {
            "name": self.recipe.name,
            "description": self.description,
            "adds": self.adds,
            "expected": {
                "seconds": self.seconds,
                "accuracy": list(self.accuracy),
                "machine": self.machine,
                "runs": self.runs,
            },
            "parameters": {"total": total, "trainable": trainable},
        }


_EXERCISE = Recipe(method="network", backbone="", image_px=160, epochs=20)
_TABLE = (
    NamedRecipe(
        Recipe(name="majority", method="majority", backbone="", image_px=32),
        "always answers the commonest class",
        "nothing is learnt; whatever follows must beat this",
        (2, 0),
        seconds=5,
        accuracy=(0.5, 0.5),
        runs=3,
    ),
    NamedRecipe(
        replace(_EXERCISE, name="cnn"),
        "the exercise's first model: three convolutions and two dense layers on raw 0-255 pixels",
        "a convolutional network that starts from nothing",
        (1_355_938, 1_355_938),
        seconds=260,
        accuracy=(0.564, 0.614),
        runs=3,
    ),
    NamedRecipe(
        replace(
            _EXERCISE,
            name="cnn-augmented",
            flip_horizontal=True,
            flip_vertical=True,
            rotation=0.5,
            fill="nearest",
        ),
        "the exercise's second model: the same, and every picture flipped and turned at random",
        "flips both ways and turns by up to half a circle, so that no picture is seen twice",
        (1_355_938, 1_355_938),
        seconds=260,
        accuracy=(0.531, 0.610),
        runs=3,
    ),
    NamedRecipe(
        replace(
            _EXERCISE,
            name="cnn-normalised",
            scaling="signed",
            flip_horizontal=True,
            flip_vertical=True,
            rotation=0.2,
        ),
        "the exercise's third model: the same, pixels scaled to -1..1 and turned less",
        "pixels scaled to -1..1, so that training spends its steps on the pictures",
        (1_355_938, 1_355_938),
        seconds=260,
        accuracy=(0.725, 0.754),
        runs=4,
    ),
    NamedRecipe(
        replace(
            _EXERCISE,
            name="mobilenet",
            method="transfer",
            backbone=MOBILENET,
            scaling="signed",
            flip_horizontal=True,
            flip_vertical=True,
            rotation=0.2,
        ),
        "the exercise's fourth model: a frozen MobileNetV2 (ImageNet) and two dense layers",
        "a network that has seen a million other photographs and stays as it is",
        (4_306_178, 2_048_194),
        seconds=90,
        accuracy=(0.959, 0.968),
        runs=6,
    ),
    NamedRecipe(
        Recipe(depth=AUTO),
        "a frozen EfficientNet-Lite1 (ImageNet) that looks once, and a logistic regression (the default)",
        "a stronger frozen network that sees each picture once, and a linear model on top",
        (4_111_410, 2_562),
        seconds=25,
        accuracy=(0.991, 0.994),
        runs=6,
    ),
)
RECIPES: Mapping[str, NamedRecipe] = MappingProxyType({entry.recipe.name: entry for entry in _TABLE})

_OF_GRADIENTS = ("epochs", "batch_size", "learning_rate", "patience", "precision")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeOptions:
    """What differs from the recipe; None keeps its value."""

    backbone: str | os.PathLike[str] | None = None
    image_px: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    precision: str | None = None
    class_weights: bool | None = None
    depth: str | None = None
    mean: str | Sequence[float] | None = None
    std: str | Sequence[float] | None = None
    backbone_licence: str | None = None
    seed: int | None = None
    split_seed: int | None = None


def make_recipe(name: str | Recipe, options: RecipeOptions = RecipeOptions()) -> Recipe:
    """Look a recipe up and apply options.

    Args:
        name: from the table, or a recipe itself.
        options: with another backbone, pictures have its native size unless `image_px` is given too. A backbone may be
            one of a package, a published file, a path that ends in .onnx, or "auto", which training replaces.

    Raises:
        WrongUsage: there is no such recipe or backbone, or a value cannot be used.
    """
    recipe = name if isinstance(name, Recipe) else RECIPES[name].recipe if name in RECIPES else None
    if name == FINETUNE or (recipe is not None and recipe.method == FINETUNE):
        raise WrongUsage(
            "The recipe finetune was removed.",
            "It was right no more often than probe, which reads the backbone at every depth and takes seconds.",
            "Type --recipe probe, or leave --recipe out.",
        )
    if recipe is None:
        raise WrongUsage(
            f"There is no recipe called {name!r}.",
            f"The recipes are {', '.join(RECIPES)}.",
            "Type one of them, e.g. --recipe probe",
        )
    name, kinds = recipe.name, {field.name: str(field.type) for field in fields(Recipe)}
    changes = {key: value for key, value in asdict(options).items() if value is not None}
    changes |= {key: value.item() for key, value in changes.items() if getattr(value, "ndim", None) == 0}  # of NumPy
    of_backbone = ("backbone", "image_px", "mean", "std")  # which have checks and messages of their own below
    if wrong := _misfits({key: value for key, value in changes.items() if key not in of_backbone}, kinds):
        raise WrongUsage(f"The recipe {name!r} cannot be used.", "\n".join(wrong))
    options = replace(options, **changes)
    changes |= _of_backbone(recipe, options)
    if options.depth is not None and recipe.method != "probe":
        raise WrongUsage(
            f"The recipe {name} has no depth to choose.",
            "Only probe reads its backbone at several depths.",
            f"Leave --depth out: pawsight train DATA --recipe {name}",
        )
    if "image_px" in changes:
        check_image_px(changes["image_px"])
        changes["image_px"] = int(changes["image_px"])
    if changes.get("class_weights") and recipe.method == "majority":
        raise WrongUsage(
            f"The recipe {name} cannot weight classes.",
            "It answers the commonest class, whatever it is shown.",
            f"Leave --class-weights out: pawsight train DATA --recipe {name}",
        )
    idle = [key for key in _OF_GRADIENTS if key in changes and not recipe.epochs]
    if idle:
        raise WrongUsage(
            f"The recipe {name} does not learn by gradients, so --{idle[0].replace('_', '-')} would do nothing.",
            f"Recipes that do are {', '.join(other for other, entry in RECIPES.items() if entry.recipe.epochs)}.",
            f"Leave it out: pawsight train DATA --recipe {name}",
        )
    return replace(recipe, **changes)


def _of_backbone(recipe: Recipe, options: RecipeOptions) -> dict[str, Any]:
    """Return what the choice of a backbone decides in a recipe.

    Raises:
        WrongUsage: there is no such backbone or file, or options do not fit it. StorageError: it cannot be read.
    """
    named, image_px = None if options.backbone is None else os.fspath(options.backbone), options.image_px
    if named is not None and named.lower().endswith(".onnx") and recipe.method == "probe":
        return _of_file(named, options)
    if option := next((key for key in ("mean", "std", "backbone_licence") if getattr(options, key)), None):
        raise WrongUsage(
            f"--{option.replace('_', '-')} needs a backbone from a file.",
            "It says how pictures are fed to a file of yours, or under which licence that is.",
            "Name one, or leave the option out: --recipe probe --backbone FILE.onnx",
        )
    if named is None:
        return {}
    if recipe.method != "probe":
        raise WrongUsage(
            f"The recipe {recipe.name} has no backbone to choose.",
            "Only probe has.",
            f"Leave --backbone out: pawsight train DATA --recipe {recipe.name}",
        )
    if named == AUTO and image_px is not None:
        raise WrongUsage(
            "--image-px cannot be used with --backbone auto.",
            "Each network that is tried sees pictures of its own size.",
            "Leave one of the two out.",
        )
    if named in PUBLISHED:
        return of_published(named) | ({} if image_px is None else {"image_px": image_px})
    if named == AUTO:
        return {}
    native_px = find_backbone(named).native_px
    return {"image_px": image_px or native_px}


def of_published(name: str) -> dict[str, Any]:
    """Return what a published file decides in a recipe."""
    file = PUBLISHED[name]
    return {
        "backbone": name,
        "image_px": file.image_px,
        "mean": file.mean,
        "std": file.std,
        "backbone_licence": file.licence,
        "backbone_sha256": file.sha256,
    }


def _of_file(named: str, options: RecipeOptions) -> dict[str, Any]:
    path = as_path(named)
    if not path.is_file():
        raise WrongUsage(
            f"There is no file {named}.",
            "--backbone takes the path of an ONNX file or a name.",
            f"Check the path, or type one of: {', '.join((*BACKBONES, *PUBLISHED))}",
        )
    if path.stat().st_size >= _LARGEST_FILE:
        raise WrongUsage(
            f"{named} is too large for a backbone.",
            f"It has {path.stat().st_size:,} bytes; ONNX files have less than {_LARGEST_FILE:,}.",
            "Export a smaller network.",
        )
    if options.image_px is None:
        raise WrongUsage(
            f"--backbone {named} needs --image-px.",
            "The size of the pictures that a network was trained on is not in its file.",
            "Type for example --image-px 224",
        )
    scaling = {}
    for name, values in (("mean", options.mean), ("std", options.std)):
        scaling[name] = values if isinstance(values, str) else ",".join(map(str, () if values is None else values))
        channel_values(f"--{name}", scaling[name])
    return {"backbone": path.name, "backbone_sha256": sha256_of_file(path), **scaling}
