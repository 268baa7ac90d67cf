"""The verb `evaluate`: nobody is examined on what he has learnt, whatever it is called now."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from syrupy.assertion import SnapshotAssertion

from pawsight.classifier.bundle import card_checksum
from pawsight.classifier.trust import OodDetector, Trust
from pawsight.commands.evaluate import (
    OWN_TEST,
    EvaluateReport,
    curve_lines,
    evaluate,
    slice_lines,
    slice_remarks,
    summary,
)
from pawsight.commands.predict import predict
from pawsight.commands.report import report as write_report
from pawsight.commands.run_split import held_out, looks_at_test
from pawsight.core.errors import BadDataset, NoPictures, WrongUsage
from pawsight.core.progress import Silent
from pawsight.core.text import typed
from pawsight.data.found import LeftOut
from pawsight.evaluation.comparison import Answer
from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.learning_curve import trace_curve
from pawsight.evaluation.metrics import aligned, measure
from pawsight.evaluation.selective import measure_abstention
from pawsight.evaluation.slices import Slice, measure_slices
from pawsight.models.recipes import Recipe
from pawsight.reports.run_record import CurveRecord

from ..conftest import says


def test_a_run_s_own_validation_part_gives_the_figures_of_its_training(warm):
    report = evaluate(warm.report.run)
    assert report.part == "validation"
    assert report.metrics.confusion == warm.report.validation.confusion
    assert report.metrics.log_loss == pytest.approx(warm.report.validation.log_loss, abs=5e-3)
    assert report.split_digest == warm.report.split.digest
    assert report.left_out == ()


def test_the_test_part_is_measured_when_asked_for_and_the_look_is_counted(own_run, warm):
    report = evaluate(own_run, test=True)
    assert report.part == "test"
    assert report.metrics.confusion == warm.report.test.confusion
    evaluate(own_run, test=True)
    assert looks_at_test(own_run) == 2


def test_pictures_that_were_trained_on_are_left_out_by_content(warm, snapshot):
    report = evaluate(warm.report.run, warm.data)
    assert report.metrics.pictures == 16
    assert sorted({file.reason for file in report.left_out}) == snapshot
    assert {file.name for file in report.left_out} == {
        item.name for part in ("train", "test") for item in warm.report.split.part(part)
    }


def test_also_when_they_were_renamed_and_moved(warm, tmp_path):
    for kind in ("cats", "dogs"):
        (tmp_path / "new" / kind).mkdir(parents=True)
        for number, path in enumerate(sorted((warm.data / "train" / kind).iterdir())):
            shutil.copy(path, tmp_path / "new" / kind / f"holiday-{number}.dat")
    with pytest.raises(NoPictures) as error:
        evaluate(warm.report.run, tmp_path / "new")
    assert "new" in error.value.what
    assert "32" in error.value.why
    assert "--including-training" in error.value.fix


def test_and_when_they_were_resized_and_saved_again(warm, tmp_path):
    for kind in ("cats", "dogs"):
        (tmp_path / "new" / kind).mkdir(parents=True)
        for part in ("train", "validation"):
            for path in sorted((warm.data / part / kind).iterdir()):
                with Image.open(path) as image:
                    half = image.convert("RGB").resize((image.width // 2, image.height // 2))
                half.save(tmp_path / "new" / kind / f"{part}-{path.stem}.jpg", quality=80)
    report = evaluate(warm.report.run, tmp_path / "new")
    assert {file.name.split("/")[1].split("-")[0] for file in report.left_out} == {"train"}
    assert (len(report.left_out), report.metrics.pictures) == (32, 20)
    assert "trained on" not in {file.reason for file in report.left_out}
    assert evaluate(warm.report.run, tmp_path / "new", including_training=True).metrics.pictures == 52


def test_unless_told_otherwise(warm):
    report = evaluate(warm.report.run, warm.data, including_training=True)
    assert report.metrics.pictures == 48
    assert {file.reason for file in report.left_out} == {OWN_TEST}


def test_a_bundle_alone_refuses_them_too(warm, tmp_path):
    bundle = shutil.copytree(warm.report.run / "bundle", tmp_path / "alone")
    assert evaluate(bundle, warm.data).metrics.pictures == 20
    with pytest.raises(WrongUsage) as error:
        evaluate(bundle)
    assert str(bundle) in error.value.what
    assert "splits.csv" in error.value.what
    assert f"pawsight evaluate {bundle} DATA" in error.value.fix


def test_held_out_pictures_that_were_changed_or_are_gone_are_left_out(own_run, tmp_path, snapshot):
    cats = sorted((tmp_path / "data" / "validation" / "cats").iterdir())
    dogs = sorted((tmp_path / "data" / "validation" / "dogs").iterdir())
    before = evaluate(own_run).metrics.pictures
    for path in cats[:5]:
        shutil.copy(dogs[0], path)
    for path in dogs[1:6]:
        path.unlink()
    report = evaluate(own_run, allow_missing=1.0)
    names = {file.name for file in report.left_out}
    reasons = {(file.name.split("/")[1], file.reason.replace(str(tmp_path), "PLACE")) for file in report.left_out}
    parts = {line.split(",")[0]: line.split(",")[3] for line in (own_run / "splits.csv").read_text().splitlines()}
    spoilt = [path.relative_to(tmp_path / "data").as_posix() for path in (*cats[:5], *dogs[1:6])]
    assert names == {name for name in spoilt if parts[name] == "validation"}
    assert sorted(reasons) == snapshot  # cats were changed, dogs are gone
    assert report.metrics.pictures == before - len(names) < before


@pytest.mark.parametrize("part", ["validation", "test"])
def test_where_many_of_the_own_pictures_are_lost_nothing_is_measured_or_counted(own_run, tmp_path, part):
    files = held_out(own_run, part).candidates
    dogs = [file.path for file in files if file.label == "dogs"]
    dogs[0].write_bytes(b"")
    for path in dogs[1:]:
        path.unlink()
    with pytest.raises(BadDataset) as error:
        evaluate(own_run, test=part == "test")
    assert says(error.value, f"{len(dogs)} of {len(files)}", f"not found in {tmp_path / 'data'}", "--allow-missing 50%")
    assert looks_at_test(own_run) == 0
    said = Heard()
    report = evaluate(own_run, test=part == "test", allow_missing=0.5, progress=said)
    assert report.metrics.pictures == len(files) - len(dogs)
    assert says([line for line in said.lines if line.startswith("WARNING")], f"{len(dogs)} of {len(files)}")


def test_a_run_finds_its_pictures_from_any_folder(warm, tmp_path, monkeypatch):
    monkeypatch.chdir(warm.data.parent)
    run = warm.again(warm.data.name, tmp_path / "runs").run
    monkeypatch.chdir(tmp_path)
    assert evaluate(run).metrics.pictures == 16


def test_classes_the_bundle_does_not_know_are_told(warm, tmp_path):
    shutil.copytree(warm.data / "validation" / "cats", tmp_path / "new" / "Cats")
    shutil.copytree(warm.data / "validation" / "dogs", tmp_path / "new" / "dogs")
    with pytest.raises(BadDataset) as error:
        evaluate(warm.report.run, tmp_path / "new")
    assert "'Cats'" in error.value.what
    assert "'dogs'" not in error.value.what
    assert "'cats', 'dogs'" in error.value.why
    shutil.copytree(warm.data / "validation" / "cats", tmp_path / "new" / "lions")
    with pytest.raises(BadDataset, match=r"'lions' \(10 pictures\)"):
        evaluate(warm.report.run, tmp_path / "new")


def test_pictures_without_labels_are_not_measured_and_the_verb_that_classifies_them_is_named(warm, tmp_path):
    shutil.copytree(warm.data / "validation" / "cats", tmp_path / "flat")
    with pytest.raises(BadDataset) as error:
        evaluate(warm.report.run, tmp_path / "flat")
    assert says(error.value, "no labels", f"pawsight predict {warm.report.run} {tmp_path / 'flat'}")


def test_one_class_of_the_bundle_s_is_enough_to_measure(warm, tmp_path):
    shutil.copytree(warm.data / "validation" / "cats", tmp_path / "new" / "cats")
    (tmp_path / "new" / "dogs").mkdir()
    report = evaluate(warm.report.run, tmp_path / "new")
    own_test = [file.name for file in report.left_out]
    assert report.metrics.pictures == 10 - len(own_test) == 8
    assert report.metrics.roc_auc is None
    assert json.dumps(report.to_json(), allow_nan=False)


def test_json_says_what_was_measured_with_which_bundle_and_split(warm):
    plain = json.loads(json.dumps(evaluate(warm.report.run, warm.data).to_json(), allow_nan=False))
    assert set(plain) >= {"bundle", "data", "part", "split", "metrics", "left_out"}
    assert plain["bundle"] == str(warm.report.run / "bundle")
    assert plain["part"] is None
    assert plain["split"]["digest"] == warm.report.split.digest
    assert {"accuracy", "interval", "log_loss", "roc_auc", "pictures", "baseline", "classes", "confusion"} <= set(
        plain["metrics"]
    )
    assert warm.report.split.part("train")[0].name in {file["path"] for file in plain["left_out"]}
    assert {frozenset(file) for file in plain["left_out"]} == {frozenset({"path", "reason"})}


def test_the_listener_hears_which_bundle_and_split_it_is(warm):
    from pawsight.core.progress import Silent

    said = []

    class Listener(Silent):
        def say(self, line):
            said.append(line)

    evaluate(warm.report.run, progress=Listener())
    (line,) = said
    assert str(warm.report.run / "bundle") in line
    assert warm.report.split.digest[:12] in line


def measured(classes=("cats", "dogs"), count=6):
    """Figures of a classifier that is wrong on one picture."""
    true = np.arange(count) % len(classes)
    table = np.where(np.eye(len(classes))[true] > 0, 0.9, 0.1 / max(len(classes) - 1, 1))
    table[0] = table[0, ::-1]
    return measure(true, table, classes)


def report_of(**changes):
    values = {"bundle": Path("b"), "data": "holiday", "part": None, "split_digest": "5" * 64, "left_out": ()}
    return EvaluateReport(**({"metrics": measured()} | values | changes))


def test_where_nothing_was_measured_one_line_says_so():
    assert len(summary(report_of(metrics=None))) == 1


def test_where_there_is_no_area_under_the_curve_the_class_without_pictures_is_named():
    cats = measure(np.zeros(4, np.int64), np.eye(2)[[0, 0, 1, 0]], ("cats", "dogs"))
    known, unknown = summary(report_of())[1], summary(report_of(metrics=cats))[1]
    assert f"{measured().roc_auc:.4f}" in known
    assert "'dogs'" in unknown


def test_people_are_told_all_that_was_measured(snapshot):
    """The whole text: figures, table, mistakes, what was left out, abstention, the look, slices, the digest."""
    verdicts = ["answered"] * 5 + ["unfamiliar"]
    guard = OodDetector(threshold=0.5, false_alarms=0.01, pictures=99, components=4, caught=())
    true = np.arange(6) % 2
    counted = measure_abstention(true, np.eye(2)[true], verdicts, Trust(detector=guard))
    left_out = (LeftOut("a.jpg", "trained on"), LeftOut("b.jpg", "trained on"), LeftOut("c.jpg", "truncated"))
    asked_for = {"abstention": counted, "looks_at_test": 2, "slices": (), "left_out": left_out}
    lines = summary(report_of(**asked_for))
    assert "\n".join(lines) == snapshot
    header, *rows = lines[2:5]
    assert [row.split()[:2] for row in rows] == [["cats", "3"], ["dogs", "3"]]
    assert {len(row) for row in rows} == {len(header)}


# `evaluate --slices` and `--learning-curve`: what they say, what they store, what they refuse


@pytest.fixture(scope="module")
def curved(trained, tmp_path_factory):
    """A copy of the trained run whose learning curve was traced once: the run, what was reported. Read, never write."""
    run = shutil.copytree(trained.report.run, tmp_path_factory.mktemp("curved") / "001")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(trained.cache))
        return run, evaluate(run, learning_curve=True)


def strict(value):
    return json.loads(json.dumps(value, allow_nan=False))


def test_slices_of_the_own_validation_part_are_told_and_stored(own_run):
    report = evaluate(own_run, slices=True)
    plain = strict(report.to_json())["slices"]
    stored = json.loads((own_run / "slices.json").read_text())
    assert stored == {"part": "validation", "pictures": report.metrics.pictures, "slices": plain}
    assert all(
        set(item)
        == {
            "name", "kind", "pictures", "right", "accuracy", "interval", "rest_accuracy", "difference", "p_value",
            "p_holm", "verdict", "worst",
        }
        for item in plain
    )  # fmt: skip


@pytest.mark.parametrize(("option", "file"), [("slices", "slices.json"), ("learning_curve", "learning_curve.json")])
def test_what_cannot_be_stored_is_shown_all_the_same(own_run, tmp_path, monkeypatch, option, file):
    """In a run that takes no file, with a cache folder that is none."""
    expected = strict(evaluate(own_run, **{option: True}).to_json())[option]
    (own_run / file).unlink()
    (own_run / file).mkdir()
    (tmp_path / "no-folder").touch()
    monkeypatch.setenv("PAWSIGHT_CACHE", str(tmp_path / "no-folder"))
    progress = Heard()
    assert strict(evaluate(own_run, progress=progress, **{option: True}).to_json())[option] == expected
    assert [word for word in ("no-folder", file) if not any(word in line for line in progress.lines)] == []


class Heard(Silent):
    """A `Progress` that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_slices_of_new_data_find_what_was_spoilt_by_trait_and_format(own_run, warm, tmp_path):
    for kind in ("cats", "dogs"):
        folder = tmp_path / "new" / kind
        folder.mkdir(parents=True)
        for number, path in enumerate(sorted((warm.data / "train" / kind).iterdir())):
            with Image.open(path) as image:
                picture = image.convert("RGB")
            if number < 8:
                ImageEnhance.Brightness(picture).enhance(0.08).save(folder / f"{number}.jpg")
            else:
                picture.save(folder / f"{number}.png")
    report = evaluate(own_run, tmp_path / "new", slices=True, including_training=True)
    named = {(slice_.kind, slice_.name): slice_ for slice_ in report.slices}
    assert named["trait", "dark"].pictures == 16
    assert named["format", "JPEG"].pictures == 16
    assert not (own_run / "slices.json").exists(), "other pictures than the run's own"
    text = "\n".join(summary(report))
    assert all(line in text for line in [*aligned(slice_lines(report.slices)), *slice_remarks(report.slices)])


