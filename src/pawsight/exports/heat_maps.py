"""Adds class activation maps to an exported graph, for a page that has neither OpenVINO nor the head's weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from pawsight.explanation.heatmap import maps_in

HEAT = "heat"  # the output's name; static/worker.js reads it


def with_heat_maps(model: bytes, image_px: int, *, several_labels: bool = False) -> bytes | None:
    """Add the output `heat` to a classifier: how much each place speaks for each class.

    Args:
        model: ONNX of a bundle.
        image_px: side of the pictures that it is fed.
        several_labels: a picture may have several of the classes.

    Returns:
        ONNX bytes with the output `heat` float32 (N, h, w, C): the maps of every class, as `HeatMap` has them.
        None where the network does not end in means over positions and one linear layer.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    found = maps_in(model, image_px)
    if found is None:
        return None
    name, channels, head = found
    opened = onnx.load_from_string(model)
    graph = opened.graph
    own = head.weights[len(head.weights) - len(head.channels) :]
    if not several_labels:  # a softmax does not see what all classes have in common, so their mean is taken off
        own = own - own.mean(axis=1, keepdims=True)
    weights = np.zeros((channels, own.shape[1]), np.float32)
    weights[head.channels] = own
    graph.initializer.append(numpy_helper.from_array(weights, f"{HEAT}/weights"))
    nodes: list[Any] = []
    if head.channel_axis == 0:
        nodes.append(helper.make_node("Transpose", [name], [f"{HEAT}/maps"], f"{HEAT}/transpose", perm=[0, 2, 3, 1]))
        name = f"{HEAT}/maps"
    nodes.append(helper.make_node("MatMul", [name, f"{HEAT}/weights"], [HEAT], f"{HEAT}/matmul"))
    graph.node.extend(nodes)
    graph.output.append(helper.make_tensor_value_info(HEAT, TensorProto.FLOAT, ["N", "h", "w", own.shape[1]]))
    onnx.checker.check_model(opened)
    content: bytes = opened.SerializeToString()
    return content
