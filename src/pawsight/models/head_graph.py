"""Backbone + linear head -> one ONNX graph.

Enters: the backbone as ONNX bytes, the weights of a head, class names. Leaves: ONNX bytes. Does not know: how the
head was fitted, files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PICTURES, FEATURES, PROBABILITIES = "pictures", "features", "probabilities"


def append_head(
    backbone: bytes, weights: NDArray[np.float32], bias: NDArray[np.float32], *, classes: Sequence[str]
) -> bytes:
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
    graph.initializer.extend(
        [numpy_helper.from_array(weights, "head/weights"), numpy_helper.from_array(bias, "head/bias")]
    )
    graph.node.extend(
        [
            helper.make_node("Gemm", [FEATURES, "head/weights", "head/bias"], ["head/logits"], "head/gemm"),
            helper.make_node("Softmax", ["head/logits"], [PROBABILITIES], "head/softmax", axis=1),
        ]
    )
    answer = helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["N", len(classes)])
    outputs = [answer, *graph.output]
    del graph.output[:]
    graph.output.extend(outputs)
    helper.set_model_props(model, {"classes": json.dumps(list(classes), ensure_ascii=False)})
    content: bytes = model.SerializeToString()
    onnx.checker.check_model(content)
    return content


def append_embedding(backbone: bytes, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> bytes:
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
    content: bytes = model.SerializeToString()
    onnx.checker.check_model(content)
    return content


def mean_colour_graph(image_px: int) -> bytes:
    """Return the smallest of backbones: a picture's mean colour, for heads that do not look.

    Returns:
        ONNX bytes: `pictures` uint8 (N, image_px, image_px, 3) -> `features` float32 (N, 3).
    """
    import onnx
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
    content: bytes = model.SerializeToString()
    onnx.checker.check_model(content)
    return content
