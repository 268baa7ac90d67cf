"""The verb `train`: its report as JSON and as lines, and its warnings."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from pawsight.errors import NoPictures, WrongUsage
from pawsight.evaluation.ladder_report import build_report
from pawsight.jobs.train import train
from pawsight.jobs.train_report import summary


def strict(value):
    """Through JSON and back, refusing what JSON does not know."""
    return json.loads(json.dumps(value, allow_nan=False))


def test_the_report_as_json_keeps_its_promises(trained):
    plain = strict(trained.report.to_json())
    assert Path(plain["run"]).is_absolute()
    assert Path(plain["run"]).is_dir()
    assert plain["recipe"] == "probe"
    assert plain["image_px"] == 96
    assert plain["classes"] == ["cats", "dogs"]
    assert {name: plain["split"][name] for name in ("train", "validation", "test")} == {
        "train": 32,
        "validation": 16,
        "test": 4,
    }
    assert len(plain["split"]["digest"]) == 64
    assert plain["baseline"] == 0.5
    assert plain["left_out"] == []
    assert plain["machine"]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_each_held_out_part_has_accuracy_interval_loss_and_count(trained, part):
    measured = strict(trained.report.to_json())[part]
    low, high = measured["interval"]
    assert 0 <= low <= measured["accuracy"] <= high <= 1
    assert measured["log_loss"] > 0
    assert measured["pictures"] == trained.report.split.sizes[part]


def test_seconds_name_the_total_and_each_stage(trained):
    seconds = strict(trained.report.to_json())["seconds"]
    assert set(seconds) >= {"total", "reading", "fitting", "writing"}
    stages = sum(value for name, value in seconds.items() if name not in ("total", "backbone"))
    assert 0 < stages <= seconds["total"] + 0.01


def test_files_left_out_are_named_with_their_reason(warm, tmp_path):
    data = shutil.copytree(warm.data, tmp_path / "data")
    (data / "train" / "cats" / "note.txt").write_text("hello")
    report = warm.again(data, tmp_path / "runs")
    assert strict(report.to_json())["left_out"] == [{"path": "train/cats/note.txt", "reason": "not a picture"}]
    assert "Left out    1 file: 1 not a picture; each is named in catalog.csv" in summary(report)


def test_a_picture_in_two_parts_is_warned_of_loudly_and_not_moved(warm, tmp_path):
    data = shutil.copytree(warm.data, tmp_path / "data")
    twin = next((data / "train" / "cats").iterdir())
    shutil.copy(twin, data / "validation" / "cats" / "twin.png")
    report = warm.again(data, tmp_path / "runs")
    assert ["train/cats/" + twin.name, "validation/cats/twin.png"] in strict(report.to_json())["straddling"]
    warning = next(line for line in summary(report) if line.startswith("WARNING"))
    assert "look the same in two parts" in warning
    assert {one.name: one.part for one in report.split.assigned}["train/cats/" + twin.name] == "train"


def test_the_last_lines_say_how_good_it_is_with_intervals_and_where_it_is(trained):
    lines = summary(trained.report)
    assert lines[0] == "Pictures    52: 26 cats, 26 dogs"
    assert lines[1].startswith("Split       32 train, 16 validation, 4 test (")
    assert lines[1].endswith(f"digest {trained.report.split.digest[:12]}")
    for line, measured in ((lines[-3], trained.report.validation), (lines[-2], trained.report.test)):
        assert f"(95 % interval {measured.interval}), log loss " in line
        assert line.endswith("; always the commonest class: 50.0 %")
    assert [line.split()[0] for line in lines[-3:]] == ["Validation", "Test", "Run"]
    assert lines[-1].startswith(f"Run         {trained.report.run} in ")


def test_bad_settings_are_refused_before_any_data_is_looked_at(tmp_path):
    with pytest.raises(WrongUsage, match="no recipe called 'prob'"):
        train(tmp_path / "nowhere", recipe="prob", runs=tmp_path / "runs")
    with pytest.raises(WrongUsage, match="no backbone called 'lite0'"):
        train(tmp_path / "nowhere", backbone="lite0", runs=tmp_path / "runs")
    with pytest.raises(WrongUsage, match="seed must be from 0 to"):
        train(tmp_path / "nowhere", seed=-1, runs=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_data_without_pictures_leaves_no_run_behind(tmp_path):
    (tmp_path / "data" / "cats").mkdir(parents=True)
    (tmp_path / "data" / "cats" / "note.txt").write_text("hello")
    (tmp_path / "data" / "dogs").mkdir()
    (tmp_path / "data" / "dogs" / "note.txt").write_text("hello")
    with pytest.raises(NoPictures, match="No pictures found"):
        train(tmp_path / "data", runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_class_without_validation_pictures_and_grave_findings_are_warned_of(warm, tmp_path):
    data = tmp_path / "data"
    for part in ("train", "validation"):
        shutil.copytree(warm.data / part, data / part)
    (data / "train" / "one").mkdir()
    for number, path in enumerate(sorted((data / "train" / "cats").iterdir())[:2]):
        twin = data / "train" / "one" / f"{number}{path.suffix}"
        shutil.copy(path, twin)
        twin.write_bytes(twin.read_bytes() + b"more")
    report = warm.again(data, tmp_path / "runs")
    warnings = [line for line in summary(report) if line.startswith("WARNING")]
    assert "WARNING     class 'one' has no validation picture, so it is never measured" in warnings
    grave = sum(one.severity == "high" for one in report.findings)
    assert grave
    told = f"the audit has {grave} findings of high severity; see: pawsight inspect {shlex.quote(str(data))}"
    assert f"WARNING     {told}" in warnings
    assert not any("single picture" in note for note in report.notes)
    build_report([report.run], tmp_path / "out")
    page = (tmp_path / "out" / "report.md").read_text()
    assert "Warning: class 'one' has no validation picture, so it is never measured." in page
