"""Pictures -> features of a frozen backbone, each computed once and kept; also those of a finished run's pictures."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.engine import Engine, InferenceQueue, best_precision
from pawsight.core.cache import Cache
from pawsight.core.errors import StorageError, WrongUsage
from pawsight.core.machine import Machine
from pawsight.core.progress import Progress, Stopwatch
from pawsight.core.runs import RECIPE
from pawsight.data.folders import Candidate
from pawsight.images.decode import DECODER_VERSION, DecodeSettings, Pixels
from pawsight.images.loader import load
from pawsight.models.backbones import find_backbone
from pawsight.models.efficientnet_lite import backbone_onnx
from pawsight.models.recipes import FEATURE_METHODS, RECIPES, Recipe, recipe_from_mapping

Features = NDArray[np.float32]
_WRITE_EVERY = 512  # features stored in one transaction


class FeatureSink:
    """A `PixelSink` that turns pixels into features.

    Args:
        make_engine: called once, when the first picture comes whose features are not known.
        cache: where known features are stored.
        space: names all that features depend on besides the picture's content.
        width: how many numbers a picture's features have.
    """

    def __init__(self, make_engine: Callable[[], Engine], *, cache: Cache, space: str, width: int) -> None:
        self._make_engine, self._cache, self.space, self.width = make_engine, cache, space, width
        self._queue: InferenceQueue | None = None
        self._known: dict[str, Features] = {}
        self._fresh: dict[str, bytes] = {}
        self.computed = 0  # pictures that had to go through the backbone

    def wants(self, sha256: str) -> bool:
        """Say whether a picture's features are neither in memory nor in the cache."""
        if sha256 in self._known:
            return False
        stored = self._cache.get_many(self.space, [sha256]).get(sha256)
        if stored is None or len(stored) != 4 * self.width:
            return True
        self._known[sha256] = np.frombuffer(stored, dtype="<f4")
        return False

    def take(self, sha256: str, pixels: Pixels) -> None:
        """Send one picture through the backbone; its features arrive while later ones are sent."""
        if self._queue is None:
            self._queue = InferenceQueue(self._make_engine())
        for key, outputs in self._queue.push(sha256, pixels):
            self._keep(key, outputs["features"])

    def receive(self, sha256: str, features: bytes) -> None:
        """Keep features computed elsewhere as this sink would have: `width` numbers in little-endian float32."""
        if len(features) != 4 * self.width:
            raise ValueError(f"{len(features)} bytes are not {self.width} features")
        if sha256 not in self._known:
            self._keep(sha256, np.frombuffer(features, dtype="<f4"))

    def features_of(self, hashes: Sequence[str]) -> Features:
        """Wait for all features and return those of the given contents (N, width)."""
        if self._queue is not None:
            for key, outputs in self._queue.drain():
                self._keep(key, outputs["features"])
        self._store()
        if not hashes:
            return np.empty((0, self.width), np.float32)
        return np.stack([self._known[sha256] for sha256 in hashes])

    def _keep(self, sha256: str, computed: Features) -> None:
        features = np.ascontiguousarray(computed, dtype="<f4")
        self._known[sha256] = features
        self._fresh[sha256] = features.tobytes()
        self.computed += 1
        if len(self._fresh) >= _WRITE_EVERY:
            self._store()

    def _store(self) -> None:
        if self._fresh:
            self._cache.put_many(self.space, self._fresh)
            self._fresh = {}


def feature_sink(recipe: Recipe, cache: Cache, machine: Machine, stopwatch: Stopwatch) -> FeatureSink:
    """Return the sink that computes and keeps the features of a recipe's backbone on a machine."""
    precision = best_precision(machine)
    backbone = find_backbone(recipe.backbone)
    space = f"features/{backbone.sha256}/{recipe.image_px}/decoder{DECODER_VERSION}/{precision}"

    def make_engine() -> Engine:
        with stopwatch.stage("backbone"):
            model = backbone_onnx(recipe.backbone, recipe.image_px)
            return Engine(model, image_px=recipe.image_px, precision=precision, streams=machine.cores)

    return FeatureSink(make_engine, cache=cache, space=space, width=backbone.feature_dim)


def recipe_of(run: Path) -> Recipe:
    """Return the recipe of a run.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        return recipe_from_mapping(tomllib.loads((run / RECIPE).read_text("utf-8")))
    except (OSError, ValueError, WrongUsage) as error:
        raise StorageError(
            f"{run / RECIPE} cannot be read.", f"The reader says: {error}.", "Name a finished run, e.g. runs/latest."
        ) from error


def probe_recipe(recipe: Recipe) -> Recipe:
    """Return the probe that stands in for a recipe: on its backbone where it has a frozen one, else on the default."""
    probe = replace(RECIPES["probe"].recipe, seed=recipe.seed, split_seed=recipe.split_seed, folds=recipe.folds)
    if recipe.method not in FEATURE_METHODS:
        return probe
    return replace(probe, backbone=recipe.backbone, image_px=recipe.image_px)


def run_features(
    pictures: Sequence[Candidate],
    contents: Sequence[str],
    recipe: Recipe,
    *,
    cache: Path,
    machine: Machine,
    progress: Progress,
) -> tuple[list[int], Features]:
    """Return the features of pictures of a finished run, from the cache or computed again.

    A picture that was changed or is gone since the split was made, and has no features in the cache, is left out.

    Args:
        pictures: N of its training or validation subset.
        contents: SHA-256 of each when the split was made.
        recipe: with the backbone, as `probe_recipe` returns it.
        cache: folder for what can be computed again.
        machine: this one.
        progress: is advanced with each picture that is decoded.

    Returns:
        the rows (M,) of the pictures that have features, in order, and their features (M, D).

    Raises:
        ValueError: a picture lies in the test subset, which only `evaluate --test` opens.
        ModelError: the backbone cannot be had.
    """
    if any(picture.part == "test" for picture in pictures):
        raise ValueError("the test part is sealed")
    with Cache(cache / "cache") as store:
        sink = feature_sink(recipe, store, machine, Stopwatch())
        paths = {sha256: picture.path for picture, sha256 in zip(pictures, contents, strict=True) if sink.wants(sha256)}
        lacking = set(paths)
        with progress.stage("Looking again", len(paths), "pictures") as step:
            files = load(paths.values(), DecodeSettings(image_px=recipe.image_px), threads=machine.feeders)
            for sha256, loaded in zip(paths, files, strict=True):
                step.advance()
                if loaded.decoded is not None and loaded.sha256 == sha256:
                    sink.take(sha256, loaded.decoded.pixels)
                    lacking.discard(sha256)
        rows = [row for row, sha256 in enumerate(contents) if sha256 not in lacking]
        return rows, sink.features_of([contents[row] for row in rows])
