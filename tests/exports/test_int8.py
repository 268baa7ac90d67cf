"""8 bits: made with the run's own pictures, measured in pairs, and refused where they may lose too much."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.engine import Engine
from pawsight.commands import export as job
from pawsight.commands.export import export, summary
from pawsight.core.errors import ExportRefused
from pawsight.data.found import Candidate
from pawsight.evaluation.comparison import gain
from pawsight.evaluation.intervals import wilson
from pawsight.exports import int8
from pawsight.exports.int8 import Cost, PrecisionFigures, check_cost
from pawsight.exports.verify import ALLOWED_REDUCED, flips_of
from pawsight.models.efficientnet_lite import backbone_onnx

pytestmark = pytest.mark.skipif(importlib.util.find_spec("nncf") is None, reason="needs pawsight[export]")


def cost(both, only_first, only_second, neither):
    pictures = both + only_first + only_second + neither
    sides = [
        PrecisionFigures(
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
    none = cost(2000, 2, 2, 10)
    assert none.gain.interval[0] > -int8.MOST_LOST
    assert check_cost(none, allow_loss=False) is None


def test_8_bits_that_may_lose_more_than_a_point_are_refused():
    with pytest.raises(ExportRefused) as error:
        check_cost(cost(780, 12, 2, 14), allow_loss=False)
    assert "2.4 points of accuracy, 1 is allowed" in error.value.what
    for figure in ("808 validation pictures", "-1.2 points", "-2.4 to -0.3", "12 are right in float32", "2 in int8"):
        assert figure in error.value.why
    assert "--allow-loss" in error.value.fix
    assert check_cost(cost(780, 12, 2, 14), allow_loss=True) is None


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run, with its pictures where they were."""
    return shutil.copytree(trained.report.run, tmp_path / "run")


