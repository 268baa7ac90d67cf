"""Features: each content through the backbone once, ever, and back in the order that is asked for."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace

import numpy as np
import pytest

from pawsight.classifier.engine import Engine
from pawsight.commands.run_split import held_out
from pawsight.core.cache import Cache
from pawsight.core.errors import StorageError, WeightsUnavailable
from pawsight.core.machine import this_machine
from pawsight.core.progress import SILENT
from pawsight.models.recipes import RECIPES, Recipe
from pawsight.training import features as room
from pawsight.training.features import FeatureSink, depth_of, probe_recipe, recipe_of, run_features

from ..conftest import says

PICTURES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
NAMES = [f"{number:064x}" for number in range(len(PICTURES))]
EXPECTED = PICTURES.mean(axis=(1, 2))


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def sink_on(colour_backbone, cache):
    """Make sinks, and count the engines they made."""
    made = []

    def make(space="features/1"):
        def engine():
            made.append(space)
            return Engine(colour_backbone, image_px=8, precision="f32", streams=2)

        return FeatureSink(engine, cache=cache, space=space, width=3)

    make.made = made
    return make


def feed(sink, rows):
    for row in rows:
        if sink.wants(NAMES[row]):
            sink.take(NAMES[row], PICTURES[row])
    return sink


def test_features_come_in_the_order_asked_for(sink_on):
    sink = feed(sink_on(), range(40))
    order = [7, 3, 39, 0, 3]
    assert np.allclose(sink.features_of([NAMES[row] for row in order]).last, EXPECTED[order], atol=1e-3)
    assert sink.computed == 40


def test_nothing_asked_for_is_an_empty_table_of_the_right_width(sink_on):
    found = sink_on().features_of([]).last
    assert found.shape == (0, 3)
    assert found.dtype == np.float32


def test_the_engine_is_made_for_the_first_unknown_picture_and_once(sink_on):
    sink = sink_on()
    assert sink_on.made == []
    feed(sink, range(10))
    assert sink_on.made == ["features/1"]


def test_a_second_run_computes_nothing_and_makes_no_engine(sink_on):
    first = feed(sink_on(), range(40)).features_of(NAMES).last
    sink_on.made.clear()
    second = feed(sink_on(), range(40))
    assert second.features_of(NAMES).last.tobytes() == first.tobytes()
    assert second.computed == 0
    assert sink_on.made == []


def test_only_what_is_new_is_computed(sink_on):
    feed(sink_on(), range(30)).features_of(NAMES[:30])
    sink = feed(sink_on(), range(40))
    assert np.allclose(sink.features_of(NAMES).last, EXPECTED, atol=1e-3)
    assert sink.computed == 10


def test_another_space_knows_nothing_of_the_first(sink_on):
    feed(sink_on("features/lite0/96"), range(5)).features_of(NAMES[:5])
    assert feed(sink_on("features/lite0/224"), range(5)).wants(NAMES[6])
    assert sink_on.made == ["features/lite0/96", "features/lite0/224"]


def test_the_same_content_twice_is_one_entry(sink_on):
    sink = feed(sink_on(), [0, 1, 0, 1, 0])
    found = sink.features_of([NAMES[0], NAMES[1], NAMES[0]]).last
    assert np.array_equal(found[0], found[2])
    assert sink.computed <= 5


def test_an_entry_of_the_wrong_length_is_computed_again(sink_on, cache):
    cache.put_many("features/1", {NAMES[0]: b"short"})
    sink = sink_on()
    assert sink.wants(NAMES[0])
    assert np.allclose(feed(sink, [0]).features_of(NAMES[:1]).last, EXPECTED[:1], atol=1e-3)


def test_features_are_stored_as_they_come_not_only_at_the_end(sink_on, cache, monkeypatch):
    monkeypatch.setattr(room, "_WRITE_EVERY", 8)
    feed(sink_on(), range(40))  # and then the process is killed
    assert len(cache.get_many("features/1", NAMES)) >= 24


def test_features_are_stored_when_the_share_with_the_pictures_fails(sink_on, cache):
    sink = feed(sink_on(), range(12))
    with pytest.raises(StorageError, match="share"), sink.kept():
        raise StorageError("The share does not answer.", "", "")
    assert set(cache.get_many("features/1", NAMES)) == set(NAMES[:12])


def test_features_that_are_no_numbers_are_refused_and_not_stored(sink_on, cache):
    for value in (np.nan, np.inf):
        with pytest.raises(WeightsUnavailable) as caught:
            sink_on().receive(NAMES[0], np.array([1, value, 2], "<f4").tobytes())
        assert says(caught.value, "1", "3")
    assert cache.get_many("features/1", NAMES[:1]) == {}


def test_order_of_arrival_does_not_matter(sink_on):
    one = feed(sink_on("a"), range(40)).features_of(NAMES).last
    other = feed(sink_on("b"), itertools.chain(range(20, 40), range(20))).features_of(NAMES).last
    assert one.tobytes() == other.tobytes()


def test_features_that_somebody_else_computed_are_kept_once_and_only_whole(sink_on, cache):
    sink = sink_on()
    with pytest.raises(ValueError, match="8 bytes are not 3 features"):
        sink.receive(NAMES[0], bytes(8))
    assert sink.wants(NAMES[0])
    for row in (0, 0, 1):
        sink.receive(NAMES[row], EXPECTED[row].astype("<f4").tobytes())
    sink.receive(NAMES[0], bytes(12))  # what is known stays
    assert np.allclose(sink.features_of(NAMES[:2]).last, EXPECTED[:2], atol=1e-3)
    assert sink_on.made == []


def at(cache):
    return {"cache": cache, "machine": this_machine(), "progress": SILENT}


def pictures_of(run, part):
    files = held_out(run, part)
    return list(files.candidates), [files.contents[picture.name] for picture in files.candidates]


@pytest.fixture
def run(trained):
    return trained.report.run


def test_features_come_from_the_cache_in_the_order_of_the_split(trained, run):
    for part in ("train", "validation"):
        pictures, contents = pictures_of(run, part)
        rows, features = run_features(pictures, contents, recipe_of(run), **at(trained.cache))
        assert (len(features), features.last.shape[1]) == (trained.report.split.sizes[part], 1280)
        assert [pictures[row].name for row in rows] == [picture.name for picture in trained.report.split.part(part)]


def test_known_features_need_no_file(trained, run, tmp_path):
    pictures, contents = pictures_of(run, "validation")
    gone = [replace(picture, path=tmp_path / "gone.jpg") for picture in pictures]
    rows, _ = run_features(gone, contents, recipe_of(run), **at(trained.cache))
    assert rows == list(range(len(gone)))


def test_without_the_cache_they_are_computed_again_and_changed_files_left_out(trained, run, tmp_path, cache_folder):
    pictures, contents = (of[:3] for of in pictures_of(run, "validation"))
    more = [*pictures, pictures[0], replace(pictures[1], path=tmp_path / "gone.jpg")]
    rows, again = run_features(more, [*contents, "0" * 64, "1" * 64], recipe_of(run), **at(cache_folder))
    _, known = run_features(pictures, contents, recipe_of(run), **at(trained.cache))
    assert rows == [0, 1, 2]
    assert np.allclose(again.last, known.last, rtol=1e-3, atol=1e-4)


def test_the_test_part_is_sealed(run, trained, tmp_path):
    with pytest.raises(ValueError, match="sealed"):
        run_features(*pictures_of(run, "test"), recipe_of(run), **at(trained.cache))


def test_a_recipe_without_a_frozen_backbone_is_stood_in_for_by_the_default_probe():
    own = Recipe(
        name="finetune", method="finetune", backbone="efficientnet-lite0", image_px=96, seed=3
    )  # of an old run
    assert (probe_recipe(own).backbone, probe_recipe(own).image_px, probe_recipe(own).seed) == (
        "efficientnet-lite0", 96, 3,
    )  # fmt: skip
    assert probe_recipe(RECIPES["cnn"].recipe) == RECIPES["probe"].recipe
    assert probe_recipe(RECIPES["mobilenet"].recipe) == RECIPES["probe"].recipe


def test_a_run_whose_recipe_cannot_be_read_is_told(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "recipe.toml").write_text("nonsense")
    with pytest.raises(StorageError, match=r"recipe\.toml cannot be read"):
        recipe_of(copy)


def test_columns_of_some_pictures_are_read_in_any_order(sink_on):
    table = feed(sink_on(), range(40)).features_of(NAMES)
    some = table.part(np.array([30, 2, 2]))
    assert (len(some), some.width) == (3, 3)
    assert np.array_equal(some.read(np.array([0, 2])), table.last[[30, 2, 2]][:, [0, 2]])
    assert np.array_equal(some.read(np.array([1, 2])), table.last[[30, 2, 2]][:, 1:])


def test_a_run_that_does_not_say_its_depth_has_read_the_last_layer(tmp_path):
    assert depth_of(tmp_path) == "last"
    for content, depth in (("{}", "last"), ('{"depth": {"chosen": "selected"}}', "selected"), ("nonsense", "last")):
        (tmp_path / "metrics.json").write_text(content)
        assert depth_of(tmp_path) == depth
