"""What is put into a finished graph so that its answers can be trusted: a temperature, and how unlike a picture is.

Enters: ONNX bytes with the outputs `probabilities` and `features`. Leaves: ONNX bytes. Does not know: how temperature
and directions were found.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.models.head_graph import FEATURES, PROBABILITIES

UNLIKENESS = "unlikeness"
_LEAST_SQUARE = 1e-12  # keeps features that are the mean exactly from being divided by nothing

Floats = NDArray[np.float32]


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


def with_guard(model: bytes, mean: Floats, directions: Floats) -> bytes:
    """Add the output `unlikeness` (N,): the share of a picture's features that lies outside the usual directions.

    Args:
        model: ONNX with the output `features` (N, D).
        mean: of the features of training pictures (D,).
        directions: orthonormal columns (D, K), in which those features differ most.

    The output is sqrt(1 - |z V|^2 / |z|^2) with z = features - mean, V = directions: 0 for what differs from the mean
    only as training pictures do, 1 for what differs in other ways alone; `unlikeness_of` is the same in NumPy.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    opened = onnx.load_from_string(model)
    ones = np.ones(1, np.float32)
    constants = {
        "mean": mean.astype(np.float32),
        "directions": directions.astype(np.float32),
        "axis": np.array([1], np.int64),
        "one": ones,
        "zero": 0 * ones,
        "least": _LEAST_SQUARE * ones,
    }
    steps = (
        ("Sub", (FEATURES, "guard/mean"), "guard/centred"),
        ("MatMul", ("guard/centred", "guard/directions"), "guard/usual"),
        ("Mul", ("guard/usual", "guard/usual"), "guard/usual_squares"),
        ("Mul", ("guard/centred", "guard/centred"), "guard/squares"),
        ("ReduceSum", ("guard/usual_squares", "guard/axis"), "guard/usual_sum"),
        ("ReduceSum", ("guard/squares", "guard/axis"), "guard/sum"),
        ("Max", ("guard/sum", "guard/least"), "guard/some"),
        ("Div", ("guard/usual_sum", "guard/some"), "guard/share"),
        ("Sub", ("guard/one", "guard/share"), "guard/rest"),
        ("Max", ("guard/rest", "guard/zero"), "guard/positive"),
        ("Sqrt", ("guard/positive",), UNLIKENESS),
    )
    opened.graph.initializer.extend(
        numpy_helper.from_array(value, f"guard/{name}") for name, value in constants.items()
    )
    opened.graph.node.extend(
        helper.make_node(kind, given, [made], f"{made}/node", **({"keepdims": 0} if kind == "ReduceSum" else {}))
        for kind, given, made in steps
    )
    opened.graph.output.append(helper.make_tensor_value_info(UNLIKENESS, TensorProto.FLOAT, ["N"]))
    return _checked(opened)


def unlikeness_of(features: Floats, mean: Floats, directions: Floats) -> Floats:
    """Return what the graph's output says (N,) of features (N, D)."""
    centred = features - mean
    usual = ((centred @ directions) ** 2).sum(axis=1)
    rest = 1 - usual / np.maximum((centred**2).sum(axis=1), _LEAST_SQUARE)
    unlikeness: Floats = np.sqrt(np.maximum(rest, 0)).astype(np.float32)
    return unlikeness


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
