"""The table of named recipes, from the majority vote to fine-tuning.

Enters: a name and what the user wants otherwise. Leaves: a `Recipe`. Does not know: how recipes are trained.

Expected figures are of the exercise's photographs (2,000 to train on, 808 to validate on) on two x86 cores with
AVX-512 and without a GPU; docs/experiments.md has the runs behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from pawsight.core.errors import WrongUsage
from pawsight.models.backbones import check_image_px, find_backbone
from pawsight.models.recipe import SEES, Recipe

MOBILENET = "mobilenet-v2"
_EXERCISE = Recipe(method="network", backbone="", image_px=160, epochs=20)
_MACHINE = "2 x86 cores with AVX-512, no GPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a recipe did where it was measured."""

    seconds: float  # of a whole training run, median of three without AMX
    # Lowest and highest on validation. Six runs are three in float32 and three in bfloat16; fewer are all in float32.
    accuracy: tuple[float, float]
    machine: str = _MACHINE
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A recipe with what people want to know before they choose it."""

    recipe: Recipe
    description: str
    adds: str  # what it adds to the rung below
    expected: Expected
    parameters: tuple[int, int]  # total and trainable, for two classes; a contract test compares them with Keras

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `recipes --json` prints them."""
        total, trainable = self.parameters
        return {
            "name": self.recipe.name,
            "description": self.description,
            "adds": self.adds,
            "expected": {**asdict(self.expected), "accuracy": list(self.expected.accuracy)},
            "parameters": {"total": total, "trainable": trainable},
        }


def _rung(recipe: Recipe, description: str, adds: str, expected: Expected, parameters: tuple[int, int]) -> Rung:
    return Rung(recipe=recipe, description=description, adds=adds, expected=expected, parameters=parameters)


_TABLE = (
    _rung(
        Recipe(name="majority", method="majority", backbone="", image_px=32),
        "always answers the commonest class",
        "nothing is learnt; whatever follows must beat this",
        Expected(seconds=5, accuracy=(0.5, 0.5), runs=3),
        (2, 0),
    ),
    _rung(
        replace(_EXERCISE, name="cnn"),
        "the exercise's first model: three convolutions and two dense layers on raw 0-255 pixels",
        "a convolutional network that starts from nothing",
        Expected(seconds=260, accuracy=(0.564, 0.614), runs=3),
        (1_355_938, 1_355_938),
    ),
    _rung(
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
        Expected(seconds=260, accuracy=(0.531, 0.610), runs=3),
        (1_355_938, 1_355_938),
    ),
    _rung(
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
        Expected(seconds=260, accuracy=(0.725, 0.754), runs=4),
        (1_355_938, 1_355_938),
    ),
    _rung(
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
        Expected(seconds=90, accuracy=(0.959, 0.968), runs=6),
        (4_306_178, 2_048_194),
    ),
    _rung(
        Recipe(),
        "a frozen EfficientNet-Lite1 (ImageNet) that looks once, and a logistic regression (the default)",
        "a stronger frozen network that sees each picture once, and a linear model on top",
        Expected(seconds=25, accuracy=(0.991, 0.994), runs=6),
        (4_111_410, 2_562),
    ),
    _rung(
        Recipe(
            name="finetune",
            method="finetune",
            flip_horizontal=True,
            rotation=0.05,
            epochs=5,
            learning_rate=1e-4,
            warmup_epochs=1,
        ),
        "the probe, then the upper part of its backbone trained on with small steps; the better of the two is kept",
        "the upper part of the backbone learns too",
        Expected(seconds=240, accuracy=(0.991, 0.994), runs=6),
        (4_111_410, 3_133_538),
    ),
)
RUNGS: Mapping[str, Rung] = MappingProxyType({rung.recipe.name: rung for rung in _TABLE})


_OF_GRADIENTS = ("epochs", "batch_size", "learning_rate", "patience", "precision", "class_weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user wants otherwise than the table says; None keeps the table's value."""

    backbone: str | None = None
    image_px: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    precision: str | None = None
    class_weights: bool | None = None
    seed: int = 0
    split_seed: int = 0


def make_recipe(name: str, wishes: Wishes = Wishes()) -> Recipe:
    """Look a recipe up and replace what the user wants otherwise.

    Args:
        name: from the table.
        wishes: with another backbone the pictures have its native size unless `image_px` says otherwise.

    Raises:
        WrongUsage: there is no such recipe or backbone, or a value cannot be used.
    """
    if name not in RUNGS:
        raise WrongUsage(
            f"There is no recipe called {name!r}.",
            f"The recipes are {', '.join(RUNGS)}.",
            "Type one of them, e.g. --recipe probe",
        )
    recipe = RUNGS[name].recipe
    wished = {key: value for key, value in asdict(wishes).items() if value is not None}
    if wishes.backbone is not None:
        _check_has_backbone(recipe)
        wished = {"image_px": find_backbone(wishes.backbone).native_px} | wished
    if "image_px" in wished:
        check_image_px(wished["image_px"])
    if not recipe.epochs:
        _check_without_epochs(recipe, wished)
    return replace(recipe, **wished)


def _check_without_epochs(recipe: Recipe, wished: Mapping[str, Any]) -> None:
    idle = [key for key in _OF_GRADIENTS if key in wished]
    if idle:
        raise WrongUsage(
            f"The recipe {recipe.name} does not learn by gradients, so {_option(idle[0])} would do nothing.",
            f"Recipes that do are {', '.join(name for name, rung in RUNGS.items() if rung.recipe.epochs)}.",
            f"Leave it out: pawsight train DATA --recipe {recipe.name}",
        )


def _option(key: str) -> str:
    return "--" + key.replace("_", "-")


def _check_has_backbone(recipe: Recipe) -> None:
    if recipe.method not in SEES:
        raise WrongUsage(
            f"The recipe {recipe.name} has no backbone to choose.",
            "Only probe and finetune have.",
            f"Leave --backbone out: pawsight train DATA --recipe {recipe.name}",
        )
