"""Decisions applied: labels change, parts do not, and what cannot be meant is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pawsight.core.cache import Cache
from pawsight.core.errors import BadCatalog, DataError
from pawsight.data.catalog import read_catalog
from pawsight.data.finder import find
from pawsight.data.patch import Decision, Patch
from pawsight.data.patched import apply
from pawsight.data.split import make_split
from pawsight.images.decode import DecodeSettings

FILE = Path("runs/001/labels.patch.csv")


@pytest.fixture
def data(tmp_path, cache_folder):
    """Twelve pictures of two classes, two of them copies under either name, with their split."""
    for label in ("cats", "dogs"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(6):
            seed = 100 * number + (label == "dogs")
            Image.effect_noise((32, 32), 40 + seed % 97).resize((64, 64)).save(
                tmp_path / "data" / label / f"{number}.png"
            )
    (tmp_path / "data/dogs/copy.png").write_bytes((tmp_path / "data/cats/0.png").read_bytes())
    with Cache(cache_folder) as cache:
        catalog = read_catalog(find(tmp_path / "data"), DecodeSettings(), cache=cache, threads=2)
    return catalog, make_split(catalog)


def patch_of(catalog, *some):
    contents = {one.name: one.sha256 for one in catalog.pictures}
    rows = [Decision(path, contents[path], action, label, line=2 + at) for at, (path, action, label) in enumerate(some)]
    return Patch(FILE, "f" * 64, tuple(rows))


def test_relabelled_pictures_change_their_label_and_keep_their_part(data):
    catalog, split = data
    patch = patch_of(catalog, ("cats/1.png", "relabel", "dogs"), ("cats/2.png", "keep", ""), ("dogs/3.png", "drop", ""))
    patched, cut, outcome = apply(catalog, split, patch)
    before = {one.name: one for one in split.assigned}
    after = {one.name: one for one in cut.assigned}
    assert {name: one.part for name, one in after.items()} == {
        name: one.part for name, one in before.items() if name != "dogs/3.png"
    }
    assert {name for name in after if after[name].label != before[name].label} == {"cats/1.png"}
    assert {one.name: one.label for one in patched.pictures} == {one.name: one.label for one in cut.assigned}
    assert (outcome.relabelled, outcome.dropped, outcome.kept, outcome.unknown) == (1, 1, 1, 0)
    assert [(one.name, one.reason) for one in patched.left_out] == [("dogs/3.png", "dropped by labels.patch.csv")]
    assert cut.digest != split.digest


def test_a_patch_that_keeps_everything_changes_nothing(data):
    catalog, split = data
    patched, cut, outcome = apply(
        catalog, split, patch_of(catalog, *[(one.name, "keep", "") for one in catalog.pictures])
    )
    assert (patched, cut) == (catalog, split)
    assert outcome.kept == 13


def test_of_copies_the_one_that_is_named_is_meant(data):
    catalog, split = data
    patched, cut, outcome = apply(catalog, split, patch_of(catalog, ("dogs/copy.png", "drop", "")))
    assert outcome.dropped == 1
    assert {one.name for one in catalog.pictures} - {one.name for one in patched.pictures} == {"dogs/copy.png"}
    assert all("dogs/copy.png" not in [one.name for one in group] for group in cut.alike)


def test_pictures_that_were_moved_are_known_by_their_content(data):
    catalog, split = data
    content = next(one.sha256 for one in catalog.pictures if one.name == "cats/4.png")
    moved = Patch(FILE, "f" * 64, (Decision("elsewhere/old.png", content, "relabel", "dogs"),))
    patched, _, outcome = apply(catalog, split, moved)
    assert outcome.relabelled == 1
    assert next(one.label for one in patched.pictures if one.name == "cats/4.png") == "dogs"


def test_pictures_that_are_not_there_are_counted(data):
    catalog, split = data
    _, cut, outcome = apply(catalog, split, Patch(FILE, "f" * 64, (Decision("cats/1.png", "9" * 64, "drop"),)))
    assert (cut, outcome.unknown, outcome.dropped) == (split, 1, 0)
    assert "; 1 is about a picture whose content " in outcome.sentence()
    assert (outcome.changed, outcome.fits_nothing) == (1, True)


def test_changes_to_the_test_part_are_made_and_told(data):
    catalog, split = data
    one = split.part("test")[0]
    other = "dogs" if one.label == "cats" else "cats"
    _, _, outcome = apply(catalog, split, patch_of(catalog, (one.name, "relabel", other)))
    assert outcome.in_test == 1
    assert "1 of the test part was changed" in outcome.sentence()


def test_a_label_that_is_no_class_is_told_with_its_line(data):
    catalog, split = data
    with pytest.raises(DataError) as told:
        apply(catalog, split, patch_of(catalog, ("cats/1.png", "keep", ""), ("cats/2.png", "relabel", "geese")))
    assert told.value.what == f"{FILE} does not fit this data."
    assert told.value.why == "Line 3: there is no class 'geese'."
    assert "'cats', 'dogs'" in told.value.fix


def test_a_patch_that_leaves_nothing_of_a_class_is_refused(data):
    catalog, split = data
    every = [(one.name, "drop", "") for one in catalog.pictures if one.label == "cats"]
    with pytest.raises(BadCatalog) as told:
        apply(catalog, split, patch_of(catalog, *every))
    assert told.value.what == f"{FILE} leaves no picture of 'cats'."
    assert told.value.why == "It relabels 0 and drops 6."
