"""ONNX operators that look at maps: convolutions, pools and padding, from channels first to channels last.

Enters: `Held` tensors, constants and attributes. Leaves: `Held` tensors. Does not know: the graph around them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras import layers

from pawsight.exports.child.onnx_to_keras import Attributes, Constant, Given, Held, Untranslatable, Value


def conv(given: Given, attributes: Attributes) -> Value:
    """Convolve, each channel with all others or each alone."""
    held, kernel, bias = given[0], given[1], given[2] if len(given) > 2 else None
    channels, group, size = held.onnx_shape[1], attributes.get("group", 1), kernel.shape[2:]
    strides = tuple(attributes.get("strides", (1, 1)))
    if set(attributes.get("dilations", (1,))) != {1} or group not in (1, channels) or len(set(strides)) > 1:
        raise Untranslatable(f"Conv with the attributes {dict(attributes)}")
    x, padding = _padded(held, size, strides, attributes, 0.0)
    common = {"strides": strides, "padding": padding, "use_bias": bias is not None}
    if group == 1:
        layer = layers.Conv2D(kernel.shape[0], size, **common)
        weights = kernel.transpose(2, 3, 1, 0)
    else:
        layer = layers.DepthwiseConv2D(size, depth_multiplier=kernel.shape[0] // group, **common)
        # ONNX counts the outputs of one input channel together; Keras wants (h, w, channels in, multiplier).
        weights = kernel.reshape(group, -1, *size).transpose(2, 3, 0, 1)
    return Held(with_weights(layer, x, weights, bias), is_turned=True)


def _padded(held: Held, size: Sequence[int], strides: Sequence[int], attributes: Attributes, fill: float) -> Any:
    """Return the tensor, padded where no layer's own padding does it, and the padding that the layer shall use."""
    automatic, pads = attributes.get("auto_pad", "NOTSET"), list(attributes.get("pads", (0, 0, 0, 0)))
    same = _same_pads(held.onnx_shape[2:], size, strides)
    if automatic == "SAME_UPPER" or (automatic == "NOTSET" and pads == same and any(pads)):
        return held.tensor, "same"
    if automatic not in ("NOTSET", "VALID"):
        raise Untranslatable(f"padding {automatic}")
    if automatic == "VALID" or not any(pads):
        return held.tensor, "valid"
    if fill:
        raise Untranslatable(f"a pool with the padding {pads}")
    return layers.ZeroPadding2D(((pads[0], pads[2]), (pads[1], pads[3])))(held.tensor), "valid"


def _same_pads(sides: Sequence[int | None], size: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Return ONNX pads (top, left, bottom, right) of TensorFlow's padding `same`; the odd one is last."""
    whole = [
        max((math.ceil((side or 1) / stride) - 1) * stride + kernel - (side or 1), 0)
        for side, kernel, stride in zip(sides, size, strides, strict=True)
    ]
    return [*(one // 2 for one in whole), *(one - one // 2 for one in whole)]


def with_weights(layer: Any, x: Any, weights: Constant, bias: Constant | None) -> Any:
    """Apply a layer and give it its weights."""
    answer = layer(x)
    layer.set_weights([weights] if bias is None else [weights, bias])
    return answer


def max_pool(given: Given, attributes: Attributes) -> Value:
    """Take the largest of each window."""
    size, strides = tuple(attributes["kernel_shape"]), tuple(attributes.get("strides", (1, 1)))
    if attributes.get("ceil_mode") or set(attributes.get("dilations", (1,))) != {1}:
        raise Untranslatable(f"MaxPool with the attributes {dict(attributes)}")
    x, padding = _padded(given[0], size, strides, attributes, -math.inf)
    return Held(layers.MaxPooling2D(size, strides, padding)(x), is_turned=True)


def pad(given: Given, attributes: Attributes) -> Value:
    """Add rows and columns of nothing."""
    held, pads = given[0], [int(one) for one in given[1]]
    fill = float(given[2].item()) if len(given) > 2 and given[2].size else 0.0
    if attributes.get("mode", "constant") != "constant" or fill or not held.is_turned or any(pads[:2] + pads[4:6]):
        raise Untranslatable(f"Pad by {pads}")
    return Held(layers.ZeroPadding2D(((pads[2], pads[6]), (pads[3], pads[7])))(held.tensor), is_turned=True)


def global_average(given: Given, _attributes: Attributes) -> Value:
    """Average over positions, keeping the axes."""
    return Held(layers.GlobalAveragePooling2D(keepdims=True)(given[0].tensor), is_turned=True)
