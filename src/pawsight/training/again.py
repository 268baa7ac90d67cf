"""The features of a finished run's own pictures, again: from the cache, or computed where they are not there.

Enters: a run folder and names of parts. Leaves: features and labels of each part. Does not know: heads, answers.

Pictures are known by content: one that was changed or is gone since the split was made, and whose features are not in
the cache, is left out and counted. The test part cannot be had here: `evaluate --test` alone opens it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.core.cache import Cache
from pawsight.core.errors import StorageError, WrongUsage
from pawsight.core.runs import RECIPE
from pawsight.data.folders import Candidate
from pawsight.images.decode import DecodeSettings
from pawsight.images.loader import load
from pawsight.models.recipes import FEATURE_METHODS, RECIPES, Recipe, recipe_from_mapping
from pawsight.training.features import Features, FeatureSink
from pawsight.training.material import Labels, Workplace
from pawsight.training.run import feature_sink


@dataclass(frozen=True, slots=True)
class Owned:
    """One picture of a run's split."""

    candidate: Candidate
    sha256: str  # when the split was made


@dataclass(frozen=True, slots=True)
class PartAgain:
    """One part of a run, as its backbone sees it."""

    pictures: tuple[Owned, ...]  # those with features, in the order of the split
    features: Features  # (N, D)
    labels: Labels  # class indices (N,)
    left_out: int  # pictures that were changed or are gone


def recipe_of(run: Path) -> Recipe:
    """Return the recipe of a run.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return recipe_from_mapping(tomllib.loads((run / RECIPE).read_text("utf-8")))
    except (OSError, ValueError, WrongUsage) as error:
        raise StorageError(
            f"{run / RECIPE} cannot be read.", f"The reader says: {error}.", "Name a finished run, e.g. runs/latest."
        ) from error


def seeing_recipe(recipe: Recipe) -> Recipe:
    """Return the probe that stands in for a recipe: on its backbone where it has a frozen one, else on the default."""
    probe = replace(RECIPES["probe"].recipe, seed=recipe.seed, split_seed=recipe.split_seed, folds=recipe.folds)
    if recipe.method not in FEATURE_METHODS:
        return probe
    return replace(probe, backbone=recipe.backbone, image_px=recipe.image_px)


def features_again(owned: Sequence[Owned], classes: Sequence[str], recipe: Recipe, place: Workplace) -> PartAgain:
    """Return the features of pictures of a run.

    Args:
        owned: pictures of its train or validation part.
        classes: names in the order of the indices.
        recipe: with the backbone, as `seeing_recipe` returns it.
        place: with the cache, and who is told.

    Raises:
        ValueError: a picture lies in the test part. ModelError: the backbone cannot be had.
    """
    if any(one.candidate.part == "test" for one in owned):
        raise ValueError("the test part is sealed")
    with Cache(place.cache / "cache") as cache:
        sink = feature_sink(recipe, place, cache)
        known = _known(owned, recipe, place, sink)
        features = sink.features_of([one.sha256 for one in known])
    index = {name: number for number, name in enumerate(classes)}
    labels: NDArray[np.int64] = np.array([index[one.candidate.label] for one in known], dtype=np.int64)
    return PartAgain(tuple(known), features, labels, len(owned) - len(known))


def _known(owned: Sequence[Owned], recipe: Recipe, place: Workplace, sink: FeatureSink) -> list[Owned]:
    """Send the pictures whose features are missing through the backbone, and return all that have features now."""
    missing = list({one.sha256: one for one in owned if sink.wants(one.sha256)}.values())
    settings, taken = DecodeSettings(image_px=recipe.image_px), set()
    with place.progress.stage("Looking again", len(missing), "pictures") as step:
        files = load([one.candidate.path for one in missing], settings, threads=place.machine.feeders)
        for one, loaded in zip(missing, files, strict=True):
            step.advance()
            if loaded.decoded is not None and loaded.sha256 == one.sha256:
                sink.take(one.sha256, loaded.decoded.pixels)
                taken.add(one.sha256)
    lacking = {one.sha256 for one in missing} - taken
    return [one for one in owned if one.sha256 not in lacking]
