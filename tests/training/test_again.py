"""A run's pictures again: from the cache without a look at the files, computed where need be, never the test part."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from pawsight.commands.run_split import held_out
from pawsight.core.errors import StorageError
from pawsight.core.machine import this_machine
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.models.ladder import RUNGS
from pawsight.training.again import Owned, features_again, recipe_of, seeing_recipe
from pawsight.training.material import Workplace


def place_of(cache, tmp_path):
    return Workplace(tmp_path / "runs", cache, this_machine(), SILENT, Stopwatch())


def owned(run, part):
    files = held_out(run, part, counts=False)  # the run is everybody's
    return [Owned(one, files.contents[one.name]) for one in files.candidates]


@pytest.fixture
def run(trained):
    return trained.report.run


def test_features_come_from_the_cache_with_the_labels_of_the_split(trained, run, tmp_path):
    for part in ("train", "validation"):
        again = features_again(owned(run, part), ("cats", "dogs"), recipe_of(run), place_of(trained.cache, tmp_path))
        assert again.features.shape == (trained.report.split.sizes[part], 1280)
        assert [("cats", "dogs")[label] for label in again.labels] == [
            one.label for one in trained.report.split.part(part)
        ]
        assert again.left_out == 0


def test_known_features_need_no_file(trained, run, tmp_path):
    gone = [
        replace(one, candidate=replace(one.candidate, path=tmp_path / "gone.jpg")) for one in owned(run, "validation")
    ]
    again = features_again(gone, ("cats", "dogs"), recipe_of(run), place_of(trained.cache, tmp_path))
    assert again.left_out == 0


def test_without_the_cache_they_are_computed_again_and_changed_files_left_out(trained, run, tmp_path, cache_folder):
    few = owned(run, "validation")[:3]
    wrong = replace(few[0], sha256="0" * 64)
    missing = replace(few[1], sha256="1" * 64, candidate=replace(few[1].candidate, path=tmp_path / "gone.jpg"))
    place = place_of(cache_folder, tmp_path)
    again = features_again([*few, wrong, missing], ("cats", "dogs"), recipe_of(run), place)
    known = features_again(few, ("cats", "dogs"), recipe_of(run), place_of(trained.cache, tmp_path))
    assert again.left_out == 2
    assert again.pictures == tuple(few)
    assert np.allclose(again.features, known.features, rtol=1e-3, atol=1e-4)


def test_the_test_part_is_sealed(run, trained, tmp_path):
    with pytest.raises(ValueError, match="sealed"):
        features_again(owned(run, "test"), ("cats", "dogs"), recipe_of(run), place_of(trained.cache, tmp_path))


def test_a_recipe_without_a_frozen_backbone_is_stood_in_for_by_the_default_probe():
    own = replace(RUNGS["finetune"].recipe, backbone="efficientnet-lite0", image_px=96, seed=3)
    assert (seeing_recipe(own).backbone, seeing_recipe(own).image_px, seeing_recipe(own).seed) == (
        "efficientnet-lite0", 96, 3,
    )  # fmt: skip
    assert seeing_recipe(RUNGS["cnn"].recipe) == RUNGS["probe"].recipe
    assert seeing_recipe(RUNGS["mobilenet"].recipe) == RUNGS["probe"].recipe


def test_a_run_whose_recipe_cannot_be_read_is_told(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "recipe.toml").write_text("nonsense")
    with pytest.raises(StorageError, match=r"recipe\.toml cannot be read"):
        recipe_of(copy)