def test_what_could_not_be_measured_is_in_no_slice(warm):
    report = evaluate(warm.report.run, warm.data, slices=True)
    assert all(slice_.pictures <= report.metrics.pictures for slice_ in report.slices)
    assert len(report.left_out) == 36  # what was trained on, and the test set


def test_without_being_asked_for_there_are_none(warm):
    plain = evaluate(warm.report.run).to_json()
    assert "slices" not in plain
    assert "learning_curve" not in plain


def test_the_learning_curve_is_told_and_stored(curved):
    run, report = curved
    plain = strict(report.to_json())["learning_curve"]
    assert json.loads((run / "learning_curve.json").read_text()) == plain
    assert [point["pictures"] for point in plain["points"]] == [2, 6, 12, 24, 32]
    assert all(word in plain["trained"] for word in ("probe", "efficientnet-lite0", "96"))
    assert plain["is_stand_in"] is False
    assert plain["measured_on"] == 16
    lines = summary(report)
    assert any(plain["trained"] in line for line in lines)
    assert plain["twice"]["sentence"] in lines
    assert plain["twice"]["pictures"] == 64


def test_the_last_point_is_the_run_itself(curved, warm):
    last = curved[1].learning_curve.curve.points[-1]
    assert last.pictures == 32
    assert last.error == pytest.approx(1 - warm.report.validation.accuracy)


