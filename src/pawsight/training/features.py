"""Pictures -> features of a frozen backbone, each computed once and kept; also those of a finished run's pictures.

One pass of the network gives the averages and maxima of every depth. They are kept as they are, 100 KB a picture, so
that what is reported is to the bit what the finished graph answers; and read by columns, so that memory does not grow
with them.
"""

from __future__ import annotations

import json
import mmap
import tempfile
import tomllib
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.backbone import backbone_engine, check_features, frozen_backbone
from pawsight.classifier.engine import Engine, InferenceQueue, best_precision, check_device, devices
from pawsight.core.cache import Cache
from pawsight.core.errors import BundleRefused, StorageError, WrongUsage
from pawsight.core.machine import CPU, Device, Machine
from pawsight.core.progress import Progress, Stopwatch
from pawsight.core.runs import METRICS, RECIPE
from pawsight.core.storage import refusal
from pawsight.data.found import Candidate
from pawsight.images.decode import DECODER_VERSION, MOST_MEGAPIXELS, DecodeSettings, GreyRange, Pixels, space_of_greys
from pawsight.images.loader import load
from pawsight.models.efficientnet_lite import Channels
from pawsight.models.recipes import DEPTHS, FINETUNE, LAST, RECIPES, Recipe, recipe_from_mapping
from pawsight.sample import draw

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
_TOLERANCE = 1e-3  # how far a device's features may lie from the CPU's, in shares of the largest
_WRITE_EVERY = 256  # features stored in one transaction, 26 MB
_READ_AT_ONCE = 256  # pictures


