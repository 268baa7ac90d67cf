"""EfficientNet-Lite in ONNX answers like the published PyTorch network.

The pinned numbers come from benchmarks/pin_backbone.py; docs/decisions/0003-backbone-weights.md says how.
"""

from __future__ import annotations

import functools
import io
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.classifier.engine import Engine
from pawsight.classifier.graph_guard import fault_in_graph
from pawsight.core.errors import MissingExtra, WeightsUnavailable, WrongUsage
from pawsight.models import efficientnet_lite
from pawsight.models.backbones import BACKBONES, find_backbone
from pawsight.models.efficientnet_lite import (
    AVERAGE,
    MAXIMUM,
    NORM_EPSILON,
    backbone_onnx,
    channels_of,
    convolutions,
    folded_weights,
    published_weights,
    taps,
)
from pawsight.models.weights import installed_checkpoint, read_checkpoint

onnx = pytest.importorskip("onnx", reason="needs pawsight[train]")
CATS, DOGS = range(281, 294), range(151, 269)  # ImageNet's cats, wild ones included, and its dogs


@dataclass(frozen=True, slots=True)
class Pin:
    """What the original answers to two patterns."""

    name: str
    px: int
    mean: float  # of all features of both
    norm: float
    features: Mapping[int, float]  # sixteen of the second
    top5: Mapping[int, float]  # ImageNet class -> logit, of the first


# fmt: off
PINS = (
    Pin('efficientnet-lite0', 224, 0.227113, 30.7675, {0: 0.0829107, 72: 0.229134, 146: 0.14774, 244: 0.229678, 330: 1.00493, 420: 0.0982424, 507: 0.119737, 588: 1.16462, 659: 0.073307, 741: 0.692403, 837: 0.311988, 930: 1.56259, 1016: 0.0797357, 1105: 0.388047, 1193: 1.60548, 1276: 0.995461}, {506: 11.385, 616: 5.93216, 971: 5.90468, 749: 4.81957, 417: 4.27558}),
    Pin('efficientnet-lite0', 160, 0.30603, 40.9112, {0: 0.298885, 84: 1.88867, 161: 4.58235, 245: 5.14136, 316: 1.59742, 405: 3.28497, 496: 1.26317, 581: 0.0878789, 661: 2.19939, 759: 0.0862079, 870: 1.95523, 950: 0.580813, 1007: 0.137362, 1105: 2.24995, 1187: 4.2381, 1276: 1.15065}, {506: 17.1967, 971: 8.43941, 616: 7.22254, 522: 6.14598, 446: 6.08622}),
    Pin('efficientnet-lite1', 240, 0.201653, 26.8339, {5: 0.272441, 81: 0.213288, 170: 0.798909, 269: 0.107094, 331: 1.00185, 447: 0.398242, 520: 0.333001, 605: 2.75247, 705: 1.59618, 778: 0.590513, 873: 0.0894219, 947: 0.805663, 1031: 0.177171, 1106: 0.259747, 1174: 0.342314, 1279: 0.635843}, {506: 7.87786, 905: 5.73425, 811: 5.56112, 581: 5.1653, 545: 4.96293}),
    Pin('efficientnet-lite2', 260, 0.186218, 20.6407, {1: 0.775121, 86: 0.160726, 184: 0.0957445, 274: 0.374699, 360: 0.271297, 441: 0.16071, 517: 0.0938731, 624: 0.594275, 704: 0.0618914, 789: 0.0724342, 866: 0.105815, 937: 0.382787, 1029: 0.368397, 1117: 0.725631, 1199: 0.527189, 1278: 0.392024}, {811: 5.19948, 782: 4.59906, 851: 4.55412, 527: 4.29411, 619: 4.2919}),
)
# fmt: on


@functools.cache
def tensors(name: str) -> dict[str, np.ndarray]:
    """Read the checkpoint of a backbone once for all tests."""
    return read_checkpoint(installed_checkpoint(name), sha256=find_backbone(name).sha256)


def features_of(model: bytes, pictures: np.ndarray) -> np.ndarray:
    """Return the features of pictures (N, px, px, 3), computed in float32."""
    return Engine(model, image_px=pictures.shape[1], precision="f32", streams=2).run_all(pictures)["features"]


