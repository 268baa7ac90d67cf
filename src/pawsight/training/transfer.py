"""The method `transfer`: a frozen network computes maps, and two dense layers on top of it learn by gradients.

OpenVINO runs the frozen part, not TensorFlow at every step: it would give the same maps for the same augmented picture
at every epoch, so each picture is augmented VIEWS times, its maps are kept on disk, and the epochs take turns.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np

from pawsight.classifier.engine import Engine
from pawsight.core.runs import Epoch
from pawsight.core.storage import new_file
from pawsight.core.thread_pool import ordered_map
from pawsight.images.decode import Pixels
from pawsight.models.keras_networks import import_keras
from pawsight.training.context import Floats, TrainedModel, TrainingContext, mapped_array
from pawsight.training.diagnostics import Diagnostics
from pawsight.training.logistic import class_weights
from pawsight.training.networks import (
    Batch,
    augmentation_of,
    class_weights_note,
    fit_epochs,
    kept_epoch_note,
    layers_of,
    order_of,
    seeded,
    trainable_parameters,
    view,
)

VIEWS = 5  # augmented versions of each training picture; see docs/experiments.md for what more of them gain
FOLDER = "views"
_VIEWS_NOTE = (
    f"the frozen part saw {VIEWS} augmented views of each training picture, and the epochs took turns among them"
)


def train_transfer(context: TrainingContext) -> TrainedModel:
    """Train the exercise's fourth model: two dense layers on a frozen MobileNetV2."""
    import_keras()
    from pawsight.models.graph import append_embedding, append_head
    from pawsight.models.keras_networks import EMBEDDING, build_mobilenet, build_top, features_onnx

    recipe, diagnostics = context.recipe, Diagnostics()
    with seeded(recipe.seed):
        with context.env.progress.stage("Fetching MobileNetV2's weights", None):
            frozen = build_mobilenet(image_px=recipe.image_px, weights=context.env.weights)
        top = build_top(frozen.output.shape[1:], classes=len(context.classes), seed=recipe.seed)
    frozen_graph = features_onnx(frozen, image_px=recipe.image_px)
    history = _fit_top(top, frozen_graph, context, diagnostics)
    embedding = append_embedding(frozen_graph, *top.get_layer(EMBEDDING).get_weights())
    graph = append_head(embedding, *top.get_layer("logits").get_weights(), classes=context.classes)
    trainable = trainable_parameters(top)
    return TrainedModel(
        graph=graph,
        features=context.held_out_features(graph),
        parameters=(frozen.count_params() + trainable, trainable),
        layers=(
            ("mobilenet-v2", "frozen backbone", _shape(frozen.output), frozen.count_params()),
            *layers_of(top)[1:],
        ),
        history=history,
        notes=(
            kept_epoch_note(history),
            _VIEWS_NOTE,
            *class_weights_note(recipe.class_weights),
            *diagnostics.remarks,
        ),
        precision=context.precision,
    )


def _fit_top(top: Any, frozen: bytes, context: TrainingContext, diagnostics: Diagnostics) -> tuple[Epoch, ...]:
    """Fit a model that takes a frozen network's maps, and remove the maps from disk."""
    recipe = context.recipe
    with context.env.stopwatch.stage("training"):
        views, labels = Views(frozen, context), context.labels("train")
        weights = np.ones(len(labels), np.float32)
        if recipe.class_weights:
            weights = class_weights(labels, classes=len(context.classes))
        held_out = views.of_held_out(context.pixels("validation"))

        def feed(epoch: int) -> Iterator[Batch]:
            maps = views.of_epoch(epoch)
            order = order_of(epoch, count=len(labels), seed=recipe.seed)
            for start in range(0, len(order), recipe.batch_size):
                rows = order[start : start + recipe.batch_size]
                yield maps[rows].astype(np.float32), labels[rows], weights[rows]

        history = fit_epochs(top, context, feed, held_out, diagnostics)
    shutil.rmtree(context.folder / FOLDER, ignore_errors=True)
    return history


class Views:
    """The maps that a frozen network gives for augmented training pictures, computed when first asked for.

    Args:
        frozen: ONNX from pictures to maps.
        context: of the run; the maps are in its folder until it ends.
    """

    def __init__(self, frozen: bytes, context: TrainingContext) -> None:
        self._engine: Engine = context.engine(frozen)
        self._context = context
        self._pixels = context.pixels("train")

    def of_epoch(self, epoch: int) -> Any:
        """Return the maps (N, ...) float16 of the training subset as the epoch sees it, on disk."""
        number = epoch % VIEWS
        path = self._context.folder / FOLDER / f"{number}.npy"
        if not path.is_file():
            with new_file(path) as staging:
                self._compute(staging, number)
        return np.load(path, mmap_mode="r")

    def of_held_out(self, pixels: Pixels) -> Floats:
        """Return the maps (N, ...) of pictures that are not augmented, rounded as the views are."""
        maps = self._engine.run_all(pixels)["features"]
        return maps.astype(np.float16)

    def _compute(self, path: Any, number: int) -> None:
        """Compute one view of all training pictures; float16 halves the disk and is finer than the network's noise."""
        count, array = len(self._pixels), None
        name = f"Seeing view {number + 1} of {VIEWS}"
        with self._context.env.progress.stage(name, count, "pictures") as step:
            for row, outputs in self._engine.run(self._augmented(number)):
                maps = outputs["features"]
                if array is None:
                    array = mapped_array(path, np.float16, (count, *maps.shape))
                array[row] = maps
                step.advance()
        if array is not None:
            array.flush()

    def _augmented(self, number: int) -> Iterator[tuple[int, Pixels]]:
        recipe = self._context.recipe
        augmentation = augmentation_of(recipe)

        def make(row: int) -> tuple[int, Pixels]:
            return row, view(self._pixels[row], augmentation, seed=recipe.seed, epoch=number, row=row)

        yield from ordered_map(make, range(len(self._pixels)), threads=self._context.env.machine.cores)


def _shape(tensor: Any) -> str:
    return " x ".join(str(size) for size in tensor.shape[1:])
