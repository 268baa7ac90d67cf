"""Graph surgery: what is appended to a backbone in ONNX to make it a classifier.

A head, an embedding, a temperature for calibrated probabilities, and the out-of-distribution score. How their numbers
are found is in training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PICTURES, FEATURES, PROBABILITIES = "pictures", "features", "probabilities"
LAST_FEATURES = "top/mean"  # those of the last layer, inside a graph whose features come from several
HEAD_WEIGHTS, HEAD_BIAS, LOGITS = "head/weights", "head/bias", "head/logits"  # of every classifier made here
OOD_SCORE = "unlikeness"  # the output's name in bundles
_LEAST_SQUARE = 1e-12  # where features equal the mean exactly, against division by zero

Floats = NDArray[np.float32]


def append_head(backbone: bytes, weights: Floats, bias: Floats, *, classes: Sequence[str]) -> bytes:
    """Append softmax(features @ weights + bias) to a backbone.

    Args:
        backbone: ONNX with the input `pictures` uint8 (N, H, W, 3) and the output `features` float32 (N, D).
        weights, bias: of the head, (D, C) and (C,).
        classes: the C names, stored in the model's metadata under `classes` as JSON.

    Returns:
        ONNX bytes with the outputs `probabilities` (N, C) and `features` (N, D), weights inside.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(backbone)
    graph = model.graph
    graph.initializer.extend([numpy_helper.from_array(weights, HEAD_WEIGHTS), numpy_helper.from_array(bias, HEAD_BIAS)])
    graph.node.extend(
        [
            helper.make_node("Gemm", [FEATURES, HEAD_WEIGHTS, HEAD_BIAS], [LOGITS], "head/gemm"),
            helper.make_node("Softmax", [LOGITS], [PROBABILITIES], "head/softmax", axis=1),
        ]
    )
    answer = helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["N", len(classes)])
    outputs = [answer, *graph.output]
    del graph.output[:]
    graph.output.extend(outputs)
    helper.set_model_props(model, {"classes": json.dumps(list(classes), ensure_ascii=False)})
    return _checked(model)


def head_of(model: bytes, output: str = PROBABILITIES) -> bytes:
    """Cut the head out of a classifier's graph, so that known features need not be computed again.

    Args:
        model: ONNX as `append_head` returns it, with or without a temperature.
        output: `PROBABILITIES`, or `LOGITS`, which no temperature has changed.

    Returns:
        ONNX bytes: `features` float32 (N, D) -> the output (N, C), by the nodes of the graph itself.
    """
    import onnx
    from onnx import TensorProto, helper

    whole = onnx.load_from_string(model)
    makers = {name: node for node in whole.graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in whole.graph.initializer}
    nodes: list[Any] = []
    name = output
    while name != FEATURES:  # each node of a head has one input that is computed
        nodes.insert(0, makers[name])
        (name,) = (given for given in makers[name].input if given not in constants)
    features, classes = constants[HEAD_WEIGHTS].dims
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", features])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", classes])],
        [constants[given] for node in nodes for given in node.input if given in constants],
    )
    return _checked(helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version))