def test_a_network_that_is_read_at_several_depths_is_the_same_in_both_runtimes_and_on_older_processors(tmp_path):
    import onnxruntime

    channels, rng = np.arange(40, 12_000, 9), np.random.default_rng(0)
    exact = backbone_onnx("efficientnet-lite0", 64, channels)
    pictures = np.kron(rng.integers(0, 256, (16, 8, 8, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    reduced = int8.quantise(exact, pictures)
    session = onnxruntime.InferenceSession(reduced)
    answers = [session.run(["features"], {"pictures": picture[None]})[0][0] for picture in pictures]
    expected, found = (
        Engine(model, image_px=64, precision="f32", streams=1).run_all(pictures)["features"]
        for model in (exact, reduced)
    )
    (tmp_path / "model.onnx").write_bytes(reduced)
    older = outputs_on_an_older_processor(tmp_path / "model.onnx", pictures, "features")
    assert len(reduced) < 0.5 * len(exact)
    assert np.linalg.norm(found - answers) < 0.05 * np.linalg.norm(expected)
    assert np.linalg.norm(found - older) < 0.05 * np.linalg.norm(expected)
    assert np.linalg.norm(found - expected) < 0.2 * np.linalg.norm(expected)


def test_so_few_pictures_prove_nothing_and_nothing_is_written(run, monkeypatch):
    monkeypatch.setattr(job, "quantise", lambda model, squares: model)
    with pytest.raises(ExportRefused) as error:
        export(run, "openvino", int8=True)
    assert error.value.what.startswith("int8 is refused")
    assert "16 validation pictures" in error.value.why
    assert "+0.0 points" in error.value.why
    assert not (run / "export").exists()


def test_strange_pictures_are_counted_where_there_is_a_guard():
    plain = cost(780, 12, 2, 14)
    exact, reduced = (replace(side, unlike=count) for side, count in ((plain.exact, 9), (plain.reduced, 1234)))
    assert "unfamiliar" not in " ".join(job._int8_lines(plain))
    told = job._int8_lines(replace(plain, exact=exact, reduced=reduced))[-1]
    assert "unfamiliar" in told
    assert "9 in float32, 1,234 in int8" in told


def test_what_the_tool_complains_of_is_told(monkeypatch):
    monkeypatch.setattr(int8, "run_maker", lambda script, *words: f"{script}: no such operator")
    with pytest.raises(ExportRefused) as error:
        int8.quantise(b"model", np.zeros((1, 8, 8, 3), np.uint8))
    assert error.value.why.endswith("make_int8: no such operator")
    assert "--int8" in error.value.fix


def candidates_in(folder, count):
    """Drawn pictures of two classes, every third of which is none."""
    made = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.new("RGB", (9, 9), (number, 0, 0)).save(path)
        if number % 3 == 2:
            path.write_bytes(b"no picture")
        made.append(Candidate(path, path.name, ("red", "green")[number % 2], "validation"))
    return made


def test_it_is_measured_on_the_pictures_that_can_be_read_some_at_a_time(colour_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(int8, "_CHUNK", 2)
    bundle = read_bundle(colour_bundle)
    told = int8.measure_cost(bundle, bundle.model, candidates_in(tmp_path, 9), calibrated_on=5, threads=1, cores=1)
    assert (told.pictures, told.calibrated_on, told.flips, told.difference) == (6, 5, 0, 0.0)
    assert told.exact.right == told.reduced.right == 3  # all are taken for red; 0, 4 and 6 are
    assert told.exact.unlike is None


def test_with_several_labels_a_picture_is_right_where_every_label_is(bundle_of):
    bundle = read_bundle(bundle_of("several-labels"))
    bundle = replace(bundle, card=replace(bundle.card, classes=("large", "red", "round")))
    table = np.array([[0.9, 0.1, 0.1], [0.1, 0.9, 0.9], [0.1, 0.1, 0.1], [0.1, 0.9, 0.1]], np.float32)
    assert int8._right(bundle, table, ["large", "red;round", "", "round"]).tolist() == [True, True, True, False]


def test_where_no_picture_can_be_read_nothing_is_measured(colour_bundle, tmp_path):
    bundle = read_bundle(colour_bundle)
    with pytest.raises(ExportRefused) as error:
        int8.measure_cost(bundle, bundle.model, candidates_in(tmp_path, 3)[2:], calibrated_on=5, threads=1, cores=1)
    assert error.value.why == "No validation picture could be read."


def test_it_is_calibrated_on_training_pictures_alone(run, monkeypatch):
    given = []

    def refuse(model, squares):
        given.append(squares)
        raise ExportRefused("Seen enough.")

    monkeypatch.setattr(job, "quantise", refuse)
    with pytest.raises(ExportRefused, match="Seen enough"):
        export(run, "openvino", int8=True)
    assert given[0].shape == (32, 96, 96, 3)
    assert given[0].dtype == np.uint8


def test_training_pictures_that_are_gone_are_missed(run):
    table = (run / "source.json").read_text("utf-8")
    (run / "source.json").write_text(json.dumps(json.loads(table) | {"root": str(run / "nowhere")}))
    with pytest.raises(ExportRefused) as error:
        export(run, "openvino", int8=True)
    assert error.value.why == "No training picture could be read."


ANSWER = """
import sys
from pathlib import Path
import numpy as np
from pawsight.classifier.engine import Engine
model, pictures, output, target = sys.argv[1:]
squares = np.load(pictures)
engine = Engine(Path(model).read_bytes(), image_px=squares.shape[1], precision="f32", streams=1)
np.save(target, engine.run_all(squares)[output])
"""


def outputs_on_an_older_processor(model, squares, output):
    """What OpenVINO computes where a processor has no more instructions than AVX2, (K, D)."""
    pictures, target = model.with_name("pictures.npy"), model.with_name("older.npy")
    np.save(pictures, squares)
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    words = [sys.executable, "-c", ANSWER, model, pictures, output, target]
    subprocess.run(words, check=True, env=environment, timeout=120)
    return np.load(target)


def test_8_bits_are_smaller_and_answer_alike_in_both_runtimes_and_on_older_processors(run, tmp_path):
    report = export(run, "onnx,openvino", int8=True, allow_loss=True)
    assert [(item.target, item.precision) for item in report.exports] == [
        ("onnx", "f32"),
        ("openvino", "f32"),
        ("onnx", "int8"),
        ("openvino", "int8"),
    ]
    exact, _, reduced, _ = report.exports
    assert reduced.folder == run / "export" / "onnx-int8"
    assert reduced.size < 0.5 * exact.size
    assert (report.int8.calibrated_on, report.int8.pictures) == (32, 16)
    exact_interval = report.int8.exact.interval
    assert exact_interval.low <= report.int8.reduced.accuracy <= exact_interval.high
    assert 0 < report.int8.difference <= 1
    assert json.loads((reduced.folder / "pawsight.json").read_text("utf-8"))["precision"] == "int8"
    told = "\n".join(summary(report))
    assert "calibrated on 32 training pictures" in told
    assert f"{report.int8.reduced.right} of 16" in told
    assert "(paired)" in told
    assert json.dumps(report.to_json(), allow_nan=False)
    bundle = read_bundle(run)
    assert bundle.folder == run / "bundle"
    model, squares = Path(shutil.copy(reduced.folder / "model.onnx", tmp_path)), bundle.golden.pictures
    engine = Engine(model.read_bytes(), image_px=squares.shape[1], precision="f32", streams=1)
    plain = engine.run_all(squares)["probabilities"]
    older = outputs_on_an_older_processor(model, squares, "probabilities")
    assert np.abs(plain - older).max() < ALLOWED_REDUCED
    assert flips_of(plain, older) == 0
