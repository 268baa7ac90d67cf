"""Which pictures of other things, and of one more class, are noticed: the detector beside what else was tried.

usage: python benchmarks/ood.py PHOTOGRAPHS SIGNS [--methods NAME ...] [--json]
    PHOTOGRAPHS and SIGNS are what `pawsight train` takes: cats and dogs, and hand signs of ten digits.

Features are those of the default backbone, of the last layer ("far" and the first table) or of its blocks, where the
probe reads hand signs. Each method is fitted on the training subset and its threshold set at 1 % false alarms by
scores out of fold; the held-out subsets give the false alarms.

- near: hand signs, each digit held out in turn, pooled over the ten.
- far: drawings, writing, textures, noise and one colour (75 pictures), and the other sets' pictures, for classifiers of the
  photographs, of 277 of them (mean of three draws), and of the drawn sample.

Words and measures are OpenOOD's (J. Yang et al., "OpenOOD: Benchmarking generalized out-of-distribution detection",
NeurIPS 2022): AUROC, and FPR95, the share of usual pictures above the score that 95 % of the others exceed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.data.sources import resolve
from pawsight.data.split import make_split
from pawsight.images.decode import DecodeSettings
from pawsight.models.recipes import RecipeOptions, make_recipe
from pawsight.training import ood_detector
from pawsight.training.features import feature_sink
from pawsight.training.folds import group_folds
from pawsight.training.logistic import fit_logistic
from pawsight.training.ood_detector import fit_detector, folds_for_detector, ood_examples, threshold_for

FALSE_ALARMS = 0.01
FEW, DRAWS = 277, 3
STRENGTH = 0.01  # of the logistic regression behind energy and the largest probability
Scorer = Callable[[Any], np.ndarray]  # features -> scores (N,)
Fit = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def features_of(sources: dict[str, str]) -> dict[str, dict[str, np.ndarray]]:
    """Return the features, labels, parts and groups of each source, and the features of drawn things as `other`."""
    recipe, machine, sets = make_recipe("probe", RecipeOptions()), this_machine(), {}
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        for name, source in sources.items():
            found = find(resolve(source, cache=cache_folder(), progress=SILENT).root)
            settings = DecodeSettings(image_px=recipe.image_px)
            dataset = read_dataset(found, settings, cache=cache, threads=machine.feeders, sink=sink)
            split, table = make_split(dataset, seed=0), sink.features_of([one.sha256 for one in dataset.pictures])
            places = {picture.name: place for place, picture in enumerate(dataset.pictures)}
            groups = np.arange(len(places))
            for alike in split.alike:
                members = [places[picture.name] for picture in alike]
                groups[members] = min(members)
            sets[name] = {
                "last": table.last,
                "blocks": table.read(table.depths["blocks"]),
                "labels": np.array([dataset.classes.index(picture.label) for picture in dataset.pictures]),
                "parts": np.array([picture.part for picture in split.assigned]),
                "groups": groups,
            }
        squares = np.concatenate(list(ood_examples(recipe.image_px).values()))
        hashes = [hashlib.sha256(square.tobytes()).hexdigest() for square in squares]
        for sha256, square in zip(hashes, squares, strict=True):
            if sink.wants(sha256):
                sink.take(sha256, square)
        table = sink.features_of(hashes)
        sets["other"] = {"last": table.last, "blocks": table.read(table.depths["blocks"])}
    return sets


def unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def neighbours(features: np.ndarray, labels: np.ndarray, k: int = 5) -> Scorer:
    """Cosine distance to the k-th nearest training picture (Y. Sun et al., ICML 2022)."""
    known = unit(features)
    return lambda others: -np.partition(unit(others) @ known.T, -k, axis=1)[:, -k]


def principal(features: np.ndarray, labels: np.ndarray) -> Scorer:
    """Share outside 256 principal directions: the detector of earlier versions (I. Ndiour et al., arXiv 2012.04250)."""
    mean = features.mean(axis=0)
    components = min(256, len(features) // 2, features.shape[1] // 2)
    _, directions = ood_detector.leading_directions(features - mean, components, seed=0)

    def score(others: np.ndarray) -> np.ndarray:
        centred = others - mean
        return 1 - ((centred @ directions) ** 2).sum(axis=1) / np.maximum((centred**2).sum(axis=1), 1e-12)

    return score


def logistic(reduce: Callable[[np.ndarray], np.ndarray]) -> Fit:
    """A score of the logits: energy (W. Liu et al., NeurIPS 2020) or the largest probability (MSP)."""

    def fit(features: np.ndarray, labels: np.ndarray) -> Scorer:
        mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
        numbers = np.unique(labels, return_inverse=True)[1]
        weights, bias = fit_logistic(((features - mean) / spread).astype(np.float32), numbers, strength=STRENGTH)
        return lambda others: reduce(((others - mean) / spread).astype(np.float32) @ weights + bias)

    return fit


def virtual_logit(features: np.ndarray, labels: np.ndarray) -> Scorer:
    """ViM: the residual beside the logits (H. Wang et al., CVPR 2022)."""
    energy = logistic(lambda logits: -logsumexp(logits, axis=1))(features, labels)
    largest = logistic(lambda logits: logits.max(axis=1))(features, labels)
    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    scaled = ((features - mean) / spread).astype(np.float32)
    _, directions = ood_detector.leading_directions(scaled, min(len(scaled), scaled.shape[1]) // 3, seed=0)

    def residual(others: np.ndarray) -> np.ndarray:
        centred = (others - mean) / spread
        return np.sqrt(np.maximum((centred**2).sum(axis=1) - ((centred @ directions) ** 2).sum(axis=1), 0))

    scale = abs(largest(features).mean()) / residual(features).mean()
    return lambda others: scale * residual(others) + energy(others)


def shared_covariance(*, scaled: bool) -> Fit:
    """Mahalanobis from the nearest class, the covariance shared and shrunk, all directions (K. Lee et al., 2018)."""

    def fit(features: np.ndarray, labels: np.ndarray) -> Scorer:
        given = unit(features) if scaled else features
        means = np.stack([given[labels == label].mean(axis=0) for label in np.unique(labels)])
        inside = (given - means[np.unique(labels, return_inverse=True)[1]]).astype(np.float32)
        shrinkage, average = ood_detector.ledoit_wolf(inside)
        table = inside.T @ inside * ((1 - shrinkage) / len(inside))
        table[np.diag_indices(len(table))] += shrinkage * average
        root = cholesky(table, lower=True)
        centres = solve_triangular(root, means.T, lower=True).T

        def score(others: np.ndarray) -> np.ndarray:
            placed = solve_triangular(root, (unit(others) if scaled else others).T, lower=True).T
            distances = (placed**2).sum(axis=1)[:, None] - 2 * placed @ centres.T + (centres**2).sum(axis=1)
            return distances.min(axis=1)

        return score

    return fit


def one_of_two(place: int) -> Fit:
    """One of the two distances of the detector alone."""

    def fit(features: np.ndarray, labels: np.ndarray) -> Scorer:
        score = ood_detector.fit_score(features, features, labels, seed=0)
        return lambda others: score.distances(others, others)[place]

    return fit


METHODS: dict[str, Fit | None] = {
    "256 directions (before)": principal,
    "5 nearest neighbours": neighbours,
    "MSP": logistic(lambda logits: -np.exp(logits.max(axis=1) - logsumexp(logits, axis=1))),
    "energy": logistic(lambda logits: -logsumexp(logits, axis=1)),
    "ViM": virtual_logit,
    "Mahalanobis": shared_covariance(scaled=False),
    "Mahalanobis, length 1": shared_covariance(scaled=True),
    "far distance alone": one_of_two(0),
    "near distance alone": one_of_two(1),
    "both (kept)": None,
}


def fitted(method: Fit | None, data: Any, rows: np.ndarray, depth: str) -> tuple[Scorer, float]:
    """Return a score of {depth: features}, and its threshold out of fold."""
    labels, count = data["labels"][rows], len(rows)
    folds = group_folds(np.unique(labels, return_inverse=True)[1], data["groups"][rows], folds_for_detector(count), 0)
    if method is None:
        score, left_out = fit_detector(data["last"][rows], data[depth][rows], labels, folds, FALSE_ALARMS)
        return lambda given: score(given["last"], given[depth]), threshold_for(left_out, FALSE_ALARMS)[0]
    features, left_out = data[depth][rows], np.empty(count, np.float32)
    for fold in range(int(folds.max()) + 1):
        left_out[folds == fold] = method(features[folds != fold], labels[folds != fold])(features[folds == fold])
    whole = method(features, labels)
    return lambda given: whole(given[depth]), threshold_for(left_out, FALSE_ALARMS)[0]


def figures(usual: np.ndarray, others: np.ndarray, threshold: float) -> tuple[float, float, float, float]:
    """Return AUROC, FPR95, false alarms and the share that is caught."""
    truth = np.repeat([0, 1], [len(usual), len(others)])
    area = roc_auc_score(truth, np.concatenate([usual, others]))
    missed = (usual >= np.quantile(others, 0.05)).mean()
    return float(area), float(missed), float((usual > threshold).mean()), float((others > threshold).mean())


def rows_of(data: Any, parts: tuple[str, ...], *, without: int | None = None, only: int | None = None) -> np.ndarray:
    wanted = np.isin(data["parts"], parts)
    if without is not None:
        wanted &= data["labels"] != without
    if only is not None:
        wanted &= data["labels"] == only
    return np.flatnonzero(wanted)


def picked(data: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
    return {depth: data[depth][rows] for depth in ("last", "blocks")}


def far_tasks(sets: Any) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Yield name, data and training rows of each classifier."""
    photographs = rows_of(sets["photographs"], ("train",))
    yield "photographs", sets["photographs"], photographs
    for seed in range(DRAWS):
        few = np.sort(np.random.default_rng(seed).choice(photographs, FEW, replace=False))
        yield f"{FEW} photographs", sets["photographs"], few
    yield "sample", sets["sample"], rows_of(sets["sample"], ("train",))


