"""An ONNX graph of Pawsight's kind -> a functional Keras model of stock layers: no Lambda, no code of its own.

Enters: an ONNX model from `pictures` uint8 (N, H, W, 3) to named outputs. Leaves: a `keras.Model` whose outputs are a
dictionary of the same names. Does not know: files, how each operator is translated.

ONNX computes with channels first, Keras here with channels last. So every value carries whether its axes in ONNX are
(N, C, H, W) while the Keras tensor is (N, H, W, C), and the two transposes at the ends of a network cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, helper, numpy_helper


@dataclass(frozen=True, slots=True)
class Held:
    """A value on its way through the graph."""

    tensor: Any  # KerasTensor, channels last where it has four axes
    is_turned: bool = False  # in ONNX the axes are (N, C, H, W)

    @property
    def onnx_shape(self) -> list[int | None]:
        """The shape that ONNX sees, None for the batch."""
        shape = list(self.tensor.shape)
        return [shape[0], shape[3], shape[1], shape[2]] if self.is_turned else shape


Constant = np.ndarray[Any, Any]
Shape = list[int | None]  # a shape under computation: a batch of unknown size is None
Value = Held | Constant | Shape
Given = Sequence[Any]
Attributes = Mapping[str, Any]


class Untranslatable(ValueError):
    """The graph has something that no stock layer is known for; the text names it."""


def to_keras(model: ModelProto) -> keras.Model:
    """Translate a graph.

    Returns:
        A model from uint8 (N, H, W, 3), named as in the graph, to a dictionary of the graph's outputs.

    Raises:
        Untranslatable: an operator is unknown, or is used in a way that is.
    """
    from pawsight.exports.child.onnx_operators import OPERATORS

    values: dict[str, Value] = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    pictures = model.graph.input[0]
    side = [dim.dim_value for dim in pictures.type.tensor_type.shape.dim[1:]]
    entrance = keras.Input(side, dtype="uint8", name=pictures.name)
    values[pictures.name] = Held(entrance)
    for node in model.graph.node:
        if node.op_type not in OPERATORS:
            raise Untranslatable(f"no Keras layer is known for the operator {node.op_type} ({node.name})")
        given = [values[name] if name else np.empty(0) for name in node.input]
        values[node.output[0]] = OPERATORS[node.op_type](given, attributes(node))
    return keras.Model(entrance, {one.name: _output(values, one.name) for one in model.graph.output}, name="pawsight")


def attributes(node: NodeProto) -> dict[str, Any]:
    """Return a node's attributes as plain values."""
    return {one.name: _plain(one) for one in node.attribute}


def _plain(attribute: AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.TENSOR:
        return numpy_helper.to_array(value)
    return value.decode() if isinstance(value, bytes) else value


def _output(values: dict[str, Value], name: str) -> Any:
    held = values[name]
    if not isinstance(held, Held) or held.is_turned:
        raise Untranslatable(f"the output {name} is no plain tensor")
    return keras.layers.Identity(name=name)(held.tensor)
