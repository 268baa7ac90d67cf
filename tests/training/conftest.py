"""Fixtures for the tests of training: material to train on, made without any job."""

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
from pawsight.training.material import Material, Workplace


def place_in(folder: Path, cache: Path) -> Workplace:
    return Workplace(folder / "runs", cache, this_machine(), SILENT, Stopwatch())


@pytest.fixture
def workplace(cache_folder, tmp_path):
    """A place to train at that belongs to this test."""
    return place_in(tmp_path, cache_folder)


@pytest.fixture(scope="module")
def shared_workplace(tmp_path_factory):
    """A place to train at that belongs to the tests of one file."""
    folder = tmp_path_factory.mktemp("shared")
    return place_in(folder, folder / "cache")


@pytest.fixture
def material_of(material_at, workplace):
    """Make material of the drawings, or of other data, for a recipe; its run folder is there and empty."""

    def make(recipe: Recipe, data: Path | None = None, **changes) -> Material:
        return material_at(replace(workplace, **changes), recipe, data)

    return make


@pytest.fixture(scope="session")
def material_at(drawings):
    """The same, at a place."""

    def make(place: Workplace, recipe: Recipe, data: Path | None = None) -> Material:
        settings = DecodeSettings(image_px=recipe.image_px)
        with Cache(place.cache / "cache") as cache:
            catalog = read_dataset(find(data or drawings), settings, cache=cache, threads=2)
        folder = place.runs / "001"
        folder.mkdir(parents=True, exist_ok=True)
        by_name = {one.name: one for one in catalog.pictures}
        split = make_split(catalog, seed=recipe.split_seed)
        return Material(catalog, split, recipe, place, folder, ("validation",), None, by_name)

    return make
