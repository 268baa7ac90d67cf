"""Fixtures for the tests of training: contexts to train in, made without a command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pawsight.core.cache import Cache
from pawsight.core.machine import this_machine
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.data.split import make_split
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import Recipe
from pawsight.training.context import RunEnvironment, TrainingContext


def environment_in(folder: Path, cache: Path) -> RunEnvironment:
    return RunEnvironment(folder / "runs", cache, this_machine(), SILENT, Stopwatch())


@pytest.fixture
def environment(cache_folder, tmp_path):
    """An environment that belongs to this test."""
    return environment_in(tmp_path, cache_folder)


@pytest.fixture(scope="module")
def shared_environment(tmp_path_factory):
    """An environment that belongs to the tests of one file."""
    folder = tmp_path_factory.mktemp("shared")
    return environment_in(folder, folder / "cache")


@pytest.fixture
def context_of(context_at, environment):
    """Make a context of the drawings, or of other data, for a recipe; its run folder is there and empty."""

    def make(recipe: Recipe, data: Path | None = None, **changes) -> TrainingContext:
        return context_at(replace(environment, **changes), recipe, data)

    return make


@pytest.fixture(scope="session")
def context_at(drawings):
    """The same, in an environment."""

    def make(env: RunEnvironment, recipe: Recipe, data: Path | None = None) -> TrainingContext:
        settings = DecodeSettings(image_px=recipe.image_px)
        with Cache(env.cache / "cache") as cache:
            dataset = read_dataset(find(data or drawings), settings, cache=cache, threads=2)
        folder = env.runs / "001"
        folder.mkdir(parents=True, exist_ok=True)
        split = make_split(dataset, seed=recipe.split_seed)
        return TrainingContext(dataset, split, recipe, env, folder, ("validation",))

    return make
