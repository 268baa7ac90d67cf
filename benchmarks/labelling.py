"""Counts the labels that a person must give with `pawsight label`, and with pictures in random order.

usage: python benchmarks/labelling.py DATA [--pictures 1000] [--seeds 0 1 2] [--budget 400] [--ways label random]
    DATA is what `pawsight train` takes. Features come from the cache, or go there.

For each seed so many pictures are drawn and lose their labels; the others are measured. An annotator who knows the
labels does what the page asks for: of a group that is shown together the most frequent name is given to all that have
it, which is one action and one for each picture that is taken out; each of these is named alone later. After each
batch the same probe, at all depths with a fixed strength, is fitted to the named pictures. Prints a line of JSON for
each way and seed: labels and actions until 90 and 95 % of the accuracy that all labels give, and where the page says
that more names would not pay.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.sources import resolve
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import BLOCKS, RECIPES
from pawsight.training.features import feature_sink
from pawsight.training.labelling import (
    UNNAMED,
    Adviser,
    principal_components,
)
from pawsight.training.logistic import blas_threads_for, fit_logistic
from pawsight.training.relevance import standardised

SHARES = (0.9, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget", type=int, default=400)
    parser.add_argument("--ways", nargs="+", default=["label", "random"])
    typed = parser.parse_args()
    recipe, machine = RECIPES["probe"].recipe, this_machine()
    source = resolve(typed.data, cache=cache_folder(), progress=SILENT)
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        settings = DecodeSettings(image_px=recipe.image_px)
        dataset = read_dataset(source.find(), settings, cache=cache, threads=machine.feeders, sink=sink)
        table = sink.features_of([picture.sha256 for picture in dataset.pictures])
    labels = np.array([dataset.classes.index(picture.label) for picture in dataset.pictures])
    for seed in typed.seeds:
        order = np.random.default_rng(seed).permutation(len(labels))
        pool, others = order[: typed.pictures], order[typed.pictures :]
        own, centre, spread = standardised(table.part(pool).read(table.depths[BLOCKS]))
        measured = (table.part(others).read(table.depths[BLOCKS]) - centre) / spread
        scores = principal_components(table.part(pool), table.depths[BLOCKS], seed=seed)

        def accuracy(rows, own=own, measured=measured, pool=pool, others=others):
            present, indices = np.unique(labels[pool[rows]], return_inverse=True)
            if len(present) < 2:
                return 0.0
            with blas_threads_for(len(rows), len(present)):
                weights, bias = fit_logistic(own[rows], indices, strength=0.01)
            return float((present[(measured @ weights + bias).argmax(axis=1)] == labels[others]).mean())

        whole = accuracy(np.arange(len(pool)))
        for way in typed.ways:
            figures = count(scores, labels[pool], accuracy, whole, typed.budget, seed, way)
            print(json.dumps({"way": way, "seed": seed, "all_labels": round(whole, 4), **figures}), flush=True)


def count(scores, truth, accuracy, whole, budget, seed, way):
    """Return the figures of one way."""
    start, classes = time.process_time(), int(truth.max()) + 1
    names, actions, curve, stop = np.full(len(truth), UNNAMED), 0, [], None
    adviser, nothing_aside = Adviser(scores, seed=seed), np.zeros(len(truth), bool)
    order = np.random.default_rng(1000 + seed).permutation(len(truth))
    rows: list[int] = []
    while len(rows) < min(budget, len(truth)) and (
        (way == "label" and stop is None)
        or not all(any(found >= share * whole for _, _, found in curve) for share in SHARES)
    ):
        if way == "random":
            batch = [[row] for row in order[len(rows) : len(rows) + 24]]
        else:
            batch = [group for group, _ in adviser.next(names, nothing_aside, classes)[1]]
        for group in batch:
            for row in group:
                names[row] = truth[row]
            _, sizes = np.unique(truth[np.array(group)], return_counts=True)
            actions += 1 + 2 * (len(group) - sizes.max())  # taken out by a click, named alone by a key
            rows += map(int, group)
        curve.append((len(rows), int(actions), accuracy(np.array(rows))))
        if stop is None and (told := adviser.progress(names)) and not told["pays"]:
            stop = {"labels": len(rows), "accuracy": round(curve[-1][2], 4), "told": told}
    reached = {
        f"{what}_{share:g}": next((point[place] for point in curve if point[2] >= share * whole), None)
        for share in SHARES
        for place, what in enumerate(("labels", "actions"))
    }
    return reached | {
        "stop": stop,
        "curve": [(labels, actions, round(found, 3)) for labels, actions, found in curve],
        "seconds": round(time.process_time() - start, 1),
    }


if __name__ == "__main__":
    main()
