"""What is put into a finished graph says what NumPy says, in either arithmetic, and leaves the rest alone."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from pawsight.classifier.engine import Engine
from pawsight.classifier.trust import with_temperature as in_numpy
from pawsight.models.trust_graph import unlikeness_of, with_guard, with_temperature

PICTURES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
MEAN = np.array([120, 110, 100], np.float32)
DIRECTIONS = np.array([[1], [0], [0]], np.float32)


def answers(model, *, precision="f32", pictures=PICTURES):
    return Engine(model, image_px=8, precision=precision, streams=1).run_all(pictures)


@pytest.mark.parametrize("temperature", [0.25, 0.9, 3.0])
def test_probabilities_are_those_that_numpy_flattens(colour_model, temperature):
    before, after = answers(colour_model), answers(with_temperature(colour_model, temperature))
    assert np.allclose(after["probabilities"], in_numpy(before["probabilities"], temperature), atol=1e-5)
    assert np.array_equal(after["features"], before["features"])


def test_a_temperature_of_one_leaves_the_bytes_as_they_are(colour_model):
    assert with_temperature(colour_model, 1.0) is colour_model


def test_a_graph_without_a_softmax_at_its_end_is_refused(colour_backbone):
    with pytest.raises(ValueError, match="has no output probabilities"):
        with_temperature(colour_backbone, 2.0)


def test_probabilities_that_come_from_elsewhere_are_refused(colour_model):
    import onnx

    graph = onnx.load_from_string(colour_model)
    (last,) = [one for one in graph.graph.node if "probabilities" in one.output]
    last.op_type = "Sigmoid"
    del last.attribute[:]
    with pytest.raises(ValueError, match="Sigmoid and not from a Softmax"):
        with_temperature(graph.SerializeToString(), 2.0)


def test_a_network_s_graph_takes_a_temperature_as_well(tmp_path):
    """What Keras exports ends in the same head as a probe."""
    keras = pytest.importorskip("keras")
    from pawsight.models.keras_onnx import network_onnx
    from pawsight.models.networks import EMBEDDING

    x = inputs = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Lambda(lambda y: keras.ops.cast(y, "float32") / 64, output_shape=(8, 8, 3))(x)
    x = keras.layers.GlobalAveragePooling2D(name=EMBEDDING)(x)
    model = network_onnx(
        keras.Model(inputs, keras.layers.Dense(2, name="logits")(x)), image_px=8, classes=("cats", "dogs")
    )
    before, after = answers(model), answers(with_temperature(model, 2.0))
    assert np.allclose(after["probabilities"], in_numpy(before["probabilities"], 2.0), atol=1e-5)


@pytest.mark.parametrize(
    ("precision", "allowed"), [("f32", 1e-4), pytest.param("bf16", 0.05, marks=pytest.mark.bfloat16)]
)
def test_unlikeness_is_what_numpy_says(colour_model, precision, allowed):
    wide = np.random.default_rng(1).integers(0, 256, (40, 1, 1, 3)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    told = answers(with_guard(colour_model, MEAN, DIRECTIONS), precision=precision, pictures=wide)
    expected = unlikeness_of(wide.mean(axis=(1, 2)).astype(np.float32), MEAN, DIRECTIONS)
    assert told["unlikeness"].shape == (40,)
    assert np.allclose(told["unlikeness"], expected, atol=allowed)


def test_unlikeness_is_nothing_along_the_directions_and_one_across_them():
    along, across = MEAN + np.array([30, 0, 0]), MEAN + np.array([0, 0, 5])
    told = unlikeness_of(np.array([along, across, MEAN], np.float32), MEAN, DIRECTIONS)
    assert told == pytest.approx([0, 1, 1])


def test_both_can_be_put_into_one_graph_whose_other_outputs_stay(colour_model):
    model = with_guard(with_temperature(colour_model, 2.0), MEAN, DIRECTIONS)
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    assert set(answers(model)) == {"probabilities", "features", "unlikeness"}
    assert np.array_equal(answers(model)["features"], answers(colour_model)["features"])
