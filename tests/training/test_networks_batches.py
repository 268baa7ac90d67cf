"""Batches: the same for the same seed, epoch and picture, however many threads there are."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.images.augment import augment, generator_for
from pawsight.models.recipes import RECIPES, Recipe
from pawsight.training.logistic import class_weights
from pawsight.training.networks import augmentation_of, batches, order_of, view

PLAIN = Recipe(method="network", backbone="", image_px=32, batch_size=4)
LIVELY = replace(PLAIN, flip_horizontal=True, flip_vertical=True, rotation=0.2, seed=5)


@pytest.fixture(scope="module")
def part():
    """Eleven pictures of noise, their labels and their weights."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)
    return pixels, np.arange(11) % 3, rng.random(11).astype(np.float32)


def epoch_of(part, recipe, *, epoch=0, threads=2):
    order = order_of(epoch, count=len(part[1]), seed=recipe.seed)
    rows = np.split(order, range(recipe.batch_size, len(order), recipe.batch_size))
    made = batches(*part, recipe, epoch=epoch, threads=threads)
    return [
        SimpleNamespace(rows=own, pixels=pixels, labels=labels, weights=weights)
        for own, (pixels, labels, weights) in zip(rows, made, strict=True)
    ]


def test_an_epoch_shows_every_picture_once_with_its_own_label_and_weight(part):
    pixels, labels, weights = part
    seen = epoch_of(part, PLAIN)
    rows = np.concatenate([batch.rows for batch in seen])
    assert sorted(rows) == list(range(11))
    assert [len(batch.rows) for batch in seen] == [4, 4, 3]
    for batch in seen:
        assert np.array_equal(batch.pixels, pixels[batch.rows])
        assert np.array_equal(batch.labels, labels[batch.rows])
        assert np.array_equal(batch.weights, weights[batch.rows])
        assert batch.pixels.dtype == np.uint8


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(part, threads):
    for item, other in zip(epoch_of(part, LIVELY), epoch_of(part, LIVELY, threads=threads), strict=True):
        assert np.array_equal(item.rows, other.rows)
        assert np.array_equal(item.pixels, other.pixels)


def test_a_picture_s_view_depends_on_seed_epoch_and_row_and_not_on_its_batch(part):
    views = {
        size: {
            int(row): picture
            for batch in epoch_of(part, replace(LIVELY, batch_size=size), epoch=3)
            for row, picture in zip(batch.rows, batch.pixels, strict=True)
        }
        for size in (1, 4, 11)
    }
    for row in range(11):
        alone = view(part[0][row], augmentation_of(LIVELY), seed=5, epoch=3, row=row)
        assert all(np.array_equal(views[size][row], alone) for size in views)
        assert np.array_equal(alone, augment(part[0][row], augmentation_of(LIVELY), generator_for(5, 3, row)))


@pytest.mark.parametrize("change", [{"epoch": 1}, {"seed": 6}])
def test_another_epoch_or_seed_brings_another_order_and_other_views(part, change):
    recipe = replace(LIVELY, seed=change.get("seed", LIVELY.seed))
    one, other = epoch_of(part, LIVELY), epoch_of(part, recipe, epoch=change.get("epoch", 0))
    assert [list(batch.rows) for batch in one] != [list(batch.rows) for batch in other]
    by_row = [{int(r): p for b in run for r, p in zip(b.rows, b.pixels, strict=True)} for run in (one, other)]
    assert any(not np.array_equal(by_row[0][row], by_row[1][row]) for row in range(11))


def test_the_pictures_themselves_are_left_as_they_are(part):
    before = part[0].copy()
    epoch_of(part, LIVELY)
    assert np.array_equal(part[0], before)


def test_an_epoch_that_is_left_early_ends_its_threads(part):
    feed = batches(*part, LIVELY, epoch=0, threads=2)
    next(feed)
    feed.close()
    assert list(feed) == []


@given(st.integers(0, 300), st.integers(0, 50), st.integers(0, 2**31 - 1))
def test_the_order_is_a_permutation_that_seed_and_epoch_decide(count, epoch, seed):
    order = order_of(epoch, count=count, seed=seed)
    assert sorted(order) == list(range(count))
    assert np.array_equal(order, order_of(epoch, count=count, seed=seed))


def test_the_order_is_pinned():
    """A resumed run must see what the stopped one would have seen, also after an update of this file."""
    assert list(order_of(2, count=8, seed=7)) == [0, 6, 2, 7, 3, 1, 5, 4]


@pytest.mark.parametrize("name", ["cnn-augmented", "cnn-normalised", "mobilenet", "cnn"])
def test_a_recipe_s_augmentation_is_what_the_recipe_says(name):
    recipe = RECIPES[name].recipe
    how = augmentation_of(recipe)
    assert (how.flip_horizontal, how.flip_vertical) == (recipe.flip_horizontal, recipe.flip_vertical)
    assert (how.rotation, how.fill) == (recipe.rotation, recipe.fill)


def test_the_exercise_s_two_augmentations_are_those_of_the_exercise():
    strong, mild = (augmentation_of(RECIPES[name].recipe) for name in ("cnn-augmented", "cnn-normalised"))
    assert (strong.rotation, strong.fill) == (0.5, "nearest")
    assert (mild.rotation, mild.fill) == (0.2, "reflect")
    for how in (strong, mild):
        assert how.flip_horizontal
        assert how.flip_vertical
        assert not how.flips_together


def test_all_four_flips_come_about_equally_often():
    corner = np.zeros((2, 2, 3), np.uint8)
    corner[0, 0] = 255
    how = replace(augmentation_of(LIVELY), rotation=0.0)
    places = [int(view(corner, how, seed=1, epoch=0, row=row)[..., 0].argmax()) for row in range(400)]
    assert min(np.bincount(places, minlength=4)) > 70


@given(st.lists(st.integers(0, 3), min_size=1, max_size=80))
def test_class_weights_make_all_classes_that_are_there_weigh_the_same(labels):
    taught = np.array([*labels, 0, 1, 2, 3])
    weights = class_weights(taught, classes=4)
    sums = np.bincount(taught, weights)
    assert np.allclose(sums, len(taught) / 4, rtol=1e-5)
    assert np.isclose(weights.mean(), 1, rtol=1e-5)


def test_a_class_without_pictures_does_not_divide_by_nothing():
    assert np.isfinite(class_weights(np.array([0, 0, 2]), classes=4)).all()
