"""Answers in a file: the same rows in every kind, whole or not there."""

from __future__ import annotations

import csv
import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.classifier.predictor import Prediction, unanswered
from pawsight.commands.answer_file import check_answer_file, columns_of, row_of, write_answers
from pawsight.core.errors import StorageError

CLASSES = ("cats", "dogs", "path")
SURE = Prediction("a.jpg", "cats", 0.75, {"cats": 0.75, "dogs": 0.0, "path": 0.25}, None, "answered")
UNSURE = Prediction("=b,'\"\n.jpg", "unsure", None, {"cats": 0.25, "dogs": 0.5, "path": 0.25}, None, "unsure")
BROKEN = unanswered("c\udcff.jpg", "truncated")


def read(path):
    """Return the rows as dictionaries of text or numbers, "" for what is empty."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    text = path.read_text("ascii")
    return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines() if line]


@pytest.mark.parametrize(
    ("top", "more", "values"),
    [
        (0, [], []),
        (1, ["class_1", "confidence_1"], ["cats", 0.75]),
        (2, ["class_1", "confidence_1", "class_2", "confidence_2"], ["cats", 0.75, "path", 0.25]),
        (
            9,
            ["class_1", "confidence_1", "class_2", "confidence_2", "class_3", "confidence_3"],
            ["cats", 0.75, "path", 0.25, "dogs", 0.0],
        ),
        (None, ["probability_cats", "probability_dogs", "probability_path"], [0.75, 0.0, 0.25]),
    ],
)
def test_columns_are_for_the_answer_and_for_the_classes_that_are_asked_for(top, more, values):
    assert columns_of(CLASSES, top) == ("path", "label", "confidence", "decision", "error", *more)
    assert row_of(SURE, CLASSES, top) == ("a.jpg", "cats", 0.75, "answered", None, *values)
    assert row_of(UNSURE, CLASSES, top)[1:5] == ("unsure", 0.5, "unsure", None)
    assert row_of(BROKEN, CLASSES, top) == ("c\udcff.jpg", None, None, None, "truncated", *[None] * len(values))


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
@pytest.mark.parametrize("top", [0, 2, None])
def test_every_kind_of_file_holds_the_same_rows(tmp_path, ending, top):
    path = tmp_path / f"answers.{ending}"
    write_answers(path, iter([SURE, UNSURE, BROKEN]), CLASSES, top=top)
    rows = read(path)
    assert [tuple(row) for row in rows] == [columns_of(CLASSES, top)] * 3
    for row, prediction in zip(rows, (SURE, UNSURE, BROKEN), strict=True):
        for name, value in zip(columns_of(CLASSES, top), row_of(prediction, CLASSES, top), strict=True):
            if name == "path":  # no formula in CSV, no bytes that are not UTF-8 in Parquet
                assert row[name].removeprefix("'").replace("\\udcff", "\udcff") == value
            elif isinstance(value, float):
                assert float(row[name]) == value
            else:
                assert (row[name] or None) == value


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_a_file_without_rows_can_be_read(tmp_path, ending):
    path = tmp_path / f"answers.{ending}"
    write_answers(path, iter([]), CLASSES, top=1)
    assert read(path) == []


def test_a_formula_in_a_path_is_text_in_a_spreadsheet(tmp_path):
    path = tmp_path / "answers.csv"
    write_answers(path, iter([Prediction("=cmd|' /C calc'!A0", None, None, None, "truncated")]), CLASSES, top=0)
    assert path.read_text().splitlines()[1].startswith("'=cmd")


def test_what_breaks_off_leaves_nothing(tmp_path):
    def answers():
        yield SURE
        raise StorageError("gone")

    for ending in ("csv", "json", "jsonl", "parquet"):
        with pytest.raises(StorageError):
            write_answers(tmp_path / f"answers.{ending}", answers(), CLASSES, top=0)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_written_over(tmp_path):
    (tmp_path / "answers.csv").write_text("mine")
    with pytest.raises(StorageError, match="exists already"):
        check_answer_file(tmp_path / "answers.csv")
    check_answer_file(tmp_path / "new.csv")


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60)
@given(paths=st.lists(TEXT, max_size=5), kind=st.sampled_from(["csv", "json", "jsonl", "parquet"]))
def test_any_path_is_read_back_from_any_kind(tmp_path_factory, paths, kind):
    path = tmp_path_factory.mktemp("law") / f"answers.{kind}"
    write_answers(path, (unanswered(name, "truncated") for name in paths), CLASSES, top=0)
    read_back = [row["path"] for row in read(path)]
    from pawsight.core.storage import plain_cell

    assert [plain_cell(name) if kind == "csv" else name for name in read_back] == paths
