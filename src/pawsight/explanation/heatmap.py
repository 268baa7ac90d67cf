"""Computes heat maps: where in a picture a classifier sees a class.

Networks that end in means over positions and one linear layer have exact class activation maps, as quick as a
prediction. For any other network, occlusion.py covers one place after another: 101 predictions a picture. overlay.py
draws a map on its picture.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawsight.classifier.engine import Engine, InferenceQueue, best_precision, openvino_core
from pawsight.classifier.predictor import Predictor
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import Machine, this_machine
from pawsight.explanation.occlusion import Floats, occlusion_map
from pawsight.images.decode import Pixels
from pawsight.models.graph import FEATURES, HEAD_BIAS, HEAD_WEIGHTS, PROBABILITIES

Method = Literal["cam", "occlusion"]
MethodChoice = Literal["auto", "cam", "occlusion"]
METHODS: tuple[MethodChoice, ...] = ("auto", "cam", "occlusion")
Box = tuple[int, int, int, int]

MAPS = "maps"  # the output that `reveal_maps` adds to a graph
_RESHAPING = ("Squeeze", "Reshape")  # operators that may stand between the mean and the features
_LEAST = 1e-30  # least probability: float32 rounds anything smaller to 0, which has no logarithm
_FINE = 96  # cells along each side of the grid on which areas are measured
_CORE = 0.5  # share of the positive heat that `core_of` holds
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")


@dataclass(frozen=True, slots=True, repr=False)
class HeatMap:
    """How much each place of a picture speaks for or against one class.

    The values are parts of a linear score: the class's logit minus the mean of all logits, which is what the
    probability depends on (adding a number to all logits does not change a softmax). With the method `cam` their mean
    plus `bias` is that score. With `occlusion` a value is how much of the score is lost when the place is covered.
    """

    label: str  # the class
    values: Floats  # (h, w), over the whole picture, rows from the top; above 0 speaks for the class
    bias: float  # the part of the score that has no place in the picture; 0 with occlusion
    method: Method
    size: tuple[int, int]  # width and height of the upright picture, in pixels

    def __repr__(self) -> str:
        height, width = self.values.shape
        return f"HeatMap({self.label!r}, {width} x {height}, {self.method}, {self.place()})"

    @property
    def silent(self) -> bool:
        """Whether nothing in the picture speaks for the class."""
        return not float(self.values.max()) > 0.0

    def box(self) -> Box | None:
        """Return the box (left, top, right, bottom) around `core_of`, in pixels of the picture; None where empty."""
        core = core_of(self)
        if core is None:
            return None
        (top, bottom), (left, right) = (_ends(np.any(core, axis=axis)) for axis in (1, 0))
        width, height = self.size
        return round(left * width), round(top * height), round(right * width), round(bottom * height)

    def place(self) -> str:
        """Return the place in words, e.g. "top left" or "centre", with its share of the picture's area."""
        core = core_of(self)
        if core is None:
            return "nowhere: nothing in the picture speaks for it"
        weights = finer(self, (_FINE, _FINE)) * core
        row, column = (_third(weights.sum(axis=axis)) for axis in (1, 0))
        words = "centre" if row == column == 1 else " ".join((_ROWS[row], _COLUMNS[column]))
        return f"{words}, {max(1, round(100 * core.mean()))} % of the picture"


