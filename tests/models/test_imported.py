"""Backbones from files of others: fed as they want, read where their operators say, cut where their features end."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from pawsight.classifier.graph_guard import fault_in_graph
from pawsight.core.errors import WeightsUnavailable, WrongUsage
from pawsight.models.backbones import channel_values
from pawsight.models.efficientnet_lite import backbone_onnx
from pawsight.models.graph import FEATURES, LAST_FEATURES, PICTURES
from pawsight.models.imported import import_network

from ..conftest import BACKBONE, says
from ..foreign_networks import channels_last, convolutional, transformer

PX = 32
MEAN, STD = "0.5,0.4,0.3", "0.2,0.3,0.4"


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, PX, PX, 3), dtype=np.uint8)


def answers(model, pictures, *outputs):
    """What ONNX Runtime computes of a stack of pictures with a graph of ours."""
    shown = onnx.load_from_string(model)
    shown.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs if name != FEATURES
    )
    session = onnxruntime.InferenceSession(shown.SerializeToString())
    return session.run([*outputs] or [FEATURES], {PICTURES: pictures})


def original(model, pictures):
    """What the file itself computes of scaled pictures."""
    mean, std = (np.array(text.split(","), np.float32) for text in (MEAN, STD))
    scaled = ((pictures / 255 - mean) / std).astype(np.float32).transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(model)
    return session.run(None, {session.get_inputs()[0].name: scaled})


def imported(content, **changes):
    return import_network(content, **{"name": "model.onnx", "image_px": PX, "mean": MEAN, "std": STD} | changes)


def test_features_of_a_network_with_a_classification_layer_are_what_that_is_fed(pictures):
    content = convolutional(outputs=7)
    network = imported(content)
    (features,) = answers(network.write(), pictures)
    model = onnx.load_from_string(content)
    weights, bias = (numpy_helper.to_array(tensor) for tensor in model.graph.initializer if "classify" in tensor.name)
    np.testing.assert_allclose(features @ weights + bias, original(content, pictures)[0], rtol=1e-4, atol=1e-5)
    assert features.shape == (3, 24)
    assert not any("classify" in tensor.name for tensor in onnx.load_from_string(network.write()).graph.initializer)


def test_maps_and_tokens_become_averages_and_of_the_last_tokens_the_first_comes_too(pictures):
    maps = convolutional(outputs=0)
    (features,) = answers(imported(maps).write(), pictures)
    np.testing.assert_allclose(features, original(maps, pictures)[0].mean(axis=(2, 3)), rtol=1e-4, atol=1e-5)
    tokens = transformer()
    (features,) = answers(imported(tokens).write(), pictures)
    expected = original(tokens, pictures)[0]
    np.testing.assert_allclose(
        features, np.concatenate([expected[:, 0], expected.mean(axis=1)], axis=1), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("make", [convolutional, transformer])
def test_every_depth_ends_in_the_last_features_and_the_graph_may_be_in_a_bundle(pictures, make):
    network = imported(make())
    last, blocks = network.channels_of("last"), network.channels_of("blocks")
    assert set(last) < set(blocks) <= set(range(network.width))
    (features,) = answers(network.write(), pictures)
    everything, own = answers(network.write(np.arange(network.width)), pictures, FEATURES, LAST_FEATURES)
    assert everything.shape == (3, network.width)
    np.testing.assert_array_equal(everything[:, last], features)
    np.testing.assert_array_equal(own, features)
    some = np.sort(np.random.default_rng(1).choice(network.width, 9, replace=False))
    (picked,) = answers(network.write(some), pictures)
    np.testing.assert_array_equal(picked, everything[:, some])
    for channels in (None, blocks, some):
        onnx.checker.check_model(network.write(channels))
        assert fault_in_graph(network.write(channels)) == ""


def test_a_network_of_our_own_gives_its_features(pictures):
    content = backbone_onnx(BACKBONE, PX)
    network = imported(content, mean="", std="")
    np.testing.assert_array_equal(answers(network.write(), pictures)[0], answers(content, pictures)[0])


def test_channels_are_averaged_over_positions_wherever_the_network_keeps_them(pictures):
    content, blocks = channels_last()
    network = imported(content)
    (features,) = answers(network.write(network.channels_of("blocks")), pictures)
    model = onnx.load_from_string(content)
    kinds = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in blocks]
    model.graph.output.extend(kinds)
    last, maps, channels, windows = original(model.SerializeToString(), pictures)
    means = [maps.mean(axis=(1, 2)), channels.mean(axis=2), last.mean(axis=(1, 2))]
    np.testing.assert_allclose(features, np.concatenate(means, axis=1), rtol=1e-4, atol=1e-5)
    assert len(windows) == 4 * len(pictures)  # several rows of a picture: nothing is read there


def test_an_older_file_is_converted(pictures):
    content = convolutional(opset=11)
    np.testing.assert_allclose(
        answers(imported(content).write(), pictures)[0],
        answers(imported(convolutional()).write(), pictures)[0],
        rtol=1e-5,
    )


def with_input(kind, shape):
    """A network that gives back its input, averaged."""
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["y"])],
        "any",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def two_inputs():
    model = onnx.load_from_string(convolutional())
    model.graph.input.append(helper.make_tensor_value_info("text", TensorProto.INT64, ["N", 7]))
    return model.SerializeToString()


def weights_elsewhere(*, in_a_node=False):
    model = onnx.load_from_string(convolutional())
    if in_a_node:
        constant = numpy_helper.from_array(np.zeros(3, np.float32), "more")
        model.graph.node.insert(0, helper.make_node("Constant", [], ["more"], value=constant))
    tensor = model.graph.node[0].attribute[0].t if in_a_node else model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    return model.SerializeToString()


def several_rows():
    """A network that cuts a picture into four and gives a row for each."""
    model = onnx.load_from_string(with_input(TensorProto.FLOAT, ["N", 3, PX, PX]))
    model.graph.node[0].output[0] = "pooled"
    size = numpy_helper.from_array(np.array([3, 1]), "size")
    model.graph.initializer.append(size)
    model.graph.node.append(helper.make_node("Reshape", ["pooled", "size"], ["y"]))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no model", ["ONNX"]),
        (two_inputs(), ["2 inputs"]),
        (weights_elsewhere(), ["another file"]),
        (weights_elsewhere(in_a_node=True), ["another file"]),
        (several_rows(), ["3 rows"]),
        (b"", ["ONNX", "operators"]),
        (with_input(TensorProto.FLOAT, ["N", 1, "h", "w"]), ["1"]),
        (with_input(TensorProto.FLOAT, ["N", 3, 24, PX]), ["32 x 24"]),
        (with_input(TensorProto.FLOAT16, ["N", 3, PX, PX]), ["float16"]),
        (with_input(TensorProto.FLOAT, ["N", 5, PX, PX]), ["5"]),
        (with_input(TensorProto.FLOAT, ["N", 3, 64, 64]), ["--image-px 64"]),
    ],
)
def test_what_is_no_backbone_is_named(content, words):
    with pytest.raises(WeightsUnavailable) as caught:
        imported(content)
    assert says(caught.value, "model.onnx", *words)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["0.5", "a,b,c", "0.1,0.2,0.3,0.4", "0.1,nan,0.2", "0,1,1", "58.4,57.1,57.4"])
def test_scaling_that_cannot_be_is_named(text):
    with pytest.raises(WrongUsage) as caught:
        channel_values("--std", text)
    assert says(caught.value, "--std", text)
    assert channel_values("--mean", "0,1,0.5") == (0, 1, 0.5)
