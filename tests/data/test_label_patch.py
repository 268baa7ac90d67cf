"""Label patches: what is written is read, what is wrong is named by line, and decisions are applied."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pawsight.core.cache import Cache
from pawsight.core.errors import BadDataset, DataError, StorageError
from pawsight.data import label_patch as module
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.data.given_split import read_split_file
from pawsight.data.label_patch import ACTIONS, Decision, Patch, apply, newest, read_patch, write_patch
from pawsight.data.picture_lists import read_list
from pawsight.data.split import make_split
from pawsight.images.decode import DecodeSettings

HEADER = "path,sha256,action,label,when\n"
A, B = "a" * 64, "b" * 64
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
decisions = st.builds(
    Decision,
    path=texts,
    sha256=st.sampled_from([A, B, "0123456789abcdef" * 4]),
    action=st.sampled_from(ACTIONS),
    label=texts.filter(bool),
    when=texts,
)


def plain(some):
    return [(item.path, item.sha256, item.action, item.label, item.when) for item in some]


@settings(deadline=None)
@given(st.lists(decisions, max_size=12))
def test_what_is_written_is_read_again_the_last_about_each_picture(tmp_path_factory, some):
    file = tmp_path_factory.mktemp("patch") / "labels.patch.csv"
    write_patch(file, some)
    assert plain(read_patch(file).decisions) == plain(newest(some))


def written(tmp_path, text):
    file = tmp_path / "labels.patch.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_file_from_a_spreadsheet_is_read(tmp_path):
    text = f"\ufeffwhen,Label,action,sha256,path\r\n2026,dogs,relabel,{A},train/1.jpg\r\n\r\n,,keep,{B},train/2.jpg\r\n"
    found = read_patch(written(tmp_path, text))
    assert plain(found.decisions) == [("train/1.jpg", A, "relabel", "dogs", "2026"), ("train/2.jpg", B, "keep", "", "")]
    assert [decision.line for decision in found.decisions] == [2, 4]
    assert len(found.sha256) == 64


def test_names_that_are_no_text_stay_what_they_are(tmp_path):
    file, name = tmp_path / "p.csv", os.fsdecode(b"train/\xe9.jpg")
    write_patch(file, [Decision(name, A, "drop")])
    assert read_patch(file).decisions[0].path == name


def test_copies_of_one_picture_have_a_decision_each_and_the_last_counts():
    first, second, third = (Decision(path, A, action) for path, action in (("1", "keep"), ("2", "drop"), ("1", "drop")))
    assert newest([first, second, third]) == (second, third)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (f"1.jpg,{A},burn,,\n", "Line 2: the action is 'burn', not one of keep, relabel, drop."),
        (f"1.jpg,{A},relabel,,\n", "Line 2: the action is 'relabel' and the label is empty."),
        (f"1.jpg,{A},keep,,\n2.jpg,abc,keep,,\n", "Line 3: 'abc' is no SHA-256."),
        (f"1.jpg,{A}\n", "Line 2: it has too few columns, 2 of 5."),
        (f'1.jpg,{A},keep,"unclosed\n', "the quotes do not match"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_nothing_is_read(tmp_path, rows, told):
    file = written(tmp_path, HEADER + rows)
    with pytest.raises(DataError) as refused:
        read_patch(file)
    assert refused.value.what.startswith(f"{file} has 1 problem;")
    assert told in refused.value.why
    assert "path,sha256,action,label,when" in refused.value.fix


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there is no column 'path'"),
        ("path,sha256,action\n", "Line 1: there is no column 'label'."),
        ("path,path,sha256,action,label\n", "Line 1: there are 2 columns 'path'."),
        (HEADER + "a\0b", "There is a NUL character in it."),
    ],
)
def test_a_file_that_is_no_patch_is_told(tmp_path, text, told):
    with pytest.raises(DataError) as refused:
        read_patch(written(tmp_path, text))
    assert told in refused.value.why


def test_many_problems_are_counted_and_some_are_named(tmp_path):
    with pytest.raises(DataError) as refused:
        read_patch(written(tmp_path, HEADER + "x,y,z,,\n" * 30))
    assert "60 problems" in refused.value.what
    assert refused.value.why.endswith("And 40 more.")


def test_an_endless_file_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="is too large for a patch"):
        read_patch(written(tmp_path, HEADER + "x" * 100))


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StorageError) as error:
        read_patch(tmp_path / "none.csv")
    assert "pawsight review RUN" in error.value.fix


def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(tmp_path_factory):
    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def any_bytes(data):
        file = tmp_path_factory.mktemp("bytes") / "p.csv"
        file.write_bytes(HEADER.encode() + data)
        actions = set()
        with suppress(DataError):
            actions = {decision.action for decision in read_patch(file).decisions}
        assert actions <= {"keep", "relabel", "drop"}
        assert file.read_bytes() == HEADER.encode() + data

    any_bytes()


@pytest.mark.parametrize("reader", [read_patch, read_split_file, read_list])
def test_a_pipe_is_refused_at_once(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(StorageError, match=r"pipe\.csv\.\n.*: not a regular file\."):
        reader(tmp_path / "pipe.csv")


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
        dataset = read_dataset(find(tmp_path / "data"), DecodeSettings(), cache=cache, threads=2)
    return dataset, make_split(dataset)


def patch_of(dataset, *some):
    contents = {picture.name: picture.sha256 for picture in dataset.pictures}
    rows = [Decision(path, contents[path], action, label, line=2 + at) for at, (path, action, label) in enumerate(some)]
    return Patch(FILE, "f" * 64, tuple(rows))


def test_relabelled_pictures_change_their_label_and_keep_their_part(data):
    dataset, split = data
    patch = patch_of(dataset, ("cats/1.png", "relabel", "dogs"), ("cats/2.png", "keep", ""), ("dogs/3.png", "drop", ""))
    patched, cut, outcome = apply(dataset, split, patch)
    before = {picture.name: picture for picture in split.assigned}
    after = {picture.name: picture for picture in cut.assigned}
    assert {name: value.part for name, value in after.items()} == {
        name: value.part for name, value in before.items() if name != "dogs/3.png"
    }
    assert {name for name in after if after[name].label != before[name].label} == {"cats/1.png"}
    assert {picture.name: picture.label for picture in patched.pictures} == {
        picture.name: picture.label for picture in cut.assigned
    }
    assert (outcome.relabelled, outcome.dropped, outcome.kept, outcome.unknown) == (1, 1, 1, 0)
    assert [(file.name, file.reason) for file in patched.left_out] == [("dogs/3.png", "dropped by labels.patch.csv")]
    assert cut.digest != split.digest


def test_a_patch_that_keeps_everything_changes_nothing(data):
    dataset, split = data
    patched, cut, outcome = apply(
        dataset, split, patch_of(dataset, *[(picture.name, "keep", "") for picture in dataset.pictures])
    )
    assert (patched, cut) == (dataset, split)
    assert outcome.kept == 13


def test_of_copies_the_one_that_is_named_is_meant(data):
    dataset, split = data
    patched, cut, outcome = apply(dataset, split, patch_of(dataset, ("dogs/copy.png", "drop", "")))
    assert outcome.dropped == 1
    assert {picture.name for picture in dataset.pictures} - {picture.name for picture in patched.pictures} == {
        "dogs/copy.png"
    }
    assert all("dogs/copy.png" not in [item.name for item in group] for group in cut.alike)


def test_pictures_that_were_moved_are_known_by_their_content(data):
    dataset, split = data
    content = next(picture.sha256 for picture in dataset.pictures if picture.name == "cats/4.png")
    moved = Patch(FILE, "f" * 64, (Decision("elsewhere/old.png", content, "relabel", "dogs"),))
    patched, _, outcome = apply(dataset, split, moved)
    assert outcome.relabelled == 1
    assert next(picture.label for picture in patched.pictures if picture.name == "cats/4.png") == "dogs"


def test_pictures_that_are_not_there_are_counted(data):
    dataset, split = data
    _, cut, outcome = apply(dataset, split, Patch(FILE, "f" * 64, (Decision("cats/1.png", "9" * 64, "drop"),)))
    assert (cut, outcome.unknown, outcome.dropped) == (split, 1, 0)
    assert "; 1 is about a picture whose content " in outcome.sentence()
    assert (outcome.changed, outcome.fits_nothing) == (1, True)


def test_changes_to_the_test_part_are_made_and_told(data):
    dataset, split = data
    one = split.part("test")[0]
    other = "dogs" if one.label == "cats" else "cats"
    _, _, outcome = apply(dataset, split, patch_of(dataset, (one.name, "relabel", other)))
    assert outcome.in_test == 1
    assert "1 of the test set was changed" in outcome.sentence()


def test_a_label_that_is_no_class_is_told_with_its_line(data):
    dataset, split = data
    with pytest.raises(DataError) as error:
        apply(dataset, split, patch_of(dataset, ("cats/1.png", "keep", ""), ("cats/2.png", "relabel", "geese")))
    assert error.value.what == f"{FILE} does not fit this data."
    assert error.value.why == "Line 3: there is no class 'geese'."
    assert "'cats', 'dogs'" in error.value.fix


def test_a_patch_that_leaves_nothing_of_a_class_is_refused(data):
    dataset, split = data
    every = [(picture.name, "drop", "") for picture in dataset.pictures if picture.label == "cats"]
    with pytest.raises(BadDataset) as error:
        apply(dataset, split, patch_of(dataset, *every))
    assert error.value.what == f"{FILE} leaves no picture of 'cats'."
    assert error.value.why == "It relabels 0 and drops 6."
