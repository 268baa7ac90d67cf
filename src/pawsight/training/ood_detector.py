"""The out-of-distribution detector: what it learns of training pictures, and the threshold from those it did not see.

It has two distances, both of Mahalanobis with one covariance for all classes, shrunk as O. Ledoit and M. Wolf do ("A
well-conditioned estimator for large-dimensional covariance matrices", Journal of Multivariate Analysis 88, 2004):

- far: from the mean of all training pictures, by features of the last layer scaled to length 1 (M. Mueller, M. Hein,
  "Mahalanobis++: improving OOD detection via feature normalization", ICML 2025);
- near: from the nearest class, in the directions that tell the classes apart, by the features that the head reads
  (K. Lee, K. Lee, H. Lee, J. Shin, "A simple unified framework for detecting out-of-distribution samples", NeurIPS
  2018). Pictures of one more class of the same kind lie there, where the other distance notices few of them.

The score is the larger of the two, each over its own quantile. No picture's features are kept. docs/experiments.md has
what else was tried. The graph computes the score (`models.graph.with_ood_score`); out-of-distribution examples, to try
the detector on, are drawn here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pawsight.images.decode import Pixels
from pawsight.models.graph import OodScore
from pawsight.sample import draw

MOST_COMPONENTS = 256  # of the far distance; of 64 and 128 a little less is caught at the same rate
MOST_DISCRIMINANTS = 64  # of the near one
_FEWEST_PICTURES = 8
_MANY = 1000  # pictures from which on five folds do
_SPARE, _ROUNDS = 16, 4  # of the randomised search for directions
_MOST_ROWS = 4000  # training pictures that are used; more change nothing measurable
_TINY, _LEAST_VARIANCE = 1e-12, 1e-8  # the latter of features of length 1
_SEED = 20261123  # of the drawn examples
_EACH = 15  # examples of a kind
_LETTERS = "abcdefghijklmnopqrstuvwxyz      ,."
_SIDES = (200, 240)  # of the drawings, in pixels

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Rows = NDArray[np.int64]


def sample_rows(count: int, *, seed: int) -> Rows:
    """Return the training rows to use, in order: all of them, or 4,000 at random."""
    if count <= _MOST_ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:_MOST_ROWS])


def folds_for_detector(count: int) -> int:
    """Return how many folds the scores of N pictures need, so that fits without one are much like the whole."""
    return 10 if count < _MANY else 5


def fit_detector(
    last: Floats, features: Floats, labels: Labels, folds: Labels, false_alarms: float, *, seed: int = 0
) -> tuple[OodScore, Floats] | None:
    """Fit the score, and compute it for each picture by a fit without its fold.

    Args:
        last: features (N, D) of the last layer.
        features: those that the head reads (N, E).
        labels: class indices (N,).
        folds: numbers (N,) from 0; pictures of one group share a fold.
        false_alarms: share of pictures like these that may lie above the threshold. Of Q directions between classes the
            near distance gets 1 - 1 / Q of it: with two classes, which one direction tells apart, it says nothing.
        seed: of the randomised search for directions.

    Returns:
        the score, and those of the N pictures when they were left out (N,); None where there are too few pictures or
        features, or all pictures have the same.
    """
    from threadpoolctl import threadpool_limits

    if len(labels) < _FEWEST_PICTURES or min(last.shape[1], features.shape[1]) < 2 * _FEWEST_PICTURES:
        return None
    with threadpool_limits(1, user_api="blas"):  # as in probe: waking more threads takes seconds
        whole = fit_score(last, features, labels, seed)
        if whole is None:
            return None
        distances = np.empty((2, len(labels)), np.float32)
        for number in range(int(folds.max()) + 1):
            inside, outside = folds != number, folds == number
            part = fit_score(last[inside], features[inside], labels[inside], seed) if inside.any() else None
            if part is None:
                return None
            distances[:, outside] = part.distances(last[outside], features[outside])
    near = 1 - 1 / whole.near_directions.shape[1]
    levels = (1 - false_alarms * (1 - near), 1 - false_alarms * near)
    usual = [max(float(np.quantile(own, level)), _TINY) for own, level in zip(distances, levels, strict=True)]
    score = replace(whole, scales=(1 / usual[0], 1 / usual[1] if near else 0.0))
    return score, score.joined(distances)


def fit_score(last: Floats, features: Floats, labels: Labels, seed: int) -> OodScore | None:
    """Return the score without scales, None where there is too little to learn; arguments as for `fit_detector`."""
    far, near = _fit_far(last, seed), _fit_near(features, labels)
    return None if far is None or near is None else OodScore(*far, *near)


def _fit_far(last: Floats, seed: int) -> tuple[Floats, Floats] | None:
    """Return the mean (D,) of features (N, D) of length 1, and directions (D, K) that vary more than others.

    A direction is shorter the less it varies: the squared distance from the mean, less the squared parts along them,
    is the squared Mahalanobis distance up to a factor.
    """
    unit = last / np.maximum(np.linalg.norm(last, axis=1, keepdims=True), _TINY)
    mean = unit.mean(axis=0)
    centred = unit - mean
    components = min(MOST_COMPONENTS, len(last) // 2, last.shape[1] // 2)
    shrinkage, average = ledoit_wolf(centred)
    if not average * last.shape[1] > _LEAST_VARIANCE:
        return None
    variances, directions = leading_directions(centred, components, seed=seed)
    rest = max(average * last.shape[1] - float(variances.sum()), 0.0) / (last.shape[1] - components)
    kept = (1 - shrinkage) * variances + shrinkage * average
    outside = (1 - shrinkage) * rest + shrinkage * average
    lengths = np.sqrt(np.maximum(1 - outside / kept, 0.0))
    return mean.astype(np.float32), (directions * lengths).astype(np.float32)


def _fit_near(features: Floats, labels: Labels) -> tuple[Floats, Floats, Floats] | None:
    """Return the mean (E,) of the classes, directions (E, Q) in which they differ, and where each lies there (C, Q).

    The directions are those of a linear discriminant analysis; along each, pictures of one class have the variance 1 by
    the shrunken covariance. A class alone, beside one that stands for none, has one direction of length 0.
    """
    from scipy.linalg import cho_factor, cho_solve

    _, numbers = np.unique(labels, return_inverse=True)
    if not numbers.any():
        width = features.shape[1]
        return features.mean(axis=0), np.zeros((width, 1), np.float32), np.zeros((1, 1), np.float32)
    sums = np.zeros((int(numbers.max()) + 1, features.shape[1]), np.float32)
    np.add.at(sums, numbers, features)
    means = sums / np.bincount(numbers)[:, None]
    mean = means.mean(axis=0)
    inside, between = np.asarray(features - means[numbers], np.float32), means - mean
    shrinkage, average = ledoit_wolf(inside)
    ridge = shrinkage * average
    if not ridge > _TINY or not float(np.abs(between).max()) > 0:
        return None
    # covariance^-1 between; in the dual where that is smaller (Woodbury)
    share = (1 - shrinkage) / len(features)
    if len(features) < features.shape[1]:
        table = inside @ inside.T * share
        table[np.diag_indices(len(table))] += ridge
        solved = (between.T - inside.T @ cho_solve(cho_factor(table), inside @ between.T * share)) / ridge
    else:
        table = inside.T @ inside * share
        table[np.diag_indices(len(table))] += ridge
        solved = cho_solve(cho_factor(table), between.T)
    spreads, rotation = np.linalg.eigh((between @ solved).astype(np.float64))
    kept = np.flatnonzero(spreads > 1e-6 * spreads[-1])[::-1][:MOST_DISCRIMINANTS]
    directions = (solved @ (rotation[:, kept] / np.sqrt(spreads[kept]))).astype(np.float32)
    return mean.astype(np.float32), directions, (between @ directions).astype(np.float32)


def ledoit_wolf(centred: Floats) -> tuple[float, float]:
    """Return how far the covariance of features (N, D), which have the mean 0, is to be shrunk, and its mean variance.

    Source: scikit-learn's `ledoit_wolf_shrinkage`.
    """
    count, width = centred.shape
    squares = centred.astype(np.float64) ** 2
    average = float(squares.sum()) / count / width
    gram = centred @ centred.T if count < width else centred.T @ centred
    norm = float((gram.astype(np.float64) ** 2).sum()) / count**2
    noise = float((squares.sum(axis=1) ** 2).sum()) / count - norm
    spread = norm - width * average**2
    if spread <= 0:
        return 1.0, average
    return min(max(noise / count, 0.0) / spread, 1.0), average


def leading_directions(centred: Floats, components: int, *, seed: int) -> tuple[Floats, Floats]:
    """Return the variances (K,), in falling order, and directions (D, K) in which features (N, D) of mean 0 vary most.

    Source: N. Halko, P.-G. Martinsson, J. Tropp, "Finding structure with randomness", SIAM Review 53, 2011.
    """
    width = min(components + _SPARE, *centred.shape)
    basis = np.random.default_rng(seed).normal(size=(centred.shape[1], width)).astype(np.float32)
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    projected = centred @ basis
    variances, rotation = np.linalg.eigh(projected.T @ projected / np.float32(len(centred)))
    return np.maximum(variances[::-1][:components], 0), basis @ rotation[:, ::-1][:, :components]


def threshold_for(scores: Floats, false_alarms: float) -> tuple[float, float]:
    """Return a threshold, and the probability with which a new picture like these N lies above it at most.

    That holds for any distribution (split conformal prediction: V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning
    in a random world", 2005): the threshold is the k-th smallest with k = ceil((N + 1) (1 - false_alarms)). Fewer than
    99 pictures cannot show 1 %: then it is the largest, and the probability 1 / (N + 1).
    """
    rank = min(math.ceil((len(scores) + 1) * (1 - false_alarms) - 1e-9), len(scores))
    return float(np.sort(scores)[rank - 1]), max(false_alarms, 1 / (len(scores) + 1))


@lru_cache(maxsize=1)  # they take a quarter of a second to draw, and networks that are compared have one size
def ood_examples(image_px: int) -> Mapping[str, Pixels]:
    """Return 15 pictures of each of five kinds of out-of-distribution example, the same at every call.

    Each kind is (15, image_px, image_px, 3) uint8, by its name. Read, never write.
    """
    kinds = {
        "drawn things": _drawn,
        "writing": _written,
        "textures": _texture,
        "noise": _noise,
        "one colour": _one_colour,
    }
    return {
        name: np.stack(
            [_square(make(index, np.random.default_rng([_SEED, index])), image_px) for index in range(_EACH)]
        )
        for name, make in kinds.items()
    }


def _square(picture: Image.Image, side: int) -> Pixels:
    return np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR), np.uint8)


def _drawn(index: int, rng: np.random.Generator) -> Image.Image:
    return draw("other", seed=_SEED, index=index, sides=_SIDES)


def _written(index: int, rng: np.random.Generator) -> Image.Image:
    """Return dark letters on a pale page, from small to large."""
    picks = Random(int(rng.integers(2**32)))  # noqa: S311 - pictures, not secrets
    paper = tuple(int(value) for value in rng.integers(195, 256, 3))
    ink = tuple(int(value) for value in rng.integers(0, 90, 3))
    page, size = Image.new("RGB", (240, 240), paper), 8 + index
    pen = ImageDraw.Draw(page)
    for top in range(4, 240 - size, size + size // 3):
        pen.text((6, top), "".join(picks.choices(_LETTERS, k=40)), fill=ink, font_size=size)
    return page


def _texture(index: int, rng: np.random.Generator) -> Image.Image:
    """Return waves, stripes or checks of two colours."""
    down, right = np.mgrid[:240, :240]
    angle, beside = rng.uniform(0, np.pi, 2)
    pace = np.exp(rng.uniform(np.log(0.03), np.log(0.8), 2))
    wave = np.sin(pace[0] * (right * np.cos(angle) + down * np.sin(angle)))
    if index % 3 == 1:
        wave = np.sign(wave)
    if index % 3 == 2:
        wave = np.sign(wave * np.sin(pace[1] * (right * np.cos(beside) - down * np.sin(beside))))
    first, second = rng.integers(0, 256, (2, 3))
    share = ((wave + 1) / 2)[..., None]
    return Image.fromarray((first * share + second * (1 - share)).astype(np.uint8))


def _noise(index: int, rng: np.random.Generator) -> Image.Image:
    """Return noise, from grains of one pixel to large blots."""
    side = max(3, round(240 / 1.35**index))
    grains = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    return grains.resize((240, 240), Image.Resampling.BICUBIC)


def _one_colour(index: int, rng: np.random.Generator) -> Image.Image:
    """Return a black page, a white one, or one of another colour."""
    colour = {0: (0, 0, 0), 1: (255, 255, 255)}.get(index, tuple(rng.integers(0, 256, 3).tolist()))
    return Image.new("RGB", (240, 240), colour)
