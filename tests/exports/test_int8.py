"""8 bits: made with the run's own pictures, measured in pairs, and refused where they may lose too much."""

from __future__ import annotations

import importlib.util
import json
import shutil

import numpy as np
import pytest

from pawsight.bundle import read_bundle
from pawsight.errors import ExportRefused
from pawsight.evaluation.compare import gain
from pawsight.evaluation.intervals import wilson
from pawsight.exports.int8 import Cost, Side, check_cost
from pawsight.jobs import export as job
from pawsight.jobs.export import export, summary

pytestmark = pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="needs pawsight[export]")


def cost(both, only_first, only_second, neither):
    pictures = both + only_first + only_second + neither
    sides = [
        Side(
            size=9,
            pictures_per_second=1.0,
            right=right,
            accuracy=right / pictures,
            interval=wilson(right, pictures),
            unlike=None,
        )
        for right in (both + only_first, both + only_second)
    ]
    found = gain(both, only_first, only_second, neither)
    return Cost(
        calibrated_on=300, pictures=pictures, exact=sides[0], reduced=sides[1], gain=found, difference=0.2, flips=1
    )


def test_8_bits_that_lose_nothing_on_many_pictures_pass():
    check_cost(cost(2000, 2, 2, 10), allow_loss=False)


def test_8_bits_that_may_lose_more_than_a_point_are_refused():
    with pytest.raises(ExportRefused) as told:
        check_cost(cost(780, 12, 2, 14), allow_loss=False)
    assert told.value.what == "int8 is refused: it may lose 2.4 points of accuracy, 1 is allowed."
    assert told.value.why == (
        "On 808 validation pictures it gains -1.2 points over float32, 95 % interval -2.4 to -0.3:"
        " 12 are right in float32 alone, 2 in int8 alone."
    )
    assert told.value.fix.endswith("or take the loss with --allow-loss.")
    check_cost(cost(780, 12, 2, 14), allow_loss=True)


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run, with its pictures where they were."""
    return shutil.copytree(trained.report.run, tmp_path / "run")


def test_so_few_pictures_prove_nothing_and_nothing_is_written(run, monkeypatch):
    monkeypatch.setattr(job, "quantise", lambda model, squares: model)
    with pytest.raises(ExportRefused) as told:
        export(run, "openvino", int8=True)
    assert told.value.what.startswith("int8 is refused: it may lose ")
    assert "On 16 validation pictures it gains +0.0 points over float32" in told.value.why
    assert not (run / "export").exists()


def test_it_is_calibrated_on_training_pictures_alone(run, monkeypatch):
    given = []
    monkeypatch.setattr(job, "quantise", lambda model, squares: given.append(squares) or model)
    export(run, "openvino", int8=True, allow_loss=True)
    assert given[0].shape == (32, 96, 96, 3)
    assert given[0].dtype == np.uint8


def test_training_pictures_that_are_gone_are_missed(run):
    table = (run / "source.json").read_text("utf-8")
    (run / "source.json").write_text(json.dumps(json.loads(table) | {"root": str(run / "nowhere")}))
    with pytest.raises(ExportRefused) as told:
        export(run, "openvino", int8=True)
    assert told.value.why == "No training picture could be read."


def test_8_bits_are_smaller_and_run_in_both_runtimes(run):
    report = export(run, "onnx,openvino", int8=True, allow_loss=True)
    assert [(one.target, one.precision) for one in report.exports] == [
        ("onnx", "f32"),
        ("openvino", "f32"),
        ("onnx", "int8"),
        ("openvino", "int8"),
    ]
    exact, _, reduced, _ = report.exports
    assert reduced.folder == run / "export" / "onnx-int8"
    assert reduced.size < 0.5 * exact.size
    assert report.int8.calibrated_on == 32
    assert report.int8.pictures == 16
    assert 0 < report.int8.difference < 0.5
    assert json.loads((reduced.folder / "pawsight.json").read_text("utf-8"))["precision"] == "int8"
    told = "\n".join(summary(report))
    assert "int8, calibrated on 32 training pictures, on the validation part:" in told
    assert "(paired)" in told
    assert json.dumps(report.to_json(), allow_nan=False)
    assert read_bundle(run).folder == run / "bundle"
