"""Exact class activation maps: what each position of the last maps adds to a class's logit.

Enters: an OpenVINO graph before it is compiled; later its outputs. Leaves: the graph with one more output, the head's
weights, maps. Does not know: pictures, labels.

Where a network ends in a mean over positions and one linear layer, the two may change places: the mean of
(maps . weights) over the positions is the logit less its bias (Zhou et al. 2016, "Learning Deep Features for
Discriminative Localization"). Nothing is approximated. The graph is searched for its mean, so bundles need not be made
for this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pawsight.explanation.heat import Floats
from pawsight.models.graph import FEATURES

MAPS = "maps"
_WEIGHTS, _BIAS = "head/weights", "head/bias"
_RESHAPING = ("Squeeze", "Reshape")  # what may stand between the mean and the features


@dataclass(frozen=True, slots=True)
class LinearHead:
    """The linear layer behind a mean over positions."""

    weights: Floats  # (D, C)
    bias: Floats  # (C,)
    channel_axis: int  # of the maps, without the batch: 0 for (D, h, w), 2 for (h, w, D)

    def class_maps(self, maps: Floats) -> Floats:
        """Return what each position adds to each logit.

        Args:
            maps: of one picture, (D, h, w) or (h, w, D) as `channel_axis` says.

        Returns:
            maps (C, h, w); the mean of each, plus its bias, is the logit before the temperature.
        """
        return np.asarray(np.tensordot(self.weights, maps, axes=([0], [self.channel_axis])), np.float32)


def reveal_maps(graph: Any) -> LinearHead | None:
    """Let a graph put out, as `maps`, what its features are the mean of.

    Args:
        graph: an `openvino.Model` of fixed shapes, not compiled yet; it gets one more output.

    Returns:
        the head that follows; None, and the graph as it was, where it does not end in a mean and one linear layer.
    """
    constants = {node.get_friendly_name(): node for node in graph.get_ordered_ops() if _kind(node) == "Constant"}
    if not {_WEIGHTS, _BIAS} <= set(constants):
        return None
    weights, bias = (np.array(constants[name].data, np.float32) for name in (_WEIGHTS, _BIAS))
    pooling = _pooling_of(graph)
    axis = None if pooling is None or weights.ndim != 2 else _channel_axis(pooling, len(weights))
    if pooling is None or axis is None:
        return None
    (added,) = graph.add_outputs(pooling.input_value(0))
    added.get_tensor().set_names({MAPS})
    return LinearHead(weights, bias, axis - 1)


def _pooling_of(graph: Any) -> Any:
    """Return the mean that the features come from, None where they come from something else."""
    named = [output for output in graph.outputs if FEATURES in output.get_names()]
    node = named[0].get_node().input_value(0).get_node() if named else None
    while node is not None and _kind(node) in _RESHAPING:
        node = node.input_value(0).get_node()
    return node if node is not None and _kind(node) == "ReduceMean" else None


def _channel_axis(pooling: Any, channels: int) -> int | None:
    """Return which axis of (N, ...) a mean over the two others keeps, None where it is of another kind."""
    before, after = pooling.input_value(0).get_partial_shape(), pooling.output(0).get_partial_shape()
    if before.is_dynamic or after.is_dynamic or len(before) != 4:
        return None
    given, made = list(before.to_shape()), list(after.to_shape())
    kept = _kept_axes(pooling) if len(made) == 2 else [axis for axis in (1, 2, 3) if made[axis] != 1]
    return kept[0] if len(kept) == 1 and given[kept[0]] == channels and np.prod(made) == channels else None


def _kept_axes(pooling: Any) -> list[int]:
    axes = pooling.input_value(1).get_node()
    if _kind(axes) != "Constant":
        return []
    reduced = {int(axis) % 4 for axis in np.asarray(axes.data).ravel()}
    return [axis for axis in (1, 2, 3) if axis not in reduced]


def _kind(node: Any) -> str:
    return str(node.get_type_name())
