"""ONNX operators on shapes, and those that give a tensor another.

Enters: `Held` tensors, constants, shapes under computation. Leaves: one of them. Does not know: the graph around them.
"""

from __future__ import annotations

import numpy as np
from keras import layers

from pawsight.exports.child.onnx_to_keras import Attributes, Given, Held, Shape, Untranslatable, Value


def shape(given: Given, _attributes: Attributes) -> Value:
    """Return the shape that ONNX sees."""
    return list(given[0].onnx_shape)


def gather(given: Given, _attributes: Attributes) -> Value:
    """Pick sizes of a shape."""
    sizes, indices = given
    picked: Shape = [sizes[int(one)] for one in np.atleast_1d(indices)]
    return picked


def cut(given: Given, _attributes: Attributes) -> Value:
    """Take a part of a shape."""
    sizes, start, end = given[0], int(np.ravel(given[1])[0]), int(np.ravel(given[2])[0])
    part: Shape = sizes[start:end]
    return part


def concat(given: Given, _attributes: Attributes) -> Value:
    """Join shapes."""
    joined: Shape = [None if one is None else int(one) for part in given for one in part]
    return joined


def reshape(given: Given, _attributes: Attributes) -> Value:
    """Give a tensor the shape that was computed for it."""
    held, target = given[0], [None if one in (None, -1) else int(one) for one in given[1]]
    if _is_point(held):
        return _reshaped_point(held, target[1:])
    if held.is_turned or target[0] not in (None, 0):
        raise Untranslatable(f"Reshape to {target}")
    return Held(layers.Reshape(tuple(-1 if one is None else one for one in target[1:]))(held.tensor))


def flatten(given: Given, attributes: Attributes) -> Value:
    """Make one axis of all but the batch."""
    held = given[0]
    if attributes.get("axis", 1) != 1 or (held.is_turned and tuple(held.tensor.shape[1:3]) != (1, 1)):
        raise Untranslatable("Flatten of maps with channels first")
    return Held(layers.Flatten()(held.tensor))


def squeeze(given: Given, attributes: Attributes) -> Value:
    """Drop the axes of maps of one position."""
    held, axes = given[0], sorted(axes_of(given, attributes))
    if not held.is_turned or axes != [2, 3]:
        raise Untranslatable(f"Squeeze of the axes {axes}")
    return Held(layers.Reshape((held.tensor.shape[-1],))(held.tensor))


def _is_point(held: Held) -> bool:
    """Say whether maps are of one position, so that a Reshape may stand for a Transpose."""
    return len(held.tensor.shape) == 4 and tuple(held.tensor.shape[1:3]) == (1, 1)


def _reshaped_point(held: Held, target: Shape) -> Held:
    channels = held.tensor.shape[3]
    if target in ([channels, 1, 1], [1, 1, channels]):
        return Held(held.tensor, is_turned=target[0] == channels)
    return Held(layers.Reshape(tuple(-1 if one is None else one for one in target))(held.tensor))


def axes_of(given: Given, attributes: Attributes) -> list[int]:
    """Return the axes that an operator works on, given as a tensor or, in older opsets, as an attribute."""
    return [int(one) for one in (given[1] if len(given) > 1 else attributes["axes"])]
