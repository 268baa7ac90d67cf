"""One function for each ONNX operator that Pawsight's graphs use: values and attributes in, a value out.

Enters: `Held` tensors, constants and shapes. Leaves: one of them. Does not know: the graph around it.

Operators: https://onnx.ai/onnx/operators/ (opsets 17 and 18). A use that stock layers cannot express is refused by name
rather than approximated; whether the whole is right is for the exam to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from keras import layers, ops

from pawsight.exports.child.onnx_maps import conv, global_average, max_pool, pad, with_weights
from pawsight.exports.child.onnx_shapes import axes_of, concat, cut, flatten, gather, reshape, shape, squeeze
from pawsight.exports.child.onnx_to_keras import Attributes, Constant, Given, Held, Untranslatable, Value


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
    return Held(with_weights(layer, held.tensor, weights, bias))


def _softmax(given: Given, attributes: Attributes) -> Value:
    if given[0].is_turned or attributes.get("axis", -1) not in (-1, len(given[0].tensor.shape) - 1):
        raise Untranslatable(f"Softmax along axis {attributes.get('axis')}")
    return Held(layers.Softmax()(given[0].tensor))


def _sqrt(given: Given, _attributes: Attributes) -> Value:
    return Held(ops.sqrt(given[0].tensor), given[0].is_turned)


def _reduce_mean(given: Given, attributes: Attributes) -> Value:
    held, axes = given[0], sorted(axes_of(given, attributes))
    if axes != ([2, 3] if held.is_turned else [1, 2]) or len(held.tensor.shape) != 4:
        raise Untranslatable(f"ReduceMean over the axes {axes}")
    keeps = bool(attributes.get("keepdims", 1))
    return Held(layers.GlobalAveragePooling2D(keepdims=keeps)(held.tensor), held.is_turned and keeps)


def _reduce_sum(given: Given, attributes: Attributes) -> Value:
    if given[0].is_turned:
        raise Untranslatable("ReduceSum of a picture")
    return Held(ops.sum(given[0].tensor, axis=tuple(axes_of(given, attributes)), keepdims=bool(attributes["keepdims"])))


OPERATORS: Mapping[str, Callable[[Given, Attributes], Value]] = {
    "Add": _arithmetic("Add"),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": concat,
    "Conv": conv,
    "Div": _arithmetic("Div"),
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": _gemm,
    "GlobalAveragePool": global_average,
    "MatMul": _mat_mul,
    "Max": _arithmetic("Max"),
    "MaxPool": max_pool,
    "Mul": _arithmetic("Mul"),
    "Pad": pad,
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "Relu": _relu,
    "Reshape": reshape,
    "Shape": shape,
    "Slice": cut,
    "Softmax": _softmax,
    "Sqrt": _sqrt,
    "Squeeze": squeeze,
    "Sub": _arithmetic("Sub"),
    "Transpose": _transpose,
}
