"""What a frozen network sees of the training pictures, augmented a number of times and kept on disk.

Enters: a frozen ONNX graph and `Material`. Leaves: for each epoch, an array on disk of what the graph makes of each
augmented picture. Does not know: what learns from it.

The frozen part would give the same answer to the same augmented picture at every epoch, so each picture is augmented
VIEWS times, seen once each, and the epochs take turns among the views.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pawsight.classifier.engine import Engine
from pawsight.core.storage import new_file
from pawsight.core.thread_pool import ordered_map
from pawsight.images.decode import Pixels
from pawsight.training.batches import augmentation_of, view
from pawsight.training.material import Floats, Material
from pawsight.training.pixels import mapped_array

VIEWS = 5  # augmented versions of each training picture; see docs/experiments.md for what more of them gain
FOLDER = "views"


class Views:
    """The views of one run, made when they are first asked for.

    Args:
        frozen: ONNX from pictures to maps.
        material: the run; the views lie in its folder until it ends.
    """

    def __init__(self, frozen: bytes, material: Material) -> None:
        self._engine: Engine = material.engine(frozen)
        self._material = material
        self._pixels = material.pixels("train")

    def of_epoch(self, epoch: int) -> Any:
        """Return the maps (N, ...) float16 of the training part as the epoch sees it, on disk."""
        number = epoch % VIEWS
        path = self._material.folder / FOLDER / f"{number}.npy"
        if not path.is_file():
            with new_file(path) as part:
                self._make(part, number)
        return np.load(path, mmap_mode="r")

    def of_held_out(self, pixels: Pixels) -> Floats:
        """Return the maps (N, ...) of pictures as they are, rounded as the views are."""
        maps = self._engine.run_all(pixels)["features"]
        return maps.astype(np.float16)

    def _make(self, path: Path, number: int) -> None:
        """See all training pictures once; half precision halves the disk and is finer than the network's noise."""
        count, array = len(self._pixels), None
        name = f"Seeing view {number + 1} of {VIEWS}"
        with self._material.place.progress.stage(name, count, "pictures") as step:
            for row, outputs in self._engine.run(self._augmented(number)):
                maps = outputs["features"]
                if array is None:
                    array = mapped_array(path, np.float16, (count, *maps.shape))
                array[row] = maps
                step.advance()
        if array is not None:
            array.flush()

    def _augmented(self, number: int) -> Iterator[tuple[int, Pixels]]:
        recipe = self._material.recipe
        how = augmentation_of(recipe)

        def make(row: int) -> tuple[int, Pixels]:
            return row, view(self._pixels[row], how, seed=recipe.seed, epoch=number, row=row)

        yield from ordered_map(make, range(len(self._pixels)), threads=self._material.place.machine.cores)
