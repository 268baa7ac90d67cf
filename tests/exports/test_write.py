"""Exports are verified before they are written; an unchanged export is replaced, and nothing else ever is."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.trust import LabelRule, Trust
from pawsight.commands.export import export
from pawsight.core.errors import ExportRefused, MissingExtra, StorageError, WrongUsage
from pawsight.exports.export_context import ExportContext
from pawsight.exports.targets import TARGETS
from pawsight.exports.verify import ALLOWED, expected_outputs, flips_of, verify
from pawsight.exports.write import check_replaceable, put, staging_folder, write, write_file_list


@pytest.fixture
def bundle(colour_bundle, everything_installed):
    return read_bundle(colour_bundle)


def spoilt(model, by):
    """The graph with its head's bias moved, for the first class alone."""
    import onnx
    from onnx import numpy_helper

    opened = onnx.load_from_string(model)
    for tensor in opened.graph.initializer:
        if tensor.name == "head/bias":
            moved = numpy_helper.to_array(tensor) + np.array([by, 0, 0], np.float32)
            tensor.CopyFrom(numpy_helper.from_array(moved, "head/bias"))
    return opened.SerializeToString()


@pytest.mark.parametrize(
    ("by", "off", "flips"),
    [(0.05, "off by 0.0105, 0.001 is allowed", "0 of 4 labels"), (40.0, "off by 1.0000, 0.001 is", "2 of 4 labels")],
)
@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_an_export_that_answers_otherwise_is_refused_and_nothing_is_written(bundle, tmp_path, name, by, off, flips):
    out = tmp_path / "out"
    with pytest.raises(ExportRefused) as error:
        write(
            ExportContext(bundle=bundle, run=None, model=spoilt(bundle.model, by)),
            [TARGETS["card"], TARGETS[name]],
            out,
        )
    assert error.value.what.startswith(f"The export to {name} is refused: ")
    assert error.value.why.startswith(f"In {TARGETS[name].runtime.replace('onnx', 'onnxruntime')} ")
    assert off in error.value.why
    assert flips in error.value.why
    assert error.value.fix.startswith("Nothing was written.")
    assert not out.exists()


def test_an_export_whose_unlikeness_is_another_is_refused(bundle, tmp_path):
    made = tmp_path / "model.onnx"
    made.write_bytes(bundle.model)
    expected = {**expected_outputs(bundle), "unlikeness": np.zeros(4, np.float32)}
    with pytest.raises(ExportRefused) as error:
        verify(TARGETS["onnx"], made, bundle, expected)
    assert f"unlikeness is off by inf, {ALLOWED:g} is" in error.value.why


def test_an_export_with_outputs_of_another_shape_is_refused(bundle, tmp_path):
    made = tmp_path / "model.onnx"
    made.write_bytes(bundle.model)
    whole = expected_outputs(bundle)["probabilities"]
    with pytest.raises(ExportRefused) as error:
        verify(TARGETS["onnx"], made, bundle, {"probabilities": whole[:, :2]})
    assert error.value.what.startswith("The export to onnx is refused: ")
    assert f"probabilities {whole.shape}" in error.value.why


def test_in_8_bits_an_export_is_held_to_what_was_measured(bundle, tmp_path):
    made = tmp_path / "model.onnx"
    made.write_bytes(bundle.model)
    expected = expected_outputs(bundle)
    probabilities = expected["probabilities"]
    assert verify(TARGETS["onnx"], made, bundle, expected, reference=probabilities + np.float32(0.05)).flips == 0
    with pytest.raises(ExportRefused) as error:
        verify(TARGETS["onnx"], made, bundle, expected, reference=probabilities + np.float32(0.2))
    assert "onnx in int8" in error.value.what
    assert "off by 0.2000, 0.1 is allowed" in error.value.why


def test_a_file_that_its_runtime_cannot_open_is_refused(bundle, tmp_path):
    made = tmp_path / "model.onnx"
    made.write_bytes(bundle.model[:100])
    with pytest.raises(ExportRefused) as error:
        verify(TARGETS["onnx"], made, bundle, expected_outputs(bundle))
    assert error.value.what.startswith("The export to onnx is refused: ")
    assert "model.onnx" in error.value.why
    assert "Update the runtime" in error.value.fix


@pytest.mark.slow
def test_a_graph_that_keras_cannot_express_is_refused(bundle, tmp_path):
    import onnx

    opened = onnx.load_from_string(bundle.model)
    opened.graph.node[0].output[0] = "raw"
    opened.graph.node.insert(1, onnx.helper.make_node("Abs", ["raw"], ["real"]))
    with pytest.raises(ExportRefused) as error:
        write(
            ExportContext(bundle=bundle, run=None, model=opened.SerializeToString()),
            [TARGETS["keras"]],
            tmp_path / "out",
        )
    assert error.value.what.startswith("The export to keras is refused: ")
    assert "operator Abs" in error.value.why


def test_a_tie_may_be_answered_either_way():
    expected = np.array([[0.5, 0.5], [0.6, 0.4]], np.float32)
    assert flips_of(expected, np.array([[0.4999, 0.5001], [0.6, 0.4]], np.float32)) == 0
    assert flips_of(expected, np.array([[0.5, 0.5], [0.4, 0.6]], np.float32)) == 1


