"""`evaluate --slices` and `--learning-curve`: what they say, what they store, what they refuse."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pawsight.errors import WrongUsage
from pawsight.evaluation.learning_curve import Trial, trace_curve
from pawsight.jobs.evaluate import evaluate, summary
from pawsight.jobs.learning_curve import CurveReport, curve_lines


@pytest.fixture
def run(warm, tmp_path):
    data = shutil.copytree(warm.data, tmp_path / "data")
    return warm.again(data, tmp_path / "runs").run


def strict(value):
    return json.loads(json.dumps(value, allow_nan=False))


def test_slices_of_the_own_validation_part_are_told_and_stored(run):
    report = evaluate(run, slices=True)
    plain = strict(report.to_json())["slices"]
    stored = json.loads((run / "slices.json").read_text())
    assert stored == {"part": "validation", "pictures": report.metrics.pictures, "slices": plain}
    assert all(
        set(one)
        == {
            "name", "kind", "pictures", "right", "accuracy", "interval", "rest_accuracy", "difference", "p_value",
            "p_holm", "verdict", "worst",
        }
        for one in plain
    )  # fmt: skip


def test_slices_of_new_data_find_what_was_spoilt_by_trait_and_format(run, warm, tmp_path):
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
    report = evaluate(run, tmp_path / "new", slices=True, including_training=True)
    named = {(one.kind, one.name): one for one in report.slices}
    assert named["trait", "dark"].pictures == 16
    assert named["format", "JPEG"].pictures == 16
    assert not (run / "slices.json").exists(), "of other pictures than the run's own nothing is stored"
    text = "\n".join(summary(report))
    assert "dark" in text
    assert "format: JPEG" in text
    assert "Fisher's exact test, Holm's correction" in text or "Worse on" in text


def test_what_could_not_be_measured_is_in_no_slice(run, warm):
    report = evaluate(run, warm.data, slices=True)
    assert all(one.pictures <= report.metrics.pictures for one in report.slices)
    assert {one.reason for one in report.left_out} == {"trained on"}


def test_without_being_asked_for_there_are_none(warm):
    plain = evaluate(warm.report.run).to_json()
    assert "slices" not in plain
    assert "learning_curve" not in plain


def test_the_learning_curve_is_told_and_stored(run):
    report = evaluate(run, learning_curve=True)
    plain = strict(report.to_json())["learning_curve"]
    assert json.loads((run / "learning_curve.json").read_text()) == plain
    assert [one["pictures"] for one in plain["points"]] == [2, 6, 12, 24, 32]
    assert plain["trained"] == "probe on efficientnet-lite0 at 96 px"
    assert plain["is_stand_in"] is False
    assert plain["measured_on"] == 16
    lines = summary(report)
    assert "Learning curve of a probe on efficientnet-lite0 at 96 px:" in lines
    assert plain["twice"]["sentence"] in lines
    assert "64 training pictures" in plain["twice"]["sentence"]


def test_the_last_point_is_the_run_itself(run, warm):
    last = evaluate(run, learning_curve=True).learning_curve.curve.points[-1]
    assert last.pictures == 32
    assert last.error == pytest.approx(1 - warm.report.validation.accuracy)


def test_a_run_that_sees_otherwise_is_stood_in_for_and_says_so(run, monkeypatch):
    recipe = (run / "recipe.toml").read_text().replace('"probe"', '"finetune"')
    (run / "recipe.toml").write_text(recipe)
    report = evaluate(run, learning_curve=True)
    assert report.learning_curve.is_stand_in
    assert any(line.endswith("the run's own recipe, finetune, may learn otherwise:") for line in summary(report))


def test_the_curve_of_other_data_is_refused(warm):
    with pytest.raises(WrongUsage, match="A learning curve is that of a run's own pictures"):
        evaluate(warm.report.run, warm.data, learning_curve=True)


def test_too_few_pictures_for_a_curve_are_told(run):
    lines = (run / "splits.csv").read_text().splitlines()
    kept = [line for line in lines if not line.endswith(",train")] + [x for x in lines if x.endswith(",train")][:5]
    (run / "splits.csv").write_text("\n".join(kept) + "\n")
    with pytest.raises(WrongUsage, match=r"There are too few pictures of .* for a learning curve"):
        evaluate(run, learning_curve=True)


def test_a_bundle_alone_has_no_curve(warm, tmp_path):
    bundle = shutil.copytree(warm.report.run / "bundle", tmp_path / "alone")
    with pytest.raises(WrongUsage, match=r"has no splits\.csv"):
        evaluate(bundle, learning_curve=True)


def test_pictures_that_are_gone_are_measured_by_their_cached_features(run, tmp_path):
    shutil.rmtree(tmp_path / "data" / "train")
    report = evaluate(run, learning_curve=True)
    assert report.learning_curve.left_out == 0


def test_pictures_that_a_curve_does_without_are_counted():
    points = [Trial(share, int(100 * share), np.arange(400).reshape(2, 200) % 9 < 3 - share) for share in (0.2, 0.5, 1)]
    told = CurveReport(
        recipe="cnn", seen_with="a backbone at 96 px", is_stand_in=True, left_out=3, curve=trace_curve(points)
    )
    lines = curve_lines(told)
    assert lines[0] == (
        "Learning curve of a probe on a backbone at 96 px; the run's own recipe, cnn, may learn otherwise:"
    )
    assert lines[1].endswith(", mean of 2 trainings")
    assert lines[-2] == "  3 pictures of the run were changed since or are gone; they are left out."
    assert len(curve_lines(replace(told, left_out=0))) == len(lines) - 1
