"""Measures probes that read their backbone at several depths, on splits of a data set and on few pictures a class.

usage: python benchmarks/depth.py DATA [--backbone efficientnet-lite1] [--seeds 0 1 2] [--draws 10 20 50 100]
           [--depths last blocks selected auto]
    DATA is what `pawsight train` takes. Features come from the cache, or go there.

For each seed of the split: right on validation and test, and the log loss, in nats; what the cross-validation in the
training part says; seconds of processor time of the fit. With --draws: so many pictures of each class are drawn at
random by each seed, and the rest of the data is measured. Last, for each depth, the mean over the seeds with its
standard error, and that of the difference from the first depth, seed by seed.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict

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
    found: Figures = defaultdict(list)
    for seed in typed.seeds:
        split, groups = make_split(dataset, seed=seed), np.arange(len(labels))
        for alike in split.alike:
            rows = [names[picture.name] for picture in alike]
            groups[rows] = min(rows)
        parts = np.array([picture.part for picture in split.assigned])
        if not typed.draws:
            measured = {part: np.flatnonzero(parts == part) for part in ("validation", "test")}
            taught = np.flatnonzero(parts == "train")
            compare(found, "split", seed, features, labels, taught, measured, groups, typed.depths)
        for each in typed.draws:
            order = np.random.default_rng(seed).permutation(len(labels))
            taught = np.sort(np.concatenate([order[labels[order] == label][:each] for label in np.unique(labels)]))
            rest = {"rest": np.setdiff1d(np.arange(len(labels)), taught)}
            compare(found, f"{each} a class, draw", seed, features, labels, taught, rest, groups, typed.depths)
    summarise(found, typed.depths)


Figures = dict[tuple[str, str, str], list[tuple[float, float]]]  # name, part, depth -> share right and log loss by seed


def summarise(found: Figures, depths: list[str]) -> None:
    """Print means over seeds with their standard errors."""
    for (name, part, depth), own in found.items():
        figures, base = np.array(own), np.array(found[name, part, depths[0]])
        more = figures - base
        print(
            f"{name}, {part}: {depth}: {_mean(100 * figures[:, 0], 2)} % right, log loss {_mean(figures[:, 1], 4)};"
            f" minus {depths[0]}: {_mean(100 * more[:, 0], 2)} points, {_mean(more[:, 1], 4)}"
        )


def _mean(values: np.ndarray, digits: int) -> str:
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{values.mean():.{digits}f} +- {error:.{digits}f}"


def compare(
    found: Figures,
    name: str,
    seed: int,
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
            right = (shares.argmax(axis=1) == own).mean()
            figures.append(f"{part} {100 * right:.1f} %, {loss:.3f}")
            found[name, part, depth].append((right, loss))
        inside = f", in training {min(loss for _, loss in head.log_losses):.3f}" if head.log_losses else ""
        chosen = f" -> {head.depth}" if depth == "auto" else ""
        print(
            f"{name} {seed}: {depth}{chosen} (C = {head.strength:g}): {', '.join(figures)}{inside}; {seconds:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