def test_with_several_labels_a_picture_flips_where_any_label_crosses_its_threshold():
    trust = Trust(labels=(LabelRule(threshold=0.5), LabelRule(threshold=0.2)))
    expected = np.array([[0.9, 0.3], [0.1, 0.1], [0.5, 0.2]], np.float32)  # the last lie on their thresholds
    assert flips_of(expected, expected * np.float32(1 - 1e-6), trust) == 0
    assert flips_of(expected, expected - np.float32([[0, 0.2], [0, 0], [0, 0]]), trust) == 1
    assert flips_of(expected, expected + np.float32(0.45), trust) == 1


def test_an_unknown_format_is_named(colour_bundle, tmp_path):
    with pytest.raises(WrongUsage) as error:
        export(colour_bundle, "onnx,coreml", out=tmp_path)
    assert "'coreml'" in error.value.what
    assert error.value.why.endswith(f": {', '.join(TARGETS)}.")


def test_int8_needs_a_format_that_holds_it(colour_bundle, tmp_path):
    with pytest.raises(WrongUsage) as error:
        export(colour_bundle, "keras", out=tmp_path, int8=True)
    assert "int8 for keras" in error.value.what
    assert error.value.why.endswith(": onnx, openvino.")


def test_int8_needs_the_run(colour_bundle, tmp_path, everything_installed):
    with pytest.raises(WrongUsage) as error:
        export(colour_bundle, "onnx", out=tmp_path, int8=True)
    assert error.value.what.startswith("--int8 needs the run")
    assert str(colour_bundle) in error.value.why


def test_a_bundle_alone_needs_a_folder(colour_bundle):
    with pytest.raises(WrongUsage) as error:
        export(colour_bundle, "openvino")
    assert f"pawsight export {colour_bundle} --to onnx --out " in error.value.fix


def test_what_is_not_installed_is_said_before_anything_is_done(colour_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("pawsight.core.errors.find_spec", lambda name: None if name == "keras" else sys)
    with pytest.raises(MissingExtra) as error:
        export(colour_bundle, "onnx,keras", out=tmp_path / "out")
    assert "keras needs keras" in error.value.what
    assert re.search(r'pip install "pawsight\[.+\]"', error.value.fix)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def mine(tmp_path):
    """A folder that an export wrote."""
    folder = tmp_path / "onnx"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"model")
    (folder / "deep" / "more").write_bytes(b"more")
    assert write_file_list(folder, {"target": "onnx"}).keys() == {"model.onnx", "deep/more", "pawsight.json"}
    return folder


def refusal(folder):
    with pytest.raises(WrongUsage) as error:
        check_replaceable(folder)
    assert error.value.what == f"{folder} is not overwritten."
    assert "--out" in error.value.fix
    return error.value.why


def test_an_export_that_nobody_touched_may_be_replaced(mine):
    assert check_replaceable(mine) is None


def test_a_free_name_and_an_empty_folder_may_be_taken(tmp_path):
    assert check_replaceable(tmp_path / "none") is None
    (tmp_path / "empty").mkdir()
    assert check_replaceable(tmp_path / "empty") is None


def test_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"picture")
    assert "no pawsight.json" in refusal(tmp_path)
    (tmp_path / "pawsight.json").write_text("[]")
    assert "no pawsight.json" in refusal(tmp_path)


def test_a_file_that_was_added_or_changed_is_not_lost(mine):
    (mine / "notes.txt").write_text("mine")
    assert refusal(mine).startswith("notes.txt ")
    (mine / "notes.txt").unlink()
    (mine / "deep" / "more").write_text("changed")
    assert refusal(mine).startswith("deep/more ")


def test_a_link_or_a_file_in_the_place_of_a_folder_is_refused(mine, tmp_path):
    (tmp_path / "link").symlink_to(mine)
    assert refusal(tmp_path / "link") == "It is not a folder."
    (tmp_path / "file").write_text("text")
    assert refusal(tmp_path / "file") == "It is not a folder."


def test_a_workbench_goes_whatever_happens(tmp_path):
    def interrupted():
        with staging_folder(tmp_path / "out") as staging:
            (staging / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / "out").exists()


def test_a_finished_folder_takes_the_place_of_an_earlier_one(mine, tmp_path):
    with staging_folder(tmp_path) as staging:
        (staging / "onnx").mkdir()
        (staging / "onnx" / "new").write_text("new")
        put(staging / "onnx", mine)
    assert [path.name for path in mine.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["onnx"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(StorageError) as error, staging_folder(tmp_path / "file" / "out"):
        pass
    assert error.value.what == f"Could not write the export {tmp_path / 'file' / 'out'}."


def test_an_earlier_export_stands_again_where_the_new_one_could_not_take_its_place(mine, tmp_path):
    before = sorted(path.name for path in mine.iterdir())
    with staging_folder(tmp_path) as staging, pytest.raises(StorageError) as error:
        put(staging / "never made", mine)
    assert error.value.what == f"Could not write the export {mine}."
    assert sorted(path.name for path in mine.iterdir()) == before
    check_replaceable(mine)


def test_where_nothing_stood_a_refusal_leaves_nothing(tmp_path):
    with staging_folder(tmp_path / "out") as staging, pytest.raises(StorageError):
        put(staging / "never made", tmp_path / "out" / "onnx")
    assert not (tmp_path / "out" / "onnx").exists()