class FeatureTable:
    """The features of N pictures at every depth, on disk.

    Args:
        stored: float32 (M, W), in memory or mapped.
        depths: for each fixed depth, "last" being one, the columns that it reads, in rising order.
        rows: of the N pictures among the M; None for all of them.
        mapped: the map behind `stored`, whose pages are given back after they are read.
    """

    def __init__(
        self,
        stored: Floats,
        depths: Mapping[str, Channels],
        rows: Labels | None = None,
        mapped: mmap.mmap | None = None,
    ) -> None:
        self._stored, self.depths, self._mapped = stored, depths, mapped
        self._rows = np.arange(len(stored)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def width(self) -> int:
        """How many numbers every depth has together, W."""
        return int(self._stored.shape[1])

    def part(self, rows: Labels) -> FeatureTable:
        """Return the table of some of the pictures, by their numbers."""
        return FeatureTable(self._stored, self.depths, self._rows[rows], self._mapped)

    def read(self, columns: Channels) -> Floats:
        """Return the features (N, D) in some columns, given in rising order."""
        table = np.empty((len(self), len(columns)), np.float32)
        adjoining = len(columns) and columns[-1] - columns[0] == len(columns) - 1
        wanted = slice(columns[0], columns[-1] + 1) if adjoining else columns
        for start in range(0, len(self), _READ_AT_ONCE):
            stop = start + _READ_AT_ONCE
            rows = self._rows[start:stop]
            table[start:stop] = self._stored[rows, wanted] if adjoining else self._stored[rows][:, wanted]
            if self._mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                self._mapped.madvise(mmap.MADV_DONTNEED)
        return table

    @property
    def last(self) -> Floats:
        """The features (N, D) of the last layer."""
        return self.read(self.depths[LAST])


class FeatureSink:
    """A `PixelSink` that turns pixels into features.

    Args:
        make_engine: called once, when the first picture comes whose features are not known.
        cache: where known features are stored.
        space: names all that features depend on besides the picture's content.
        width: how many numbers a picture's features have.
        depths: as `FeatureTable` takes them; None where there is one depth only.
        name: of the backbone, for messages.
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        *,
        cache: Cache,
        space: str,
        width: int,
        depths: Mapping[str, Channels] | None = None,
        name: str = "The network",
    ) -> None:
        self._name = name
        self._make_engine, self._cache, self.space, self.width = make_engine, cache, space, width
        self._depths = depths or {LAST: np.arange(width)}
        self._queue: InferenceQueue | None = None
        # What was found or computed is copied to a file of this run: the cache may lose it, and memory is too small.
        folder = cache.folder if cache.folder.is_dir() else None  # a cache that cannot be made has none
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - tables map it and outlive this sink
        weakref.finalize(self, self._file.close)
        self._rows: dict[str, int] = {}  # of the file, by content
        self._fresh: dict[str, bytes] = {}
        self._lock = Lock()
        self.computed = 0  # pictures that had to go through the backbone

    @property
    def size(self) -> int:
        """Bytes of a picture's features: little-endian float32."""
        return 4 * self.width

    def wants(self, sha256: str) -> bool:
        """Say whether a picture's features are neither in this run's file nor in the cache."""
        if sha256 in self._rows:
            return False
        stored = self._cache.get_many(self.space, [sha256]).get(sha256)
        if stored is None or len(stored) != self.size:
            return True
        self._keep(sha256, stored)
        return False

    def take(self, sha256: str, pixels: Pixels) -> None:
        """Send one picture through the backbone; its features arrive while later ones are sent."""
        if self._queue is None:
            self._queue = InferenceQueue(self._make_engine())
        for key, outputs in self._queue.push(sha256, pixels):
            self._keep_computed(key, outputs["features"].astype("<f4").tobytes())

    def receive(self, sha256: str, features: bytes) -> None:
        """Keep features computed elsewhere as this sink would have: `width` numbers in little-endian float32."""
        if len(features) != self.size:
            raise ValueError(f"{len(features)} bytes are not {self.width} features")
        if sha256 not in self._rows:
            self._keep_computed(sha256, features)

    def features_of(self, hashes: Sequence[str]) -> FeatureTable:
        """Wait for all features and return those of the given contents."""
        if self._queue is not None:
            for key, outputs in self._queue.drain():
                self._keep_computed(key, outputs["features"].astype("<f4").tobytes())
        self._store()
        rows = np.array([self._rows[sha256] for sha256 in hashes], np.int64)
        if not self._rows:
            return FeatureTable(np.empty((0, self.width), np.float32), self._depths, rows)
        self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), len(self._rows) * self.size, access=mmap.ACCESS_READ)
        stored = np.frombuffer(mapped, "<f4").reshape(-1, self.width)
        return FeatureTable(stored, self._depths, rows, mapped)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Store what was computed even if the disk or share that holds the pictures fails."""
        try:
            yield
        except StorageError:
            self.features_of([])
            raise

    def _keep_computed(self, sha256: str, features: bytes) -> None:
        check_features(np.frombuffer(features, "<f4"), self._name)
        self._keep(sha256, features)
        self._fresh[sha256] = features
        self.computed += 1
        if len(self._fresh) >= _WRITE_EVERY:
            self._store()

    def _keep(self, sha256: str, features: bytes) -> None:
        with self._lock:  # threads that read files ask `wants`
            if sha256 in self._rows:
                return
            try:
                self._file.write(features)
            except OSError as error:
                raise refusal(f"write {len(features):,} bytes to the cache in", self._cache.folder, error) from error
            self._rows[sha256] = len(self._rows)

    def _store(self) -> None:
        if self._fresh:
            self._cache.put_many(self.space, self._fresh)
            self._fresh = {}


def trusted_device(recipe: Recipe, device: Device, machine: Machine, progress: Progress) -> Device:
    """Return the device that computes the features of a recipe: the one asked for, if it computes what the CPU does.

    Args:
        recipe: with a backbone.
        device: asked for; "auto" is the CPU where the other device is not trusted, which is said.
        machine: this one.
        progress: hears that.

    Raises:
        WrongUsage: this machine has no such device.
        BundleRefused: a device that was named computes something else.
    """
    check_device(device)
    if device == CPU or set(devices()) == {"CPU"}:
        return CPU
    pictures = np.stack(
        [
            np.asarray(draw(kind, seed=0, index=0).resize((recipe.image_px, recipe.image_px)), np.uint8)
            for kind in ("cats", "dogs", "other")
        ]
    )
    model = frozen_backbone(recipe).write(None)
    try:
        expected, computed = (
            Engine(model, image_px=recipe.image_px, precision="f32", streams=machine.cores, device=where).run_all(
                pictures
            )["features"]
            for where in (CPU, device)
        )
        difference = float(np.abs(expected - computed).max() / np.abs(expected).max())
        if not difference <= _TOLERANCE:
            raise BundleRefused("", f"Its features are off by {100 * difference:.3g} % of the largest.")
        return device
    except BundleRefused as error:
        if device != "auto":
            raise BundleRefused(
                f"--device {device} cannot be used with {recipe.backbone}.",
                error.why,
                "Leave --device out; the CPU is the default.",
            ) from error
        progress.say(f"WARNING: the CPU computes, since no other device is trusted. {error.why}")
        return CPU


def feature_sink(
    recipe: Recipe,
    cache: Cache,
    machine: Machine,
    stopwatch: Stopwatch,
    device: Device = CPU,
    grey_range: GreyRange | None = None,
) -> FeatureSink:
    """Return the sink that computes and keeps the features of a recipe's backbone on a trusted device."""
    precision = best_precision(machine) if device == CPU else "f32"
    backbone = frozen_backbone(recipe)
    space = f"depths/{backbone.digest}/{recipe.image_px}/decoder{DECODER_VERSION}/{precision}"
    if device != CPU:
        space += f"/{device}"
    space += space_of_greys(grey_range)

    def make_engine() -> Engine:
        with stopwatch.stage("backbone"):
            model = backbone.write(np.arange(backbone.width))
            return backbone_engine(recipe, model, precision=precision, streams=machine.cores, device=device)

    return FeatureSink(
        make_engine, cache=cache, space=space, width=backbone.width, depths=backbone.depths, name=recipe.backbone
    )


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