def test_a_run_that_sees_otherwise_is_stood_in_for_and_says_so(own_run, tmp_path):
    """Measured by its cached features: where its pictures are now does not matter."""
    recipe = (own_run / "recipe.toml").read_text().replace('"probe"', '"finetune"')
    (own_run / "recipe.toml").write_text(recipe)
    shutil.rmtree(tmp_path / "data" / "train")
    report = evaluate(own_run, learning_curve=True)
    assert report.learning_curve.left_out == 0
    assert report.learning_curve.is_stand_in
    assert any("finetune" in line for line in summary(report))


def test_a_run_that_was_fine_tuned_before_the_recipe_was_removed_predicts_and_is_reported(own_run, warm, tmp_path):
    path = own_run / "bundle" / "bundle.json"
    card = json.loads(path.read_text())
    card["recipe"] |= {"name": "finetune", "method": "finetune", "epochs": 5, "warmup_epochs": 1}
    (own_run / "recipe.toml").write_text(Recipe(**card["recipe"]).to_toml())
    metrics = json.loads((own_run / "metrics.json").read_text())
    (own_run / "metrics.json").write_text(json.dumps(metrics | {"recipe": "finetune"}))
    pictures = sorted((tmp_path / "data" / "validation" / "cats").iterdir())
    before = list(predict(own_run, pictures))
    path.write_text(json.dumps(card | {"seal": card_checksum(card)}))
    assert list(predict(own_run, pictures)) == before
    assert evaluate(own_run).metrics.confusion == warm.report.validation.confusion
    write_report([own_run], out=tmp_path / "report", quick=True)
    assert "finetune" in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_the_curve_of_other_data_is_refused(warm):
    with pytest.raises(WrongUsage, match=re.escape(f"pawsight evaluate {warm.report.run} --learning-curve")) as error:
        evaluate(warm.report.run, warm.data, learning_curve=True)
    assert str(warm.data) in error.value.why


