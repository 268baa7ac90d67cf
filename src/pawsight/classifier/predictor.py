"""Pictures in, named probabilities and decisions out: a bundle that has passed its self-test on this machine.

The files of a bundle are checked in `bundle`, the decision rule is in `trust`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle, read_bundle, refused, with_max_megapixels
from pawsight.classifier.engine import Engine, InferenceQueue, Outputs, Precision, best_precision
from pawsight.classifier.trust import ANSWERED
from pawsight.core.machine import Machine, this_machine
from pawsight.data.folders import expand
from pawsight.images.decode import DecodeSettings
from pawsight.images.loader import Loaded, load
from pawsight.models.graph import FEATURES, OOD_SCORE

# How far a probability may lie from the golden one of the same arithmetic: processors round differently, more so in
# bfloat16 with its 8 bits of fraction. Between the two arithmetics the difference was up to 0.091, too much to detect
# anything, so they are never compared (docs/decisions/0002).
TOLERANCE: Mapping[Precision, float] = MappingProxyType({"f32": 1e-3, "bf16": 3e-2})


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one picture, or why it has none."""

    path: str
    label: str | None  # a class, or "unsure" or "unlike anything seen" where the picture is not answered
    probability: float | None  # of the label; None where the picture is not answered
    probabilities: dict[str, float] | None  # by class name, adding up to 1
    error: str | None
    decision: str | None = None  # "answered", "unsure" or "unlike anything seen"; None with an error

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `predict --json` prints them; the decision is `verdict` there."""
        values = asdict(self)
        return values | {"verdict": values.pop("decision")}


class Predictor:
    """A bundle that has passed its self-test on this machine.

    Raises:
        BundleRefused: the model computes other probabilities than when the bundle was made.

    Examples:
        >>> predictor = pawsight.load("runs/latest")
        >>> [prediction.label for prediction in predictor.predict(["cat.jpg"])]
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
        run_self_test(bundle, self._engine)

    def predict(self, paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Prediction]:
        """Classify files, and all files below folders.

        Args:
            paths: one path or several.

        Returns:
            one `Prediction` for each file, in order; a file that cannot be read as a picture has an `error`.
        """
        inputs = [paths] if isinstance(paths, str | os.PathLike) else paths
        return list(self.stream(expand([Path(path) for path in inputs])))

    def stream(self, paths: Iterable[Path]) -> Iterator[Prediction]:
        """Classify any number of files in constant memory, in order."""
        for loaded, outputs in self.outputs(paths):
            yield self.prediction(os.fspath(loaded.path), outputs, problem=loaded.problem)

    def outputs(self, paths: Iterable[Path]) -> Iterator[tuple[Loaded, Outputs | None]]:
        """Yield each file with the graph's outputs, None where it could not be read; in order."""
        return outputs_of(self._engine, paths, self.bundle.card.decode, threads=self._threads)

    def embed(self, paths: Iterable[Path]) -> NDArray[np.float32]:
        """Return the features that the classifier's head reads, for search, clusters and other models.

        Args:
            paths: N files.

        Returns:
            (N, D) float32, in order; a row of NaN for a file that could not be read.
        """
        rows = [None if outputs is None else outputs[FEATURES] for _, outputs in self.outputs(paths)]
        width = next((len(row) for row in rows if row is not None), 0)
        return np.array([np.full(width, np.nan) if row is None else row for row in rows], np.float32)

    def prediction(self, name: str, outputs: Outputs | None, *, problem: str = "") -> Prediction:
        """Return what the graph's outputs for one picture mean; None where it could not be read, because of a problem.

        Command line and service both call this.
        """
        if outputs is None:
            return unanswered(name, problem)
        values = outputs["probabilities"]
        best = int(values.argmax())
        by_class = {label: float(value) for label, value in zip(self.classes, values, strict=True)}
        decision = self.decision(outputs)
        if decision != ANSWERED:
            return Prediction(name, decision, None, by_class, None, decision)
        return Prediction(name, self.classes[best], float(values[best]), by_class, None, decision)

    def decision(self, outputs: Outputs) -> str:
        """Return whether one picture is answered: `ANSWERED`, `UNSURE` or `UNFAMILIAR` of `trust`."""
        score = outputs.get(OOD_SCORE)
        return self.bundle.card.trust.decide(
            float(outputs["probabilities"].max()), None if score is None else float(score)
        )

    def queue(self) -> InferenceQueue:
        """Return a queue to the engine for pictures that the caller decoded."""
        return InferenceQueue(self._engine)


def outputs_of(
    engine: Engine, paths: Iterable[Path], settings: DecodeSettings, *, threads: int
) -> Iterator[tuple[Loaded, Outputs | None]]:
    """Yield each file with what an engine computes of it, None where it could not be read; in order.

    Args:
        engine: of a classifier or a backbone.
        paths: files, consumed lazily.
        settings: how they are decoded.
        threads: that decode.
    """
    queue = InferenceQueue(engine)
    for loaded in load(paths, settings, threads=threads):
        if loaded.decoded is None:
            yield from queue.drain()
            yield loaded, None
        else:
            yield from queue.push(loaded, loaded.decoded.pixels)
    yield from queue.drain()


def unanswered(name: str, reason: str) -> Prediction:
    """Return the `Prediction` of a picture that could not be read."""
    return Prediction(name, None, None, None, reason)


def load_predictor(path: str | os.PathLike[str], *, max_megapixels: int | None = None) -> Predictor:
    """Open a run or bundle folder, check its files and run its self-test.

    Args:
        path: the folder.
        max_megapixels: width x height of a picture, in millions; larger ones are not read. None is the bundle's limit.

    Raises:
        BundleRefused: it is broken or altered, or computes other probabilities than when it was made.
    """
    return Predictor(with_max_megapixels(read_bundle(Path(path).expanduser()), max_megapixels))


def run_self_test(bundle: Bundle, engine: Engine) -> float:
    """Compute the golden outputs of a bundle again and return the largest difference of a probability.

    An engine in bfloat16 is compared with the outputs in bfloat16. A bundle from a machine without bfloat16 has none;
    its graph is then tested in float32, in an engine of its own.

    Raises:
        BundleRefused: a probability differs by more than `TOLERANCE`, the outputs have another shape, or the card has
            an out-of-distribution detector and the graph has no score.
    """
    golden, reduced = bundle.golden, bundle.golden.reduced
    if engine.precision == "bf16" and reduced is None:
        engine = Engine(bundle.model, image_px=engine.image_px, precision="f32", streams=1)
    expected = reduced if engine.precision == "bf16" and reduced is not None else golden.probabilities
    outputs = engine.run_all(golden.pictures)
    probabilities, scores = outputs.get("probabilities"), outputs.get(OOD_SCORE)
    if bundle.card.trust.detector is not None and (scores is None or scores.shape != golden.pictures.shape[:1]):
        raise refused(
            bundle.folder, f"Its card has a detector of unfamiliar pictures, but its model no output {OOD_SCORE}."
        )
    if probabilities is None or probabilities.shape != expected.shape:
        raise refused(bundle.folder, "The model's outputs do not have the shape of its golden outputs.")
    allowed, difference = TOLERANCE[engine.precision], float(np.abs(probabilities - expected).max())
    if not difference <= allowed:
        raise refused(
            bundle.folder, f"It fails its self-test: a probability is off by {difference:.4f}, {allowed:g} is allowed."
        )
    return difference
