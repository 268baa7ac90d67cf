"""What every training method is given, and what it must give back.

Enters: a catalog, its split and where to work. Leaves: `Material` for a method, `Fitted` from it. Does not know: any
method.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.engine import Engine, Precision, best_precision
from pawsight.core.machine import Machine, versions
from pawsight.core.progress import Progress, Stopwatch
from pawsight.core.runs import Epoch
from pawsight.core.storage import sha256_of
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.split import Split
from pawsight.images.decode import DecodeSettings, Pixels
from pawsight.models.recipes import Recipe
from pawsight.training.features import FeatureSink
from pawsight.training.pixels import stacked_pixels

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
METHOD_VERSION = 4  # part of every checkpoint's identity: raise it when the same recipe would give other numbers


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a run happens and who is told about it."""

    runs: Path  # folder that holds the run folders
    cache: Path  # folder for what can be made again
    machine: Machine
    progress: Progress
    stopwatch: Stopwatch
    weights: Path | None = None  # file with MobileNetV2's weights, where Keras cannot download them
    held: ExitStack = field(default_factory=ExitStack, compare=False)  # closed when the run is finished or given up


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a network, for people."""

    name: str
    type: str
    output: str  # shape without the batch, e.g. "158 x 158 x 32"
    parameters: int


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """What a classifier says of training pictures when it was fitted without them."""

    rows: Labels  # (N,), of the training part
    log_probabilities: Floats  # (N, C), up to a constant a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A classifier that is finished but not yet measured."""

    model: bytes  # ONNX: uint8 pictures (N, H, W, 3) -> probabilities (N, C) and features (N, D)
    probabilities: Mapping[str, Floats]  # part -> (N, C), for the held-out parts that were asked for
    parameters: tuple[int, int]  # total and trainable
    layers: tuple[Layer, ...] = ()
    history: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()  # what a reader of the result should know
    precision: str = "f32"  # of the arithmetic that saw the pictures
    computed: int = 0  # pictures whose features were not in the cache
    out_of_fold: OutOfFold | None = None  # None where nothing was cross-validated


@dataclass(frozen=True, slots=True)
class Material:
    """Everything a method may use. The truths of validation choose between epochs and rungs, never fit weights."""

    catalog: Dataset
    split: Split
    recipe: Recipe
    place: Workplace
    folder: Path  # of the run
    parts: tuple[str, ...]  # held-out parts whose probabilities are wanted
    sink: FeatureSink | None = None
    pictures: Mapping[str, Picture] = field(default_factory=dict)  # by name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the outputs."""
        return self.catalog.classes

    @property
    def precision(self) -> Precision:
        """Arithmetic of inference on this machine."""
        return best_precision(self.place.machine)

    @property
    def identity(self) -> str:
        """Digest of everything that the numbers of this run depend on."""
        weights = self.place.weights.read_bytes() if self.place.weights else b""
        known = versions()
        arithmetic = [known.get(name, "") for name in ("keras", "tensorflow", "tensorflow-cpu")]
        facts = [self.recipe.to_toml(), self.split.digest, str(METHOD_VERSION), sha256_of(weights), self.precision]
        return sha256_of("\n".join([*facts, *arithmetic]).encode())

    def truths(self, part: str) -> Labels:
        """Return the class indices (N,) of one part."""
        index = {name: number for number, name in enumerate(self.classes)}
        return np.array([index[one.label] for one in self.split.part(part)], dtype=np.int64)

    def features(self, part: str) -> Floats:
        """Return the backbone's features (N, D) of one part."""
        if self.sink is None:
            raise ValueError(f"the recipe {self.recipe.name} has no backbone")
        return self.sink.features_of([one.sha256 for one in self.split.part(part)])

    def pixels(self, part: str) -> Pixels:
        """Return the decoded pictures of one part, on disk (N, px, px, 3) uint8."""
        with self.place.stopwatch.stage("decoding"):
            return stacked_pixels(
                [self.pictures[one.name] for one in self.split.part(part)],
                DecodeSettings(image_px=self.recipe.image_px),
                cache=self.place.cache,
                threads=self.place.machine.cores,
                progress=self.place.progress,
            )

    def engine(self, model: bytes, precision: Precision | None = None) -> Engine:
        """Compile a graph for this machine, in its own arithmetic where none is named."""
        cores = self.place.machine.cores
        return Engine(model, image_px=self.recipe.image_px, precision=precision or self.precision, streams=cores)

    def answers(self, model: bytes) -> dict[str, Floats]:
        """Let a finished graph classify the held-out parts that are wanted."""
        engine = self.engine(model)
        empty = np.empty((0, len(self.classes)), np.float32)
        with self.place.stopwatch.stage("answering"):
            return {
                part: engine.run_all(self.pixels(part))["probabilities"] if self.split.part(part) else empty
                for part in self.parts
            }


def held_out_probabilities(material: Material, probabilities: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the probabilities of the parts that are wanted and no others."""
    return {part: probabilities[part] for part in material.parts}