def test_too_few_pictures_for_a_curve_are_told(own_run):
    lines = (own_run / "splits.csv").read_text().splitlines()
    kept = [line for line in lines if ",train," not in line] + [line for line in lines if ",train," in line][:5]
    (own_run / "splits.csv").write_text("\n".join(kept) + "\n")
    with pytest.raises(WrongUsage, match=re.escape(str(own_run))):
        evaluate(own_run, learning_curve=True)


def test_a_bundle_alone_has_no_curve(warm, tmp_path):
    bundle = shutil.copytree(warm.report.run / "bundle", tmp_path / "alone")
    with pytest.raises(WrongUsage, match=r"splits\.csv"):
        evaluate(bundle, learning_curve=True)


def test_pictures_that_a_curve_does_without_are_counted(snapshot):
    points = [(share, int(100 * share), np.arange(400).reshape(2, 200) % 9 < 3 - share) for share in (0.2, 0.5, 1)]
    told = CurveRecord(
        recipe="cnn", trained="probe on a backbone at 96 px", is_stand_in=True, left_out=3, curve=trace_curve(points)
    )
    lines = curve_lines(told)
    assert "\n".join(lines) == snapshot
    assert [line for line in lines if line not in curve_lines(replace(told, left_out=0))] == [lines[-2]]


