"""Does `--max-error` keep its promise? Validation and test drawn again and again from the held-out photographs.

usage: python benchmarks/abstention.py FOLDER [--draws 50 200] [--json]
    FOLDER has train/ and validation/ with class folders. Nothing is refitted: the default probe is trained once on
    train/, its temperature is fitted out of fold, and the pictures of validation/ are dealt anew in every draw.

Three ways of drawing. "halves": half of the held-out pictures choose the threshold, the other half are the test.
"as split": 808 choose and 192 test, as `pawsight train` cuts them. In both, the test's own error is also counted against the
promise, though a test of 192 with 2 wrong says 1.04 % whatever the truth is. "population": the held-out pictures are
taken for all there are; as many are drawn from them with replacement, so that the true error above a threshold is known.
That last column is what is promised: at most 10 % of the draws above `max_error`. Once more with labels of 1 % and 2 %
of the pictures turned over, where the promise is hard to keep and coverage is what gives.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import softmax

from pawsight.classifier.trust import fit_temperature
from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import Recipe
from pawsight.training.features import feature_sink
from pawsight.training.probe import fit_head
from pawsight.training.threshold import choose_threshold

ERRORS = (0.005, 0.01, 0.02)
NOISES = (0.0, 0.01, 0.02)
WAYS = ("halves", "as split", "population")
TESTED = 192


@dataclass(frozen=True)
class Row:
    way: str
    wrong_labels: float
    max_error: float
    draws: int
    promised: float  # share of draws in which a promise could be made
    coverage: float  # mean share of the test answered; without a promise none is
    error: float  # of all answered test pictures of all draws together
    exceeded: float  # share of draws in which the test's own error lies above the promise
    broken: float | None  # share of draws in which the true error does; known of the population alone


def held_out(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated probabilities (N, 2) and truths (N,) of the held-out pictures."""
    recipe = Recipe()
    machine = this_machine()
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        settings = DecodeSettings(image_px=recipe.image_px)
        dataset = read_dataset(find(folder), settings, cache=cache, threads=machine.cores, sink=sink)
        parts = {part: [one for one in dataset.pictures if one.part == part] for part in ("train", "validation")}
        features = {part: sink.features_of([one.sha256 for one in those]) for part, those in parts.items()}
    labels = {part: np.array([dataset.classes.index(one.label) for one in those]) for part, those in parts.items()}
    head = fit_head(features["train"], labels["train"], classes=2, folds=recipe.folds, seed=0)
    rows, logits = head.out_of_fold
    temperature = fit_temperature(labels["train"][rows], logits)
    logits = features["validation"].read(head.columns) @ head.weights + head.bias
    return softmax(logits / temperature, axis=1), labels["validation"]


def deal(way: str, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that choose and the rows that test."""
    if way == "population":
        return rng.integers(0, count, count), np.arange(count)
    rows = rng.permutation(count)
    tested = count // 2 if way == "halves" else TESTED
    return rows[tested:], rows[:tested]


def measure(way: str, noise: float, max_error: float, draws: int, sure: np.ndarray, rightly: np.ndarray) -> Row:
    made = exceeded = 0
    coverage, answered, wrong = [], 0, 0
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        chosen, tested = deal(way, len(sure), rng)
        right = rightly ^ (rng.random(len(sure)) < noise)
        promise = choose_threshold(sure[chosen], right[chosen], max_error=max_error)
        said = sure[tested] >= promise.threshold if promise else np.zeros(len(tested), bool)
        errors = int((said & ~right[tested]).sum())
        made += promise is not None
        coverage.append(said.mean())
        answered, wrong = answered + int(said.sum()), wrong + errors
        exceeded += errors > max_error * said.sum()
    share = exceeded / draws
    return Row(
        way, noise, max_error, draws, made / draws, float(np.mean(coverage)), wrong / max(answered, 1), share,
        share if way == "population" else None,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    table, true = held_out(asked.folder)
    sure, rows = table.max(axis=1), []
    right = table.argmax(axis=1) == true
    for noise in NOISES:
        for max_error in ERRORS:
            rows += [measure(way, noise, max_error, draws, sure, right) for way in WAYS for draws in asked.draws]
    if asked.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    print(
        "| labels turned | promised | drawn | draws | promise made | coverage | error of the answered | test's own error above | true error above |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        true_share = "-" if row.broken is None else f"{100 * row.broken:.1f} %"
        own = f"{100 * row.exceeded:.1f} %" if row.broken is None else "-"
        print(
            f"| {100 * row.wrong_labels:g} % | {100 * row.max_error:g} % | {row.way} | {row.draws} | {100 * row.promised:.0f} % "
            f"| {100 * row.coverage:.1f} % | {100 * row.error:.2f} % | {own} | {true_share} |"
        )


if __name__ == "__main__":
    main()
