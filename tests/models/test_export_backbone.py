"""Enters: an empty cache, a filled one, a damaged one. Leaves: that a backbone is converted once, rightly and quietly.
Does not know: pretrained answers; test_efficientnet_lite.py pins those."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pawsight.errors import DiskFull, MissingExtra, TrainingFailed, WeightsUnavailable, WrongUsage
from pawsight.models import export_backbone
from pawsight.models.export_backbone import EXPORT_VERSION, backbone_onnx
from pawsight.storage import sha256_of

CASES = (("efficientnet-lite0", 96), ("efficientnet-lite2", 75))  # the second: odd sides all the way down
SCRIPT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pawsight.models.export_backbone import backbone_onnx
with ThreadPoolExecutor() as pool:
    paths = list(pool.map(lambda case: str(backbone_onnx(*case, Path(sys.argv[1]))), json.loads(sys.argv[2])))
print(json.dumps({"paths": paths, "loaded": [name for name in ("tensorflow", "keras", "onnx") if name in sys.modules]}))
"""


def converted(cache: Path) -> subprocess.CompletedProcess[str]:
    """Ask for the cases, at the same time, in a Python of its own."""
    command = [sys.executable, "-c", SCRIPT, str(cache), json.dumps(CASES)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Convert the cases for real, once: a cache folder and what the process said."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, converted(cache)


def test_converting_is_quiet_and_keeps_keras_out_of_the_process(
    filled: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    cache, done = filled
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["loaded"] == []
    assert len(list((cache / "backbones").iterdir())) == 2 * len(CASES)


def test_a_warm_cache_is_answered_at_once_and_unchanged(
    filled: tuple[Path, subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, done = filled
    monkeypatch.setattr(export_backbone, "_converted", lambda name, px: pytest.fail("converted again"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # as if Keras were not installed
    assert [str(backbone_onnx(name, px, cache)) for name, px in CASES] == json.loads(done.stdout)["paths"]


@pytest.mark.parametrize(("name", "px"), CASES)
def test_the_graph_is_of_the_promised_form(
    filled: tuple[Path, subprocess.CompletedProcess[str]], name: str, px: int
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(backbone_onnx(name, px, filled[0]))
    export_backbone.check(model, px, 1280)
    kinds = [node.op_type for node in model.graph.node]
    assert {"BatchNormalization", "Pad"}.isdisjoint(kinds)
    assert (kinds.count("Transpose"), kinds.count("Cast"), kinds.count("Mul")) == (1, 1, 1)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


@pytest.mark.parametrize(("name", "px"), CASES)
def test_openvino_answers_like_keras(filled: tuple[Path, subprocess.CompletedProcess[str]], name: str, px: int) -> None:
    import openvino

    from pawsight.models.quiet import import_keras

    import_keras()
    from pawsight.models.efficientnet_lite import load

    pictures = (np.indices((3, px, px, 3)).prod(axis=0) * 31 % 256).astype(np.uint8)
    compiled = openvino.Core().compile_model(
        backbone_onnx(name, px, filled[0]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    wanted = np.asarray(load(name, image_px=px)(pictures))
    assert np.linalg.norm(wanted) > 1
    np.testing.assert_allclose(compiled(pictures)["features"], wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(compiled(pictures[1:2])["features"], wanted[1:2], rtol=1e-4, atol=1e-4)


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Replace the converter by one that writes down what it was asked for."""
    asked: list[tuple[str, int]] = []

    def convert(name: str, px: int) -> bytes:
        asked.append((name, px))
        return f"{name} at {px}".encode()

    monkeypatch.setattr(export_backbone, "_converted", convert)
    return asked


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"efficientnet-lite0 at 6"),
        lambda path: path.unlink(),
        lambda path: path.with_suffix(".sha256").unlink(),
        lambda path: path.with_suffix(".sha256").write_bytes(b"\xff\xfe"),
    ],
    ids=["cut", "gone", "no digest", "no text"],
)
def test_a_damaged_file_is_made_again(
    tmp_path: Path, conversions: list[tuple[str, int]], damage: Callable[[Path], None]
) -> None:
    path = backbone_onnx("efficientnet-lite0", 64, tmp_path)
    damage(path)
    assert backbone_onnx("efficientnet-lite0", 64, tmp_path) == path
    assert path.read_bytes() == b"efficientnet-lite0 at 64"
    assert path.with_suffix(".sha256").read_text() == sha256_of(path.read_bytes()) + "\n"
    assert conversions == [("efficientnet-lite0", 64)] * 2
    assert len(list(path.parent.iterdir())) == 2


def test_whatever_decides_the_graph_decides_its_name(
    tmp_path: Path, conversions: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [("efficientnet-lite0", 64), ("efficientnet-lite0", 65), ("efficientnet-lite1", 64)]
    names = {backbone_onnx(name, px, tmp_path).name for name, px in cases}
    monkeypatch.setattr(export_backbone, "EXPORT_VERSION", EXPORT_VERSION + 1)
    names.add(backbone_onnx("efficientnet-lite0", 64, tmp_path).name)
    assert len(names) == 4 == len(conversions)
    assert all(name.startswith("efficientnet-lite") and name.endswith(".onnx") for name in names)


def test_a_converter_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_backbone, "run_quietly", lambda *args, **kwargs: (1, "RuntimeError: no room"))
    with pytest.raises(TrainingFailed) as refusal:
        backbone_onnx("efficientnet-lite0", 64, tmp_path)
    assert str(refusal.value).splitlines() == [
        "The backbone efficientnet-lite0 could not be converted to ONNX for pictures of 64 px.",
        "The converter says: RuntimeError: no room",
        'Type: pip install --upgrade "pawsight[train]"',
    ]
    assert not (tmp_path / "backbones").exists()


def test_a_converter_that_finds_the_disk_full_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_backbone, "convert", full)
    status = export_backbone.main("efficientnet-lite0", "64", str(tmp_path / "graph.onnx"))
    monkeypatch.setattr(export_backbone, "run_quietly", lambda *args, **kwargs: (status, "whatever"))
    with pytest.raises(
        DiskFull, match=r"Could not write temporary files to /\S+: no space left on device\. [\d,]+ bytes"
    ):
        backbone_onnx("efficientnet-lite0", 64, tmp_path)


def test_a_converter_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_backbone, "_TIMEOUT_SECONDS", 0.05)
    with pytest.raises(TrainingFailed, match="The converter says: nothing for 0 seconds"):
        backbone_onnx("efficientnet-lite0", 64, tmp_path)


def test_a_plain_install_is_told_what_to_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "keras" else real(name))
    with pytest.raises(MissingExtra) as refusal:
        backbone_onnx("efficientnet-lite0", 64, tmp_path)
    assert str(refusal.value).splitlines() == [
        "This needs keras, which is not installed.",
        "The plain install predicts and evaluates; training and preparing a backbone take more.",
        'Type: pip install "pawsight[train]"',
    ]


def test_altered_weights_are_refused_before_tensorflow_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = tmp_path / "weights.pth"
    altered.write_bytes(b"altered")
    monkeypatch.setattr(export_backbone, "installed_checkpoint", lambda name: altered)
    monkeypatch.setattr(export_backbone, "run_quietly", lambda *args, **kwargs: pytest.fail("started"))
    with pytest.raises(WeightsUnavailable, match="is not the file that was published"):
        backbone_onnx("efficientnet-lite0", 64, tmp_path)


def test_names_and_sizes_are_checked_first(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="no backbone called 'lite0'"):
        backbone_onnx("lite0", 64, tmp_path)
    with pytest.raises(WrongUsage, match="pictures of 8 x 8 pixels"):
        backbone_onnx("efficientnet-lite0", 8, tmp_path)


@pytest.mark.parametrize("change", ["name", "size", "outside", "opset"])
def test_a_graph_of_another_form_is_refused(change: str) -> None:
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    side = 33 if change == "size" else 32
    weights = helper.make_tensor("w", floats, [side * side * 3, 4], np.zeros((side * side * 3, 4), np.float32))
    if change == "outside":
        weights.data_location = onnx.TensorProto.EXTERNAL
        weights.ClearField("float_data")
        weights.external_data.add(key="location", value="weights.bin")
    output = "answers" if change == "name" else "features"
    nodes = [
        helper.make_node("Cast", ["pictures"], ["x"], to=floats),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pictures", onnx.TensorProto.UINT8, ["N", side, side, 3])],
        [helper.make_tensor_value_info(output, floats, ["N", 4])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18 if change == "opset" else 17)])
    with pytest.raises(ValueError, match="outside its file" if change == "outside" else "the graph has"):
        export_backbone.check(model, 32, 4)
