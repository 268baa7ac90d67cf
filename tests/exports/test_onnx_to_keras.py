"""Every kind of graph, rebuilt in Keras from stock layers; what no stock layer expresses is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from .conftest import KINDS


@pytest.fixture(scope="module")
def to_keras(everything_installed):
    from pawsight.models.quiet import import_keras

    import_keras()
    from pawsight.exports.child.onnx_to_keras import to_keras

    return to_keras


def by_onnx_runtime(model, pictures):
    import onnxruntime

    session = onnxruntime.InferenceSession(model)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pictures": pictures}), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_rebuilt_graph_answers_as_onnx_runtime_does(to_keras, graph_of, kind):
    import onnx

    model = graph_of(kind)
    rebuilt = to_keras(onnx.load_from_string(model))
    side = rebuilt.inputs[0].shape[1]
    pictures = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    expected, found = by_onnx_runtime(model, pictures), rebuilt.predict_on_batch(pictures)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-5)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3, rtol=1e-3)


def small(nodes, constants=(), shape=("N", 6, 6, 3)):
    """A graph of these nodes from `pictures` to `y`."""
    from onnx import TensorProto, helper, numpy_helper

    return helper.make_model(
        helper.make_graph(
            [helper.make_node("Cast", ["pictures"], ["x"], to=TensorProto.FLOAT), *nodes],
            "small",
            [helper.make_tensor_value_info("pictures", TensorProto.UINT8, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def node(kind, given, made, **attributes):
    from onnx import helper

    return helper.make_node(kind, given, [made], **attributes)


def kernel(*shape):
    return np.random.default_rng(2).normal(size=shape).astype(np.float32)


def looking(kind, *given, constants=(), **attributes):
    """A graph with one node that looks at a picture with channels first."""
    nodes = [
        node("Transpose", ["x"], "first", perm=[0, 3, 1, 2]),
        node(kind, ["first", *given], "seen", **attributes),
        node("Transpose", ["seen"], "y", perm=[0, 2, 3, 1]),
    ]
    return small(nodes, constants)


LOOKS = {
    "padding of its own": ("Conv", ["k"], {"k": (4, 3, 3, 3)}, {"pads": [2, 0, 1, 1], "strides": [2, 2]}),
    "same": ("Conv", ["k"], {"k": (4, 3, 3, 3)}, {"pads": [0, 0, 1, 1], "strides": [2, 2]}),
    "automatic": ("Conv", ["k", "b"], {"k": (4, 3, 3, 3), "b": (4,)}, {"auto_pad": "SAME_UPPER"}),
    "depthwise, two each": ("Conv", ["k"], {"k": (6, 1, 3, 3)}, {"group": 3}),
    "a pool": ("MaxPool", [], {}, {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "scaled by channel": ("Mul", ["k"], {"k": (1, 3, 1, 1)}, {}),
    "moved by channel": ("Sub", ["k"], {"k": (3, 1, 1)}, {}),
}


@pytest.mark.parametrize("name", LOOKS)
def test_one_way_of_looking_is_what_onnx_says_it_is(to_keras, name):
    kind, given, shapes, attributes = LOOKS[name]
    model = looking(kind, *given, constants={key: kernel(*shape) for key, shape in shapes.items()}, **attributes)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    found = to_keras(model).predict_on_batch(pictures)["y"]
    np.testing.assert_allclose(found, by_onnx_runtime(model.SerializeToString(), pictures)["y"], rtol=1e-4, atol=1e-3)


REFUSED = {
    "no Keras layer is known for the operator Sin": lambda: small([node("Sin", ["x"], "y")]),
    "Transpose by [0, 2, 1, 3]": lambda: small([node("Transpose", ["x"], "y", perm=[0, 2, 1, 3])]),
    "Conv with the attributes": lambda: looking("Conv", "k", constants={"k": kernel(4, 3, 3, 3)}, dilations=[2, 2]),
    "padding SAME_LOWER": lambda: looking("Conv", "k", constants={"k": kernel(4, 3, 3, 3)}, auto_pad="SAME_LOWER"),
    "Clip from -1.0": lambda: small([node("Clip", ["x", "l", "h"], "y")], {"l": np.float32(-1), "h": np.float32(1)}),
    "a constant divided by a tensor": lambda: small([node("Div", ["k", "x"], "y")], {"k": np.float32(1)}),
    "arithmetic with a constant of the shape (6, 1)": lambda: small(
        [node("Add", ["x", "k"], "y")], {"k": kernel(6, 1)}
    ),
    "Softmax along axis 1": lambda: small([node("Softmax", ["x"], "y", axis=1)]),
    "ReduceMean over the axes [1]": lambda: small([node("ReduceMean", ["x"], "y", axes=[1])]),
    "Cast of a tensor to type 10": lambda: small([node("Cast", ["x"], "y", to=10)]),
    "the output y is no plain tensor": lambda: small([node("Transpose", ["x"], "y", perm=[0, 3, 1, 2])]),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_stock_layer_expresses_is_refused_by_name(to_keras, text):
    from pawsight.exports.child.onnx_to_keras import Untranslatable

    with pytest.raises(Untranslatable) as told:
        to_keras(REFUSED[text]())
    assert text in str(told.value)