# Slices as lines: what is said where nothing could be tested


def test_without_a_slice_that_is_large_enough_that_is_said_and_no_test_is_claimed(
    snapshot: SnapshotAssertion,
) -> None:
    judged = [Answer(f"{number}.jpg", "", "cats", "cats", 0.9) for number in range(4)]
    few = measure_slices(judged, {("trait", "dark"): np.array([True, False, False, False])})
    assert few[0].p_holm is None
    assert slice_remarks(()) == slice_remarks(few) == snapshot
    assert len(slice_lines(few)) == 2


def test_without_a_slice_there_is_no_table() -> None:
    assert aligned(slice_lines(())) == []


def one_slice(**changes: Any) -> Slice:
    values = {
        "name": "dark", "kind": "trait", "pictures": 9, "right": 5, "accuracy": 5 / 9, "interval": Interval(0.3, 0.8),
        "rest_accuracy": 0.9, "difference": -34.4, "p_value": 0.001, "p_holm": 0.002, "verdict": "worse",
        "worst": (Answer("a.jpg", "", "cats", "dogs", 0.99),),
    }  # fmt: skip
    return Slice(**(values | changes))


def test_slices_that_are_worse_are_named_with_their_surest_mistakes(snapshot: SnapshotAssertion) -> None:
    as_good = one_slice(name="bright", verdict="tie", worst=())
    assert slice_remarks([as_good, one_slice()]) == snapshot
    assert aligned(slice_lines([as_good, one_slice()])) == snapshot


def test_where_none_is_worse_it_is_said_how_that_was_tested(snapshot: SnapshotAssertion) -> None:
    assert slice_remarks([one_slice(verdict="tie", p_holm=1.0)] * 2) == snapshot


def test_data_of_which_much_cannot_be_read_is_refused_or_warned_of(colour_bundle, tmp_path):
    for name, colour in {"red": (250, 9, 9), "green": (9, 250, 9), "blue": (9, 9, 250)}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(3):
            Image.new("RGB", (20 + index, 20), colour).save(tmp_path / "data" / name / f"{index}.png")
    (tmp_path / "data" / "red" / "bad.jpg").write_bytes(b"")
    (tmp_path / "data" / "red" / "notes.txt").write_bytes(b"no picture")
    with pytest.raises(BadDataset) as error:
        evaluate(colour_bundle, tmp_path / "data", allow_missing=0.09)
    assert says(error.value, "1 of 10", "1 .jpg (empty)", "--allow-missing 10%")
    said = []
    progress = Silent()
    progress.say = said.append
    assert evaluate(colour_bundle, tmp_path / "data", progress=progress).metrics.pictures == 9
    assert says(said, "WARNING", "1 of 10", "1 .jpg (empty)", typed("inspect", tmp_path / "data"))
    for path in (tmp_path / "data" / "blue").iterdir():
        path.write_bytes(b"")
    with pytest.raises(BadDataset) as error:
        evaluate(colour_bundle, tmp_path / "data", allow_missing=1.0)
    assert says(error.value, "'blue'", "3 .png (empty)")
    assert "'red'" not in str(error.value)


def test_a_run_is_measured_on_the_device_that_is_named(gpu, trained):
    measured = evaluate(trained.report.run, device="gpu")
    assert gpu.used == ["GPU"]
    assert measured.metrics.accuracy == trained.report.validation.accuracy
