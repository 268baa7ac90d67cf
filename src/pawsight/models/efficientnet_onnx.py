"""EfficientNet-Lite as an ONNX graph, written with `onnx.helper` from the table in efficientnet_lite.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pawsight.core.errors import require_extra
from pawsight.models.backbones import Backbone, check_image_px, find_backbone
from pawsight.models.efficientnet_lite import (
    PIXEL_MEAN,
    PIXEL_SPAN,
    RELU_LIMIT,
    Weights,
    convolutions,
    published_weights,
)
from pawsight.models.graph import FEATURES, PICTURES

OPSET = 17
IR_VERSION = 8


def backbone_onnx(name: str, image_px: int) -> bytes:
    """Return a backbone with its published weights as an ONNX graph: half a second, the same bytes each time.

    Args:
        name: one of `pawsight.models.backbones.BACKBONES`.
        image_px: side of the square pictures, 32 to 1024.

    Returns:
        ONNX without external data: `pictures` (N, image_px, image_px, 3) uint8 RGB -> `features` (N, 1280) float32.

    Raises:
        WrongUsage: there is no backbone of that name, or it takes no pictures of that size.
        MissingExtra: the package onnx is not installed.
        WeightsUnavailable: the weights are not installed or are not the published ones.
    """
    backbone = find_backbone(name)
    check_image_px(image_px)
    return write_graph(backbone, image_px, published_weights(backbone))


def write_graph(backbone: Backbone, image_px: int, weights: Weights, *, last: str = "top") -> bytes:
    """Write the network, or its lower part, with given weights.

    Args:
        backbone: which network.
        image_px: side of the square pictures.
        weights: of each convolution up to the last one wanted.
        last: the convolution after which the graph ends. "top" ends in global averages (N, 1280); any other ends in
            its maps, channels last, (N, height, width, channels).

    Returns:
        ONNX bytes as `backbone_onnx` gives them.

    Raises:
        MissingExtra: the package onnx is not installed.
    """
    require_extra("train", "onnx", needed_by="Training", why="Without it Pawsight predicts, measures and explains.")
    import onnx

    make_node, value_info, tensor = onnx.helper.make_node, onnx.helper.make_tensor_value_info, onnx.TensorProto
    constants: dict[str, Any] = {
        "scale/factor": np.float32(1 / PIXEL_SPAN),
        "scale/offset": np.float32(-PIXEL_MEAN / PIXEL_SPAN),
        "relu/least": np.float32(0),
        "relu/most": np.float32(RELU_LIMIT),
    }
    nodes = [
        make_node("Cast", [PICTURES], ["scale/real"], "scale/cast", to=tensor.FLOAT),
        make_node("Mul", ["scale/real", "scale/factor"], ["scale/product"], "scale/multiply"),
        make_node("Add", ["scale/product", "scale/offset"], ["scale/scaled"], "scale/add"),
        make_node("Transpose", ["scale/scaled"], ["scale"], "scale/channels_first", perm=[0, 3, 1, 2]),
    ]
    fed, side = "scale", image_px
    for row in convolutions(backbone):
        constants[f"{row.name}/kernel"], constants[f"{row.name}/bias"] = weights[row.name]
        followed = row.relu or bool(row.shortcut)
        convolved = f"{row.name}/convolved" if followed else row.name
        nodes.append(
            make_node(
                "Conv",
                [fed, f"{row.name}/kernel", f"{row.name}/bias"],
                [convolved],
                f"{row.name}/convolve",
                group=row.channels if row.depthwise else 1,
                kernel_shape=[row.kernel] * 2,
                pads=_same_pads(side, row.kernel, row.stride),
                strides=[row.stride] * 2,
            )
        )
        if row.relu:
            nodes.append(make_node("Clip", [convolved, "relu/least", "relu/most"], [row.name], f"{row.name}/relu"))
        elif row.shortcut:
            nodes.append(make_node("Add", [convolved, row.shortcut], [row.name], f"{row.name}/add"))
        fed, side = row.name, math.ceil(side / row.stride)
        if row.name == last:
            break
    if last == "top":
        nodes.append(make_node("ReduceMean", [fed], [FEATURES], FEATURES, axes=[2, 3], keepdims=0))
        shape = ["N", row.channels]
    else:
        nodes.append(make_node("Transpose", [fed], [FEATURES], FEATURES, perm=[0, 2, 3, 1]))
        shape = ["N", side, side, row.channels]
    graph = onnx.helper.make_graph(
        nodes,
        backbone.name,
        [value_info(PICTURES, tensor.UINT8, ["N", image_px, image_px, 3])],
        [value_info(FEATURES, tensor.FLOAT, shape)],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, producer_name="pawsight", opset_imports=opsets, ir_version=IR_VERSION)
    content: bytes = model.SerializeToString()
    return content


def _same_pads(side: int, kernel: int, stride: int) -> list[int]:
    """Return ONNX pads (top, left, bottom, right) of TensorFlow's padding `same`; where they are odd, the end has more.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    whole = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
    return [whole // 2, whole // 2, whole - whole // 2, whole - whole // 2]
