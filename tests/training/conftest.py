"""Fixtures for the tests of training: material to train on, made without any job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pawsight.cache import Cache
from pawsight.data.catalog import read_catalog
from pawsight.data.finder import find
from pawsight.data.split import make_split
from pawsight.images.decode import DecodeSettings
from pawsight.machine import this_machine
from pawsight.models.recipe import Recipe
from pawsight.progress import SILENT, Stopwatch
from pawsight.training.material import Material, Workplace


@pytest.fixture
def workplace(cache_folder, tmp_path):
    """A place to train at that belongs to this test."""
    return Workplace(tmp_path / "runs", cache_folder, this_machine(), SILENT, Stopwatch())


@pytest.fixture
def material_of(drawings, workplace):
    """Make material of the drawings, or of other data, for a recipe; its run folder is there and empty."""

    def make(recipe: Recipe, data: Path = drawings, **changes) -> Material:
        place = replace(workplace, **changes)
        settings = DecodeSettings(image_px=recipe.image_px)
        with Cache(place.cache / "cache") as cache:
            catalog = read_catalog(find(data), settings, cache=cache, threads=2)
        folder = place.runs / "001"
        folder.mkdir(parents=True, exist_ok=True)
        by_name = {one.name: one for one in catalog.pictures}
        split = make_split(catalog, seed=recipe.split_seed)
        return Material(catalog, split, recipe, place, folder, ("validation",), None, by_name)

    return make
