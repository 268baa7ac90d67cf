"""The options for how folders are read: what is typed, what is kept in a run, and what cannot be used."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.core.errors import WrongUsage
from pawsight.data.reading import FolderReading, is_hidden, matches, may_be_picture

NAMES = st.text("abc*_. ", min_size=1).filter(lambda name: name.strip(". "))
READINGS = st.builds(
    FolderReading,
    class_depth=st.integers(1, 5),
    parts=st.none() | st.dictionaries(NAMES, st.sampled_from(["train", "validation", "test"]), max_size=3),
    ignore=st.lists(NAMES, max_size=2).map(tuple),
    only=st.lists(NAMES, max_size=2).map(tuple),
)


@given(READINGS)
def test_a_reading_is_kept_as_json_and_read_again(reading: FolderReading) -> None:
    assert FolderReading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


def test_what_is_typed_is_one_value_and_its_words_are_those_that_were_typed() -> None:
    typed = {"class_depth": 2, "parts": "a=train,b=val", "ignore": ("*.png", "old"), "only": ("*.jpg",)}
    reading = FolderReading.from_words(**typed)
    assert reading.parts == {"a": "train", "b": "validation"}
    assert reading.words() == [
        *("--class-depth", "2", "--parts", "a=train,b=validation"),
        *("--ignore", "*.png", "--ignore", "old", "--only", "*.jpg"),
    ]
    assert FolderReading.from_words() is None
    assert FolderReading.from_words(parts="none").parts == {}
    assert FolderReading(parts={}).words() == ["--parts", "none"]
    assert FolderReading(class_from=r"(\w+)_").words() == ["--class-from", r"(\w+)_"]


@pytest.mark.parametrize(
    "typed",
    [
        {"class_depth": 0},
        {"class_from": "("},
        {"class_from": "a", "class_depth": 2},
        {"parts": "train_set"},
        {"parts": "=train"},
        {"parts": "train_set=exam"},
        {"ignore": ("",)},
        {"only": ("/",)},
    ],
)
def test_what_cannot_be_used_is_refused_with_an_example(typed: dict[str, object]) -> None:
    with pytest.raises(WrongUsage) as caught:
        FolderReading.from_words(**typed)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        (r"([a-z]+)_(?P<class>\d+)", "x/cat_7.jpg", "7"),
        ("([a-z]+)_", "cat_7.jpg", "cat"),
        ("[a-z]+(?=_)", "cat_7.jpg", "cat"),
        ("^dogs", "cat_7.jpg", None),
        ("()cat", "cat_7.jpg", None),
    ],
)
def test_the_class_is_the_named_group_or_the_first_or_all(pattern: str, name: str, found: str | None) -> None:
    assert FolderReading(class_from=pattern).class_in(name) == found


@pytest.mark.parametrize(
    ("pattern", "name", "matched"),
    [
        ("*.png", "cats/1.PNG", True),
        ("masks/", "cats/Masks", True),
        ("masks", "cats/masks2", False),
        ("cats/*", "a/cats/1.jpg", True),
        ("/cats", "cats", True),
        ("/cats", "a/cats", False),
        ("*", "a/b", True),
        ("[ab].jpg", "x/b.jpg", True),
    ],
)
def test_a_pattern_means_the_end_of_a_path(pattern: str, name: str, *, matched: bool) -> None:
    assert matches(name, [pattern]) is matched


def test_names_of_systems_are_hidden_in_any_case_and_documents_are_no_pictures() -> None:
    assert all(map(is_hidden, [".DS_Store", "THUMBS.DB", "@eaDir", "$Recycle.Bin", "lost+found", "~$notes.docx"]))
    assert not any(map(is_hidden, ["cats", "recycle", "Lost and found", "thumbs"]))
    assert not any(map(may_be_picture, ["a.txt", "b.CSV", "c.ipynb", "d.tar.gz"]))
    assert all(map(may_be_picture, ["a.jpg", "b", "c.heic", "d.svg", "LICENSE"]))
