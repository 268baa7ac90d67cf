"""The table of recipes, and what the user may want otherwise."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from pawsight.core.errors import WrongUsage
from pawsight.models.backbones import BACKBONES
from pawsight.models.recipes import RECIPES, Recipe, RecipeOptions, make_recipe, recipe_from_toml


def refusal(name, **wishes):
    with pytest.raises(WrongUsage) as told:
        make_recipe(name, RecipeOptions(**wishes))
    return told.value


def test_the_ladder_climbs_from_the_majority_vote_to_fine_tuning():
    names = list(RECIPES)
    assert names == ["majority", "cnn", "cnn-augmented", "cnn-normalised", "mobilenet", "probe", "finetune"]


@pytest.mark.parametrize("name", RECIPES)
def test_each_rung_is_named_as_its_recipe_and_survives_toml(name):
    rung = RECIPES[name]
    assert rung.recipe.name == name
    assert recipe_from_toml(rung.recipe.to_toml()) == rung.recipe


@pytest.mark.parametrize("name", RECIPES)
def test_each_rung_tells_what_to_expect_of_it(name):
    rung = RECIPES[name]
    assert rung.description
    assert rung.adds
    low, high = rung.expected.accuracy
    assert 0 < low <= high <= 1
    assert rung.expected.seconds > 0
    assert rung.expected.runs >= 1
    total, trainable = rung.parameters
    assert 0 <= trainable <= total


@pytest.mark.parametrize("name", RECIPES)
def test_a_rung_as_json_has_name_description_expectations_and_parameters(name):
    plain = json.loads(json.dumps(RECIPES[name].to_json(), allow_nan=False))
    assert set(plain) >= {"name", "description", "adds", "expected", "parameters"}
    assert set(plain["parameters"]) == {"total", "trainable"}
    assert len(plain["expected"]["accuracy"]) == 2


def test_the_default_recipe_is_the_probe():
    assert make_recipe("probe") == RECIPES["probe"].recipe == Recipe()


@pytest.mark.parametrize("name", RECIPES)
def test_a_seed_changes_the_seed_and_nothing_else(name):
    assert make_recipe(name, RecipeOptions(seed=9)) == replace(RECIPES[name].recipe, seed=9)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_another_backbone_brings_its_native_size(backbone):
    recipe = make_recipe("probe", RecipeOptions(backbone=backbone))
    assert (recipe.backbone, recipe.image_px) == (backbone, BACKBONES[backbone].native_px)


def test_a_size_of_one_s_own_wins_over_the_native_one():
    recipe = make_recipe("probe", RecipeOptions(backbone="efficientnet-lite0", image_px=96))
    assert (recipe.backbone, recipe.image_px) == ("efficientnet-lite0", 96)


def test_wishes_for_gradients_replace_the_table_s_values():
    wishes = RecipeOptions(epochs=3, batch_size=8, learning_rate=0.01, patience=2, precision="f32", class_weights=True)
    recipe = make_recipe("cnn", wishes)
    wished = {key: value for key, value in asdict(wishes).items() if value is not None}
    assert recipe == replace(RECIPES["cnn"].recipe, **wished)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        RECIPES["mine"] = RECIPES["probe"]


def test_an_unknown_recipe_is_told_with_those_there_are():
    told = refusal("prob")
    assert "'prob'" in told.what
    assert ", ".join(RECIPES) in told.why
    assert "--recipe probe" in told.fix


def test_an_unknown_backbone_is_told_with_those_there_are():
    told = refusal("probe", backbone="lite0")
    assert "'lite0'" in told.what
    assert ", ".join(BACKBONES) in told.why


def test_a_recipe_without_a_backbone_to_choose_says_so():
    told = refusal("cnn", backbone="efficientnet-lite0")
    assert "recipe cnn has no backbone" in told.what
    assert "probe and finetune" in told.why


def test_what_a_recipe_without_gradients_would_not_heed_is_told():
    told = refusal("probe", epochs=3)
    assert "recipe probe " in told.what
    assert "--epochs" in told.what
    assert "cnn" in told.why
    assert "majority" not in told.why


@pytest.mark.parametrize("image_px", [0, -5, 31, 1025, 10**9])
def test_sizes_that_cannot_be_seen_are_told(image_px):
    told = refusal("probe", image_px=image_px)
    assert told.what.endswith(f"pictures of {image_px} x {image_px} pixels.")
    assert "from 32 to 1024" in told.why


@pytest.mark.parametrize(
    ("wish", "told"), [({"seed": -1}, "seed must be from 0"), ({"batch_size": 0}, "batch_size must")]
)
def test_other_values_that_cannot_be_used_are_told(wish, told):
    assert told in refusal("cnn", **wish).why
