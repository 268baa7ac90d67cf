"""Measures probes that read their backbone at several depths, on splits of a data set and on few pictures a class.

usage: python benchmarks/depth.py DATA [--backbone efficientnet-lite1] [--seeds 0 1 2] [--draws 10 20 50 100]
           [--depths last blocks selected auto]
    DATA is what `pawsight train` takes. Features come from the cache, or go there.

For each seed of the split: right on validation and test, and the log loss, in nats; what the cross-validation in the
training part says; seconds of processor time of the fit. With --draws: so many pictures of each class are drawn at
random by each seed, and the rest of the data is measured.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.data.sources import resolve
from pawsight.data.split import make_split
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import DEPTHS, RecipeOptions, make_recipe
from pawsight.training.features import FeatureTable, feature_sink
from pawsight.training.probe import fit_head


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbone", default="efficientnet-lite1")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--draws", type=int, nargs="*", default=[])
    parser.add_argument("--depths", nargs="+", default=[*DEPTHS[1:], DEPTHS[0]])
    typed = parser.parse_args()
    recipe, machine = make_recipe("probe", RecipeOptions(backbone=typed.backbone)), this_machine()
    source, settings = (
        resolve(typed.data, cache=cache_folder(), progress=SILENT),
        DecodeSettings(image_px=recipe.image_px),
    )
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        dataset = read_dataset(find(source.root), settings, cache=cache, threads=machine.feeders, sink=sink)
        features = sink.features_of([picture.sha256 for picture in dataset.pictures])
    labels = np.array([dataset.classes.index(picture.label) for picture in dataset.pictures])
    names = {picture.name: row for row, picture in enumerate(dataset.pictures)}
    for seed in typed.seeds:
        split, groups = make_split(dataset, seed=seed), np.arange(len(labels))
        for alike in split.alike:
            rows = [names[picture.name] for picture in alike]
            groups[rows] = min(rows)
        parts = np.array([picture.part for picture in split.assigned])
        if not typed.draws:
            measured = {part: np.flatnonzero(parts == part) for part in ("validation", "test")}
            compare(f"split {seed}", features, labels, np.flatnonzero(parts == "train"), measured, groups, typed.depths)
        for each in typed.draws:
            order = np.random.default_rng(seed).permutation(len(labels))
            taught = np.sort(np.concatenate([order[labels[order] == label][:each] for label in np.unique(labels)]))
            rest = {"rest": np.setdiff1d(np.arange(len(labels)), taught)}
            compare(f"{each} a class, draw {seed}", features, labels, taught, rest, groups, typed.depths)


def compare(
    name: str,
    features: FeatureTable,
    labels: np.ndarray,
    taught: np.ndarray,
    measured: dict[str, np.ndarray],
    groups: np.ndarray,
    depths: list[str],
) -> None:
    """Fit a head at each depth and print how it does on parts that it was not fitted to."""
    for depth in depths:
        start = time.process_time()
        head = fit_head(
            features.part(taught),
            labels[taught],
            classes=int(labels.max()) + 1,
            folds=5,
            seed=0,
            depth=depth,
            groups=groups[taught],
        )
        seconds, figures = time.process_time() - start, []
        for part, rows in measured.items():
            shares, own = head.probabilities(features.part(rows)), labels[rows]
            loss = -np.log(np.maximum(shares[np.arange(len(own)), own], 1e-12)).mean()
            figures.append(f"{part} {100 * (shares.argmax(axis=1) == own).mean():.1f} %, {loss:.3f}")
        inside = f", in training {min(loss for _, loss in head.log_losses):.3f}" if head.log_losses else ""
        chosen = f" -> {head.depth}" if depth == "auto" else ""
        print(
            f"{name}: {depth}{chosen} (C = {head.strength:g}): {', '.join(figures)}{inside}; {seconds:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
