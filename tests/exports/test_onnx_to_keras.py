"""Every kind of graph, rebuilt in Keras from stock layers; what no stock layer expresses is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from .conftest import EVERY_KIND


@pytest.fixture(scope="module")
def to_keras(everything_installed):
    from pawsight.models.keras_networks import import_keras

    import_keras()
    from pawsight.exports.subprocesses.onnx_to_keras import to_keras

    return to_keras


def by_onnx_runtime(model, pictures):
    import onnxruntime

    session = onnxruntime.InferenceSession(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pictures": pictures}), strict=True))


@pytest.mark.parametrize("kind", EVERY_KIND)
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
    "a point in one axis": ("GlobalAveragePool", [], {}, {}),
    "the averages of positions": ("ReduceMean", [], {}, {"axes": [2, 3]}),
    "the maxima of positions": ("ReduceMax", [], {}, {"axes": [2, 3]}),
}


@pytest.mark.parametrize("name", LOOKS)
def test_one_way_of_looking_is_what_onnx_says_it_is(to_keras, name):
    kind, given, shapes, attributes = LOOKS[name]
    model = looking(kind, *given, constants={key: kernel(*shape) for key, shape in shapes.items()}, **attributes)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    found = to_keras(model).predict_on_batch(pictures)["y"]
    expected = by_onnx_runtime(model.SerializeToString(), pictures)["y"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


POINTS = {
    "flattened": lambda: small([node("Flatten", ["x"], "y", axis=1)]),
    "flattened from one position": lambda: small(
        [
            node("Transpose", ["x"], "first", perm=[0, 3, 1, 2]),
            node("GlobalAveragePool", ["first"], "mean"),
            node("Flatten", ["mean"], "y", axis=1),
        ]
    ),
    "added to a constant that comes first": lambda: small([node("Add", ["k", "x"], "y")], {"k": kernel(3)}),
    "taken from a constant that comes first": lambda: small([node("Sub", ["k", "x"], "y")], {"k": np.float32(9)}),
    "the larger of it and a constant": lambda: small([node("Max", ["k", "x"], "y")], {"k": np.float32(99)}),
    "passed on as it is": lambda: small(
        [node("Identity", ["x"], "same"), node("Identity", ["same"], "again"), node("Flatten", ["again"], "y", axis=1)]
    ),
    "picked and joined": lambda: small(
        [
            node("Flatten", ["x"], "flat", axis=1),
            node("Gather", ["flat", "i"], "picked", axis=1),
            node("Concat", ["picked", "flat"], "y", axis=1),
        ],
        {"i": np.array([5, 2, 99])},
    ),
    "divided by its own sum": lambda: small(
        [node("ReduceSum", ["x", "axes"], "sum", keepdims=1), node("Div", ["x", "sum"], "y")], {"axes": np.array([3])}
    ),
}


@pytest.mark.parametrize("name", POINTS)
def test_one_way_of_reckoning_is_what_onnx_says_it_is(to_keras, name):
    model = POINTS[name]()
    pictures = np.random.default_rng(1).integers(1, 256, (2, 6, 6, 3), dtype=np.uint8)
    found = to_keras(model).predict_on_batch(pictures)["y"]
    expected = by_onnx_runtime(model.SerializeToString(), pictures)["y"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


REFUSED = {
    "no Keras layer is known for the operator Sin": lambda: small([node("Sin", ["x"], "y")]),
    "Transpose by [0, 2, 1, 3]": lambda: small([node("Transpose", ["x"], "y", perm=[0, 2, 1, 3])]),
    "Conv with the attributes": lambda: looking("Conv", "k", constants={"k": kernel(4, 3, 3, 3)}, dilations=[2, 2]),
    "padding SAME_LOWER": lambda: looking("Conv", "k", constants={"k": kernel(4, 3, 3, 3)}, auto_pad="SAME_LOWER"),
    "Clip from -1.0": lambda: small([node("Clip", ["x", "l", "h"], "y")], {"l": np.float32(-1), "h": np.float32(1)}),
    "Add of tensors with different axes": lambda: small(
        [node("Transpose", ["x"], "first", perm=[0, 3, 1, 2]), node("Add", ["first", "x"], "y")], shape=("N", 3, 3, 3)
    ),
    "Div with a constant": lambda: small([node("Div", ["x", "k"], "y")], {"k": np.float32(2)}),
    "Gemm with the attributes {'alpha': 2.0}": lambda: small(
        [node("Flatten", ["x"], "flat"), node("Gemm", ["flat", "k"], "y", alpha=2.0)], {"k": kernel(108, 2)}
    ),
    "MatMul of two tensors": lambda: small([node("MatMul", ["x", "x"], "y")], shape=("N", 3, 3, 3)),
    "ReduceSum of a picture": lambda: looking("ReduceSum", "a", constants={"a": np.array([1])}, keepdims=1),
    "Reshape to [3, 36]": lambda: small([node("Reshape", ["x", "s"], "y")], {"s": np.array([3, 36])}),
    "Flatten of maps with channels first": lambda: looking("Flatten", axis=1),
    "Squeeze of the axes [3]": lambda: looking("Squeeze", "a", constants={"a": np.array([3])}),
    "a pool with the padding [1, 1, 1, 1]": lambda: looking("MaxPool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
    "MaxPool with the attributes": lambda: looking("MaxPool", kernel_shape=[2, 2], ceil_mode=1),
    "Pad by [0, 0, 1, 1, 0, 0, 1, 1]": lambda: looking(
        "Pad", "p", constants={"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, mode="reflect"
    ),
    "a constant divided by a tensor": lambda: small([node("Div", ["k", "x"], "y")], {"k": np.float32(1)}),
    "arithmetic with a constant of the shape (6, 1)": lambda: small(
        [node("Add", ["x", "k"], "y")], {"k": kernel(6, 1)}
    ),
    "Gather along axis 0": lambda: small(
        [node("Flatten", ["x"], "flat"), node("Gather", ["flat", "i"], "y")], {"i": np.array([0])}
    ),
    "Concat along axis 2": lambda: small([node("Concat", ["x", "x"], "y", axis=2)]),
    "Softmax along axis 1": lambda: small([node("Softmax", ["x"], "y", axis=1)]),
    "ReduceMean over the axes [1]": lambda: small([node("ReduceMean", ["x"], "y", axes=[1])]),
    "ReduceMax over the axes [1]": lambda: small([node("ReduceMax", ["x"], "y", axes=[1])]),
    "Cast of a tensor to type 10": lambda: small([node("Cast", ["x"], "y", to=10)]),
    "the output y is no plain tensor": lambda: small([node("Transpose", ["x"], "y", perm=[0, 3, 1, 2])]),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_stock_layer_expresses_is_refused_by_name(to_keras, text):
    from pawsight.exports.subprocesses.onnx_to_keras import Untranslatable

    with pytest.raises(Untranslatable) as error:
        to_keras(REFUSED[text]())
    assert text in str(error.value)


@pytest.fixture(scope="module")
def saved_keras(to_keras, graph_of, tmp_path_factory):
    """The export keras of the smallest graph, loaded as a user loads it."""
    import keras
    import onnx

    from pawsight.exports.subprocesses.onnx_to_keras import main

    folder = tmp_path_factory.mktemp("keras")
    onnx.save(onnx.load_from_string(graph_of("majority")), folder / "majority.onnx")
    main([str(folder / "majority.onnx"), "keras", str(folder / "model.keras")])
    return keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)


@pytest.mark.parametrize(
    "scale", [lambda p: p / 255, lambda p: p / 127.5 - 1, lambda p: (p - 110.0) / 57, lambda p: 2 * p]
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_an_exported_keras_model_refuses_numbers_of_another_range(saved_keras, scale, dtype):
    pictures = np.random.default_rng(7).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    pictures[0] = 0  # one picture of the batch is black in any range
    for ask in (saved_keras.predict_on_batch, saved_keras):
        with pytest.raises(Exception, match="vocabulary") as error:
            ask(scale(pictures.astype(dtype)))
        assert type(error.value).__name__ == "InvalidArgumentError"


def test_an_exported_keras_model_takes_0_to_255_as_any_type(saved_keras):
    pictures = np.random.default_rng(7).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    pictures[0], pictures[1] = 0, 1
    expected = saved_keras.predict_on_batch(pictures)["probabilities"]
    for dtype in ("float32", "float64", "int32"):
        np.testing.assert_array_equal(saved_keras.predict_on_batch(pictures.astype(dtype))["probabilities"], expected)
    resized = np.clip(pictures + 0.25, 0, 255)  # what is resized has fractions
    resized[:2] = 1.25
    assert saved_keras.predict_on_batch(resized)["probabilities"].shape == expected.shape


def test_attributes_are_plain_values(to_keras):
    from onnx import helper, numpy_helper

    from pawsight.exports.subprocesses.onnx_to_keras import attributes

    told = attributes(helper.make_node("Any", [], ["y"], mode="edge", value=numpy_helper.from_array(kernel(2)), axis=1))
    assert (told["mode"], told["axis"]) == ("edge", 1)
    np.testing.assert_array_equal(told["value"], kernel(2))


def test_what_is_named_is_made_and_nothing_else(to_keras, tmp_path):
    import onnx

    from pawsight.exports.subprocesses.onnx_to_keras import main

    onnx.save(small([node("Relu", ["x"], "y")]), tmp_path / "small.onnx")
    main([str(tmp_path / "small.onnx"), "keras", str(tmp_path / "model.keras")])
    main([str(tmp_path / "small.onnx"), "saved-model", str(tmp_path / "saved")])
    assert {file.name for file in tmp_path.iterdir()} == {"small.onnx", "model.keras", "saved"}
    assert (tmp_path / "saved" / "saved_model.pb").is_file()
