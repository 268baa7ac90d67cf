"""What is promised of every class: guarantees by class and prediction sets over simulated draws, and class weights.

    python benchmarks/every_class.py promises [--draws 1000]
    python benchmarks/every_class.py weights FOLDER COMMON RARE [--seeds 10]

`promises` needs no pictures. In each draw a world of three classes (60, 30 and 10 %) gives pictures to measure on, and the
thresholds that are chosen are measured on 100,000 others, so the truth is known. "validation": 600 pictures of one
fixed, overconfident classifier. "out of fold": 300 training pictures of 10 features and 60 of validation; a probe is
fitted and calibrated anew in each draw, and validation is too small, so training pictures count out of fold.

`weights` takes the class folders COMMON and RARE of FOLDER, or of its train/ and validation/: in each seed 190 of the one
and 6 of the other train a probe without and with class weights, and all others are answered.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.special import softmax

from pawsight.classifier.trust import SelectiveOptions, Trust, fit_temperature
from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import Recipe
from pawsight.training.features import FeatureTable, feature_sink
from pawsight.training.guarantees import add_guarantees
from pawsight.training.probe import fit_head

PRIORS = np.array([0.6, 0.3, 0.1])
OTHERS = 100_000
MAX_ERROR, SETS = 0.1, 0.9
COMMON, RARE = 190, 6


def answered(pictures, chance):
    """Classes and the probabilities of a classifier that is overconfident and weakest on the rarest class."""
    true = chance.choice(3, pictures, p=PRIORS)
    return true, softmax(1.5 * (chance.normal(size=(pictures, 3)) + 2 * np.eye(3)[true] + np.log(PRIORS)), axis=1)


def seen(pictures, chance):
    """Classes and 10 features, of which three tell the classes apart."""
    true = chance.choice(3, pictures, p=PRIORS)
    return true, (chance.normal(size=(pictures, 10)) + 1.8 * np.eye(3, 10)[true]).astype(np.float32)


def fitted(chance, others):
    """Answers of a new probe: to validation, out of fold to training, and to the others."""
    (true, features), (held, table) = seen(300, chance), seen(60, chance)
    head = fit_head(FeatureTable(features, {"last": np.arange(10)}), true, classes=3, folds=5, seed=0)
    rows, logits = head.out_of_fold
    temperature = fit_temperature(true[rows], logits)
    probabilities = [softmax((x @ head.weights + head.bias) / temperature, axis=1) for x in (table, others)]
    return (held, probabilities[0]), (true[rows], softmax(logits / temperature, axis=1)), probabilities[1]


def promises(draws: int) -> None:
    chance = np.random.default_rng(0)
    true, table = answered(OTHERS, chance)
    labels, features = seen(OTHERS, chance)
    options = SelectiveOptions(max_error_per_class=MAX_ERROR, sets=SETS)
    print(
        f"{draws} draws; at most {MAX_ERROR:.0%} of the answers with a class wrong, 90 % confidence; sets of {SETS:.0%}"
    )
    for name in ("validation", "out of fold"):
        broken, given, share = np.zeros(3), np.zeros(3), np.zeros(3)
        raw, held, size = np.zeros((draws, 3)), np.zeros((draws, 3)), np.zeros(draws)
        for draw in range(draws):
            if name == "validation":
                validation, crossed, truth, shown = answered(600, chance), None, true, table
            else:
                validation, crossed, shown = fitted(chance, features)
                truth = labels
            trust, _, _ = add_guarantees(Trust(), options, validation, crossed)
            answers = shown.argmax(axis=1)
            for label, kept in enumerate(trust.by_class):
                if kept is not None:
                    ours = (answers == label) & (shown[:, label] >= kept.threshold)
                    given[label] += 1
                    share[label] += ours.sum() / (answers == label).sum()
                    broken[label] += (truth[ours] != label).mean() > MAX_ERROR
            inside = shown >= trust.sets.thresholds
            whole = trust.sets.hold(shown)
            size[draw] = whole.sum(axis=1).mean()
            for label in range(3):
                own = truth == label
                raw[draw, label], held[draw, label] = inside[own, label].mean(), whole[own, label].mean()
        for label in range(3):
            error = raw[:, label].std() / np.sqrt(draws)
            print(
                f"{name}, class of {PRIORS[label]:.0%}: guaranteed in {given[label]:.0f} draws, broken in"
                f" {broken[label]:.0f} ({broken[label] / max(given[label], 1):.1%}), answers given"
                f" {share[label] / max(given[label], 1):.1%}; thresholds hold {raw[:, label].mean():.2%} +- {error:.2%},"
                f" sets with the likeliest class {held[:, label].mean():.2%}"
            )
        print(f"{name}: {size.mean():.2f} classes in a set")


def features_of(folder: Path, names: list[str]) -> tuple[FeatureTable, np.ndarray]:
    """Return the features at every depth of the pictures of two classes, and their classes (N,)."""
    recipe, machine = Recipe(depth="auto"), this_machine()
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        with sink.kept():
            dataset = read_dataset(
                find(folder), DecodeSettings(image_px=recipe.image_px), cache=cache, threads=machine.feeders, sink=sink
            )
            pictures = [picture for picture in dataset.pictures if picture.label in names]
            table = sink.features_of([picture.sha256 for picture in pictures])
            rows = np.arange(len(pictures))
            return table.part(rows), np.array([names.index(picture.label) for picture in pictures])


def weights(folder: Path, names: list[str], seeds: int) -> None:
    table, labels = features_of(folder, names)
    figures = []
    for seed in range(seeds):
        chance = np.random.default_rng(seed)
        rows = np.sort(
            np.concatenate(
                [
                    chance.permutation(np.flatnonzero(labels == label))[:count]
                    for label, count in ((0, COMMON), (1, RARE))
                ]
            )
        )
        rest = np.setdiff1d(np.arange(len(labels)), rows)
        row = []
        for is_balanced in (False, True):
            head = fit_head(
                table.part(rows), labels[rows], classes=2, folds=5, seed=seed, depth="auto", is_balanced=is_balanced
            )
            answers = head.probabilities(table.part(rest)).argmax(axis=1)
            row += [(answers[labels[rest] == label] == label).mean() for label in (1, 0)]
        figures.append(row)
        print(seed, *(f"{value:.1%}" for value in row), flush=True)
    from scipy.stats import t

    mean, error = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1) / np.sqrt(seeds)
    gain = np.array(figures)[:, 2] - np.array(figures)[:, 0]
    half = t.ppf(0.975, seeds - 1)
    for name, value, wide in zip(
        ("rare before", "common before", "rare with weights", "common with weights"), mean, error * half, strict=True
    ):
        print(f"{name}: {value:.1%} +- {wide:.1%}")
    print(f"gain of the rare class: {gain.mean():.1%} +- {half * gain.std(ddof=1) / np.sqrt(seeds):.1%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("promises").add_argument("--draws", type=int, default=1000)
    weighted = parts.add_parser("weights")
    weighted.add_argument("folder", type=Path)
    weighted.add_argument("names", nargs=2)
    weighted.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    if given.part == "promises":
        promises(given.draws)
    else:
        weights(given.folder, given.names, given.seeds)
