"""A recipe: everything that decides a training run, as one frozen value.

Enters: keyword arguments or TOML. Leaves: a `Recipe`, or one error that lists every problem. Does not know: how
anything is trained.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from pawsight.errors import WrongUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides a training run: equal recipes on equal data give equal runs."""

    name: str = "probe"
    backbone: str = "efficientnet-lite0"  # frozen network that turns pictures into features
    image_px: int = 224  # side of the square the network sees
    folds: int = 5  # of the cross-validation that chooses the strength of the regularisation
    seed: int = 0

    def __post_init__(self) -> None:
        problems = _problems(asdict(self))
        if problems:
            raise WrongUsage(f"The recipe {self.name!r} cannot be used.", "\n".join(problems))

    def __str__(self) -> str:
        return f"{self.name}: {self.backbone} at {self.image_px} px, seed {self.seed}"

    def to_toml(self) -> str:
        """Return the recipe as TOML, one key a line."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return asdict(self)


def recipe_from_toml(text: str) -> Recipe:
    """Read a recipe.

    Raises:
        WrongUsage: the text is no TOML, or has keys or values that no recipe has; all problems are listed.
    """
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WrongUsage("The recipe is not TOML.", f"The reader says: {error}.") from error
    return recipe_from_mapping(values)


def recipe_from_mapping(values: Mapping[str, Any]) -> Recipe:
    """Make a recipe from plain values, refusing unknown keys and wrong types."""
    known = {field.name: field.type for field in fields(Recipe)}
    problems = [f"unknown key {key!r}; known are {', '.join(known)}" for key in values if key not in known]
    problems += [
        f"{key} must be {_WORDS[known[key]]}, not {value!r}"
        for key, value in values.items()
        if key in known and (type(value).__name__ != known[key])
    ]
    if problems:
        raise WrongUsage("The recipe cannot be used.", "\n".join(problems))
    return Recipe(**values)


_WORDS = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_RANGES: Mapping[str, tuple[int, int]] = {"image_px": (32, 1024), "folds": (2, 20), "seed": (0, 2**31 - 1)}


def _problems(values: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} must be from {low} to {high}, not {values[key]}"
        for key, (low, high) in _RANGES.items()
        if not low <= values[key] <= high
    ]
