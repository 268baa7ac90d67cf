"""Pictures in, named probabilities and decisions out: a bundle that has passed its self-test on this machine.

The files of a bundle are checked in `bundle`, the decision rule is in `trust`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle, read_bundle, refused, with_max_megapixels
from pawsight.classifier.engine import Engine, InferenceQueue, Outputs, Precision, best_precision, check_device
from pawsight.classifier.trust import ANSWERED, HAS, NOT_SURE, UNFAMILIAR, Trust
from pawsight.core.errors import BundleRefused
from pawsight.core.machine import CPU, Device, Machine, this_machine
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import as_path
from pawsight.data.folders import expand
from pawsight.data.label_sets import joined
from pawsight.images.decode import Decoded
from pawsight.images.loader import Loaded, load
from pawsight.models.graph import FEATURES, OOD_SCORE

# How far a probability may lie from the golden one of the same arithmetic: processors round differently, more so in
# bfloat16 with its 8 bits of fraction. Between the two arithmetics the difference was up to 0.091, too much to detect
# anything, so they are never compared (docs/decisions/0002).
TOLERANCE: Mapping[Precision, float] = MappingProxyType({"f32": 1e-3, "bf16": 3e-2})


class _HasPixels(Protocol):
    @property
    def decoded(self) -> Decoded | None: ...


Picture = TypeVar("Picture", bound=_HasPixels)


@dataclass(frozen=True, slots=True, repr=False)
class Prediction:
    """The prediction for one picture, or why it has none."""

    path: str  # or address; "[3]" for a picture in memory, the one at index 3
    # A class, or "unsure" or "unfamiliar" where the picture is not answered; None where a picture has several labels.
    label: str | None
    # Of the class that is the label, or that would be where the picture is not answered; not the highest where mistakes
    # have costs.
    probability: float | None  # None where a picture has several labels
    probabilities: dict[str, float] | None  # by class name, adding up to 1; of several labels each from 0 to 1
    error: str | None
    decision: str | None = None  # "answered", "unsure" or "unfamiliar"; None with an error
    # Classes that the picture may be, the likeliest first; None where the classifier gives no sets, or the picture is
    # unfamiliar or has an error.
    set: tuple[str, ...] | None = None
    # Labels that the picture has, and those of which that is not sure enough, in the classifier's order; none of either
    # where it is unfamiliar. None where the classifier has one label a picture, or the picture has an error.
    labels: tuple[str, ...] | None = None
    unsure: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        if self.error is not None:
            return f"Prediction({self.path!r}, error={self.error!r})"
        if self.labels is not None:
            return f"Prediction({self.path!r}, labels={self.labels!r}, {self.decision!r})"
        if self.probability is None or self.decision not in (None, ANSWERED):
            return f"Prediction({self.path!r}, {self.label!r})"
        return f"Prediction({self.path!r}, {self.label!r}, {self.probability:.4f})"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `predict --json` prints them; the decision is `verdict` there too."""
        values = asdict(self)
        several = {name: values.pop(name) for name in ("labels", "unsure")}
        del values["set"]
        plain = {**values, "verdict": self.decision, "set": None if self.set is None else list(self.set)}
        if self.labels is None:
            return plain
        return plain | {name: list(labels) for name, labels in several.items()}


