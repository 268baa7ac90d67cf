"""The out-of-distribution detector: principal directions from the training subset, a threshold from validation.

The score is the share of a picture's features that lies outside the directions in which training pictures differ, the
reconstruction error of a principal component analysis (I. Ndiour, N. Ahuja, O. Tickoo, "Out-of-distribution detection
with subspace techniques and probabilistic modeling of features", arXiv 2012.04250). Nearest neighbours detected as
much and Mahalanobis distances less, while this keeps no picture's features in the bundle (docs/experiments.md).

The graph computes the score (models/trust_graph); out-of-distribution examples, to try the detector on, are drawn here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pawsight.images.decode import Pixels
from pawsight.sample import draw

MOST_COMPONENTS = 256
_FEWEST_COMPONENTS = 4
_SPARE, _ROUNDS = 16, 4  # of the randomised search for directions
_MOST_ROWS = 4000  # training pictures that are used; more change nothing measurable
_SEED = 20261123  # of the drawn examples
_EACH = 15  # examples of a kind
_LETTERS = "abcdefghijklmnopqrstuvwxyz      ,."
_SIDES = (200, 240)  # of the drawings, in pixels

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def sample_rows(count: int, *, seed: int) -> Rows:
    """Return the training rows to use, in order: all of them, or 4,000 at random."""
    if count <= _MOST_ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:_MOST_ROWS])


def fit_subspace(features: Floats, *, seed: int = 0) -> tuple[Floats, Floats] | None:
    """Return the mean (D,) of features (N, D) and the directions in which they differ most.

    The directions (D, K) are orthonormal columns in falling order, K being 256, or less where N or D is small. None
    where there are too few pictures or features for any, or every picture has the same features.

    Source: N. Halko, P.-G. Martinsson, J. Tropp, "Finding structure with randomness", SIAM Review 53, 2011.
    """
    from threadpoolctl import threadpool_limits

    components = min(MOST_COMPONENTS, len(features) // 2, features.shape[1] // 2)
    mean = features.mean(axis=0)
    centred = features - mean
    if components < _FEWEST_COMPONENTS or not float(np.abs(centred).max()) > 0:
        return None
    width = min(components + _SPARE, *centred.shape)
    basis = np.random.default_rng(seed).normal(size=(centred.shape[1], width)).astype(np.float32)
    with threadpool_limits(1, user_api="blas"):  # as in probe: waking more threads takes seconds
        for _ in range(_ROUNDS):
            basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
        projected = centred @ basis
        _, rotation = np.linalg.eigh(projected.T @ projected)
        directions = basis @ rotation[:, ::-1][:, :components]
    return mean.astype(np.float32), np.ascontiguousarray(directions, np.float32)


def threshold_for(scores: Floats, false_alarms: float) -> float | None:
    """Return the score above which a new picture like these N lies with a probability of at most `false_alarms`.

    That holds for any distribution (split conformal prediction: V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning
    in a random world", 2005): it is the k-th smallest with k = ceil((N + 1) (1 - false_alarms)). None where N is below
    `fewest_for_detector`.
    """
    rank = math.ceil((len(scores) + 1) * (1 - false_alarms) - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else None


def fewest_for_detector(false_alarms: float) -> int:
    """Return how many pictures a threshold needs: 99 for 1 %."""
    return math.ceil(1 / false_alarms - 1e-9) - 1


def ood_examples(image_px: int) -> Mapping[str, Pixels]:
    """Return 15 pictures of each of four kinds of out-of-distribution example, the same at every call.

    Each kind is (15, image_px, image_px, 3) uint8, by its name.
    """
    kinds = {"drawn things": _drawn, "writing": _written, "textures": _texture, "noise": _noise}
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
