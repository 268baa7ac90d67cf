"""ONNX graph of Pawsight's kind -> functional Keras model of stock layers, without Lambda layers or custom code.

Run as a script it writes .keras, SavedModel and .tflite; its arguments are an ONNX file, then pairs of a target's name
and the path to write. TensorFlow takes a gigabyte of memory, so exports run it in a process of its own.

ONNX computes with channels first, Keras here with channels last. So every value records whether its axes in ONNX are
(N, C, H, W) while the Keras tensor is (N, H, W, C), and the two transposes at the ends of a network cost nothing.

There is one function for each ONNX operator in use (https://onnx.ai/onnx/operators/, opsets 17 and 18). A use that
stock layers cannot express is refused by name, not approximated; the self-test checks the whole.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers, ops
from onnx import AttributeProto, ModelProto, NodeProto, helper, numpy_helper


@dataclass(frozen=True, slots=True)
class GraphTensor:
    """A tensor of the graph."""

    tensor: Any  # KerasTensor, channels last where it has four axes
    channels_first: bool = False  # in ONNX the axes are (N, C, H, W)

    @property
    def onnx_shape(self) -> list[int | None]:
        """The shape that ONNX sees, None for the batch."""
        shape = list(self.tensor.shape)
        return [shape[0], shape[3], shape[1], shape[2]] if self.channels_first else shape


Constant = np.ndarray[Any, Any]
Shape = list[int | None]  # a shape under computation: a batch of unknown size is None
Value = GraphTensor | Constant | Shape
Operands = Sequence[Any]
Attributes = Mapping[str, Any]


class Untranslatable(ValueError):
    """The graph has an operator, or a use of one, without a stock layer; the text names it."""


def to_keras(model: ModelProto, *, checks_range: bool = False) -> keras.Model:
    """Translate a graph.

    Args:
        model: the graph.
        checks_range: refuse numbers that are no pictures, see `_in_range`. Keras converts what it is given to the type
            of the input without a word: as uint8 a picture scaled to 0-1 is black. So this input is float32.

    Returns:
        A model from uint8 (N, H, W, 3), named as in the graph, to a dictionary of the graph's outputs.

    Raises:
        Untranslatable: an operator, or the way it is used, has no stock layer.
    """
    values: dict[str, Value] = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    pictures = model.graph.input[0]
    side = [dim.dim_value for dim in pictures.type.tensor_type.shape.dim[1:]]
    inputs = keras.Input(side, dtype="float32" if checks_range else "uint8", name=pictures.name)
    values[pictures.name] = GraphTensor(_in_range(inputs) if checks_range else inputs)
    for node in model.graph.node:
        if node.op_type not in OPERATORS:
            raise Untranslatable(f"no Keras layer is known for the operator {node.op_type} ({node.name})")
        operands = [values[name] if name else np.empty(0) for name in node.input]
        values[node.output[0]] = OPERATORS[node.op_type](operands, attributes(node))
    return keras.Model(
        inputs, {output.name: _output(values, output.name) for output in model.graph.output}, name="pawsight"
    )


def _in_range(pictures: Any) -> Any:
    """Return the same pictures; a batch in which one has numbers of another range than 0 to 255 is an error.

    Scaled to 0-1: none above 1 and some between. Scaled to -1-1 or standardised: some below 0. A vocabulary without
    room for other words is the one stock layer that raises an error for a value, and the error names the layer.
    """
    axes = (1, 2, 3)
    highest, is_fraction = ops.max(pictures, axes), ops.any(ops.not_equal(pictures, ops.floor(pictures)), axes)
    is_scaled = ops.logical_and(ops.less_equal(highest, 1.0), is_fraction)
    is_outside = ops.logical_or(ops.less(ops.min(pictures, axes), 0.0), ops.greater(highest, 255.0))
    fault = ops.cast(ops.logical_or(is_scaled, is_outside), "int64")
    check = layers.IntegerLookup(vocabulary=[0], num_oov_indices=0, name="pictures_must_have_values_from_0_to_255")
    return ops.add(pictures, ops.reshape(ops.cast(check(fault), "float32"), (-1, 1, 1, 1)))  # adds 0


def attributes(node: NodeProto) -> dict[str, Any]:
    """Return a node's attributes as plain values."""
    return {attribute.name: _plain(attribute) for attribute in node.attribute}