def logits_of(name: str, features: np.ndarray) -> np.ndarray:
    """Return ImageNet logits (N, 1000) of features (N, 1280)."""
    return features @ tensors(name)["_fc.weight"].T + tensors(name)["_fc.bias"]


def pattern(px: int) -> np.ndarray:
    """Draw the two pictures (2, px, px, 3) uint8 that benchmarks/pin_backbone.py drew."""
    n, y, x, c = np.indices((2, px, px, 3), dtype=np.int64)
    return ((x * y // 7 + (3 + n) * x + (5 - 3 * c) * y + 40 * c + 90 * n) % 256).astype(np.uint8)


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: f"{pin.name}-{pin.px}")
def test_features_and_logits_are_those_of_the_published_network(pin: Pin) -> None:
    features = features_of(backbone_onnx(pin.name, pin.px), pattern(pin.px))
    assert (features.shape, features.dtype) == ((2, 1280), np.float32)
    assert float(features.mean()) == pytest.approx(pin.mean, rel=1e-4)
    assert float(np.linalg.norm(features)) == pytest.approx(pin.norm, rel=1e-4)
    assert {index: float(features[1, index]) for index in pin.features} == pytest.approx(pin.features, rel=1e-3)
    logits = logits_of(pin.name, features)[0]
    assert list(np.argsort(-logits)[:5]) == list(pin.top5)
    assert {index: float(logits[index]) for index in pin.top5} == pytest.approx(pin.top5, rel=1e-3)


@pytest.mark.parametrize("name", BACKBONES)
def test_photographs_of_cats_and_dogs_land_in_imagenets_cats_and_dogs(name: str, photographs: Path) -> None:
    px = find_backbone(name).native_px
    graph = backbone_onnx(name, px)
    for kind, classes in (("cat", CATS), ("dog", DOGS)):
        answers = logits_of(name, features_of(graph, first_twenty(photographs, kind, px))).argmax(axis=1)
        assert sum(answer in classes for answer in answers) >= 18, f"{kind}s were taken for {answers}"


def first_twenty(photographs: Path, kind: str, px: int) -> np.ndarray:
    """Return the first twenty validation photographs (20, px, px, 3) uint8 of cats or dogs, cropped as for ImageNet."""
    if not photographs.is_file():
        pytest.skip("the photographs are a folder; this test reads the zip")
    with zipfile.ZipFile(photographs) as archive:
        names = [f"cats_and_dogs_filtered/validation/{kind}s/{kind}.{number}.jpg" for number in range(2000, 2020)]
        return np.stack([cropped(Image.open(io.BytesIO(archive.read(name))), px) for name in names])


def cropped(photograph: Image.Image, px: int) -> np.ndarray:
    """Take the middle square less a margin of 32 px, bicubic: how EfficientNet-Lite was measured when published."""
    side = min(photograph.size) * px / (px + 32)
    left, top = ((length - side) / 2 for length in photograph.size)
    box = (left, top, left + side, top + side)
    return np.asarray(photograph.convert("RGB").resize((px, px), Image.Resampling.BICUBIC, box=box))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_tensor_of_a_checkpoint_has_its_one_place(name: str) -> None:
    asked: list[str] = []

    class Recorded(dict[str, np.ndarray]):
        def __getitem__(self, key: str) -> np.ndarray:
            asked.append(key)
            return super().__getitem__(key)

    placed = folded_weights(find_backbone(name), Recorded(tensors(name)))
    assert len(asked) == len(set(asked))
    unused = {key for key in tensors(name) if key not in asked}
    assert {key.rpartition(".")[2] for key in unused - {"_fc.weight", "_fc.bias"}} == {"num_batches_tracked"}
    assert sum(array.size for pair in placed.values() for array in pair) == find_backbone(name).parameters


def test_a_folded_convolution_does_what_it_and_its_batch_norm_do() -> None:
    backbone, checkpoint = find_backbone("efficientnet-lite0"), tensors("efficientnet-lite0")
    kernel, bias = published_weights(backbone)["top"]  # 1 x 1, so a convolution is a product of matrices
    maps = np.random.default_rng(0).normal(size=(5, kernel.shape[1])).astype(np.float32)
    gamma, beta, mean, variance = (
        checkpoint[f"_bn1.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    plain = maps @ checkpoint["_conv_head.weight"][:, :, 0, 0].T
    wanted = (plain - mean) / np.sqrt(variance + NORM_EPSILON) * gamma + beta
    np.testing.assert_allclose(maps @ kernel[:, :, 0, 0].T + bias, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("name", "px"), [("efficientnet-lite0", 96), ("efficientnet-lite2", 75)])
def test_the_graph_is_of_the_promised_form(name: str, px: int) -> None:
    content = backbone_onnx(name, px)
    assert content == backbone_onnx(name, px)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    ends = {
        end.name: [dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim]
        for end in (*model.graph.input, *model.graph.output)
    }
    assert ends == {"pictures": ["N", px, px, 3], "features": ["N", 1280]}
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == len(convolutions(find_backbone(name)))
    assert {kind: kinds.count(kind) for kind in ("Transpose", "Cast", "Mul", "ReduceMean")} == dict.fromkeys(
        ("Transpose", "Cast", "Mul", "ReduceMean"), 1
    )


@pytest.fixture(scope="module")
def every_depth() -> np.ndarray:
    """Return all averages and maxima (2, W) of the two patterns at 64 px."""
    backbone = find_backbone("efficientnet-lite0")
    return features_of(backbone_onnx(backbone.name, 64, channels_of(backbone, "every")), pattern(64))


def test_a_depth_is_part_of_every_depth(every_depth: np.ndarray) -> None:
    backbone = find_backbone("efficientnet-lite0")
    assert every_depth.shape == (2, sum(tap.channels for tap in taps(backbone)))
    for depth in ("last", "blocks"):
        channels = channels_of(backbone, depth)
        own = features_of(backbone_onnx(backbone.name, 64, channels), pattern(64))
        np.testing.assert_allclose(own, every_depth[:, channels], rtol=1e-4, atol=1e-5)
    assert backbone_onnx(backbone.name, 64, channels_of(backbone, "last")) == backbone_onnx(backbone.name, 64)


def test_maxima_are_at_least_the_averages_of_the_same_maps(every_depth: np.ndarray) -> None:
    read, start = {}, 0
    for tap in taps(find_backbone("efficientnet-lite0")):
        read[tap.name, tap.kind] = every_depth[:, start : start + tap.channels]
        start += tap.channels
    maxima = {name: own for (name, kind), own in read.items() if kind == MAXIMUM}
    assert list(maxima) == [*(f"block{number}_depthwise" for number in range(8, 16)), "top"]
    for name, own in maxima.items():
        assert (own >= read[name, AVERAGE]).all()
        assert (own > read[name, AVERAGE]).any()
    assert list(read)[-1] == ("top", AVERAGE)


@pytest.mark.parametrize("rows", [[0, 31, 32, 40, 41, 900, 901, 11000], [3, 5], list(range(30, 50)), [-1280, -1]])
def test_picked_channels_are_computed_and_the_last_layer_is_there(rows: list[int], every_depth: np.ndarray) -> None:
    backbone = find_backbone("efficientnet-lite0")
    channels = np.array(rows) % every_depth.shape[1]
    content = backbone_onnx(backbone.name, 64, channels)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert not fault_in_graph(content)
    np.testing.assert_allclose(features_of(content, pattern(64)), every_depth[:, channels], rtol=1e-4, atol=1e-5)
    assert [node.op_type for node in model.graph.node if "top/mean" in node.output] == ["ReduceMean"]


def test_names_sizes_and_weights_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongUsage, match="'lite0'"):
        backbone_onnx("lite0", 64)
    with pytest.raises(WrongUsage, match="8 x 8"):
        backbone_onnx("efficientnet-lite0", 8)
    (tmp_path / "weights.pth").write_bytes(b"altered")
    monkeypatch.setattr(efficientnet_lite, "installed_checkpoint", lambda _name: tmp_path / "weights.pth")
    with pytest.raises(WeightsUnavailable, match=r"weights\.pth"):
        backbone_onnx("efficientnet-lite0", 64)


def test_a_plain_install_is_told_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match="onnx") as refusal:
        backbone_onnx("efficientnet-lite0", 64)
    assert "pawsight[train]" in refusal.value.fix
