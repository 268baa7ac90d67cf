"""A recipe: everything that decides a training run, as one frozen value.

Enters: keyword arguments or TOML. Leaves: a `Recipe`, or one error that lists every problem. Does not know: how
anything is trained.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from pawsight.core.errors import WrongUsage

METHODS = ("majority", "probe", "network", "transfer", "finetune")
SEES = ("probe", "finetune")  # of them, those that see each picture once, through a frozen backbone


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
    rotation: float = 0.0  # largest turn either way at random, as a fraction of a full turn
    fill: str = "reflect"  # what comes in at the corners of a turned picture: "reflect" or "nearest"
    batch_size: int = 32
    epochs: int = 0  # passes over the training part; 0 for methods without gradients
    learning_rate: float = 1e-3
    warmup_epochs: int = 0  # of a learning rate that then follows a cosine to nothing; 0: constant
    patience: int = 0  # epochs without a better validation loss before training stops; 0: never
    class_weights: bool = False  # pictures of rare classes count more
    precision: str = "auto"  # of the gradients' arithmetic: "f32", "bf16", or what the processor is best at
    folds: int = 5  # of the cross-validation that chooses the strength of the probe's regularisation
    seed: int = 0
    split_seed: int = 0  # of the cut into parts, apart from `seed` so that runs of several seeds lie on equal pictures

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
    problems += [
        f"{key} must be {_WORDS[known[key]]}, not {_shown(value)}"
        for key, value in values.items()
        if key in known and not _fits(value, known[key])
    ]
    if problems:
        raise WrongUsage("The recipe cannot be used.", "\n".join(problems))
    exact: dict[str, Any] = {key: float(value) if known[key] == "float" else value for key, value in values.items()}
    return Recipe(**exact)


def _shown(value: object) -> str:
    """Return a value for a message; Python writes no number of more than 4,300 digits."""
    try:
        told = repr(value)
    except (ValueError, RecursionError):
        return "a number of thousands of digits"
    return told if len(told) <= 200 else f"{told[:180]}..."


def _fits(value: object, kind: str) -> bool:
    """Say whether a value is of a kind; who writes 1 for a number means 1.0."""
    return type(value).__name__ == kind or (kind == "float" and type(value) is int and abs(value) < 2**53)


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
}


def _problems(values: Mapping[str, Any]) -> list[str]:
    outside = [
        f"{key} must be from {low} to {high}, not {_shown(values[key])}"
        for key, (low, high) in _RANGES.items()
        if not low <= values[key] <= high
    ]
    unknown = [
        f"{key} must be one of {', '.join(choices)}, not {_shown(values[key])}"
        for key, choices in _CHOICES.items()
        if values[key] not in choices
    ]
    return outside + unknown