def append_embedding(backbone: bytes, weights: Floats, bias: Floats) -> bytes:
    """Append relu(flatten(features) @ weights + bias) to a backbone, as its new features.

    Args:
        backbone: ONNX with the output `features` float32 (N, ...), whose other sizes are known.
        weights, bias: of the layer, (D, E) and (E,), D being the product of those sizes.

    Returns:
        ONNX bytes with the output `features` float32 (N, E), weights inside.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(backbone)
    graph = model.graph
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = ["embedding/maps" if end == FEATURES else end for end in ends]
    graph.initializer.extend(
        [numpy_helper.from_array(weights, "embedding/weights"), numpy_helper.from_array(bias, "embedding/bias")]
    )
    names = ["embedding/flat", "embedding/weights", "embedding/bias"]
    graph.node.extend(
        [
            helper.make_node("Flatten", ["embedding/maps"], ["embedding/flat"], "embedding/flatten", axis=1),
            helper.make_node("Gemm", names, ["embedding/sum"], "embedding/gemm"),
            helper.make_node("Relu", ["embedding/sum"], [FEATURES], "embedding/relu"),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", len(bias)]))
    return _checked(model)


def mean_colour_graph(image_px: int) -> bytes:
    """Return the smallest backbone: a picture's mean colour, for heads that do not use it.

    Returns:
        ONNX bytes: `pictures` uint8 (N, image_px, image_px, 3) -> `features` float32 (N, 3).
    """
    from onnx import TensorProto, helper, numpy_helper

    axes = numpy_helper.from_array(np.array([1, 2], dtype=np.int64), "axes")
    shape = ["N", image_px, image_px, 3]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [PICTURES], ["cast"], "cast", to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["cast", "axes"], [FEATURES], "mean", keepdims=0),
        ],
        "mean_colour",
        [helper.make_tensor_value_info(PICTURES, TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", 3])],
        [axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return _checked(model)


def with_temperature(model: bytes, temperature: float) -> bytes:
    """Divide the logits by a temperature before they become probabilities.

    Args:
        model: ONNX whose output `probabilities` comes from a Softmax.
        temperature: above 0; 1 leaves the model as it is.

    Raises:
        ValueError: the output `probabilities` does not come from a Softmax.
    """
    import onnx
    from onnx import helper, numpy_helper

    if temperature == 1.0:
        return model
    opened = onnx.load_from_string(model)
    softmax = _softmax_of(opened.graph)
    factor, scaled = "trust/sharpness", "trust/scaled_logits"
    opened.graph.initializer.append(numpy_helper.from_array(np.array(1 / temperature, np.float32), factor))
    multiply = helper.make_node("Mul", [softmax.input[0], factor], [scaled], "trust/temperature")
    opened.graph.node.insert(list(opened.graph.node).index(softmax), multiply)
    softmax.input[0] = scaled
    return _checked(opened)


def with_ood_score(model: bytes, mean: Floats, directions: Floats) -> bytes:
    """Add the output `unlikeness` (N,): the share of a picture's features that lies outside the usual directions.

    Args:
        model: ONNX with the output `features` (N, D). Where features come from several layers, those of the last are
            used, all of them: the others notice less (docs/experiments.md).
        mean: of these features of training pictures (D,).
        directions: orthonormal columns (D, K), in which those features differ most.

    The output is sqrt(1 - |z V|^2 / |z|^2) with z = features - mean, V = directions: 0 for what differs from the mean
    only as training pictures do, 1 for what differs in other ways alone; `ood_score` is the same in NumPy.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    opened = onnx.load_from_string(model)
    is_joined = any(LAST_FEATURES in node.output for node in opened.graph.node)
    source, ones = LAST_FEATURES if is_joined else FEATURES, np.ones(1, np.float32)
    constants = {
        "mean": mean.astype(np.float32),
        "directions": directions.astype(np.float32),
        "axis": np.array([1], np.int64),
        "one": ones,
        "zero": 0 * ones,
        "least": _LEAST_SQUARE * ones,
    }
    steps = (
        ("Sub", (source, "guard/mean"), "guard/centred"),
        ("MatMul", ("guard/centred", "guard/directions"), "guard/usual"),
        ("Mul", ("guard/usual", "guard/usual"), "guard/usual_squares"),
        ("Mul", ("guard/centred", "guard/centred"), "guard/squares"),
        ("ReduceSum", ("guard/usual_squares", "guard/axis"), "guard/usual_sum"),
        ("ReduceSum", ("guard/squares", "guard/axis"), "guard/sum"),
        ("Max", ("guard/sum", "guard/least"), "guard/some"),
        ("Div", ("guard/usual_sum", "guard/some"), "guard/share"),
        ("Sub", ("guard/one", "guard/share"), "guard/rest"),
        ("Max", ("guard/rest", "guard/zero"), "guard/positive"),
        ("Sqrt", ("guard/positive",), OOD_SCORE),
    )
    opened.graph.initializer.extend(
        numpy_helper.from_array(value, f"guard/{name}") for name, value in constants.items()
    )
    opened.graph.node.extend(
        helper.make_node(kind, given, [made], f"{made}/node", **({"keepdims": 0} if kind == "ReduceSum" else {}))
        for kind, given, made in steps
    )
    opened.graph.output.append(helper.make_tensor_value_info(OOD_SCORE, TensorProto.FLOAT, ["N"]))
    return _checked(opened)


def ood_score(features: Floats, mean: Floats, directions: Floats) -> Floats:
    """Return the out-of-distribution score (N,) of features (N, D), as the graph computes it."""
    centred = features - mean
    usual = ((centred @ directions) ** 2).sum(axis=1)
    rest = 1 - usual / np.maximum((centred**2).sum(axis=1), _LEAST_SQUARE)
    score: Floats = np.sqrt(np.maximum(rest, 0)).astype(np.float32)
    return score


def _softmax_of(graph: Any) -> Any:
    for node in graph.node:
        if PROBABILITIES in node.output:
            if node.op_type != "Softmax":
                raise ValueError(f"{PROBABILITIES} come from {node.op_type} and not from a Softmax")
            return node
    raise ValueError(f"the graph has no output {PROBABILITIES}")


def _checked(model: Any) -> bytes:
    import onnx

    content: bytes = model.SerializeToString()
    onnx.checker.check_model(content)
    return content
