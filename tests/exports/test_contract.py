"""One contract over every format and every kind of graph: the self-test passes in the format's own runtime."""

from __future__ import annotations

import hashlib
import json
import zipfile

import numpy as np
import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.commands.export import export
from pawsight.exports.targets import TARGETS
from pawsight.exports.verify import ALLOWED, runtime_outputs

from .conftest import EVERY_KIND, HOSTILE, KINDS, RULES

FORMATS = [name for name in TARGETS if name != "web"]
RUN = [name for name in FORMATS if TARGETS[name].runtime]


def facts_of(exported, name):
    return json.loads((exported[name] / "pawsight.json").read_text("utf-8"))


@pytest.mark.parametrize("name", RUN)
def test_every_format_answers_the_exam_as_the_bundle_does(exported, name):
    sitting = facts_of(exported, name)["sitting"]
    assert sitting["pictures"] == 4
    assert sitting["difference"] <= ALLOWED
    assert sitting["flips"] == 0
    assert sitting["load_seconds"] > 0


@pytest.mark.parametrize("name", FORMATS)
def test_pawsight_json_lists_every_file_with_its_digest(exported, name):
    folder = exported[name]
    listed = facts_of(exported, name)["files"]
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert listed.keys() == there.keys() - {"pawsight.json"}
    assert all(hashlib.sha256(there[file].read_bytes()).hexdigest() == digest for file, digest in listed.items())


@pytest.mark.parametrize("name", FORMATS)
def test_pawsight_json_says_how_to_use_the_model(exported, name):
    facts = facts_of(exported, name)
    assert facts["classes"] == list(HOSTILE)
    assert facts["input"]["shape"] == ["N", 96, 96, 3]
    assert facts["decode"]["image_px"] == 96
    assert facts["temperature"]["value"] == 0.7
    assert facts["unlike_anything_seen_above"] == 0.9
    assert facts["licence"] == "CC0-1.0"
    assert (exported[name] / facts["file"]).exists()


@pytest.mark.parametrize("name", ["onnx", "litert", "openvino"])
def test_the_batch_is_free_and_every_output_has_its_name(exported, name):
    """Batches of 8 and 3; the examples of the documentation ask with one picture."""
    count = 11
    squares = np.random.default_rng(8).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)
    outputs, *_ = runtime_outputs(name, exported[name] / TARGETS[name].file, squares)
    assert {key: value.shape for key, value in outputs.items()} == {
        "probabilities": (count, 3),
        "features": (count, 1280),
        "unlikeness": (count,),
    }
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)


def test_onnx_carries_the_facts_in_its_metadata(exported):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported["onnx"] / "model.onnx")
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == list(HOSTILE)
    assert json.loads(told["decode"])["image_px"] == 96
    assert told["licence"] == "CC0-1.0"


def test_openvino_carries_the_facts_in_its_rt_info(exported):
    import openvino

    model = openvino.Core().read_model(exported["openvino"] / "model.xml")
    assert json.loads(model.get_rt_info(["pawsight", "classes"]).astype(str)) == list(HOSTILE)


def test_litert_carries_the_facts_as_files_appended_to_it(exported):
    with zipfile.ZipFile(exported["litert"] / "model.tflite") as archive:
        assert json.loads(archive.read("pawsight.json"))["classes"] == list(HOSTILE)
        assert len(archive.read("labels.txt").decode().splitlines()) == len(HOSTILE)


def test_a_saved_model_carries_the_facts_where_the_format_wants_them(exported):
    place = exported["saved-model"] / "model" / "assets.extra" / "pawsight.json"
    assert json.loads(place.read_text("utf-8"))["classes"] == list(HOSTILE)


def test_keras_holds_stock_layers_and_nothing_else(exported):
    with zipfile.ZipFile(exported["keras"] / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))

    def modules(value):
        if isinstance(value, dict):
            yield from [value["module"]] if value.get("class_name") and "module" in value else []
            yield from (found for item in value.values() for found in modules(item))
        elif isinstance(value, list):
            yield from (found for item in value for found in modules(item))

    found = {str(module).partition(".")[0] for module in modules(config) if module is not None}
    assert found <= {"keras", "builtins"}
    assert "Lambda" not in json.dumps(config)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_of_graph_goes_to_onnx_and_openvino(bundle_of, kind, tmp_path):
    report = export(bundle_of(kind), "onnx,openvino", out=tmp_path / "out")
    assert all(item.self_test.difference <= ALLOWED and not item.self_test.flips for item in report.exports)


def test_the_limits_of_several_labels_travel_with_the_model(bundle_of, tmp_path):
    import onnxruntime

    export(bundle_of("several-labels"), "onnx", out=tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "onnx" / "pawsight.json").read_text("utf-8"))
    limits = [{"from": threshold, "has_from": threshold, "has_not_from": 0.0} for threshold in RULES]
    assert facts["several_labels"] == limits
    session = onnxruntime.InferenceSession(tmp_path / "out" / "onnx" / "model.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["several_labels"]) == limits
    assert [output.name for output in session.get_outputs()] == ["probabilities", "features"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "probe"])
def test_every_kind_of_graph_goes_to_every_format(bundle_of, kind, tmp_path):
    report = export(bundle_of(kind), FORMATS, out=tmp_path / "out")
    assert all(item.self_test is None or item.self_test.difference <= ALLOWED for item in report.exports)
    assert read_bundle(bundle_of(kind)).card.classes == HOSTILE
