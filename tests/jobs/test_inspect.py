"""The verb `inspect`: everything worth knowing before anything slow, and no model in sight."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from pawsight.errors import NoPictures
from pawsight.jobs.inspect import count_sentence, inspect, summary


@pytest.fixture
def data(drawings, tmp_path):
    """The drawings with a twin across parts and a file that is no picture."""
    folder = shutil.copytree(drawings, tmp_path / "photos")
    shutil.copy(next((folder / "train" / "cats").iterdir()), folder / "validation" / "cats" / "twin.png")
    (folder / "train" / "dogs" / "note.txt").write_text("hello")
    return folder


def test_json_says_what_is_there_and_what_is_not_used(data):
    plain = json.loads(json.dumps(inspect(data).to_json(), allow_nan=False))
    assert set(plain) >= {"data", "root", "classes", "counts", "baseline", "formats", "split", "straddling", "left_out"}
    assert plain["classes"] == ["cats", "dogs"]
    assert plain["counts"] == {"cats": 27, "dogs": 26}
    assert plain["baseline"] == pytest.approx(27 / 53)
    assert sum(plain["formats"].values()) == 53
    assert plain["left_out"] == [{"path": "train/dogs/note.txt", "reason": "not a picture"}]
    assert any("validation/cats/twin.png" in names for names in plain["straddling"])


def test_the_split_is_the_one_that_train_would_make(trained):
    report = inspect(trained.data)
    assert report.split.digest == trained.report.split.digest
    assert report.to_json()["split"] == {
        "digest": trained.report.split.digest,
        "train": 32,
        "validation": 16,
        "test": 4,
        "how": report.split.how,
    }


def test_lines_for_people_hold_counts_baseline_split_twins_and_files_left_out(data):
    text = "\n".join(summary(inspect(data)))
    assert f"53 pictures of 2 classes in {data}" in text
    assert re.search(r"images of cats and \d+ images of dogs\.", text)
    assert "50.9 % of the time" in text
    assert "validation/cats/twin.png" in text
    assert "train/dogs/note.txt: not a picture" in text


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"cats": 1000, "dogs": 1000}, "There are 1000 images of cats and 1000 images of dogs."),
        ({"cats": 1, "dogs": 2}, "There is 1 image of cats and 2 images of dogs."),
        ({"a": 1, "b": 2, "c": 3}, "There is 1 image of a, 2 images of b and 3 images of c."),
    ],
)
def test_the_exercise_s_sentence_is_right_for_any_number(counts, sentence):
    assert count_sentence(counts) == sentence


def test_a_folder_without_pictures_is_told(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.txt").write_text("hello")
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs" / "1.txt").write_text("hello")
    with pytest.raises(NoPictures, match="No pictures found under"):
        inspect(tmp_path)
