"""The verb `inspect`: everything worth knowing before anything slow, and no model in sight."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from pawsight.commands.inspect import AuditFiles, InspectReport, count_sentence, inspect, summary
from pawsight.core.errors import NoPictures
from pawsight.data.findings import found


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


def test_lines_for_people_hold_counts_baseline_split_twins_and_files_left_out(made_up, snapshot):
    """The whole text."""
    catalog, split = made_up
    findings = (found("train/cats/1.jpg", "two-labels", "train/dogs/1.jpg"), found("train/dogs/0.jpg", "dark", 12.5))
    files = AuditFiles(Path("/audit/audit.csv"), Path("/audit/audit.html"))
    report = InspectReport(data="photos", catalog=catalog, split=split, findings=findings, files=files)
    assert "\n".join(summary(report)).replace(split.digest[:12], "DIGEST") == snapshot


@pytest.mark.parametrize(
    "counts", [{"cats": 1000, "dogs": 1000}, {"cats": 1, "dogs": 2}, {"a": 1, "b": 2, "c": 3}], ids=len
)
def test_the_exercise_s_sentence_is_right_for_any_number(counts, snapshot):
    assert count_sentence(counts) == snapshot


def test_a_folder_without_pictures_is_told(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.txt").write_text("hello")
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs" / "1.txt").write_text("hello")
    with pytest.raises(NoPictures, match=re.escape(str(tmp_path))):
        inspect(tmp_path)
