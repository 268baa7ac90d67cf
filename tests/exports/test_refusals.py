"""What an export refuses, in whose words, and that nothing is left behind."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.commands.export import export
from pawsight.core.errors import ExportRefused, MissingExtra, WrongUsage
from pawsight.exports import targets
from pawsight.exports.exam import ALLOWED, expected_of, flips_of, sit
from pawsight.exports.target import Order
from pawsight.exports.targets import TARGETS
from pawsight.exports.write import write


@pytest.fixture
def bundle(colour_bundle, everything_installed):
    return read_bundle(colour_bundle)


def spoilt(model, by):
    """The graph with its head's bias moved, for the first class alone."""
    import onnx
    from onnx import numpy_helper

    opened = onnx.load_from_string(model)
    for one in opened.graph.initializer:
        if one.name == "head/bias":
            moved = numpy_helper.to_array(one) + np.array([by, 0, 0], np.float32)
            one.CopyFrom(numpy_helper.from_array(moved, "head/bias"))
    return opened.SerializeToString()


@pytest.mark.parametrize(
    ("by", "off", "flips"),
    [(0.05, "off by 0.0105, 0.001 is allowed", "0 of 4 labels"), (40.0, "off by 1.0000, 0.001 is", "2 of 4 labels")],
)
@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_an_export_that_answers_otherwise_is_refused_and_nothing_is_written(bundle, tmp_path, name, by, off, flips):
    out = tmp_path / "out"
    with pytest.raises(ExportRefused) as told:
        write(Order(bundle=bundle, run=None, model=spoilt(bundle.model, by)), [TARGETS["card"], TARGETS[name]], out)
    assert told.value.what.startswith(f"The export to {name} is refused: ")
    assert told.value.why.startswith(f"In {TARGETS[name].runtime.replace('onnx', 'onnxruntime')} ")
    assert off in told.value.why
    assert flips in told.value.why
    assert told.value.fix.startswith("Nothing was written.")
    assert not out.exists()


def test_an_export_whose_unlikeness_is_another_is_refused(bundle, tmp_path):
    made = tmp_path / "model.onnx"
    made.write_bytes(bundle.model)
    expected = replace(expected_of(bundle), unlikeness=np.zeros(4, np.float32))
    with pytest.raises(ExportRefused) as told:
        sit(TARGETS["onnx"], made, expected)
    assert f"unlikeness is off by inf, {ALLOWED:g} is" in told.value.why


def test_an_export_with_outputs_of_another_shape_is_refused(bundle, tmp_path):
    made = tmp_path / "model.onnx"
    made.write_bytes(bundle.model)
    whole = expected_of(bundle)
    with pytest.raises(ExportRefused) as told:
        sit(TARGETS["onnx"], made, replace(whole, probabilities=whole.probabilities[:, :2]))
    assert told.value.what.startswith("The export to onnx is refused: ")
    assert f"probabilities {whole.probabilities.shape}" in told.value.why


def test_in_8_bits_an_export_is_held_to_what_was_measured(bundle, tmp_path):
    made = tmp_path / "model.onnx"
    made.write_bytes(bundle.model)
    expected = expected_of(bundle)
    assert sit(TARGETS["onnx"], made, expected, twin=expected.probabilities + np.float32(0.05)).flips == 0
    with pytest.raises(ExportRefused) as told:
        sit(TARGETS["onnx"], made, expected, twin=expected.probabilities + np.float32(0.2))
    assert "onnx in int8" in told.value.what
    assert "off by 0.2000, 0.1 is allowed" in told.value.why


def test_a_file_that_its_runtime_cannot_open_is_refused(bundle, tmp_path):
    made = tmp_path / "model.onnx"
    made.write_bytes(bundle.model[:100])
    with pytest.raises(ExportRefused) as told:
        sit(TARGETS["onnx"], made, expected_of(bundle))
    assert told.value.what.startswith("The export to onnx is refused: ")
    assert "model.onnx" in told.value.why
    assert "Update the runtime" in told.value.fix


@pytest.mark.slow
def test_a_graph_that_keras_cannot_express_is_refused(bundle, tmp_path):
    import onnx

    opened = onnx.load_from_string(bundle.model)
    opened.graph.node[0].output[0] = "raw"
    opened.graph.node.insert(1, onnx.helper.make_node("Abs", ["raw"], ["real"]))
    with pytest.raises(ExportRefused) as told:
        write(Order(bundle=bundle, run=None, model=opened.SerializeToString()), [TARGETS["keras"]], tmp_path / "out")
    assert told.value.what.startswith("The export to keras is refused: ")
    assert "operator Abs" in told.value.why


def test_a_tie_may_be_answered_either_way():
    expected = np.array([[0.5, 0.5], [0.6, 0.4]], np.float32)
    assert flips_of(expected, np.array([[0.4999, 0.5001], [0.6, 0.4]], np.float32)) == 0
    assert flips_of(expected, np.array([[0.5, 0.5], [0.4, 0.6]], np.float32)) == 1


def test_an_unknown_format_is_named(colour_bundle, tmp_path):
    with pytest.raises(WrongUsage) as told:
        export(colour_bundle, "onnx,coreml", out=tmp_path)
    assert "'coreml'" in told.value.what
    assert told.value.why.endswith(f": {', '.join(TARGETS)}.")


def test_int8_needs_a_format_that_holds_it(colour_bundle, tmp_path):
    with pytest.raises(WrongUsage) as told:
        export(colour_bundle, "keras", out=tmp_path, int8=True)
    assert "int8 for keras" in told.value.what
    assert told.value.why.endswith(": onnx, openvino.")


def test_int8_needs_the_run(colour_bundle, tmp_path, everything_installed):
    with pytest.raises(WrongUsage) as told:
        export(colour_bundle, "onnx", out=tmp_path, int8=True)
    assert told.value.what.startswith("--int8 needs the run")
    assert str(colour_bundle) in told.value.why


def test_a_bundle_alone_needs_a_folder(colour_bundle):
    with pytest.raises(WrongUsage) as told:
        export(colour_bundle, "openvino")
    assert f"pawsight export {colour_bundle} --to onnx --out " in told.value.fix


def test_what_is_not_installed_is_said_before_anything_is_done(colour_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(targets.importlib.util, "find_spec", lambda name: None if name == "keras" else sys)
    with pytest.raises(MissingExtra) as told:
        export(colour_bundle, "onnx,keras", out=tmp_path / "out")
    assert "keras needs keras" in told.value.what
    assert re.search(r'pip install "pawsight\[.+\]"', told.value.fix)
    assert not (tmp_path / "out").exists()