class Predictor:
    """A bundle that has passed its self-test on this machine: what commands, service and workers compute with.

    From Python it is reached through `api.classifier.Classifier`, which takes pictures of any form.

    Args:
        bundle: whose files were checked.
        machine: this one.
        device: what computes. The self-test decides whether it is trusted: where it answers otherwise, "auto" is the
            CPU, which is said, and a device that was named is refused.
        progress: hears that.

    Raises:
        BundleRefused: the model computes other probabilities than when the bundle was made.
        WrongUsage: this machine has no such device.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        machine: Machine | None = None,
        device: Device = CPU,
        progress: Progress = SILENT,
    ) -> None:
        machine = machine or this_machine()
        self.bundle, self.classes = bundle, bundle.card.classes
        self.threads = machine.feeders  # that decode
        self._engine = _tested_engine(bundle, machine, device, progress)

    @property
    def precision(self) -> Precision:
        """The arithmetic that it computes in."""
        return self._engine.precision

    def with_trust(self, trust: Trust) -> Predictor:
        """Return the same classifier with another decision rule; both compute with one engine."""
        other = copy(self)
        other.bundle = replace(self.bundle, card=replace(self.bundle.card, trust=trust))
        return other

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
        return self.outputs_of(load(paths, self.bundle.card.decode, threads=self.threads))

    def outputs_of(self, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Outputs | None]]:
        """Yield each picture, decoded by this bundle's settings, with the graph's outputs, as `outputs_of` does."""
        return outputs_of(self._engine, pictures)

    @property
    def features(self) -> int:
        """How many features the head reads of a picture."""
        return self._engine.width(FEATURES)

    def prediction(self, name: str, outputs: Outputs | None, *, problem: str = "") -> Prediction:
        """Return what the graph's outputs for one picture mean; None where it could not be read, because of a problem.

        Command line and service both call this.
        """
        if outputs is None:
            return unanswered(name, problem)
        values, trust = outputs["probabilities"], self.bundle.card.trust
        if trust.labels:
            return self._with_several_labels(name, outputs)
        answer = int(trust.answers(values[None])[0])
        by_class = {label: float(value) for label, value in zip(self.classes, values, strict=True)}
        decision, sets = self.decision(outputs), trust.sets
        is_known = sets is not None and decision != UNFAMILIAR
        named = tuple(self.classes[index] for index in sets.of(values)) if sets is not None and is_known else None
        label = self.classes[answer] if decision == ANSWERED else decision
        return Prediction(name, label, float(values[answer]), by_class, None, decision, named)

    def _with_several_labels(self, name: str, outputs: Outputs) -> Prediction:
        values, decision = outputs["probabilities"], self.decision(outputs)
        decided = self.bundle.card.trust.decide_labels(values[None])[0]
        by_label = {label: float(value) for label, value in zip(self.classes, values, strict=True)}
        has, unsure = (
            tuple(
                label
                for label, kind in zip(self.classes, decided, strict=True)
                if kind == wanted and decision != UNFAMILIAR
            )
            for wanted in (HAS, NOT_SURE)
        )
        return Prediction(name, None, None, by_label, None, decision, labels=has, unsure=unsure)

    def decision(self, outputs: Outputs) -> str:
        """Return whether one picture is answered: `ANSWERED`, `UNSURE` or `UNFAMILIAR` of `trust`."""
        score = outputs.get(OOD_SCORE)
        return self.bundle.card.trust.decide(outputs["probabilities"], None if score is None else float(score))

    def queue(self) -> InferenceQueue:
        """Return a queue to the engine for pictures that the caller decoded."""
        return InferenceQueue(self._engine)


def outputs_of(engine: Engine, pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Outputs | None]]:
    """Yield each picture with what an engine computes of it, None where it has no pixels; in order.

    Args:
        engine: of a classifier or a backbone.
        pictures: anything with `decoded`, or None there; consumed lazily, a bounded number ahead.
    """
    queue = InferenceQueue(engine)
    for picture in pictures:
        if picture.decoded is None:
            yield from queue.drain()
            yield picture, None
        else:
            yield from queue.push(picture, picture.decoded.pixels)
    yield from queue.drain()


def answer_texts(trust: Trust, probabilities: NDArray[np.floating], classes: Sequence[str]) -> list[str]:
    """Return the likeliest class of each picture (N,), or as one text the labels that it has by their thresholds.

    Args:
        trust: of the classifier; whether an answer is sure enough does not matter here.
        probabilities: (N, C).
        classes: the C names.
    """
    if not trust.labels:
        return [classes[index] for index in probabilities.argmax(axis=1)]
    decided = trust.answering_all().decide_labels(probabilities)
    return [joined(name for name, kind in zip(classes, row, strict=True) if kind == HAS) for row in decided]


def unanswered(name: str, reason: str) -> Prediction:
    """Return the `Prediction` of a picture that could not be read."""
    return Prediction(name, None, None, None, reason)


def load_predictor(
    path: str | os.PathLike[str],
    *,
    max_megapixels: int | None = None,
    answer_all: bool = False,
    device: Device = CPU,
    progress: Progress = SILENT,
) -> Predictor:
    """Open a run or bundle folder, check its files and run its self-test.

    Args:
        path: the folder.
        max_megapixels: width x height of a picture, in millions; larger ones are not read. None is the bundle's limit.
        answer_all: call no picture unsure or unfamiliar.
        device: what computes, as for `Predictor`.
        progress: hears where that is not what was asked for.

    Raises:
        BundleRefused: it is broken or altered, or computes other probabilities than when it was made.
        WrongUsage: this machine has no such device.
    """
    bundle = with_max_megapixels(read_bundle(as_path(path), answer_all=answer_all), max_megapixels)
    return Predictor(bundle, device=device, progress=progress)


def _tested_engine(bundle: Bundle, machine: Machine, device: Device, progress: Progress) -> Engine:
    """Return an engine that gives the golden outputs, on a device or else, with "auto", on the CPU."""
    image_px, streams = bundle.card.decode.image_px, machine.cores
    if device != CPU:
        check_device(device)
        try:
            engine = Engine(bundle.model, image_px=image_px, precision="f32", streams=streams, device=device)
            run_self_test(bundle, engine)
            return engine
        except BundleRefused as error:
            if device != "auto":
                raise BundleRefused(
                    f"--device {device} cannot be used with {bundle.folder}.",
                    error.why,
                    "Leave --device out; the CPU is the default.",
                ) from error
            progress.say(f"WARNING: the CPU computes, since no other device is trusted. {error.why}")
    engine = Engine(bundle.model, image_px=image_px, precision=best_precision(machine), streams=streams)
    run_self_test(bundle, engine)
    return engine


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
