"""Measures on few pictures what cross-validation says of a probe, and what a temperature does to its log loss.

usage: python benchmarks/small_sets.py DATA [--pictures 16 32 60 200] [--draws 6] [--folds 5]
    DATA is what `pawsight train` takes. Features come from the cache, or go there.

So many pictures are drawn, the same number of each class, and at most 1,200 of the others are measured; each draw is
one line of JSON, and each size a mean. `accuracy` and `log_loss` are of the pictures measured, with the temperature 1;
`always` has one fitted to the answers that chose depth and strength, `ours` the one that `train` takes. `chose` and
`whole` are the accuracies by the folds that chose depth and strength, and by folds that choose them again; `_holds` is
how often their 95 % intervals hold the accuracy that was measured.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial

import numpy as np

from pawsight.classifier.trust import fit_temperature
from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.sources import resolve
from pawsight.data.split import make_split
from pawsight.evaluation.intervals import wilson
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import RECIPES
from pawsight.training.cross_validation import cross_validate
from pawsight.training.features import feature_sink
from pawsight.training.probe import fit_head, log_losses
from pawsight.training.temperature import gain_of_temperature

MEASURED = 1200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--pictures", type=int, nargs="+", default=[16, 32, 60, 200])
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--folds", type=int, default=5)
    typed = parser.parse_args()
    recipe, machine = RECIPES["probe"].recipe, this_machine()
    source = resolve(typed.data, cache=cache_folder(), progress=SILENT)
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        settings = DecodeSettings(image_px=recipe.image_px)
        dataset = read_dataset(source.find(), settings, cache=cache, threads=machine.feeders, sink=sink)
        features = sink.features_of([picture.sha256 for picture in dataset.pictures])
    labels = np.array([dataset.classes.index(picture.label) for picture in dataset.pictures])
    rows_of = {picture.name: row for row, picture in enumerate(dataset.pictures)}
    groups = np.arange(len(labels))
    for alike in make_split(dataset).alike:
        members = [rows_of[picture.name] for picture in alike]
        groups[members] = min(members)
    for pictures in typed.pictures:
        draws = [draw(features, labels, groups, pictures, seed, typed.folds) for seed in range(typed.draws)]
        for measured in draws:
            print(json.dumps(measured))
        means = {name: round(float(np.mean([measured[name] for measured in draws])), 4) for name in draws[0]}
        print(f"{pictures} pictures, mean of {typed.draws} draws: {means}", flush=True)


def draw(features, labels, groups, pictures, seed, folds):
    """Return the figures of one draw."""
    rng, classes = np.random.default_rng(1000 * pictures + seed), int(labels.max()) + 1
    order = rng.permutation(len(labels))
    each = pictures // classes
    rows = np.sort(np.concatenate([order[labels[order] == label][:each] for label in range(classes)]))
    others = np.sort(rng.permutation(np.setdiff1d(np.arange(len(labels)), rows))[:MEASURED])
    table, own, own_groups, start = features.part(rows), labels[rows], groups[rows], time.process_time()
    fit = partial(fit_head, folds=5, seed=0, depth="auto")
    head = fit(table, own, classes=classes, groups=own_groups)
    fitted = time.process_time()
    whole = cross_validate(
        lambda *given, **options: fit(*given, **options).logits,
        table, own, own_groups, classes=classes, folds=folds, seed=0,
    )  # fmt: skip
    crossed = time.process_time()
    known, (chose_rows, chose) = ~np.isnan(whole).any(axis=1), head.out_of_fold
    gain, error = gain_of_temperature(own[known], whole[known], own_groups[known])
    ours = fit_temperature(own[known], whole[known]) if gain > error else 1.0
    always = fit_temperature(own[chose_rows], chose)
    logits, true = head.logits(features.part(others)), labels[others]
    accuracy = float((logits.argmax(axis=1) == true).mean())
    figures = {"accuracy": accuracy}
    for name, answers, truth in (("chose", chose, own[chose_rows]), ("whole", whole[known], own[known])):
        right = answers.argmax(axis=1) == truth
        ends = wilson(int(right.sum()), len(right))
        figures |= {name: float(right.mean()), f"{name}_holds": float(ends.low <= accuracy <= ends.high)}
    return figures | {
        "log_loss": float(log_losses(logits, true).mean()),
        "always": float(log_losses(logits / always, true).mean()),
        "ours": float(log_losses(logits / ours, true).mean()),
        "temperature": ours,
        "seconds_of_fit": fitted - start,
        "seconds_of_folds": crossed - fitted,
    }


if __name__ == "__main__":
    main()