def _plain(attribute: AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.TENSOR:
        return numpy_helper.to_array(value)
    return value.decode() if isinstance(value, bytes) else value


def _output(values: dict[str, Value], name: str) -> Any:
    source = values[name]
    if not isinstance(source, GraphTensor) or source.channels_first:
        raise Untranslatable(f"the output {name} is no plain tensor")
    return keras.layers.Identity(name=name)(source.tensor)


# Operators on shapes, and those that change the shape of a tensor.


def shape(operands: Operands, _attributes: Attributes) -> Value:
    """Return the shape that ONNX sees."""
    return list(operands[0].onnx_shape)


def gather(operands: Operands, attributes: Attributes) -> Value:
    """Pick sizes of a shape, or features."""
    sizes, indices = operands
    if isinstance(sizes, GraphTensor):
        if attributes.get("axis", 0) != 1 or len(sizes.tensor.shape) != 2:
            raise Untranslatable(f"Gather along axis {attributes.get('axis', 0)}")
        return GraphTensor(ops.take(sizes.tensor, [int(index) for index in indices], axis=1))
    picked: Shape = [sizes[int(index)] for index in np.atleast_1d(indices)]
    return picked


def slice_shape(operands: Operands, _attributes: Attributes) -> Value:
    """Take a part of a shape."""
    sizes, start, end = operands[0], int(np.ravel(operands[1])[0]), int(np.ravel(operands[2])[0])
    part: Shape = sizes[start:end]
    return part


def concat(operands: Operands, attributes: Attributes) -> Value:
    """Join shapes, or features."""
    if all(isinstance(part, GraphTensor) for part in operands):
        if attributes["axis"] != 1 or any(len(part.tensor.shape) != 2 for part in operands):
            raise Untranslatable(f"Concat along axis {attributes['axis']}")
        return GraphTensor(layers.Concatenate()([part.tensor for part in operands]))
    joined: Shape = [None if size is None else int(size) for part in operands for size in part]
    return joined


def reshape(operands: Operands, _attributes: Attributes) -> Value:
    """Give a tensor the shape that was computed for it."""
    source, target = operands[0], [None if size in (None, -1) else int(size) for size in operands[1]]
    if _is_point(source):
        return _reshaped_point(source, target[1:])
    if source.channels_first or target[0] not in (None, 0):
        raise Untranslatable(f"Reshape to {target}")
    return GraphTensor(layers.Reshape(tuple(-1 if size is None else size for size in target[1:]))(source.tensor))


def flatten(operands: Operands, attributes: Attributes) -> Value:
    """Make one axis of all but the batch."""
    source = operands[0]
    if attributes.get("axis", 1) != 1 or (source.channels_first and tuple(source.tensor.shape[1:3]) != (1, 1)):
        raise Untranslatable("Flatten of maps with channels first")
    return GraphTensor(layers.Flatten()(source.tensor))


def squeeze(operands: Operands, attributes: Attributes) -> Value:
    """Drop the axes of maps of one position."""
    source, axes = operands[0], sorted(axes_of(operands, attributes))
    if not source.channels_first or axes != [2, 3]:
        raise Untranslatable(f"Squeeze of the axes {axes}")
    return GraphTensor(layers.Reshape((source.tensor.shape[-1],))(source.tensor))


def _is_point(source: GraphTensor) -> bool:
    """Return whether maps have one position, so that a Reshape may replace a Transpose."""
    return len(source.tensor.shape) == 4 and tuple(source.tensor.shape[1:3]) == (1, 1)


def _reshaped_point(source: GraphTensor, target: Shape) -> GraphTensor:
    channels = source.tensor.shape[3]
    if target in ([channels, 1, 1], [1, 1, channels]):
        return GraphTensor(source.tensor, channels_first=target[0] == channels)
    return GraphTensor(layers.Reshape(tuple(-1 if size is None else size for size in target))(source.tensor))


def axes_of(operands: Operands, attributes: Attributes) -> list[int]:
    """Return the axes that an operator works on, operands as a tensor or, in older opsets, as an attribute."""
    return [int(axis) for axis in (operands[1] if len(operands) > 1 else attributes["axes"])]


# Operators on maps: convolutions, pools, padding.


def conv(operands: Operands, attributes: Attributes) -> Value:
    """Convolve all channels together (Conv2D) or each alone (DepthwiseConv2D)."""
    source, kernel, bias = operands[0], operands[1], operands[2] if len(operands) > 2 else None
    channels, group, size = source.onnx_shape[1], attributes.get("group", 1), kernel.shape[2:]
    strides = tuple(attributes.get("strides", (1, 1)))
    if set(attributes.get("dilations", (1,))) != {1} or group not in (1, channels) or len(set(strides)) > 1:
        raise Untranslatable(f"Conv with the attributes {dict(attributes)}")
    x, padding = _padded(source, size, strides, attributes, 0.0)
    common = {"strides": strides, "padding": padding, "use_bias": bias is not None}
    if group == 1:
        layer = layers.Conv2D(kernel.shape[0], size, **common)
        weights = kernel.transpose(2, 3, 1, 0)
    else:
        layer = layers.DepthwiseConv2D(size, depth_multiplier=kernel.shape[0] // group, **common)
        # ONNX counts the outputs of one input channel together; Keras wants (h, w, channels in, multiplier).
        weights = kernel.reshape(group, -1, *size).transpose(2, 3, 0, 1)
    return GraphTensor(with_weights(layer, x, weights, bias), channels_first=True)


def _padded(
    source: GraphTensor, size: Sequence[int], strides: Sequence[int], attributes: Attributes, fill: float
) -> Any:
    """Return the tensor, padded where the layer's own padding cannot do it, and the padding for the layer to use."""
    automatic, pads = attributes.get("auto_pad", "NOTSET"), list(attributes.get("pads", (0, 0, 0, 0)))
    same = _same_pads(source.onnx_shape[2:], size, strides)
    if automatic == "SAME_UPPER" or (automatic == "NOTSET" and pads == same and any(pads)):
        return source.tensor, "same"
    if automatic not in ("NOTSET", "VALID"):
        raise Untranslatable(f"padding {automatic}")
    if automatic == "VALID" or not any(pads):
        return source.tensor, "valid"
    if fill:
        raise Untranslatable(f"a pool with the padding {pads}")
    return layers.ZeroPadding2D(((pads[0], pads[2]), (pads[1], pads[3])))(source.tensor), "valid"


def _same_pads(sides: Sequence[int | None], size: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Return ONNX pads (top, left, bottom, right) of TensorFlow's padding `same`; the odd one is last."""
    whole = [
        max((math.ceil((side or 1) / stride) - 1) * stride + kernel - (side or 1), 0)
        for side, kernel, stride in zip(sides, size, strides, strict=True)
    ]
    return [*(pads // 2 for pads in whole), *(pads - pads // 2 for pads in whole)]


def with_weights(layer: Any, x: Any, weights: Constant, bias: Constant | None) -> Any:
    """Apply a layer and give it its weights."""
    answer = layer(x)
    layer.set_weights([weights] if bias is None else [weights, bias])
    return answer


def max_pool(operands: Operands, attributes: Attributes) -> Value:
    """Take the largest of each window."""
    size, strides = tuple(attributes["kernel_shape"]), tuple(attributes.get("strides", (1, 1)))
    if attributes.get("ceil_mode") or set(attributes.get("dilations", (1,))) != {1}:
        raise Untranslatable(f"MaxPool with the attributes {dict(attributes)}")
    x, padding = _padded(operands[0], size, strides, attributes, -math.inf)
    return GraphTensor(layers.MaxPooling2D(size, strides, padding)(x), channels_first=True)


def pad(operands: Operands, attributes: Attributes) -> Value:
    """Add rows and columns of zeros."""
    source, pads = operands[0], [int(size) for size in operands[1]]
    fill = float(operands[2].item()) if len(operands) > 2 and operands[2].size else 0.0
    if (
        attributes.get("mode", "constant") != "constant"
        or fill
        or not source.channels_first
        or any(pads[:2] + pads[4:6])
    ):
        raise Untranslatable(f"Pad by {pads}")
    return GraphTensor(
        layers.ZeroPadding2D(((pads[2], pads[6]), (pads[3], pads[7])))(source.tensor), channels_first=True
    )


def global_average(operands: Operands, _attributes: Attributes) -> Value:
    """Average over positions, keeping the axes."""
    return GraphTensor(layers.GlobalAveragePooling2D(keepdims=True)(operands[0].tensor), channels_first=True)


# Operators on single values and on features.


def _identity(operands: Operands, _attributes: Attributes) -> Value:
    value: Value = operands[0]
    return value


def _cast(operands: Operands, attributes: Attributes) -> Value:
    value = operands[0]
    if not isinstance(value, GraphTensor):  # a shape: its numbers stay
        return list(value) if isinstance(value, list) else np.asarray(value)
    if attributes["to"] != 1:
        raise Untranslatable(f"Cast of a tensor to type {attributes['to']}")
    return GraphTensor(layers.Rescaling(1.0)(value.tensor), value.channels_first)


def _transpose(operands: Operands, attributes: Attributes) -> Value:
    source, order = operands[0], list(attributes["perm"])
    if source.channels_first == (order == [0, 2, 3, 1]) and order in ([0, 2, 3, 1], [0, 3, 1, 2]):
        return GraphTensor(source.tensor, not source.channels_first)
    raise Untranslatable(f"Transpose by {order}")


def _relu(operands: Operands, _attributes: Attributes) -> Value:
    return GraphTensor(layers.ReLU()(operands[0].tensor), operands[0].channels_first)


def _clip(operands: Operands, _attributes: Attributes) -> Value:
    low, high = (float(limit.item()) for limit in operands[1:3])
    if low != 0:
        raise Untranslatable(f"Clip from {low}")
    return GraphTensor(layers.ReLU(high)(operands[0].tensor), operands[0].channels_first)


def _arithmetic(name: str) -> Callable[[Operands, Attributes], Value]:
    def translate(operands: Operands, _attributes: Attributes) -> Value:
        left, right = operands
        if isinstance(left, GraphTensor) and isinstance(right, GraphTensor):
            return _of_two(name, left, right)
        if isinstance(right, GraphTensor):
            return _with_constant_first(name, left, right)
        return _with_constant(name, left, right)

    return translate


def _of_two(name: str, left: GraphTensor, right: GraphTensor) -> GraphTensor:
    if left.channels_first != right.channels_first:
        raise Untranslatable(f"{name} of tensors with different axes")
    layer = {"Add": layers.Add, "Sub": layers.Subtract, "Mul": layers.Multiply, "Max": layers.Maximum}.get(name)
    tensors = [left.tensor, right.tensor]
    return GraphTensor(ops.divide(*tensors) if layer is None else layer()(tensors), left.channels_first)


def _with_constant_first(name: str, constant: Constant, source: GraphTensor) -> GraphTensor:
    if name in ("Add", "Mul", "Max"):
        return _with_constant(name, source, constant)
    if name == "Sub":
        return _with_constant("Add", _with_constant("Mul", source, np.float32(-1.0)), constant)
    raise Untranslatable("a constant divided by a tensor")


def _with_constant(name: str, source: GraphTensor, constant: Any) -> GraphTensor:
    if name == "Max":
        return GraphTensor(ops.maximum(source.tensor, float(np.asarray(constant).item())), source.channels_first)
    value = _along_channels(source, np.asarray(constant))
    scale, offset = {"Mul": (value, 0.0), "Add": (1.0, value), "Sub": (1.0, _negative(value))}.get(name, (None, None))
    if scale is None:
        raise Untranslatable(f"{name} with a constant")
    return GraphTensor(layers.Rescaling(scale, offset)(source.tensor), source.channels_first)


def _along_channels(source: GraphTensor, constant: Constant) -> float | list[float]:
    """Return a constant as `Rescaling` takes it: one number, or one for each channel, which are last."""
    if constant.size == 1:
        return float(constant.item())
    channels = source.onnx_shape[1] if source.channels_first else source.onnx_shape[-1]
    in_place = constant.shape in ((channels, 1, 1), (1, channels, 1, 1)) if source.channels_first else True
    if not in_place or constant.size != channels:
        raise Untranslatable(f"arithmetic with a constant of the shape {constant.shape}")
    return [float(value) for value in constant.ravel()]


def _negative(value: float | list[float]) -> float | list[float]:
    return [-number for number in value] if isinstance(value, list) else -value


def _gemm(operands: Operands, attributes: Attributes) -> Value:
    source, weights, bias = operands[0], operands[1], operands[2] if len(operands) > 2 else None
    if attributes.get("transA") or attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0:
        raise Untranslatable(f"Gemm with the attributes {dict(attributes)}")
    return _dense(source, weights.T if attributes.get("transB") else weights, bias)


def _mat_mul(operands: Operands, _attributes: Attributes) -> Value:
    if not isinstance(operands[0], GraphTensor) or isinstance(operands[1], GraphTensor):
        raise Untranslatable("MatMul of two tensors")
    return _dense(operands[0], operands[1], None)


def _dense(source: GraphTensor, weights: Constant, bias: Constant | None) -> GraphTensor:
    layer = layers.Dense(weights.shape[1], use_bias=bias is not None)
    return GraphTensor(with_weights(layer, source.tensor, weights, bias))


def _softmax(operands: Operands, attributes: Attributes) -> Value:
    if operands[0].channels_first or attributes.get("axis", -1) not in (-1, len(operands[0].tensor.shape) - 1):
        raise Untranslatable(f"Softmax along axis {attributes.get('axis')}")
    return GraphTensor(layers.Softmax()(operands[0].tensor))


def _sigmoid(operands: Operands, _attributes: Attributes) -> Value:
    return GraphTensor(layers.Activation("sigmoid")(operands[0].tensor), operands[0].channels_first)


def _sqrt(operands: Operands, _attributes: Attributes) -> Value:
    return GraphTensor(ops.sqrt(operands[0].tensor), operands[0].channels_first)


def _over_positions(name: str, pool: type[keras.layers.Layer]) -> Callable[[Operands, Attributes], Value]:
    """Return the translation of an operator that reduces maps to a number a channel."""

    def reduce(operands: Operands, attributes: Attributes) -> Value:
        source, axes = operands[0], sorted(axes_of(operands, attributes))
        if axes != ([2, 3] if source.channels_first else [1, 2]) or len(source.tensor.shape) != 4:
            raise Untranslatable(f"{name} over the axes {axes}")
        keeps = bool(attributes.get("keepdims", 1))
        return GraphTensor(pool(keepdims=keeps)(source.tensor), source.channels_first and keeps)

    return reduce


def _reduce(name: str, reduce: Callable[..., Any]) -> Callable[[Operands, Attributes], Value]:
    def translate(operands: Operands, attributes: Attributes) -> Value:
        source, axes = operands[0], tuple(axes_of(operands, attributes))
        if source.channels_first:
            raise Untranslatable(f"{name} of a picture")
        return GraphTensor(reduce(source.tensor, axis=axes, keepdims=bool(attributes["keepdims"])))

    return translate


OPERATORS: Mapping[str, Callable[[Operands, Attributes], Value]] = {
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
    "Identity": _identity,
    "MatMul": _mat_mul,
    "Max": _arithmetic("Max"),
    "MaxPool": max_pool,
    "Mul": _arithmetic("Mul"),
    "Pad": pad,
    "ReduceMax": _over_positions("ReduceMax", layers.GlobalMaxPooling2D),
    "ReduceMean": _over_positions("ReduceMean", layers.GlobalAveragePooling2D),
    "ReduceMin": _reduce("ReduceMin", ops.min),
    "ReduceSum": _reduce("ReduceSum", ops.sum),
    "Relu": _relu,
    "Reshape": reshape,
    "Shape": shape,
    "Sigmoid": _sigmoid,
    "Slice": slice_shape,
    "Softmax": _softmax,
    "Sqrt": _sqrt,
    "Squeeze": squeeze,
    "Sub": _arithmetic("Sub"),
    "Transpose": _transpose,
}


# The files.

SIGNATURE = "serving_default"


def main(arguments: list[str]) -> None:
    """Write the named targets."""
    graph = onnx.load(arguments[0])
    paths = dict(zip(arguments[1::2], map(Path, arguments[2::2]), strict=True))
    if "keras" in paths:
        to_keras(graph, checks_range=True).save(paths["keras"])
    if not paths.keys() & {"saved-model", "litert"}:
        return
    with tempfile.TemporaryDirectory(prefix="pawsight-") as folder:
        saved = paths.get("saved-model", Path(folder) / "saved")
        _save(to_keras(graph), saved)
        if "litert" in paths:
            paths["litert"].write_bytes(_litert(saved))


def _save(model: Any, folder: Path) -> None:
    """Write a SavedModel; Keras's own `export` would store every weight twice."""
    import tensorflow as tf

    pictures_input = model.inputs[0]
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    pictures = tf.TensorSpec(pictures_input.shape, tf.uint8, name=pictures_input.name)
    module.answer = tf.function(lambda pictures: model(pictures, training=False), input_signature=[pictures])
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.answer.get_concrete_function()})


def _litert(saved: Path) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=[SIGNATURE])
    content: bytes = converter.convert()
    return content


if __name__ == "__main__":
    main(sys.argv[1:])
