"""Recipes: their limits, their TOML, the table of named ones and its options."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from dataclasses import FrozenInstanceError, asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.core.errors import WrongUsage
from pawsight.models.backbones import BACKBONES
from pawsight.models.recipes import (
    DEPTHS,
    METHODS,
    RECIPES,
    Recipe,
    RecipeOptions,
    make_recipe,
    recipe_from_mapping,
    recipe_from_toml,
)

VALUES = {
    "name": st.text(max_size=20),
    "method": st.sampled_from(METHODS),
    "backbone": st.text(max_size=20),
    "image_px": st.integers(32, 1024),
    "scaling": st.sampled_from(["raw", "signed"]),
    "flip_horizontal": st.booleans(),
    "flip_vertical": st.booleans(),
    "rotation": st.floats(0, 0.5),
    "fill": st.sampled_from(["reflect", "nearest"]),
    "batch_size": st.integers(1, 4096),
    "epochs": st.integers(0, 10_000),
    "learning_rate": st.floats(1e-9, 10),
    "warmup_epochs": st.integers(0, 1000),
    "patience": st.integers(0, 10_000),
    "class_weights": st.booleans(),
    "precision": st.sampled_from(["auto", "f32", "bf16"]),
    "folds": st.integers(2, 20),
    "seed": st.integers(0, 2**31 - 1),
    "split_seed": st.integers(0, 2**31 - 1),
    "depth": st.sampled_from(DEPTHS),
    "backbone_sha256": st.text("0123456789abcdef", max_size=64),
    "backbone_licence": st.sampled_from(["", "MIT", "Apache-2.0"]),
    "mean": st.text("0123456789.,", max_size=20),
    "std": st.text("0123456789.,", max_size=20),
}
recipes = st.builds(Recipe, **VALUES)


def refusal(function, *arguments, **named):
    with pytest.raises(WrongUsage) as error:
        function(*arguments, **named)
    return error.value


def test_the_strategies_above_know_every_field():
    assert set(VALUES) == {field.name for field in fields(Recipe)}


@given(recipes)
def test_a_recipe_comes_back_from_toml_as_it_went(recipe):
    assert recipe_from_toml(recipe.to_toml()) == recipe


@given(recipes)
def test_toml_is_one_key_a_line_and_any_reader_agrees(recipe):
    text = recipe.to_toml()
    assert tomllib.loads(text) == recipe.to_dict()
    assert len(text.splitlines()) >= len(fields(Recipe))
    assert [line.split(" = ")[0] for line in replace(recipe, name="x", backbone="y").to_toml().splitlines()] == [
        field.name for field in fields(Recipe)
    ]


@given(recipes)
def test_a_recipe_comes_back_from_plain_values(recipe):
    assert recipe_from_mapping(recipe.to_dict()) == recipe


@given(st.text(max_size=60))
def test_whatever_the_text_is_it_is_a_recipe_or_wrong_usage(text):
    with suppress(WrongUsage):
        assert isinstance(recipe_from_toml(text), Recipe)


def test_a_recipe_is_a_value_that_cannot_be_changed():
    assert Recipe(seed=1) == Recipe(seed=1) != Recipe(seed=2)
    with pytest.raises(FrozenInstanceError):
        Recipe().seed = 3


def test_missing_keys_have_the_values_of_the_default_recipe():
    assert recipe_from_toml("seed = 7") == replace(Recipe(), seed=7)
    assert recipe_from_toml("") == Recipe()


def test_text_that_is_no_toml_is_told_with_the_reader_s_words():
    told = refusal(recipe_from_toml, "seed = ")
    assert told.what == "The recipe is not TOML."
    assert told.why.startswith("The reader says: ")


def test_unknown_keys_and_wrong_types_are_all_listed_at_once():
    told = refusal(recipe_from_toml, 'sed = 1\nimage_px = "big"\nseed = 1.5\nfolds = true\ncolour = "red"\nname = 3')
    known = ", ".join(field.name for field in fields(Recipe))
    problems = told.why.splitlines()
    assert [problem for problem in problems if known in problem] == problems[:2]
    for problem, key in zip(problems[:2], ["'sed'", "'colour'"], strict=True):
        assert key in problem
    wrong = [("image_px", "'big'"), ("seed", "1.5"), ("folds", "True"), ("name", "3")]
    for problem, (key, value) in zip(problems[2:], wrong, strict=True):
        assert problem.startswith(f"{key} ")
        assert problem.endswith(f" not {value}")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("flip_horizontal", 1, "true or false"),
        ("rotation", "far", "a number"),
        ("backbone", ["a"], "a text"),
        ("seed", {"a": 1}, "a whole number"),
    ],
)
def test_a_wrong_type_is_told_in_words(key, value, told):
    assert refusal(recipe_from_mapping, {key: value}).why == f"{key} must be {told}, not {value!r}"


def test_a_whole_number_will_do_where_a_number_is_wanted():
    recipe = recipe_from_toml("rotation = 0\nlearning_rate = 1")
    assert (recipe.rotation, recipe.learning_rate) == (0.0, 1.0)
    assert type(recipe.rotation) is type(recipe.learning_rate) is float


def test_values_out_of_range_are_all_listed_at_once():
    told = refusal(Recipe, name="mine", image_px=31, folds=1, seed=-1, batch_size=0, method="magic", precision="f8")
    assert "'mine'" in told.what
    expected = [
        ("image_px", "32 to 1024", "31"),
        ("batch_size", "1 to 4096", "0"),
        ("folds", "2 to 20", "1"),
        ("seed", "0 to 2147483647", "-1"),
        ("method", ", ".join(METHODS), "'magic'"),
        ("precision", "auto, f32, bf16", "'f8'"),
    ]
    for problem, (key, allowed, value) in zip(told.why.splitlines(), expected, strict=True):
        assert problem.startswith(f"{key} ")
        assert allowed in problem
        assert problem.endswith(f" not {value}")


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_learning_rate_that_teaches_nothing_is_refused(rate):
    assert "learning_rate must be from" in refusal(Recipe, learning_rate=rate).why


def test_a_recipe_sums_itself_up_in_a_line():
    told = str(Recipe(backbone="efficientnet-lite0", image_px=224, seed=3))
    assert told.startswith("probe: ")
    assert all(word in told for word in ("efficientnet-lite0", "224 px", "seed 3"))
    told = str(Recipe(name="cnn", method="network", backbone="", image_px=160, epochs=20))
    assert told == "cnn: 160 px, 20 epochs, seed 0"


def refusal_of(name, **options):
    with pytest.raises(WrongUsage) as error:
        make_recipe(name, RecipeOptions(**options))
    return error.value


def test_the_ladder_climbs_from_the_majority_vote_to_the_probe():
    names = list(RECIPES)
    assert names == ["majority", "cnn", "cnn-augmented", "cnn-normalised", "mobilenet", "probe"]


@pytest.mark.parametrize("name", RECIPES)
def test_each_rung_is_named_as_its_recipe_and_survives_toml(name):
    entry = RECIPES[name]
    assert entry.recipe.name == name
    assert recipe_from_toml(entry.recipe.to_toml()) == entry.recipe


@pytest.mark.parametrize("name", RECIPES)
def test_each_rung_tells_what_to_expect_of_it(name):
    entry = RECIPES[name]
    assert entry.description
    assert entry.adds
    low, high = entry.accuracy
    assert 0 < low <= high <= 1
    assert entry.seconds > 0
    assert entry.runs >= 1
    total, trainable = entry.parameters
    assert 0 <= trainable <= total


@pytest.mark.parametrize("name", RECIPES)
def test_a_rung_as_json_has_name_description_expectations_and_parameters(name):
    plain = json.loads(json.dumps(RECIPES[name].to_json(), allow_nan=False))
    assert set(plain) >= {"name", "description", "adds", "expected", "parameters"}
    assert set(plain["parameters"]) == {"total", "trainable"}
    assert len(plain["expected"]["accuracy"]) == 2


def test_the_default_recipe_is_the_probe():
    assert make_recipe("probe") == RECIPES["probe"].recipe == Recipe(depth="auto")


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
    options = RecipeOptions(epochs=3, batch_size=8, learning_rate=0.01, patience=2, precision="f32", class_weights=True)
    recipe = make_recipe("cnn", options)
    wished = {key: value for key, value in asdict(options).items() if value is not None}
    assert recipe == replace(RECIPES["cnn"].recipe, **wished)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        RECIPES["mine"] = RECIPES["probe"]


def test_an_unknown_recipe_is_told_with_those_there_are():
    told = refusal_of("prob")
    assert "'prob'" in told.what
    assert ", ".join(RECIPES) in told.why
    assert "--recipe probe" in told.fix


def test_fine_tuning_that_was_removed_names_what_replaces_it():
    for asked in ("finetune", Recipe(method="finetune")):
        told = refusal(make_recipe, asked)
        assert "finetune" in told.what
        assert "--recipe probe" in told.fix
    assert recipe_from_toml('name = "finetune"\nmethod = "finetune"').method == "finetune"  # as older runs have it


def test_an_unknown_backbone_is_told_with_those_there_are():
    told = refusal_of("probe", backbone="lite0")
    assert "'lite0'" in told.what
    assert ", ".join(BACKBONES) in told.why


def test_a_recipe_without_a_backbone_to_choose_says_so():
    told = refusal_of("cnn", backbone="efficientnet-lite0")
    assert "recipe cnn has no backbone" in told.what
    assert "probe" in told.why


def test_what_a_recipe_without_gradients_would_not_heed_is_told():
    told = refusal_of("probe", epochs=3)
    assert "recipe probe " in told.what
    assert "--epochs" in told.what
    assert "cnn" in told.why
    assert "majority" not in told.why


@pytest.mark.parametrize("image_px", [0, -5, 31, 1025, 10**9])
def test_sizes_that_cannot_be_seen_are_told(image_px):
    told = refusal_of("probe", image_px=image_px)
    assert told.what.endswith(f"pictures of {image_px} x {image_px} pixels.")
    assert "from 32 to 1024" in told.why


@pytest.mark.parametrize(
    ("wish", "told"), [({"seed": -1}, "seed must be from 0"), ({"batch_size": 0}, "batch_size must")]
)
def test_other_values_that_cannot_be_used_are_told(wish, told):
    assert told in refusal_of("cnn", **wish).why


def test_the_depth_is_the_probes_to_choose():
    assert make_recipe("probe", RecipeOptions(depth="blocks")).depth == "blocks"
    for name in ("cnn", "majority"):
        assert "--depth" in refusal(make_recipe, name, RecipeOptions(depth="last")).fix
    assert (
        "depth must be one of auto, last, selected, blocks"
        in refusal(make_recipe, "probe", RecipeOptions(depth="all")).why
    )
    assert recipe_from_toml('name = "probe"').depth == "last"  # as older runs have it
