"""Heads, temperatures and the out-of-distribution score compute in the graph what NumPy computes."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from scipy.special import softmax

from pawsight.classifier.engine import Engine, run_head
from pawsight.models.graph import (
    LOGITS,
    OodScore,
    append_embedding,
    append_head,
    head_of,
    mean_colour_graph,
    with_ood_score,
    with_temperature,
)


def some_head(classes, *, seed=0):
    rng = np.random.default_rng(seed)
    weights = (rng.normal(size=(3, classes)) / 40).astype(np.float32)
    return weights, rng.normal(size=classes).astype(np.float32)


def probabilities(features, weights, bias):
    return softmax(features @ weights + bias, axis=1)


def names(classes):
    return [f"class {number}" for number in range(classes)]


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_probabilities_in_the_graph_equal_those_in_numpy(colour_backbone, classes):
    head = some_head(classes)
    model = append_head(colour_backbone, *head, classes=names(classes))
    pictures = np.random.default_rng(1).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    answers = Engine(model, image_px=8, precision="f32", streams=1).run_all(pictures)
    features = pictures.mean(axis=(1, 2)).astype(np.float32)
    assert np.allclose(answers["features"], features, atol=1e-3)
    assert np.allclose(answers["probabilities"], probabilities(features, *head), atol=1e-5)
    assert np.allclose(answers["probabilities"].sum(axis=1), 1, atol=1e-6)


def test_probabilities_of_a_trained_run_are_those_its_head_gave(trained):
    """predictions.csv was written by numpy from features, the predictor runs the whole graph on the files."""
    from pawsight.classifier.predictor import load_predictor
    from pawsight.core.runs import PREDICTIONS, read_table

    rows = read_table(trained.report.run / PREDICTIONS)
    answers = load_predictor(trained.report.run).predict([trained.data / row["path"] for row in rows])
    given = [[answer.probabilities[name] for name in ("cats", "dogs")] for answer in answers]
    written = [[float(row["p(cats)"]), float(row["p(dogs)"])] for row in rows]
    allowed = 3e-2 if trained.report.record.precision == "bf16" else 2e-4
    assert np.allclose(given, written, atol=allowed)


def test_huge_logits_do_not_overflow_in_either(colour_backbone):
    head = np.eye(3, dtype=np.float32) * 50, np.zeros(3, np.float32)
    model = append_head(colour_backbone, *head, classes=names(3))
    white = np.full((1, 8, 8, 3), 255, np.uint8)
    white[..., 0] = 0
    answers = Engine(model, image_px=8, precision="f32", streams=1).run_all(white)["probabilities"]
    assert np.allclose(answers, [[0, 0.5, 0.5]])
    assert np.allclose(probabilities(np.array([[0, 255, 255]], np.float32), *head), [[0, 0.5, 0.5]])


def test_the_graph_keeps_its_input_names_its_outputs_and_carries_the_classes(colour_backbone):
    head = some_head(3)
    classes = ["a/cat", "b/cat", "猫"]
    model = onnx.load_from_string(append_head(colour_backbone, *head, classes=classes))
    shapes = {
        end.name: [dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim]
        for end in (*model.graph.input, *model.graph.output)
    }
    assert list(shapes) == ["pictures", "probabilities", "features"]
    assert shapes == {"pictures": ["N", 8, 8, 3], "probabilities": ["N", 3], "features": ["N", 3]}
    assert {entry.key: json.loads(entry.value) for entry in model.metadata_props} == {"classes": classes}
    onnx.checker.check_model(model, full_check=True)


def test_equal_heads_give_equal_bytes_and_the_backbone_is_left_alone(colour_backbone):
    before = bytes(colour_backbone)
    head = some_head(3)
    one, other = (append_head(colour_backbone, *head, classes=names(3)) for _ in range(2))
    assert one == other
    assert colour_backbone == before


def as_they_are(side):
    """Return a backbone whose features are the pictures, (N, side, side, 3)."""
    shape = ["N", side, side, 3]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Cast", ["pictures"], ["features"], to=onnx.TensorProto.FLOAT)],
        "as_they_are",
        [onnx.helper.make_tensor_value_info("pictures", onnx.TensorProto.UINT8, shape)],
        [onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, shape)],
    )
    opset = onnx.helper.make_opsetid("", 17)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def test_an_embedding_in_the_graph_equals_that_in_numpy():
    rng = np.random.default_rng(2)
    weights, bias = rng.normal(size=(192, 5)).astype(np.float32) / 100, rng.normal(size=5).astype(np.float32)
    pictures = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    seen = append_embedding(as_they_are(8), weights, bias)
    expected = np.maximum(0, pictures.reshape(6, -1) @ weights + bias)
    assert np.allclose(
        Engine(seen, image_px=8, precision="f32", streams=1).run_all(pictures)["features"], expected, atol=1e-3
    )
    whole = append_head(seen, np.eye(5, dtype=np.float32), np.zeros(5, np.float32), classes=names(5))
    answers = Engine(whole, image_px=8, precision="f32", streams=1).run_all(pictures)
    assert np.allclose(answers["features"], expected, atol=1e-3)
    assert (answers["probabilities"].argmax(axis=1) == expected.argmax(axis=1)).all()


PICTURES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
SCORE = OodScore(
    mean=np.array([0.6, 0.55, 0.5], np.float32),
    directions=np.array([[0.9], [0], [0]], np.float32),
    near_mean=np.array([120, 110, 100], np.float32),
    near_directions=np.array([[0.1, 0], [0, 0.1], [0, 0]], np.float32),
    centres=np.array([[3, 0], [0, 3], [-3, -3]], np.float32),
    scales=(20.0, 0.05),
)


def answers(model, *, precision="f32", pictures=PICTURES):
    return Engine(model, image_px=8, precision=precision, streams=1).run_all(pictures)


@pytest.mark.parametrize("temperature", [0.25, 0.9, 3.0])
def test_probabilities_are_those_that_numpy_flattens(colour_model, temperature):
    before, after = answers(colour_model), answers(with_temperature(colour_model, temperature))
    assert np.allclose(
        after["probabilities"], softmax(np.log(before["probabilities"]) / temperature, axis=1), atol=1e-5
    )
    assert np.array_equal(after["features"], before["features"])


@pytest.mark.parametrize("precision", ["f32", pytest.param("bf16", marks=pytest.mark.bfloat16)])
@pytest.mark.parametrize("temperature", [1.0, 0.3, 7.0])
def test_a_head_that_was_cut_out_gives_the_bits_of_the_whole_graph(colour_model, precision, temperature):
    model = with_ood_score(with_temperature(colour_model, temperature), SCORE)
    whole = answers(model, precision=precision)
    assert np.array_equal(run_head(head_of(model), whole["features"], precision), whole["probabilities"])
    assert run_head(head_of(model), whole["features"][:0], precision).shape == (0, 3)
    logits = run_head(head_of(model, LOGITS), whole["features"], precision)
    shares = softmax(logits / temperature, axis=1)
    assert np.allclose(shares, whole["probabilities"], atol=1e-5 if precision == "f32" else 3e-2)


def test_a_temperature_of_one_leaves_the_bytes_as_they_are(colour_model):
    assert with_temperature(colour_model, 1.0) is colour_model


def test_a_graph_without_a_softmax_at_its_end_is_refused(colour_backbone):
    with pytest.raises(ValueError, match="has no output probabilities"):
        with_temperature(colour_backbone, 2.0)


def test_probabilities_that_come_from_elsewhere_are_refused(colour_model):
    import onnx

    graph = onnx.load_from_string(colour_model)
    (last,) = [item for item in graph.graph.node if "probabilities" in item.output]
    last.op_type = "Sigmoid"
    del last.attribute[:]
    with pytest.raises(ValueError, match="Sigmoid and not from a Softmax"):
        with_temperature(graph.SerializeToString(), 2.0)


def test_a_network_s_graph_takes_a_temperature_as_well(tmp_path):
    """What Keras exports ends in the same head as a probe."""
    keras = pytest.importorskip("keras")
    from pawsight.models.keras_networks import EMBEDDING, network_onnx

    x = inputs = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Lambda(lambda y: keras.ops.cast(y, "float32") / 64, output_shape=(8, 8, 3))(x)
    x = keras.layers.GlobalAveragePooling2D(name=EMBEDDING)(x)
    model = network_onnx(
        keras.Model(inputs, keras.layers.Dense(2, name="logits")(x)), image_px=8, classes=("cats", "dogs")
    )
    before, after = answers(model), answers(with_temperature(model, 2.0))
    assert np.allclose(after["probabilities"], softmax(np.log(before["probabilities"]) / 2.0, axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("precision", "allowed"), [("f32", 1e-4), pytest.param("bf16", 0.05, marks=pytest.mark.bfloat16)]
)
@pytest.mark.parametrize("opset", [17, 18])  # ReduceMin takes its axes in another way from 18 on
def test_unlikeness_is_what_numpy_says(colour_backbone, precision, allowed, opset):
    backbone = colour_backbone if opset == 17 else mean_colour_graph(8)
    model = append_head(backbone, *some_head(3), classes=names(3))
    wide = np.random.default_rng(1).integers(0, 256, (40, 1, 1, 3)).repeat(8, 1).repeat(8, 2).astype(np.uint8)
    told = answers(with_ood_score(model, SCORE), precision=precision, pictures=wide)
    features = wide.mean(axis=(1, 2)).astype(np.float32)
    assert told["unlikeness"].shape == (40,)
    assert np.allclose(told["unlikeness"], SCORE(features, features), atol=allowed)


def test_the_score_is_the_larger_of_two_scaled_distances():
    last = np.array([[0.6, 0.55, 0.5], [0, 0, 0.7], [0, 0, 0]], np.float32)
    far, near = SCORE.distances(last, np.array([[150, 110, 100], [120, 110, 900], [120, 140, 0]], np.float32))
    unit = np.array([0, 0, 1]) - SCORE.mean
    assert far[1] == pytest.approx((unit**2).sum() - (0.9 * unit[0]) ** 2, abs=1e-5)
    assert near == pytest.approx([0, 9, 0], abs=1e-4)  # at a class, between all, at another; the third number is unused
    largest = np.maximum(20 * far, 0.05 * near)
    assert SCORE.joined(np.stack([far, near])) == pytest.approx(largest / (1 + largest))


def test_both_can_be_put_into_one_graph_whose_other_outputs_stay(colour_model):
    model = with_ood_score(with_temperature(colour_model, 2.0), SCORE)
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    assert set(answers(model)) == {"probabilities", "features", "unlikeness"}
    assert np.array_equal(answers(model)["features"], answers(colour_model)["features"])
