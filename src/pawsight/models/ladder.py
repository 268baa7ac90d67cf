"""The table of named recipes.

Enters: a name. Leaves: a `Recipe`. Does not know: how recipes are trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from pawsight.errors import WrongUsage
from pawsight.models.backbones import check_image_px, find_backbone
from pawsight.models.recipe import Recipe

RECIPES: Mapping[str, Recipe] = MappingProxyType({"probe": Recipe()})


def make_recipe(
    name: str, *, backbone: str | None = None, image_px: int | None = None, seed: int = 0
) -> Recipe:
    """Look a recipe up and replace what the user wants otherwise.

    Args:
        name: from the table.
        backbone: another backbone; the pictures then have its native size unless `image_px` says otherwise.
        image_px: another side of the square.
        seed: of everything random.

    Raises:
        WrongUsage: there is no such recipe or backbone, or the size cannot be used.
    """
    if name not in RECIPES:
        raise WrongUsage(
            f"There is no recipe called {name!r}.",
            f"The recipes are {', '.join(RECIPES)}.",
            "Type one of them, e.g. --recipe probe",
        )
    recipe = replace(RECIPES[name], seed=seed)
    if backbone is not None:
        recipe = replace(recipe, backbone=backbone, image_px=find_backbone(backbone).native_px)
    if image_px is not None:
        check_image_px(image_px)
        recipe = replace(recipe, image_px=image_px)
    return recipe
