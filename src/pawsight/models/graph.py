"""Graph surgery: what is appended to a backbone in ONNX to make it a classifier.

A head, an embedding, a temperature for calibrated probabilities, and the out-of-distribution score. How their numbers
are found is in training.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PICTURES, FEATURES, PROBABILITIES = "pictures", "features", "probabilities"
LAST_FEATURES = "top/mean"  # those of the last layer, inside a graph whose features come from several
HEAD_WEIGHTS, HEAD_BIAS, LOGITS = "head/weights", "head/bias", "head/logits"  # of every classifier made here
OOD_SCORE = "unlikeness"  # the output's name in bundles
_LEAST_SQUARE = 1e-12  # where all features are 0, against division by zero
_AXES_ARE_INPUTS = 18  # opset from which on ReduceMin takes its axes as an input, as ReduceSum has before

Floats = NDArray[np.float32]


def append_head(
    backbone: bytes, weights: Floats, bias: Floats, *, classes: Sequence[str], several_labels: bool = False
) -> bytes:
    """Append softmax(features @ weights + bias) to a backbone, or with several labels the sigmoid of each.

    Args:
        backbone: ONNX with the input `pictures` uint8 (N, H, W, 3) and the output `features` float32 (N, D).
        weights, bias: of the head, (D, C) and (C,).
        classes: the C names, stored in the model's metadata under `classes` as JSON.
        several_labels: a picture may have several of them.

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
            helper.make_node("Sigmoid", [LOGITS], [PROBABILITIES], "head/sigmoid")
            if several_labels
            else helper.make_node("Softmax", [LOGITS], [PROBABILITIES], "head/softmax", axis=1),
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


@dataclass(frozen=True, slots=True)
class OodScore:
    """The out-of-distribution score of a picture, from its features; `training.ood_detector` fits it.

    Of the last layer's features, D numbers scaled to length 1, less their mean: how much lies outside the directions in
    which training pictures vary. Of the E numbers that the head reads: the distance from the nearest of C classes in Q
    directions. The larger of the two, each times its scale, is x; the score is x / (1 + x), from 0 to 1.
    """

    mean: Floats  # (D,)
    directions: Floats  # (D, K), shorter than 1
    near_mean: Floats  # (E,)
    near_directions: Floats  # (E, Q)
    centres: Floats  # (C, Q), of the classes
    scales: tuple[float, float] = (1.0, 1.0)

    def distances(self, last: Floats, features: Floats) -> Floats:
        """Return both squared distances (2, N), not scaled, of features (N, D) of the last layer and (N, E)."""
        unit = last / np.sqrt(np.maximum((last**2).sum(axis=1, keepdims=True), _LEAST_SQUARE))
        centred = unit - self.mean
        far = (centred**2).sum(axis=1) - ((centred @ self.directions) ** 2).sum(axis=1)
        placed = (features - self.near_mean) @ self.near_directions
        nearest = ((self.centres**2).sum(axis=1) - 2 * placed @ self.centres.T).min(axis=1)
        return np.asarray(np.maximum(np.stack([far, (placed**2).sum(axis=1) + nearest]), 0), np.float32)

    def joined(self, distances: Floats) -> Floats:
        """Return the scores (N,) of distances (2, N)."""
        largest = (distances * np.array(self.scales, np.float32)[:, None]).max(axis=0)
        return np.asarray(largest / (1 + largest), np.float32)

    def __call__(self, last: Floats, features: Floats) -> Floats:
        """Return the scores (N,) of features (N, D) and (N, E), as the graph computes them."""
        return self.joined(self.distances(last, features))


def with_ood_score(model: bytes, score: OodScore) -> bytes:
    """Add the output `unlikeness` (N,), a score of the features.

    Args:
        model: ONNX with the output `features` (N, E). Where these come from several layers, all of the last layer's
            are read beside them.
        score: of these features.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    opened = onnx.load_from_string(model)
    is_joined = any(LAST_FEATURES in node.output for node in opened.graph.node)
    last, constants = (
        LAST_FEATURES if is_joined else FEATURES,
        {
            "mean": score.mean,
            "directions": score.directions,
            "scale": np.array([[score.scales[0]]]),
            "near_mean": score.near_mean,
            "near_directions": score.near_directions,
            "centres": -2 * score.centres.T,
            "centre_squares": (score.centres**2).sum(axis=1),
            "near_scale": np.array([[score.scales[1]]]),
            "least": np.array([_LEAST_SQUARE]),
            "zero": np.zeros(1),
            "one": np.ones(1),
        },
    )
    steps: list[tuple[str, tuple[str, ...], str]] = [
        ("Mul", (last, last), "squares"),
        ("ReduceSum", ("squares",), "sum"),
        ("Max", ("sum", "least"), "some"),
        ("Sqrt", ("some",), "length"),
        ("Div", (last, "length"), "unit"),
        ("Sub", ("unit", "mean"), "centred"),
        ("Mul", ("centred", "centred"), "centred_squares"),
        ("ReduceSum", ("centred_squares",), "whole"),
        ("MatMul", ("centred", "directions"), "usual"),
        ("Mul", ("usual", "usual"), "usual_squares"),
        ("ReduceSum", ("usual_squares",), "inside"),
        ("Sub", ("whole", "inside"), "outside"),
        ("Mul", ("outside", "scale"), "far"),
        ("Sub", (FEATURES, "near_mean"), "near_centred"),
        ("MatMul", ("near_centred", "near_directions"), "placed"),
        ("Mul", ("placed", "placed"), "placed_squares"),
        ("ReduceSum", ("placed_squares",), "placed_sum"),
        ("Gemm", ("placed", "centres", "centre_squares"), "to_centres"),
        ("ReduceMin", ("to_centres",), "nearest"),
        ("Add", ("placed_sum", "nearest"), "near_sum"),
        ("Mul", ("near_sum", "near_scale"), "near"),
        ("Max", ("far", "near"), "larger"),
        ("Max", ("larger", "zero"), "positive"),
        ("Add", ("positive", "one"), "one_more"),
        ("Div", ("positive", "one_more"), "share"),
        ("ReduceSum", ("share",), OOD_SCORE),
    ]
    axis = numpy_helper.from_array(np.array([1], np.int64), "guard/axis")
    opset = next(entry.version for entry in opened.opset_import if entry.domain == "")
    for kind, given, made in steps:
        names = [name if name in (last, FEATURES) else f"guard/{name}" for name in given]
        output: str = made if made == OOD_SCORE else f"guard/{made}"
        options: dict[str, Any] = {}
        if kind in ("ReduceSum", "ReduceMin"):
            options["keepdims"] = int(made != OOD_SCORE)
            if kind == "ReduceMin" and opset < _AXES_ARE_INPUTS:
                options["axes"] = [1]
            else:
                names.append(axis.name)
        opened.graph.node.append(helper.make_node(kind, names, [output], f"{output}/node", **options))
    opened.graph.initializer.extend(
        [axis]
        + [numpy_helper.from_array(value.astype(np.float32), f"guard/{name}") for name, value in constants.items()]
    )
    opened.graph.output.append(helper.make_tensor_value_info(OOD_SCORE, TensorProto.FLOAT, ["N"]))
    return _checked(opened)


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
