"""What every training method is given and what it returns; pictures decoded once, on disk."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.engine import Engine, Precision, best_precision, run_head
from pawsight.core.errors import PicturesChanged, StorageError
from pawsight.core.machine import CPU, Device, Machine, versions
from pawsight.core.progress import Progress, Stopwatch
from pawsight.core.runs import Epoch
from pawsight.core.storage import new_folder, remove, sha256_of, sha256_of_file, write_text
from pawsight.data.dataset import LOSS_ALLOWED, Dataset, Picture
from pawsight.data.label_sets import truth_of
from pawsight.data.split import Split
from pawsight.images.decode import DecodeSettings, GreyRange, Pixels
from pawsight.images.loader import load
from pawsight.models.graph import head_of
from pawsight.models.recipes import Recipe
from pawsight.training.features import FeatureSink, FeatureTable

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
# A layer as summaries show it: name, type, shape of the output without the batch (e.g. "158 x 158 x 32"), parameters.
Layer = tuple[str, str, str, int]
METHOD_VERSION = 5  # part of every checkpoint's identity: raise it when the same recipe would give other numbers
_ARRAY, _CHECKSUM = "pixels.npy", "seal.txt"
_PIECE_BYTES = 1 << 20
_RARE_UP_TO = 9  # pictures with the same labels, up to which these are no class of their own
_SHOWN = 5  # names in a message


@dataclass(frozen=True, slots=True)
class RunEnvironment:
    """Where a run happens and what reports on it."""

    runs: Path  # folder that holds the run folders
    cache: Path  # folder for what can be computed again
    machine: Machine
    progress: Progress
    stopwatch: Stopwatch
    weights: Path | None = None  # file with MobileNetV2's weights, where Keras cannot download them
    held: ExitStack = field(default_factory=ExitStack, compare=False)  # holds the run lock until it is closed
    max_megapixels: int = DecodeSettings().max_megapixels  # of a picture
    grey_range: GreyRange | None = None  # that 16-bit pictures use; None: that of their type
    allow_missing: float = LOSS_ALLOWED  # largest share of the pictures that may be unreadable
    data: str = ""  # as `pawsight inspect` reads it
    command: str = ""  # that began a run which grows; empty: data and recipe say it
    device: Device = CPU  # that computes the features of a frozen backbone

    def decode_settings(self, recipe: Recipe) -> DecodeSettings:
        """Return how pictures are decoded for a recipe."""
        return DecodeSettings(image_px=recipe.image_px, max_megapixels=self.max_megapixels, grey_range=self.grey_range)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """What a training method returns."""

    graph: bytes  # ONNX: uint8 pictures (N, H, W, 3) -> probabilities (N, C) and features (N, D)
    features: Mapping[str, Floats]  # subset -> (N, D) as the graph gives them, for the held-out subsets that are wanted
    parameters: tuple[int, int]  # total and trainable
    layers: tuple[Layer, ...] = ()
    history: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()  # remarks for the reader of the result
    precision: str = "f32"  # of the arithmetic that computed features
    computed: int = 0  # pictures whose features were not in the cache
    # Logits (N, C) of the training subset, up to a constant a row, by models fitted without the picture and all that
    # look like it. Rows of NaN where only a sample was cross-validated, None where nothing was.
    logits_out_of_fold: Floats | None = None
    folds: int = 0  # that these came from
    is_whole: bool = False  # depth and strength were chosen again in each fold, and not by these answers
    depth: Mapping[str, Any] | None = None  # how the depth of a probe was chosen, as metrics.json has it
    columns: NDArray[np.int64] | None = None  # (D,) of the backbone's features at every depth that a probe's head reads
    # `calibrate` adds probabilities, with the temperature: subset -> (N, C), and (N, C) of the logits out of fold.
    probabilities: Mapping[str, Floats] = field(default_factory=dict)
    out_of_fold: Floats | None = None


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What a training method may use. The labels of validation choose between epochs and recipes, never fit weights."""

    dataset: Dataset
    split: Split
    recipe: Recipe
    env: RunEnvironment
    folder: Path  # of the run
    held_out: tuple[str, ...]  # subsets that are to be measured
    sink: FeatureSink | None = None
    folds: int | None = None  # of a cross-validation that measures the run in place of validation and test

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or of the labels, in the order of the outputs."""
        return self.dataset.classes

    @property
    def precision(self) -> Precision:
        """Arithmetic of inference on this machine."""
        return best_precision(self.env.machine) if self.env.device == CPU else "f32"

    def basis(self) -> dict[str, Any]:
        """Return everything that the numbers of this run depend on, as plain JSON values by name."""
        weights, known = self.env.weights, versions()
        return {
            **self.recipe.to_dict(),
            "split": self.split.digest,
            "weights": sha256_of(weights.read_bytes()) if weights else "",
            "inference": self.precision if self.env.device == CPU else f"{self.precision} on {self.env.device}",
            "method": METHOD_VERSION,
            "keras": known.get("keras", ""),
            "tensorflow": known.get("tensorflow") or known.get("tensorflow-cpu", ""),
        }

    def identity(self) -> str:
        """Return a digest of `basis`, in which a run and its continuation for more epochs are the same.

        Under a constant learning rate the first epochs do not depend on how many follow.
        """
        basis = self.basis()
        if not self.recipe.warmup_epochs:
            del basis["epochs"]
        return sha256_of(json.dumps(basis, sort_keys=True).encode())

    def pictures(self, subset: str) -> list[Picture]:
        """Return the pictures of one subset."""
        by_name = {picture.name: picture for picture in self.dataset.pictures}
        return [by_name[assigned.name] for assigned in self.split.part(subset)]

    def labels(self, subset: str) -> Labels:
        """Return the class indices (N,) of one subset."""
        index = {name: number for number, name in enumerate(self.classes)}
        return np.array([index[assigned.label] for assigned in self.split.part(subset)], dtype=np.int64)

    def strata(self, subset: str) -> Labels:
        """Return a number (N,) for each picture of one subset: its class, or which labels it has together.

        Pictures without a label and those whose labels at most `_RARE_UP_TO` have together share a number.
        """
        if not self.dataset.several_labels:
            return self.labels(subset)
        texts = [assigned.label for assigned in self.split.part(subset)]
        counts = Counter(texts)
        frequent = [text if counts[text] > _RARE_UP_TO else "" for text in texts]
        return np.unique(frequent, return_inverse=True)[1].astype(np.int64)

    def truth(self, subset: str) -> NDArray[np.bool_]:
        """Return which labels each picture of one subset has (N, L), in a data set of several labels."""
        return truth_of([assigned.label for assigned in self.split.part(subset)], self.classes)

    def features(self, subset: str) -> FeatureTable:
        """Return the backbone's features of one subset, at every depth."""
        if self.sink is None:
            raise ValueError(f"the recipe {self.recipe.name} has no backbone")
        return self.sink.features_of([assigned.sha256 for assigned in self.split.part(subset)])

    def pixels(self, subset: str) -> Pixels:
        """Return the decoded pictures of one subset, on disk (N, px, px, 3) uint8."""
        with self.env.stopwatch.stage("decoding"):
            return stacked_pixels(
                self.pictures(subset),
                self.env.decode_settings(self.recipe),
                cache=self.env.cache,
                threads=self.env.machine.cores,
                progress=self.env.progress,
            )

    def engine(self, graph: bytes, precision: Precision | None = None) -> Engine:
        """Compile a graph for this machine, in the arithmetic that suits it where none is named."""
        cores = self.env.machine.cores
        return Engine(graph, image_px=self.recipe.image_px, precision=precision or self.precision, streams=cores)

    def held_out_features(self, graph: bytes) -> dict[str, Floats]:
        """Return the features (N, D) that a graph gives the held-out subsets that are wanted."""
        engine = self.engine(graph)
        with self.env.stopwatch.stage("answering"):
            return {
                subset: engine.run_all(self.pixels(subset))["features"]
                if self.split.part(subset)
                else np.empty((0, 0), np.float32)
                for subset in self.held_out
            }

    def answers(self, graph: bytes, features: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the probabilities (N, C) that a graph gives pictures whose features (N, D) it computed before."""
        head = head_of(graph)
        return {subset: run_head(head, table, self.precision) for subset, table in features.items()}


def stacked_pixels(
    pictures: Sequence[Picture], settings: DecodeSettings, *, cache: Path, threads: int, progress: Progress
) -> Pixels:
    """Return the pixels of pictures as an array on disk, decoding them where the cache has no such array.

    Args:
        pictures: N of them; the array has their order.
        settings: how to decode.
        cache: folder for what can be computed again; the array goes to `pixels/` in it.
        threads: that decode.

    Returns:
        a read-only memory map (N, image_px, image_px, 3) uint8.

    Raises:
        PicturesChanged: files are no longer what was read; all of them are named.
        StorageError: the disk refused.
    """
    content = sha256_of("\n".join([repr(settings), *(picture.sha256 for picture in pictures)]).encode())
    folder = cache / "pixels" / content[:20]
    if not _is_whole(folder, content):
        remove(folder)
        try:
            with new_folder(folder) as staging:
                _decode_into(staging / _ARRAY, pictures, settings, threads, progress)
                write_text(staging / _CHECKSUM, _checksum(staging, content))
        except StorageError:
            if not _is_whole(folder, content):  # else another process was quicker
                raise
    mapped: Pixels = np.load(folder / _ARRAY, mmap_mode="r")
    return mapped


def _is_whole(folder: Path, content: str) -> bool:
    """Say whether an array is there, is the wanted one and holds what was written."""
    try:
        return (folder / _CHECKSUM).read_text("ascii", "replace") == _checksum(folder, content)
    except (OSError, StorageError):
        return False


def _checksum(folder: Path, content: str) -> str:
    return f"{content} {sha256_of_file(folder / _ARRAY)}\n"


def _decode_into(
    path: Path, pictures: Sequence[Picture], settings: DecodeSettings, threads: int, progress: Progress
) -> None:
    array = mapped_array(path, np.uint8, (len(pictures), settings.image_px, settings.image_px, 3))
    changed: dict[str, str] = {}
    with progress.stage("Decoding pictures", len(pictures), "pictures") as step:
        files = load((picture.path for picture in pictures), settings, threads=threads)
        for row, (picture, loaded) in enumerate(zip(pictures, files, strict=True)):
            if loaded.decoded is None or loaded.sha256 != picture.sha256:
                changed[picture.name] = loaded.problem or "its content is no longer what was read"
            else:
                array[row] = loaded.decoded.pixels
            step.advance()
    if changed:
        reasons = [f"{name}: {reason}" for name, reason in changed.items()]
        more = f" and {len(reasons) - _SHOWN:,} more" if len(reasons) > _SHOWN else ""
        raise PicturesChanged(
            f"{'1 picture' if len(reasons) == 1 else f'{len(reasons):,} pictures'} changed while being used.",
            f"{'; '.join(reasons[:_SHOWN])}{more}.",
            "Type the same command again.",
            changed=changed,
        )
    array.flush()


def mapped_array(path: Path, kind: type[np.generic], shape: tuple[int, ...]) -> Any:
    """Return a new array of zeros on disk, mapped for writing.

    Its blocks are allocated first, by writing: a write into a map that finds the disk full kills the process.

    Raises:
        OSError: the disk refused.
    """
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
    left = math.prod(shape) * np.dtype(kind).itemsize
    with path.open("xb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        while left > 0:
            left -= file.write(bytes(min(left, _PIECE_BYTES)))
    return np.load(path, mmap_mode="r+")
