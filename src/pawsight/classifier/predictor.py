"""Bundle -> Predictor: pictures in, named probabilities out.

Enters: a run or bundle folder, then any number of pictures. Leaves: one `Prediction` for each, in order. Does not
know: training, where answers are shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle, read_bundle
from pawsight.classifier.bundle_checks import refused
from pawsight.classifier.engine import Engine, Lane, Outputs, Precision, best_precision
from pawsight.classifier.trust import ANSWERED
from pawsight.core.machine import Machine, this_machine
from pawsight.data.folders import expand
from pawsight.images.loader import Loaded, load
from pawsight.models.graph import OOD_SCORE

# How far a probability may lie from the one in the exam, given in the same arithmetic: rounding between processors,
# which in bfloat16, with 8 bits of fraction, goes further. Between the two arithmetics it was up to 0.091, too much to
# tell anything by, so they are never held against each other (docs/decisions/0002).
TOLERANCE: Mapping[Precision, float] = MappingProxyType({"f32": 1e-3, "bf16": 3e-2})


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one picture, or the reason why there is none."""

    path: str
    label: str | None  # a class, or "unsure" or "unlike anything seen" where the picture is not answered
    probability: float | None  # of the label; None where the picture is not answered
    probabilities: dict[str, float] | None  # by class name, adding up to 1
    error: str | None
    verdict: str | None = None  # "answered", "unsure" or "unlike anything seen"; None with an error


class Predictor:
    """A bundle that has passed its exam on this machine.

    Examples:
        >>> predictor = pawsight.load("runs/latest")
        >>> [answer.label for answer in predictor.predict(["cat.jpg"])]
        ['cats']
    """

    def __init__(self, bundle: Bundle, *, machine: Machine | None = None) -> None:
        machine = machine or this_machine()
        self.bundle, self.classes = bundle, bundle.card.classes
        self._threads = machine.feeders
        self._engine = Engine(
            bundle.model,
            image_px=bundle.card.decode.image_px,
            precision=best_precision(machine),
            streams=machine.cores,
        )
        sit_exam(bundle, self._engine)

    def predict(self, paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Prediction]:
        """Classify files, and all files below folders.

        Args:
            paths: one path or several.

        Returns:
            one `Prediction` for each file, in order; a file that is no picture gets one with its `error`.
        """
        named = [paths] if isinstance(paths, str | os.PathLike) else paths
        return list(self.stream(expand([Path(path) for path in named])))

    def stream(self, paths: Iterable[Path]) -> Iterator[Prediction]:
        """Classify any number of files in constant memory, in order."""
        for loaded, outputs in self.outputs(paths):
            yield self._prediction(loaded, outputs)

    def outputs(self, paths: Iterable[Path]) -> Iterator[tuple[Loaded, Outputs | None]]:
        """Yield each file with the graph's outputs, None where it could not be read; in order."""
        lane = Lane(self._engine)
        for loaded in load(paths, self.bundle.card.decode, threads=self._threads):
            if loaded.decoded is None:
                yield from lane.drain()
                yield loaded, None
            else:
                yield from lane.push(loaded, loaded.decoded.pixels)
        yield from lane.drain()

    def _prediction(self, loaded: Loaded, outputs: Outputs | None) -> Prediction:
        path = os.fspath(loaded.path)
        if outputs is None:
            return unanswered(path, loaded.problem)
        return self.answer(path, outputs)

    def answer(self, name: str, outputs: Outputs) -> Prediction:
        """Return what the graph's outputs for one picture mean; command line and service both ask here."""
        values = outputs["probabilities"]
        best = int(values.argmax())
        named = {label: float(value) for label, value in zip(self.classes, values, strict=True)}
        verdict = self.verdict(outputs)
        label = self.classes[best] if verdict == ANSWERED else verdict
        probability = float(values[best]) if verdict == ANSWERED else None  # of a verdict there is none
        return Prediction(name, label, probability, named, None, verdict)

    def verdict(self, outputs: Outputs) -> str:
        """Say of one picture's outputs whether they are an answer, in the words of `Prediction.verdict`."""
        unlikeness = outputs.get(OOD_SCORE)
        strange = None if unlikeness is None else float(unlikeness)
        return self.bundle.card.trust.verdict(float(outputs["probabilities"].max()), strange)

    def lane(self) -> Lane:
        """Return a way through the engine for squares that the caller decoded."""
        return Lane(self._engine)


def unanswered(name: str, reason: str) -> Prediction:
    """Return the `Prediction` of a picture that could not be read."""
    return Prediction(name, None, None, None, reason)


def load_predictor(place: str | os.PathLike[str]) -> Predictor:
    """Open a run or bundle folder, check it and let it sit its exam.

    Raises:
        BundleRefused: it is broken, altered or answers otherwise than when it was made.
    """
    return Predictor(read_bundle(Path(place).expanduser()))


def sit_exam(bundle: Bundle, engine: Engine) -> float:
    """Let a bundle answer its exam again and return the largest difference of a probability.

    An engine that computes in bfloat16 is held to the answers in bfloat16. Where the bundle has none, having been made
    on a machine that does not compute so, its graph sits the exam in float32, in an engine of its own.

    Raises:
        BundleRefused: a probability differs by more than `TOLERANCE`, or the outputs have another shape, or the card
            has a guard and the graph does not say how unlike a picture is.
    """
    exam, reduced = bundle.exam, bundle.exam.reduced
    if engine.precision == "bf16" and reduced is None:
        engine = Engine(bundle.model, image_px=engine.image_px, precision="f32", streams=1)
    expected = reduced if engine.precision == "bf16" and reduced is not None else exam.probabilities
    outputs = engine.run_all(exam.pictures)
    answers, strange = outputs.get("probabilities"), outputs.get(OOD_SCORE)
    if bundle.card.trust.guard is not None and (strange is None or strange.shape != exam.pictures.shape[:1]):
        raise refused(bundle.folder, f"Its card has a guard, and the model has no output {OOD_SCORE} to go with it.")
    if answers is None or answers.shape != expected.shape:
        raise refused(bundle.folder, "The model's outputs do not fit its exam.")
    allowed, difference = TOLERANCE[engine.precision], _largest_difference(answers, expected)
    if not difference <= allowed:
        raise refused(
            bundle.folder, f"It fails its exam: a probability is off by {difference:.4f}, {allowed:g} is allowed."
        )
    return difference


def _largest_difference(answers: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(answers - expected).max())