def measure(sets: Any, method: Fit | None) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for name, data, rows in far_tasks(sets):
        score, threshold = fitted(method, data, rows, "last")
        usual = score(picked(data, rows_of(data, ("validation", "test"))))
        rest = [other for other in ("photographs", "signs", "sample") if sets[other] is not data]
        for other in ("other", *rest):
            strange = sets[other] if other == "other" else picked(sets[other], rows_of(sets[other], ("test",)))
            found.setdefault(f"{name} / {other}", []).append(figures(usual, score(strange), threshold))
    signs = sets["signs"]
    for depth in ("last", "blocks"):
        for digit in np.unique(signs["labels"]):
            score, threshold = fitted(method, signs, rows_of(signs, ("train",), without=digit), depth)
            usual = score(picked(signs, rows_of(signs, ("validation", "test"), without=digit)))
            others = score(picked(signs, rows_of(signs, ("train", "validation", "test"), only=digit)))
            found.setdefault(f"near, {depth}", []).append(figures(usual, others, threshold))
    return {name: np.mean(rows, axis=0).tolist() for name, rows in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs")
    parser.add_argument("signs")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    sets = features_of({"photographs": asked.photographs, "signs": asked.signs, "sample": "sample"})
    table = {}
    with threadpool_limits(1):
        for name in asked.methods:
            table[name] = measure(sets, METHODS[name])
            if not asked.json:
                if len(table) == 1:
                    print("| | " + " | ".join(table[name]) + " |\n|---" * 1 + "|---" * len(table[name]) + "|")
                cells = [f"{a:.3f} / {f:.2f} / {fa:.1%} / {c:.0%}" for a, f, fa, c in table[name].values()]
                print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    if asked.json:
        print(json.dumps(table))


if __name__ == "__main__":
    main()