def finer(heat: HeatMap, size: tuple[int, int]) -> Floats:
    """Interpolate the positive part of a heat map to another grid.

    Args:
        heat: the map.
        size: width and height of the grid.

    Returns:
        values (height, width) from 0 to 1, the largest of them 1; all 0 where nothing speaks for the class.
    """
    if heat.silent:
        return np.zeros(size[::-1], np.float32)
    scaled = heat.values / float(heat.values.max())
    smooth = Image.fromarray(scaled.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    positive = np.clip(np.asarray(smooth, np.float32), 0.0, None)
    normalised: Floats = positive / max(float(positive.max()), 1e-12)
    return normalised


def core_of(heat: HeatMap) -> NDArray[np.bool_] | None:
    """Return the smallest area that holds half of the positive heat, on a grid of 96 x 96; None where there is none."""
    if heat.silent:
        return None
    core: NDArray[np.bool_] = finer(heat, (_FINE, _FINE)) >= core_level(heat)
    return core


def core_level(heat: HeatMap) -> float:
    """Return the value of `finer` above which half of the positive heat lies; 0 where there is none."""
    falling = np.sort(finer(heat, (_FINE, _FINE)), axis=None)[::-1].astype(np.float64)
    count = int(np.searchsorted(np.cumsum(falling), _CORE * falling.sum()))
    return float(falling[min(count, falling.size - 1)])


def _ends(cells: NDArray[np.bool_]) -> tuple[float, float]:
    """Return where the True cells of a row begin and end, as shares of its length."""
    indices = np.flatnonzero(cells)
    return float(indices[0]) / cells.size, float(indices[-1] + 1) / cells.size


def _third(weights: Floats) -> int:
    """Return which third of a row holds the centre of some weights: 0, 1 or 2."""
    middle = float(weights @ (np.arange(weights.size) + 0.5)) / (float(weights.sum()) * weights.size)
    return min(2, int(3 * middle))


class Explainer:
    """Computes heat maps with one predictor's graph, which is compiled a second time for the first map.

    It is safe to use from several threads.
    """

    def __init__(self, predictor: Predictor, *, machine: Machine | None = None) -> None:
        self._predictor = predictor
        self._machine = machine or this_machine()
        self._lock = threading.Lock()
        self._compiled: tuple[Engine, LinearHead | None] | None = None

    def explain(
        self, square: Pixels, *, size: tuple[int, int], label: str = "", method: MethodChoice = "auto"
    ) -> HeatMap:
        """Return where in a picture a class is seen.

        Args:
            square: pixels (image_px, image_px, 3) uint8, as `images.decode.decode` returns them.
            size: width and height of the upright picture.
            label: the class to explain; empty for the likeliest one.
            method: "auto" is "cam" where the network allows it, otherwise "occlusion".

        Raises:
            WrongUsage: there is no such class or method, or the network does not allow the method.
        """
        return self.answer(square, size=size, label=label, method=method)[0]

    def answer(
        self, square: Pixels, *, size: tuple[int, int], label: str = "", method: MethodChoice = "auto"
    ) -> tuple[HeatMap, float]:
        """Return what `explain` returns, and the probability of the class that is explained."""
        self.check(label, method)
        engine, head = self._compile()
        outputs = next(iter(engine.run([(None, square)])))[1]
        classes = self._predictor.classes
        index = classes.index(label) if label else int(outputs[PROBABILITIES].argmax())
        label, probability = classes[index], float(outputs[PROBABILITIES][index])
        if head is None or method == "occlusion":
            values = occlusion_map(square, lambda squares: self._log_odds(engine, squares, index))
            return HeatMap(label, values, 0.0, "occlusion", size), probability
        maps, placeless = head.class_maps(outputs[MAPS]), head.placeless(outputs[FEATURES])
        if not self._predictor.bundle.card.several_labels:
            # A softmax does not see what all classes have in common, so their mean is taken off.
            maps, placeless = maps - maps.mean(axis=0), placeless - placeless.mean()
        values = np.asarray(maps[index], np.float32)
        return HeatMap(label, values, float(placeless[index]), "cam", size), probability

    def check(self, label: str, method: str) -> None:
        """Check that a class can be explained by a method, before any picture is read.

        Raises:
            WrongUsage: there is no such class or method, or the network does not allow the method.
        """
        classes = self._predictor.classes
        if label and label not in classes:
            known = ", ".join(classes[:12]) + (f" and {len(classes) - 12:,} more" if len(classes) > 12 else "")
            raise WrongUsage(
                f"The classifier has no class {label!r}.", f"Its classes are {known}.", "Name one of them, or none."
            )
        if method not in METHODS:
            raise WrongUsage(f"There is no method {method!r}.", f"The methods are {', '.join(METHODS)}.")
        if method == "cam" and self._compile()[1] is None:
            raise WrongUsage(
                "This network has no exact class activation maps.",
                "They need a network that ends in means over all positions and one linear layer.",
                "Type --method occlusion, or leave it out.",
            )

    def class_maps(self, square: Pixels) -> tuple[Floats, Floats] | None:
        """Return the exact maps (C, h, w) of all classes' logits, before the temperature, and what has no place (C,).

        None where the network does not allow it.
        """
        engine, head = self._compile()
        if head is None:
            return None
        outputs = next(iter(engine.run([(None, square)])))[1]
        return head.class_maps(outputs[MAPS]), head.placeless(outputs[FEATURES])

    def _log_odds(self, engine: Engine, squares: Iterable[Pixels], index: int) -> Floats:
        """Return the score (N,) of one class for each square: its log probability minus the mean of all classes'.

        With several labels it is the logit of the label.
        """
        lane: Any = InferenceQueue(engine)
        answers = []
        for square in squares:
            answers.extend(lane.push(None, square))
        answers.extend(lane.drain())
        table = np.stack([outputs[PROBABILITIES] for _, outputs in answers])
        if self._predictor.bundle.card.several_labels:
            own = table[:, index].astype(np.float64)
            return np.asarray(np.log(np.maximum(own, _LEAST)) - np.log(np.maximum(1 - own, _LEAST)), np.float32)
        logs = np.log(np.maximum(table, _LEAST))
        return np.asarray(logs[:, index] - logs.mean(axis=1), np.float32)

    def _compile(self) -> tuple[Engine, LinearHead | None]:
        with self._lock:
            if self._compiled is None:
                bundle = self._predictor.bundle
                heads: list[LinearHead | None] = []
                engine = Engine(
                    bundle.model,
                    image_px=bundle.card.decode.image_px,
                    precision=best_precision(self._machine),
                    streams=self._machine.cores,
                    change=lambda graph: heads.append(reveal_maps(graph)),
                )
                self._compiled = engine, heads[0]
            return self._compiled


@dataclass(frozen=True, slots=True)
class LinearHead:
    """The linear layer behind means over positions.

    The mean and the layer may change places: the mean over positions of (maps . weights) is what those features add to
    the logit (Zhou et al. 2016, "Learning Deep Features for Discriminative Localization"). Nothing is approximated.
    Where features come from several depths, the maps are those of the deepest, whose averages are the last. What
    earlier layers and maxima add counts as without a place: drawn too, the layers hid the thing itself
    (docs/experiments.md).
    """

    weights: Floats  # (D, C)
    bias: Floats  # (C,)
    channel_axis: int  # of the maps without the batch axis: 0 for (K, h, w), 2 for (h, w, K)
    channels: NDArray[np.int64]  # of the K, those whose means are the last features

    def class_maps(self, maps: Floats) -> Floats:
        """Return what each position adds to each logit.

        Args:
            maps: of one picture, (K, h, w) or (h, w, K) as `channel_axis` says.

        Returns:
            maps (C, h, w); the mean of each, plus `placeless`, is the logit before the temperature.
        """
        own = np.take(maps, self.channels, axis=self.channel_axis)
        weights = self.weights[len(self.weights) - len(self.channels) :]
        return np.asarray(np.tensordot(weights, own, axes=([0], [self.channel_axis])), np.float32)

    def placeless(self, features: Floats) -> Floats:
        """Return what the bias, and of the features (D,) those of earlier layers and maxima, add to each logit (C,)."""
        earlier = len(self.weights) - len(self.channels)
        return np.asarray(features[:earlier] @ self.weights[:earlier] + self.bias, np.float32)


def reveal_maps(graph: Any) -> LinearHead | None:
    """Add an output `maps` to a graph: the activations whose mean over positions the features are.

    The graph is searched for that mean, so bundles need no preparation.

    Args:
        graph: an `openvino.Model` of fixed shapes, not compiled yet.

    Returns:
        the linear head; None, with the graph unchanged, where it does not end in means and one linear layer.
    """
    found = _maps_and_head(graph)
    if found is None:
        return None
    maps, head = found
    (added,) = graph.add_outputs(maps)
    added.get_tensor().set_names({MAPS})
    return head


def maps_in(model: bytes, image_px: int) -> tuple[str, int, LinearHead] | None:
    """Find the activations whose mean over positions the features are, in a graph that another runtime will run.

    Args:
        model: ONNX of a bundle.
        image_px: side of the pictures that it is fed.

    Returns:
        the name of their tensor, their number of channels, and the linear head; None where the graph does not end in
        means and one linear layer.
    """
    graph = openvino_core().read_model(model, b"")
    graph.reshape([1, image_px, image_px, 3])
    found = _maps_and_head(graph)
    if found is None:
        return None
    maps, head = found
    return maps.get_any_name(), int(maps.get_shape()[1 + head.channel_axis]), head


def _maps_and_head(graph: Any) -> tuple[Any, LinearHead] | None:
    constants = {node.get_friendly_name(): node for node in graph.get_ordered_ops() if _kind(node) == "Constant"}
    if not {HEAD_WEIGHTS, HEAD_BIAS} <= set(constants):
        return None
    weights, bias = (np.array(constants[name].data, np.float32) for name in (HEAD_WEIGHTS, HEAD_BIAS))
    pooling, channels = _deepest_mean(graph)
    axis, size = (0, 0) if pooling is None else _channel_axis(pooling)
    channels = np.arange(size) if channels is None else channels
    if not axis or weights.ndim != 2 or len(weights) < len(channels):
        return None
    return pooling.input_value(0), LinearHead(weights, bias, axis - 1, channels)


def _deepest_mean(graph: Any) -> tuple[Any, NDArray[np.int64] | None]:
    """Return the node of the mean that the last features come from and the channels picked of it, None for all."""
    outputs = [output for output in graph.outputs if FEATURES in output.get_names()]
    if not outputs:
        return None, None
    node, channels = outputs[0].get_node().input_value(0).get_node(), None
    if _kind(node) == "Concat":
        node = node.input_value(node.get_input_size() - 1).get_node()
    if _kind(node) == "Gather":
        channels, node = np.array(node.input_value(1).get_node().data, np.int64), node.input_value(0).get_node()
    while _kind(node) in _RESHAPING:
        node = node.input_value(0).get_node()
    return (node, channels) if _kind(node) == "ReduceMean" else (None, None)


def _channel_axis(pooling: Any) -> tuple[int, int]:
    """Return the axis of (N, ...) that a mean over the two others keeps and its size; 0, 0 for another kind of mean."""
    before, after = pooling.input_value(0).get_partial_shape(), pooling.output(0).get_partial_shape()
    if before.is_dynamic or after.is_dynamic or len(before) != 4:
        return 0, 0
    shape_before, shape_after = list(before.to_shape()), list(after.to_shape())
    if len(shape_after) != 2:
        kept = [axis for axis in (1, 2, 3) if shape_after[axis] != 1]
    else:
        axes = pooling.input_value(1).get_node()
        reduced = {int(axis) % 4 for axis in np.asarray(axes.data).ravel()} if _kind(axes) == "Constant" else {1, 2, 3}
        kept = [axis for axis in (1, 2, 3) if axis not in reduced]
    if len(kept) != 1 or np.prod(shape_after) != shape_before[kept[0]]:
        return 0, 0
    return kept[0], int(shape_before[kept[0]])


def _kind(node: Any) -> str:
    return str(node.get_type_name())
