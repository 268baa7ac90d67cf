"""Batches of augmented pictures, made in threads while the network computes.

Enters: pixels on disk, labels, a recipe. Leaves: for each epoch, batches in an order that depends on seed and epoch
alone. Does not know: networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawsight.core.thread_pool import ordered_map
from pawsight.images.augment import Augmentation, augment, generator_for
from pawsight.images.decode import Pixels
from pawsight.models.recipes import Recipe

Labels = NDArray[np.int64]
Weights = NDArray[np.float32]
_SHUFFLE = 0x5E11  # keeps the generator of the order apart from those of the pictures


@dataclass(frozen=True, slots=True)
class Batch:
    """Some pictures of one epoch."""

    rows: Labels  # indices into the training part (B,)
    pixels: Pixels  # (B, px, px, 3) uint8, augmented
    labels: Labels  # (B,)
    weights: Weights  # (B,), all one unless classes are weighted


def augmentation_of(recipe: Recipe) -> Augmentation:
    """Return what a recipe does to training pictures."""
    return Augmentation(
        flip_horizontal=recipe.flip_horizontal,
        flip_vertical=recipe.flip_vertical,
        rotation=recipe.rotation,
        fill="nearest" if recipe.fill == "nearest" else "reflect",
        flips_together=False,  # a coin for each axis, as in the exercise's Keras 2; Keras 3.15 throws one for both
    )


def order_of(epoch: int, *, count: int, seed: int) -> Labels:
    """Return the order (count,) in which the training part is seen in one epoch."""
    return np.random.default_rng((seed, epoch, _SHUFFLE)).permutation(count)


def view(pixels: Pixels, how: Augmentation, *, seed: int, epoch: int, row: int) -> Pixels:
    """Return one training picture as it looks in one epoch: the same for the same seed, epoch and row."""
    return augment(pixels, how, generator_for(seed, epoch, row))


def batches(
    pixels: Pixels, labels: Labels, weights: Weights, recipe: Recipe, *, epoch: int, threads: int
) -> Iterator[Batch]:
    """Yield one epoch's batches; all arrays are those of the training part (N, ...)."""
    order = order_of(epoch, count=len(labels), seed=recipe.seed)
    how = augmentation_of(recipe)

    def make(rows: Labels) -> Batch:
        views = [view(pixels[row], how, seed=recipe.seed, epoch=epoch, row=int(row)) for row in rows]
        return Batch(rows, np.stack(views), labels[rows], weights[rows])

    chunks = (order[start : start + recipe.batch_size] for start in range(0, len(order), recipe.batch_size))
    yield from ordered_map(make, chunks, threads=threads)


def class_weights(labels: Labels, *, classes: int, wanted: bool) -> Weights:
    """Return a weight for each picture (N,): all one, or inverse to the size of its class with a mean of one."""
    if not wanted:
        return np.ones(len(labels), dtype=np.float32)
    counts = np.bincount(labels, minlength=classes)
    each = len(labels) / (classes * np.maximum(counts, 1))
    return each[labels].astype(np.float32)
