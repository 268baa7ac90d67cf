"""The train and validation pictures of a run, read again for a review: facts, features, duplicate groups.

Enters: a run folder. Leaves: `ReviewMaterial`. Does not know: what is suspicious, pages.

The test part stays sealed: none of its files is opened. A file that is gone, or no longer what the run saw, is listed
and left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.commands.sealed import held_out, root_of
from pawsight.core.cache import Cache
from pawsight.core.errors import BadCatalog
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Progress, Stopwatch
from pawsight.data.dataset import Dataset, Picture, read_dataset
from pawsight.data.folders import Found, LeftOut
from pawsight.data.split import Split, split_into
from pawsight.images.decode import DecodeSettings
from pawsight.training.features import feature_sink, probe_recipe, recipe_of

PARTS = ("train", "validation")


@dataclass(frozen=True, slots=True)
class ReviewMaterial:
    """What a review looks at; rows are in the order of the pictures."""

    root: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]  # with labels and parts of the run's split
    features: NDArray[np.float32]  # (N, D)
    labels: NDArray[np.int64]  # class indices (N,)
    groups: NDArray[np.int64]  # (N,) equal numbers for equal and near-equal pictures
    left_out: tuple[LeftOut, ...]


def review_material(run: Path, progress: Progress) -> ReviewMaterial:
    """Read the train and validation pictures of a run again.

    Features are those of the run's own backbone where its recipe has a frozen one, else of the default probe's; they
    come from the cache, or go there.

    Raises:
        WrongUsage: the place holds no run. StorageError: a file of it cannot be read. DataError: too few pictures are
        still there. ModelError: the backbone cannot be had.
    """
    parts = [held_out(run, part, counts=False) for part in PARTS]
    candidates = sorted((one for part in parts for one in part.candidates), key=lambda one: one.name)
    contents = {name: sha256 for part in parts for name, sha256 in part.contents.items()}
    recipe = probe_recipe(recipe_of(run))
    machine, cache = this_machine(), cache_folder()
    found = Found(root_of(run), tuple(candidates), (), (), tuple(sorted({one.label for one in candidates})))
    settings = DecodeSettings(image_px=recipe.image_px)
    with Cache(cache / "cache") as store:
        sink = feature_sink(recipe, store, machine, Stopwatch())
        catalog = read_dataset(found, settings, cache=store, threads=machine.feeders, sink=sink, progress=progress)
        catalog, left_out = _unchanged(catalog, contents)
        features = sink.features_of([one.sha256 for one in catalog.pictures])
    index = {name: number for number, name in enumerate(catalog.classes)}
    labels = np.array([index[one.label] for one in catalog.pictures], dtype=np.int64)
    split = split_into(catalog, [one.part or "train" for one in catalog.pictures], how="as the run's split says")
    return ReviewMaterial(
        catalog.root, catalog.classes, catalog.pictures, features, labels, _groups(catalog.pictures, split), left_out
    )


def _unchanged(catalog: Dataset, contents: dict[str, str]) -> tuple[Dataset, tuple[LeftOut, ...]]:
    """Return the catalog without the files that hold something else now."""
    same = tuple(one for one in catalog.pictures if contents.get(one.name) == one.sha256)
    kept = {one.name for one in same}
    changed = [LeftOut(one.name, "changed since the run") for one in catalog.pictures if one.name not in kept]
    left_out = tuple(sorted([*catalog.left_out, *changed], key=lambda one: one.name))
    if len({one.label for one in same}) < 2:
        raise BadCatalog(
            f"Too few of the run's pictures are still in {catalog.root} for a review.",
            f"{len(left_out):,} of {len(contents):,} are gone or were changed; the others show fewer than 2 classes.",
            "Put the pictures back, or train again on those that are there: pawsight train DATA",
        )
    return replace(catalog, pictures=same), left_out


def _groups(pictures: Sequence[Picture], split: Split) -> NDArray[np.int64]:
    """Return group numbers (N,): the row of each group's first picture."""
    rows = {one.name: row for row, one in enumerate(pictures)}
    groups = np.arange(len(pictures), dtype=np.int64)
    for group in split.alike:
        members = [rows[one.name] for one in group]
        groups[members] = min(members)
    return groups
