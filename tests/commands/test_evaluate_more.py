"""`evaluate --slices` and `--learning-curve`: what they say, what they store, what they refuse."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from pawsight.commands.evaluate import evaluate, summary
from pawsight.commands.learning_curve import CurveReport, curve_lines
from pawsight.commands.slices import slice_lines, slice_remarks
from pawsight.core.errors import WrongUsage
from pawsight.evaluation.learning_curve import Trial, trace_curve
from pawsight.evaluation.metrics import aligned


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
        set(one)
        == {
            "name", "kind", "pictures", "right", "accuracy", "interval", "rest_accuracy", "difference", "p_value",
            "p_holm", "verdict", "worst",
        }
        for one in plain
    )  # fmt: skip


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
    named = {(one.kind, one.name): one for one in report.slices}
    assert named["trait", "dark"].pictures == 16
    assert named["format", "JPEG"].pictures == 16
    assert not (own_run / "slices.json").exists(), "other pictures than the run's own"
    text = "\n".join(summary(report))
    assert all(line in text for line in [*aligned(slice_lines(report.slices)), *slice_remarks(report.slices)])


def test_what_could_not_be_measured_is_in_no_slice(warm):
    report = evaluate(warm.report.run, warm.data, slices=True)
    assert all(one.pictures <= report.metrics.pictures for one in report.slices)
    assert len(report.left_out) == 32  # what was trained on


def test_without_being_asked_for_there_are_none(warm):
    plain = evaluate(warm.report.run).to_json()
    assert "slices" not in plain
    assert "learning_curve" not in plain


def test_the_learning_curve_is_told_and_stored(curved):
    run, report = curved
    plain = strict(report.to_json())["learning_curve"]
    assert json.loads((run / "learning_curve.json").read_text()) == plain
    assert [one["pictures"] for one in plain["points"]] == [2, 6, 12, 24, 32]
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


def test_the_curve_of_other_data_is_refused(warm):
    with pytest.raises(WrongUsage, match=re.escape(f"pawsight evaluate {warm.report.run} --learning-curve")) as told:
        evaluate(warm.report.run, warm.data, learning_curve=True)
    assert str(warm.data) in told.value.why


def test_too_few_pictures_for_a_curve_are_told(own_run):
    lines = (own_run / "splits.csv").read_text().splitlines()
    kept = [line for line in lines if not line.endswith(",train")] + [x for x in lines if x.endswith(",train")][:5]
    (own_run / "splits.csv").write_text("\n".join(kept) + "\n")
    with pytest.raises(WrongUsage, match=re.escape(str(own_run))):
        evaluate(own_run, learning_curve=True)


def test_a_bundle_alone_has_no_curve(warm, tmp_path):
    bundle = shutil.copytree(warm.report.run / "bundle", tmp_path / "alone")
    with pytest.raises(WrongUsage, match=r"splits\.csv"):
        evaluate(bundle, learning_curve=True)


def test_pictures_that_a_curve_does_without_are_counted(snapshot):
    points = [Trial(share, int(100 * share), np.arange(400).reshape(2, 200) % 9 < 3 - share) for share in (0.2, 0.5, 1)]
    told = CurveReport(
        recipe="cnn", seen_with="a backbone at 96 px", is_stand_in=True, left_out=3, curve=trace_curve(points)
    )
    lines = curve_lines(told)
    assert "\n".join(lines) == snapshot
    assert [line for line in lines if line not in curve_lines(replace(told, left_out=0))] == [lines[-2]]
