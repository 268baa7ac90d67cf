"""Flips labels of photographs and counts how many of them the ranking of `pawsight review` puts first.

usage: python benchmarks/label_errors.py FOLDER [--seeds 10] [--large 25000]
    FOLDER has train/ and validation/ with a folder per class. Nothing in it is changed: labels are flipped in memory.

For each seed other training labels are flipped; train and validation are ranked as `review` ranks them. Prints, for
the ranking that is used and for what was tried beside it, the share of flipped labels within the first 7 % of the
training pictures, the lowest over the seeds and the mean, and the mean within as many as were flipped. Then small and
one-sided cases (mean average precision), and seconds and peak memory of the nearest neighbours of --large pictures.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.data.split import make_split
from pawsight.evaluation.label_errors import _votes, nearest, rank
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import Recipe
from pawsight.training.features import feature_sink
from pawsight.training.out_of_fold import margins_of, out_of_fold

WITHIN = 0.07


def photographs(folder: Path) -> tuple[np.ndarray, ...]:
    """Return features, labels, duplicate groups and which are training pictures, of train and validation."""
    recipe = Recipe()
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, this_machine(), Stopwatch())
        settings = DecodeSettings(image_px=recipe.image_px)
        dataset = read_dataset(find(folder), settings, cache=cache, threads=2, sink=sink)
        features = sink.features_of([one.sha256 for one in dataset.pictures]).last
    split = make_split(dataset)
    row = {one.name: number for number, one in enumerate(split.assigned)}
    groups = np.arange(len(row))
    for group in split.alike:
        groups[[row[one.name] for one in group]] = row[group[0].name]
    labels = np.array([dataset.classes.index(one.label) for one in split.assigned])
    part = np.array([one.part for one in split.assigned])
    kept = part != "test"
    return features[kept], labels[kept], groups[kept], part[kept] == "train"


def scores(features, labels, groups) -> tuple[dict[str, np.ndarray], float]:
    """Return the scores (N,) of every way of ranking, and the seconds of the one that is used."""
    start = time.perf_counter()
    second = out_of_fold(features, labels, groups, classes=2)
    near = nearest(features, groups)
    ranked = rank(second, labels, near, ("a", "b"))
    seconds = time.perf_counter() - start
    used = np.empty(len(labels))
    used[[one.row for one in ranked]] = [one.score for one in ranked]
    first = out_of_fold(features, labels, groups, classes=2, rounds=1)
    votes = _votes(near, labels, 1 - labels)
    found = {"used: second round, votes 0.25": used}
    for name, answers in (("first round", first), ("second round", second)):
        for weight in (0.0, 0.25, 0.5):
            found[f"{name}, votes {weight:g}"] = margins_of(answers, labels) + weight * votes
    return found | {"neighbours alone": votes}, seconds


def flip(labels, pool, count, seed) -> tuple[np.ndarray, np.ndarray]:
    """Return labels with `count` of those in `pool` flipped, and which (N,) bool."""
    wrong = np.zeros(len(labels), bool)
    wrong[np.random.default_rng(seed).choice(np.flatnonzero(pool), count, replace=False)] = True
    return np.where(wrong, 1 - labels, labels), wrong


def average_precision(score, wrong) -> float:
    """Return the mean precision at each wrong label, from the top."""
    hits = wrong[np.argsort(-score, kind="stable")]
    return float((np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)).mean())


def large_data(data, share, seeds) -> None:
    """Print the share of flipped training labels that is found early."""
    features, labels, groups, taught = data
    count = round(share * taught.sum())
    early, exact, took = defaultdict(list), defaultdict(list), []
    for seed in range(seeds):
        flipped, wrong = flip(labels, taught, count, seed)
        found, seconds = scores(features, flipped, groups)
        took.append(seconds)
        for name, score in found.items():
            hits = wrong[np.argsort(np.where(taught, -score, np.inf), kind="stable")]
            early[name].append(hits[: int(max(WITHIN, 1.4 * share) * taught.sum())].sum() / count)
            exact[name].append(hits[:count].sum() / count)
    within = 100 * max(WITHIN, 1.4 * share)
    print(
        f"\n{100 * share:g} % of {taught.sum():,} training labels flipped, {seeds} seeds, {np.median(took):.1f} s each"
    )
    print(f"  {'':<34}{f'first {within:g} %: lowest':>22}{'mean':>8}{f'first {100 * share:g} %: mean':>20}")
    for name in early:
        lowest, mean, at = min(early[name]), np.mean(early[name]), np.mean(exact[name])
        print(f"  {name:<34}{100 * lowest:>20.1f} %{100 * mean:>6.1f} %{100 * at:>18.1f} %")


def hard_data(data, pictures, share, seeds, *, one_sided=False) -> None:
    """Print mean average precision on few pictures, or where all wrong labels are of one class."""
    features, labels, groups, _ = data
    found = defaultdict(list)
    for seed in range(seeds):
        rows = np.random.default_rng(1000 + seed).choice(len(labels), pictures, replace=False)
        pool = labels[rows] == 0 if one_sided else np.ones(pictures, bool)
        flipped, wrong = flip(labels[rows], pool, round(share * pictures), seed)
        for name, score in scores(features[rows], flipped, groups[rows])[0].items():
            found[name].append(average_precision(score, wrong))
    sides = "one-sided" if one_sided else "both ways"
    print(f"\n{pictures:,} pictures, {100 * share:g} % flipped {sides}, {seeds} seeds: mean average precision")
    print("  " + "; ".join(f"{name} {np.mean(values):.3f}" for name, values in found.items()))


def neighbours_of(pictures: int) -> None:
    """Print what the nearest neighbours of many pictures cost."""
    features = np.random.default_rng(0).random((pictures, 1280), np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    start = time.perf_counter()
    nearest(features, np.arange(pictures))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"\nneighbours of {pictures:,}: {time.perf_counter() - start:.0f} s, peak {peak:.0f} MiB (before {before:.0f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--large", type=int, default=25_000)
    asked = parser.parse_args()
    data = photographs(asked.folder)
    for share in (0.05, 0.01, 0.2):
        large_data(data, share, asked.seeds)
    hard_data(data, 300, 0.05, asked.seeds)
    hard_data(data, 80, 0.1, asked.seeds)
    hard_data(data, 600, 0.15, asked.seeds, one_sided=True)
    neighbours_of(asked.large)


if __name__ == "__main__":
    main()