def depth_of(run: Path) -> str:
    """Return the depth at which a run's probe reads its backbone; "last" where the run does not say."""
    try:
        depth = json.loads((run / METRICS).read_text("utf-8"))["depth"]["chosen"]
    except (OSError, ValueError, LookupError, TypeError):
        return LAST
    return depth if depth in DEPTHS[1:] else LAST


def probe_recipe(recipe: Recipe) -> Recipe:
    """Return the probe that stands in for a recipe: on its backbone where it has a frozen one, else on the default."""
    probe = replace(RECIPES["probe"].recipe, seed=recipe.seed, split_seed=recipe.split_seed, folds=recipe.folds)
    if recipe.method not in ("probe", FINETUNE):
        return probe
    network = {name: getattr(recipe, name) for name in ("backbone", "image_px", "backbone_sha256", "mean", "std")}
    return replace(probe, **network)


def run_features(
    pictures: Sequence[Candidate],
    contents: Sequence[str],
    recipe: Recipe,
    *,
    cache: Path,
    machine: Machine,
    progress: Progress,
    grey_range: GreyRange | None = None,
) -> tuple[list[int], FeatureTable]:
    """Return the features of pictures of a finished run, from the cache or computed again.

    A picture that was changed or is gone since the split was made, and has no features in the cache, is left out.

    Args:
        pictures: N of its training or validation subset.
        contents: SHA-256 of each when the split was made.
        recipe: with the backbone, as `probe_recipe` returns it.
        cache: folder for what can be computed again.
        machine: this one.
        progress: is advanced with each picture that is decoded.
        grey_range: that the run decodes 16-bit pictures with.

    Returns:
        the rows (M,) of the pictures that have features, in order, and their features.

    Raises:
        ValueError: a picture lies in the test subset, which only `evaluate --test` opens.
        ModelError: the backbone cannot be had.
    """
    if any(picture.part == "test" for picture in pictures):
        raise ValueError("the test set is sealed")
    with Cache(cache / "cache", refused=progress.say) as store:
        sink = feature_sink(recipe, store, machine, Stopwatch(), grey_range=grey_range)
        paths = {sha256: picture.path for picture, sha256 in zip(pictures, contents, strict=True) if sink.wants(sha256)}
        lacking = set(paths)
        with progress.stage("Looking again", len(paths), "pictures") as step:
            # The run allowed them, and no other content is decoded.
            settings = DecodeSettings(image_px=recipe.image_px, max_megapixels=MOST_MEGAPIXELS, grey_range=grey_range)
            files = load(paths.values(), settings, threads=machine.feeders, wanted=lacking.__contains__)
            for sha256, loaded in zip(paths, files, strict=True):
                step.advance()
                if loaded.decoded is not None and loaded.sha256 == sha256:
                    sink.take(sha256, loaded.decoded.pixels)
                    lacking.discard(sha256)
        rows = [row for row, sha256 in enumerate(contents) if sha256 not in lacking]
        return rows, sink.features_of([contents[row] for row in rows])
