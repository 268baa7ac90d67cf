"""Enters: drawn patterns and photographs. Leaves: that the Keras networks answer like the published PyTorch ones.
Does not know: ONNX.

The pinned numbers come from benchmarks/pin_backbone.py; docs/decisions/0003-backbone-weights.md says how.
"""

from __future__ import annotations

import functools
import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from pawsight.errors import WrongUsage
from pawsight.models.backbones import BACKBONES, find_backbone
from pawsight.models.quiet import import_keras
from pawsight.models.weights import installed_checkpoint, read_checkpoint

if TYPE_CHECKING:
    import keras

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
def lite() -> ModuleType:
    """Import the module under test, and with it Keras, only where a test runs that needs it."""
    import_keras()
    from pawsight.models import efficientnet_lite

    return efficientnet_lite


@functools.cache
def network(name: str, px: int) -> keras.Model:
    """Load a classifier once for all tests; answers (features, logits)."""
    model = lite().load(name, image_px=px, classifier=True)
    return lite().keras.Model(model.input, [model.get_layer("features").output, model.output])


def pattern(px: int) -> np.ndarray:
    """Draw the two pictures (2, px, px, 3) uint8 that benchmarks/pin_backbone.py drew."""
    n, y, x, c = np.indices((2, px, px, 3), dtype=np.int64)
    return ((x * y // 7 + (3 + n) * x + (5 - 3 * c) * y + 40 * c + 90 * n) % 256).astype(np.uint8)


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: f"{pin.name}-{pin.px}")
def test_features_and_logits_are_those_of_the_published_network(pin: Pin) -> None:
    features, logits = map(np.asarray, network(pin.name, pin.px)(pattern(pin.px)))
    assert (features.shape, features.dtype) == ((2, 1280), np.float32)
    assert float(features.mean()) == pytest.approx(pin.mean, rel=1e-4)
    assert float(np.linalg.norm(features)) == pytest.approx(pin.norm, rel=1e-4)
    assert {index: float(features[1, index]) for index in pin.features} == pytest.approx(pin.features, rel=1e-3)
    assert list(np.argsort(-logits[0])[:5]) == list(pin.top5)
    assert {index: float(logits[0, index]) for index in pin.top5} == pytest.approx(pin.top5, rel=1e-3)


@pytest.mark.parametrize("name", BACKBONES)
def test_photographs_of_cats_and_dogs_land_in_imagenets_cats_and_dogs(name: str) -> None:
    px = find_backbone(name).native_px
    for kind, classes in (("cat", CATS), ("dog", DOGS)):
        _, logits = network(name, px)(photographs(kind, px))
        answers = np.asarray(logits).argmax(axis=1)
        assert sum(answer in classes for answer in answers) >= 18, f"{kind}s were taken for {answers}"


def photographs(kind: str, px: int) -> np.ndarray:
    """Return the first twenty validation photographs (20, px, px, 3) uint8 of cats or dogs, cropped as for ImageNet."""
    named = os.environ.get("PAWSIGHT_PHOTOGRAPHS")
    beside = Path(__file__).parents[3] / "shared" / "data" / "cats_and_dogs_filtered.zip"
    place = Path(named) if named else beside
    if not place.is_file():
        pytest.skip(f"no photographs: {place} is not there; set PAWSIGHT_PHOTOGRAPHS to the exercise's zip")
    with zipfile.ZipFile(place) as archive:
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
    backbone = find_backbone(name)
    tensors = Counted(read_checkpoint(installed_checkpoint(name), sha256=backbone.sha256))
    placed = lite().layer_weights(backbone, tensors)
    unused = set(tensors) - set(tensors.asked)
    assert len(tensors.asked) == len(set(tensors.asked))
    assert {key.rpartition(".")[2] for key in unused} == {"num_batches_tracked"}
    wanted = {
        layer.name: [tuple(weight.shape) for weight in layer.weights]
        for layer in network(name, backbone.native_px).layers
        if layer.weights
    }
    assert {layer: [array.shape for array in arrays] for layer, arrays in placed.items()} == wanted


@pytest.mark.parametrize("name", BACKBONES)
def test_the_table_counts_the_parameters_of_the_network_that_runs(name: str) -> None:
    backbone = find_backbone(name)
    tensors = read_checkpoint(installed_checkpoint(name), sha256=backbone.sha256)
    placed = lite().layer_weights(backbone, tensors, folded=True)
    counted = sum(array.size for layer, arrays in placed.items() if layer != "logits" for array in arrays)
    assert counted == backbone.parameters


class Counted(dict[str, np.ndarray]):
    """A dictionary that remembers what it was asked for."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        super().__init__(tensors)
        self.asked: list[str] = []

    def __getitem__(self, key: str) -> np.ndarray:
        self.asked.append(key)
        return super().__getitem__(key)


def test_folding_the_batch_norms_changes_no_answer() -> None:
    folded = lite().load("efficientnet-lite0", image_px=160, folded=True)
    features, _ = network("efficientnet-lite0", 160)(pattern(160))
    np.testing.assert_allclose(np.asarray(folded(pattern(160))), np.asarray(features), rtol=1e-4, atol=1e-4)
    assert not [layer for layer in folded.layers if isinstance(layer, lite().keras.layers.BatchNormalization)]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, while it saves
def test_a_saved_network_loads_in_safe_mode_and_answers_the_same(tmp_path: Path) -> None:
    model = lite().build("efficientnet-lite0", image_px=64)
    model.save(tmp_path / "lite0.keras")
    again = lite().keras.saving.load_model(tmp_path / "lite0.keras", safe_mode=True)
    np.testing.assert_array_equal(np.asarray(again(pattern(64))), np.asarray(model(pattern(64))))


def test_the_upper_blocks_can_be_freed_by_name() -> None:
    model = lite().build("efficientnet-lite0", image_px=64)
    for layer in model.layers:
        layer.trainable = layer.name.startswith(("block15_", "head_"))
    freed = {weight.path.partition("/")[0] for weight in model.trainable_weights}
    assert freed == {f"block15_{role}" for role in (
        "expand_conv", "expand_norm", "depthwise_conv", "depthwise_norm", "project_conv", "project_norm"
    )} | {"head_conv", "head_norm"}  # fmt: skip


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(WrongUsage, match="no backbone called 'efficientnet-lite9'"):
        lite().build("efficientnet-lite9", image_px=224)
    with pytest.raises(WrongUsage, match="pictures of 16 x 16 pixels"):
        lite().build("efficientnet-lite0", image_px=16)
