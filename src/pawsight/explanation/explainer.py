"""Predictor + pixels -> HeatMap, by the exact method where the network allows it.

Enters: a `Predictor`, decoded squares. Leaves: `HeatMap`s. Does not know: files, colours.

    cam         networks that end in a mean over positions and one linear layer: exact, as quick as a prediction
    occlusion   any other: 101 predictions a picture
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from pawsight.classifier.engine import Engine, InferenceQueue, Outputs, best_precision
from pawsight.classifier.predictor import Predictor
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import Machine, this_machine
from pawsight.explanation.class_maps import MAPS, LinearHead, reveal_maps
from pawsight.explanation.heat import Floats, HeatMap
from pawsight.explanation.occlusion import occlusion_map
from pawsight.images.decode import Pixels
from pawsight.models.head_graph import PROBABILITIES

Asked = Literal["auto", "cam", "occlusion"]
METHODS: tuple[Asked, ...] = ("auto", "cam", "occlusion")
_LEAST = 1e-30  # probability; float32 rounds less to nothing, of which there is no logarithm


class Explainer:
    """Draws heat maps with one predictor's graph, compiled a second time when the first map is asked for.

    It may be used from several threads.
    """

    def __init__(self, predictor: Predictor, *, machine: Machine | None = None) -> None:
        self._predictor = predictor
        self._machine = machine or this_machine()
        self._lock = threading.Lock()
        self._opened: tuple[Engine, LinearHead | None] | None = None

    def explain(self, square: Pixels, *, size: tuple[int, int], label: str = "", method: Asked = "auto") -> HeatMap:
        """Return where in a picture a class was seen.

        Args:
            square: pixels (image_px, image_px, 3) uint8, as `images.decode.decode` makes them.
            size: width and height of the picture as shown upright.
            label: the class to explain; empty for the likeliest one.
            method: "auto" is "cam" where the network allows it, else "occlusion".

        Raises:
            WrongUsage: there is no such class or method, or the network does not allow it.
        """
        return self.answer(square, size=size, label=label, method=method)[0]

    def answer(
        self, square: Pixels, *, size: tuple[int, int], label: str = "", method: Asked = "auto"
    ) -> tuple[HeatMap, float]:
        """Return what `explain` returns, and the probability of the class that is explained."""
        self.check(label, method)
        engine, head = self._open()
        outputs = next(iter(engine.run([(None, square)])))[1]
        index = self._index(label, outputs)
        label, probability = self._predictor.classes[index], float(outputs[PROBABILITIES][index])
        if head is None or method == "occlusion":
            values = occlusion_map(square, lambda squares: self._scores(engine, squares, index))
            return HeatMap(label, values, 0.0, "occlusion", size), probability
        maps = head.class_maps(outputs[MAPS])
        return HeatMap(label, _beside_the_rest(maps, index), _bias(head, index), "cam", size), probability

    def check(self, label: str, method: str) -> None:
        """Make sure that a class can be explained by a method, before any picture is looked at.

        Raises:
            WrongUsage: there is no such class or method, or the network does not allow it.
        """
        classes = self._predictor.classes
        if label and label not in classes:
            raise WrongUsage(
                f"The classifier has no class {label!r}.", f"It has {_named(classes)}.", "Name one of them, or none."
            )
        if method not in METHODS:
            raise WrongUsage(f"There is no method {method!r}.", f"There are {', '.join(METHODS)}.")
        if method == "cam" and self._open()[1] is None:
            raise WrongUsage(
                "This network has no exact class activation maps.",
                "They need a network that ends in a mean over all positions and one linear layer.",
                "Type --method occlusion, or leave it out.",
            )

    def class_maps(self, square: Pixels) -> tuple[Floats, Floats] | None:
        """Return the exact maps (C, h, w) of all classes' logits, before the temperature, and the biases (C,).

        None where the network does not allow it.
        """
        engine, head = self._open()
        if head is None:
            return None
        outputs = next(iter(engine.run([(None, square)])))[1]
        return head.class_maps(outputs[MAPS]), head.bias

    def _open(self) -> tuple[Engine, LinearHead | None]:
        with self._lock:
            if self._opened is None:
                self._opened = self._compiled()
            return self._opened

    def _compiled(self) -> tuple[Engine, LinearHead | None]:
        bundle, heads = self._predictor.bundle, []
        engine = Engine(
            bundle.model,
            image_px=bundle.card.decode.image_px,
            precision=best_precision(self._machine),
            streams=self._machine.cores,
            change=lambda graph: heads.append(reveal_maps(graph)),
        )
        return engine, heads[0]

    def _index(self, label: str, outputs: Outputs) -> int:
        return self._predictor.classes.index(label) if label else int(outputs[PROBABILITIES].argmax())

    @staticmethod
    def _scores(engine: Engine, squares: Iterable[Pixels], index: int) -> Floats:
        lane: Any = InferenceQueue(engine)
        answers = []
        for square in squares:
            answers.extend(lane.push(None, square))
        answers.extend(lane.drain())
        logs = np.log(np.maximum(np.stack([outputs[PROBABILITIES] for _, outputs in answers]), _LEAST))
        return np.asarray(logs[:, index] - logs.mean(axis=1), np.float32)


def _beside_the_rest(maps: Floats, index: int) -> Floats:
    """Return one class's map less the mean of all: what a softmax sees of it."""
    return np.asarray(maps[index] - maps.mean(axis=0), np.float32)


def _bias(head: LinearHead, index: int) -> float:
    return float(head.bias[index] - head.bias.mean())


def _named(classes: tuple[str, ...]) -> str:
    return ", ".join(classes) if len(classes) <= 12 else f"{', '.join(classes[:12])} and {len(classes) - 12:,} more"
