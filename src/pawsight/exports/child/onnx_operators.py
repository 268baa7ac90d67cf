"""One function for each ONNX operator that Pawsight's graphs use: values and attributes in, a value out.

Enters: `Held` tensors, constants and shapes. Leaves: one of them. Does not know: the graph around it.

Operators: https://onnx.ai/onnx/operators/ (opsets 17 and 18). A use that stock layers cannot express is refused by name
rather than approximated; whether the whole is right is for the exam to say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from pawsight.exports.child.onnx_to_keras import Constant, Held, Shape, Untranslatable, Value

Given = Sequence[Any]
Attributes = Mapping[str, Any]


def _cast(given: Given, attributes: Attributes) -> Value:
    value = given[0]
    if not isinstance(value, Held):  # a shape, whose numbers stay what they are
        return list(value) if isinstance(value, list) else np.asarray(value)
    if attributes["to"] != 1:
        raise Untranslatable(f"Cast of a tensor to type {attributes['to']}")
    return Held(layers.Rescaling(1.0)(value.tensor), value.is_turned)


def _transpose(given: Given, attributes: Attributes) -> Value:
    held, order = given[0], list(attributes["perm"])
    if held.is_turned == (order == [0, 2, 3, 1]) and order in ([0, 2, 3, 1], [0, 3, 1, 2]):
        return Held(held.tensor, not held.is_turned)
    raise Untranslatable(f"Transpose by {order}")


def _conv(given: Given, attributes: Attributes) -> Value:
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
    return Held(_with_weights(layer, x, weights, bias), is_turned=True)


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


def _with_weights(layer: Any, x: Any, weights: Constant, bias: Constant | None) -> Any:
    answer = layer(x)
    layer.set_weights([weights] if bias is None else [weights, bias])
    return answer


def _max_pool(given: Given, attributes: Attributes) -> Value:
    size, strides = tuple(attributes["kernel_shape"]), tuple(attributes.get("strides", (1, 1)))
    if attributes.get("ceil_mode") or set(attributes.get("dilations", (1,))) != {1}:
        raise Untranslatable(f"MaxPool with the attributes {dict(attributes)}")
    x, padding = _padded(given[0], size, strides, attributes, -math.inf)
    return Held(layers.MaxPooling2D(size, strides, padding)(x), is_turned=True)


def _pad(given: Given, attributes: Attributes) -> Value:
    held, pads = given[0], [int(one) for one in given[1]]
    fill = float(given[2].item()) if len(given) > 2 and given[2].size else 0.0
    if attributes.get("mode", "constant") != "constant" or fill or not held.is_turned or any(pads[:2] + pads[4:6]):
        raise Untranslatable(f"Pad by {pads}")
    return Held(layers.ZeroPadding2D(((pads[2], pads[6]), (pads[3], pads[7])))(held.tensor), is_turned=True)


def _relu(given: Given, _attributes: Attributes) -> Value:
    return Held(layers.ReLU()(given[0].tensor), given[0].is_turned)


def _clip(given: Given, _attributes: Attributes) -> Value:
    low, high = (float(one.item()) for one in given[1:3])
    if low != 0:
        raise Untranslatable(f"Clip from {low}")
    return Held(layers.ReLU(high)(given[0].tensor), given[0].is_turned)


def _arithmetic(name: str) -> Callable[[Given, Attributes], Value]:
    def translate(given: Given, _attributes: Attributes) -> Value:
        one, other = given
        if isinstance(one, Held) and isinstance(other, Held):
            return _of_two(name, one, other)
        if isinstance(other, Held):
            return _with_constant_first(name, one, other)
        return _with_constant(name, one, other)

    return translate


def _of_two(name: str, one: Held, other: Held) -> Held:
    if one.is_turned != other.is_turned:
        raise Untranslatable(f"{name} of tensors with different axes")
    layer = {"Add": layers.Add, "Sub": layers.Subtract, "Mul": layers.Multiply, "Max": layers.Maximum}.get(name)
    tensors = [one.tensor, other.tensor]
    return Held(ops.divide(*tensors) if layer is None else layer()(tensors), one.is_turned)


def _with_constant_first(name: str, one: Constant, other: Held) -> Held:
    if name in ("Add", "Mul", "Max"):
        return _with_constant(name, other, one)
    if name == "Sub":
        return _with_constant("Add", _with_constant("Mul", other, np.float32(-1.0)), one)
    raise Untranslatable("a constant divided by a tensor")


def _with_constant(name: str, held: Held, constant: Any) -> Held:
    if name == "Max":
        return Held(ops.maximum(held.tensor, float(np.asarray(constant).item())), held.is_turned)
    value = _along_channels(held, np.asarray(constant))
    scale, offset = {"Mul": (value, 0.0), "Add": (1.0, value), "Sub": (1.0, _negative(value))}.get(name, (None, None))
    if scale is None:
        raise Untranslatable(f"{name} with a constant")
    return Held(layers.Rescaling(scale, offset)(held.tensor), held.is_turned)


def _along_channels(held: Held, constant: Constant) -> float | list[float]:
    """Return a constant as `Rescaling` takes it: one number, or one for each channel, which are last."""
    if constant.size == 1:
        return float(constant.item())
    channels = held.onnx_shape[1] if held.is_turned else held.onnx_shape[-1]
    in_place = constant.shape in ((channels, 1, 1), (1, channels, 1, 1)) if held.is_turned else True
    if not in_place or constant.size != channels:
        raise Untranslatable(f"arithmetic with a constant of the shape {constant.shape}")
    return [float(one) for one in constant.ravel()]


def _negative(value: float | list[float]) -> float | list[float]:
    return [-one for one in value] if isinstance(value, list) else -value


def _gemm(given: Given, attributes: Attributes) -> Value:
    held, weights, bias = given[0], given[1], given[2] if len(given) > 2 else None
    if attributes.get("transA") or attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0:
        raise Untranslatable(f"Gemm with the attributes {dict(attributes)}")
    return _dense(held, weights.T if attributes.get("transB") else weights, bias)


def _mat_mul(given: Given, _attributes: Attributes) -> Value:
    if not isinstance(given[0], Held) or isinstance(given[1], Held):
        raise Untranslatable("MatMul of two tensors")
    return _dense(given[0], given[1], None)


def _dense(held: Held, weights: Constant, bias: Constant | None) -> Held:
    layer = layers.Dense(weights.shape[1], use_bias=bias is not None)
    return Held(_with_weights(layer, held.tensor, weights, bias))


def _softmax(given: Given, attributes: Attributes) -> Value:
    if given[0].is_turned or attributes.get("axis", -1) not in (-1, len(given[0].tensor.shape) - 1):
        raise Untranslatable(f"Softmax along axis {attributes.get('axis')}")
    return Held(layers.Softmax()(given[0].tensor))


def _sqrt(given: Given, _attributes: Attributes) -> Value:
    return Held(ops.sqrt(given[0].tensor), given[0].is_turned)


def _global_average(given: Given, _attributes: Attributes) -> Value:
    return Held(layers.GlobalAveragePooling2D(keepdims=True)(given[0].tensor), is_turned=True)


def _squeeze(given: Given, attributes: Attributes) -> Value:
    held, axes = given[0], sorted(_axes(given, attributes))
    if not held.is_turned or axes != [2, 3]:
        raise Untranslatable(f"Squeeze of the axes {axes}")
    return Held(layers.Reshape((held.tensor.shape[-1],))(held.tensor))


def _reduce_mean(given: Given, attributes: Attributes) -> Value:
    held, axes = given[0], sorted(_axes(given, attributes))
    if axes != ([2, 3] if held.is_turned else [1, 2]) or len(held.tensor.shape) != 4:
        raise Untranslatable(f"ReduceMean over the axes {axes}")
    keeps = bool(attributes.get("keepdims", 1))
    return Held(layers.GlobalAveragePooling2D(keepdims=keeps)(held.tensor), held.is_turned and keeps)


def _reduce_sum(given: Given, attributes: Attributes) -> Value:
    if given[0].is_turned:
        raise Untranslatable("ReduceSum of a picture")
    return Held(ops.sum(given[0].tensor, axis=tuple(_axes(given, attributes)), keepdims=bool(attributes["keepdims"])))


def _axes(given: Given, attributes: Attributes) -> list[int]:
    return [int(one) for one in (given[1] if len(given) > 1 else attributes["axes"])]


def _shape(given: Given, _attributes: Attributes) -> Value:
    return list(given[0].onnx_shape)


def _gather(given: Given, _attributes: Attributes) -> Value:
    shape, indices = given
    picked: Shape = [shape[int(one)] for one in np.atleast_1d(indices)]
    return picked


def _slice(given: Given, _attributes: Attributes) -> Value:
    shape, start, end = given[0], int(np.ravel(given[1])[0]), int(np.ravel(given[2])[0])
    cut: Shape = shape[start:end]
    return cut


def _concat(given: Given, _attributes: Attributes) -> Value:
    joined: Shape = [None if one is None else int(one) for part in given for one in part]
    return joined


def _reshape(given: Given, _attributes: Attributes) -> Value:
    held, target = given[0], [None if one in (None, -1) else int(one) for one in given[1]]
    if held.is_turned or target[0] not in (None, 0):
        raise Untranslatable(f"Reshape to {target}")
    return Held(layers.Reshape(tuple(-1 if one is None else one for one in target[1:]))(held.tensor))


def _flatten(given: Given, attributes: Attributes) -> Value:
    held = given[0]
    if attributes.get("axis", 1) != 1 or (held.is_turned and tuple(held.tensor.shape[1:3]) != (1, 1)):
        raise Untranslatable("Flatten of maps with channels first")
    return Held(keras.layers.Flatten()(held.tensor))


OPERATORS: Mapping[str, Callable[[Given, Attributes], Value]] = {
    "Add": _arithmetic("Add"),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _arithmetic("Div"),
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "MatMul": _mat_mul,
    "Max": _arithmetic("Max"),
    "MaxPool": _max_pool,
    "Mul": _arithmetic("Mul"),
    "Pad": _pad,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "Relu": _relu,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": _softmax,
    "Sqrt": _sqrt,
    "Squeeze": _squeeze,
    "Sub": _arithmetic("Sub"),
    "Transpose": _transpose,
}
