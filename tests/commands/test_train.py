"""The verb `train`: its report as JSON and as lines, and its warnings."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shlex
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import pawsight
from pawsight.classifier.bundle import read_bundle
from pawsight.commands.train import train
from pawsight.commands.train_options import TrainKeywords, TrainOptions, command_for
from pawsight.commands.train_report import TrainReport, summary
from pawsight.core.errors import BadDataset, BundleRefused, NoPictures, WrongUsage
from pawsight.core.text import typed
from pawsight.data.audit import Finding
from pawsight.data.label_patch import PatchOutcome
from pawsight.evaluation.comparison import gain
from pawsight.evaluation.metrics import measure, sentence
from pawsight.models.recipes import RecipeOptions, make_recipe
from pawsight.reports.ladder_report import build_report
from pawsight.reports.run_record import RunRecord
from pawsight.reports.words import unmeasured_sentence

from ..conftest import says
from ..foreign_networks import convolutional


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


def test_the_bundle_carries_the_figure_of_the_test_set(trained):
    measured = read_bundle(trained.report.run).card.measured
    assert measured == trained.report.record.measured()
    assert (measured["subset"], measured["pictures"]) == ("test", trained.report.test.pictures)


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
    assert sum("catalog.csv" in line for line in summary(report)) == 1


def test_a_picture_in_two_parts_is_warned_of_loudly_and_not_moved(warm, tmp_path):
    data = shutil.copytree(warm.data, tmp_path / "data")
    twin = next((data / "train" / "cats").iterdir())
    shutil.copy(twin, data / "validation" / "cats" / "twin.png")
    report = warm.again(data, tmp_path / "runs")
    assert ["train/cats/" + twin.name, "validation/cats/twin.png"] in strict(report.to_json())["straddling"]
    warning = next(line for line in summary(report) if line.startswith("WARNING "))
    assert f"train/cats/{twin.name} = validation/cats/twin.png" in warning
    assert {picture.name: picture.part for picture in report.split.assigned}["train/cats/" + twin.name] == "train"


def test_the_first_lines_say_how_good_it_is_with_intervals_and_the_last_where_it_is(trained):
    lines = summary(trained.report)
    measured = {line.split()[0]: line for line in lines}
    assert measured["Validation"].endswith(sentence(trained.report.validation))
    assert measured["Test"].endswith(sentence(trained.report.test))
    assert list(measured)[:4] == ["Test", "Validation", "Cross-val.", "Believe"]  # validation is small
    assert any(trained.report.split.digest[:12] in line for line in lines)
    assert str(trained.report.run) in lines[-1]


def test_people_are_told_all_that_there_is_to_tell(made_up, snapshot):
    """The whole text of a training with all that can be warned of."""
    dataset, split = made_up
    true = np.arange(20) % 2
    answers = np.where(np.eye(2)[true] > 0, 0.9, 0.1)
    answers[0] = answers[0, ::-1]
    patch = PatchOutcome(
        file="labels.patch.csv", sha256="0" * 64, relabelled=2, dropped=1, kept=0, unknown=1, in_test=1
    )
    record = RunRecord(
        folder=Path("runs/001"),
        recipe="probe",
        classes=dataset.classes,
        counts=dataset.counts,
        digest=split.digest,
        sizes=split.sizes,
        how=split.how,
        leaks=split.duplicates_across_parts,
        left_out=tuple((file.name, file.reason) for file in dataset.left_out),
        validation=measure(true, answers, ("cats", "dogs")),
        test=measure(true[:4], answers[:4], ("cats", "dogs")),
        seconds={"total": 12.5},
        notes=("The loss stood still.",),
        patch=patch,
        temperature=1.25,
        fitted_on="out-of-fold answers",
        calibrated_on=21,
        max_error=0.05,
        no_guarantee="20 pictures are too few",
        gain_from_patch=gain(10, 1, 8, 1),
    )
    report = TrainReport(
        record=record,
        recipe=make_recipe("probe", RecipeOptions()),
        dataset=dataset,
        split=split,
        computed=30,
        findings=(Finding.of("train/cats/1.jpg", "two-labels", "train/dogs/1.jpg"),),
        data="my photos",
    )
    text = "\n".join(summary(report))
    assert text.replace(split.digest[:12], "DIGEST") == snapshot
    assert "pawsight inspect 'my photos'" in text  # as a shell takes it
    assert text.count("1 truncated") + text.count("(truncated)") == 1  # in the warning
    quiet = replace(report, dataset=replace(dataset, left_out=()))  # nothing is lost, nothing is warned of
    assert says(summary(quiet), "2 files", "1 not a picture", "1 truncated")


def test_bad_settings_are_refused_before_any_data_is_looked_at(tmp_path):
    with pytest.raises(WrongUsage, match="'prob'"):
        train(tmp_path / "nowhere", recipe="prob", out=tmp_path / "runs")
    with pytest.raises(WrongUsage, match="'lite0'"):
        train(tmp_path / "nowhere", backbone="lite0", out=tmp_path / "runs")
    with pytest.raises(WrongUsage, match=r"seed .*-1"):
        train(tmp_path / "nowhere", seed=-1, out=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_data_without_pictures_leaves_no_run_behind(tmp_path):
    (tmp_path / "data" / "cats").mkdir(parents=True)
    (tmp_path / "data" / "cats" / "note.txt").write_text("hello")
    (tmp_path / "data" / "dogs").mkdir()
    (tmp_path / "data" / "dogs" / "note.txt").write_text("hello")
    with pytest.raises(NoPictures, match=re.escape(str(tmp_path / "data"))):
        train(tmp_path / "data", out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_class_without_validation_pictures_and_grave_findings_are_warned_of(warm, tmp_path):
    data = tmp_path / "data"
    for part in ("train", "validation"):
        shutil.copytree(warm.data / part, data / part)
    (data / "train" / "one").mkdir()
    for number, path in enumerate(sorted((data / "train" / "cats").iterdir())[:2]):
        shutil.copy(path, data / "train" / "one" / f"{number}{path.suffix}")
    report = warm.again(data, tmp_path / "runs")
    warnings = [line for line in summary(report) if line.startswith("WARNING ")]
    unmeasured = unmeasured_sentence(("cats", "dogs", "one"), ("cats", "dogs"))
    assert "'one'" in unmeasured
    assert any(line.startswith("Rare ") and "'one'" in line for line in summary(report))  # by cross-validation
    assert not any(line.endswith(unmeasured) for line in warnings)
    grave = sum(finding.severity == "high" for finding in report.findings)
    assert grave
    (line,) = [line for line in warnings if line.endswith(f"pawsight inspect {shlex.quote(str(data))}")]
    assert f" {grave} " in line
    assert len(report.record.notes) == len(warm.report.record.notes)  # nothing is noted of a class of two
    build_report([report.run], tmp_path / "out")
    assert unmeasured in (tmp_path / "out" / "report.md").read_text()


def test_what_is_read_is_kept_by_the_command_and_the_bundle(warm, tmp_path):
    data = shutil.copytree(warm.data, tmp_path / "data")
    for index in range(9):
        (data / "train" / "cats" / f"bad{index}.jpg").write_bytes(b"")
    with pytest.raises(BadDataset, match="9 of 61"):
        warm.again(data, tmp_path / "runs")
    report = warm.again(data, tmp_path / "runs", allow_missing=0.2, max_megapixels=80)
    assert says(report.record.command, "--allow-missing 0.2", "--max-megapixels 80")
    assert read_bundle(report.run).card.decode.max_megapixels == 80
    assert says(summary(report), "WARNING", "9 of 61", "9 .jpg (empty)")
    log = (report.run / "log.txt").read_text(encoding="utf-8")  # what was said while reading, and the summary
    assert log.count(f"To list them, type: {typed('inspect', data)}") == 2


def test_a_device_computes_the_features_and_the_run_says_so(gpu, warm, tmp_path):
    report = warm.again(warm.data, tmp_path / "runs", device="gpu")
    assert "GPU" in gpu.used
    assert any("gpu" in note for note in report.record.notes)
    assert report.record.command.endswith("--device gpu")
    assert report.validation.accuracy == warm.report.validation.accuracy
    again = warm.again(warm.data, tmp_path / "runs", device="gpu")
    assert (report.computed, again.computed) == (52, 0)


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_a_device_that_computes_other_features_is_not_trusted(gpu, warm, tmp_path, device):
    gpu.wrong_by = 0.01
    if device == "gpu":
        with pytest.raises(BundleRefused) as caught:
            warm.again(warm.data, tmp_path / "runs", device=device)
        assert says(caught.value, "--device gpu", warm.report.recipe.backbone)
        return
    report = warm.again(warm.data, tmp_path / "runs", device=device)
    assert report.computed == 0  # what the CPU computed before
    assert report.validation == warm.report.validation


@pytest.mark.parametrize("options", [{"recipe": "majority"}, {"engine": "ray"}])
def test_a_device_is_refused_where_it_has_nothing_to_compute(gpu, warm, tmp_path, options):
    with pytest.raises(WrongUsage) as caught:
        train(warm.data, out=tmp_path / "runs", device="gpu", **options)
    assert says(caught.value, "--device gpu")


def test_the_keywords_of_train_are_the_fields_of_its_options():
    keywords = {name: note.__forward_arg__ for name, note in TrainKeywords.__annotations__.items()}
    assert keywords == {field.name: field.type for field in fields(TrainOptions)}


def test_the_command_of_a_run_has_every_option_that_was_given():
    options = TrainOptions(recipe="mobilenet", seed=3, allow_leaks=True, class_weights=True, patch=Path("my patch.csv"))
    words = shlex.split(command_for("my photos", options))
    assert words[:5] == ["pawsight", "train", "my photos", "--recipe", "mobilenet"]
    assert set(words[5:]) == {"--seed", "3", "--allow-leaks", "--class-weights", "--patch", "my patch.csv"}
    assert "--max-error 0.5% --false-alarms 1%" in command_for("photos", TrainOptions(max_error=0.005))
    assert command_for("photos", TrainOptions(max_error_per_class=0.05, sets=0.95, costs="costs.csv")).endswith(
        " --max-error-per-class 5% --sets 95% --costs costs.csv"
    )
    in_python = command_for("photos", TrainOptions(costs={("cat", "dog"): 2.0}))
    assert in_python == "pawsight.train('photos', recipe='probe', costs={('cat', 'dog'): 2.0})"
    assert command_for("photos", TrainOptions(out="elsewhere", resume=True)) == "pawsight train photos --recipe probe"


def test_a_recipe_of_the_users_own_is_trained_and_its_command_is_a_line_of_python(warm, tmp_path):
    own = replace(warm.report.recipe, name="five folds less", folds=2, depth="last", seed=5)
    report = train(warm.data, recipe=own, out=tmp_path / "runs")
    assert report.recipe == own
    assert report.record.recipe == "five folds less"
    line = ast.parse(report.record.command, mode="eval").body
    assert eval(ast.unparse(line.keywords[0].value), {"pawsight": pawsight}) == own


def test_a_backbone_from_a_file_is_trained_on_and_travels_in_the_run(warm, tmp_path, monkeypatch):
    monkeypatch.setenv("PAWSIGHT_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "mine.onnx"
    file.write_bytes(convolutional(outputs=5, colours=True))
    options = {"backbone": str(file), "image_px": 32, "mean": "0.5,0.5,0.5", "std": "0.5,0.5,0.5"}
    report = train(warm.data, out=tmp_path / "runs", backbone_licence="MIT", **options)
    card = read_bundle(report.run).card
    assert (card.recipe["backbone"], card.decode.image_px) == ("mine.onnx", 32)
    assert card.recipe["backbone_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert any("mine.onnx" in note and "MIT" in note for note in report.record.notes)
    assert report.record.parameters < 3000
    assert f"--backbone {file}" in report.record.command
    file.unlink()  # the bundle and the cache have what is needed
    measured = pawsight.evaluate(report.run, learning_curve=True)
    assert measured.metrics.accuracy == report.validation.accuracy
    assert "mine.onnx at 32 px" in measured.learning_curve.trained
    assert train(warm.data, out=tmp_path / "runs", recipe=report.recipe).computed == 0
    exported = pawsight.export(report.run, "onnx,card", out=tmp_path / "exported")
    assert {entry.target for entry in exported.exports} == {"onnx", "card"}
    assert "MIT" in next((tmp_path / "exported").rglob("README.md")).read_text()
    (explained,) = pawsight.explain(report.run, [next(warm.data.rglob("*.jpg"))], out=tmp_path / "explained")
    assert explained.error is None
