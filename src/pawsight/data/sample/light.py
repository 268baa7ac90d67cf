"""Light over a finished picture: warm, cool or dim, darker corners, paper grain.

Enters: a picture and a random source. Leaves: a new picture of the same size. Does not know: what is on it.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageChops

_TINTS = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 0.96, 0.88), (1.0, 0.98, 0.93), (0.92, 0.97, 1.0), (0.96, 0.94, 1.0))
_GRAIN_SIDE = 512


def lit(picture: Image.Image, rng: Random) -> Image.Image:
    """Return the picture under a randomly chosen light."""
    veil = _veil(rng).resize(picture.size, Image.Resampling.BILINEAR)
    left, top = rng.randrange(_GRAIN_SIDE - 64), rng.randrange(_GRAIN_SIDE - 64)
    grain = _grain(rng.choice((2, 4, 6, 9)))
    lighted = ImageChops.multiply(picture, veil)
    return ImageChops.multiply(lighted, ImageChops.offset(grain, left, top).crop((0, 0, *picture.size)))


def _veil(rng: Random) -> Image.Image:
    """Return a coarse picture (24, 24) to multiply with: a tint, brighter on one side, darker in the corners."""
    y, x = np.mgrid[-1:1:24j, -1:1:24j]
    strength = rng.choices((1.06, 1.0, 0.9, 0.74), (58, 20, 12, 10))[0]
    slope_x, slope_y = rng.uniform(-0.07, 0.07), rng.uniform(-0.06, 0.06)
    corners = rng.choice((0.0, 0.06, 0.12, 0.24))
    bright = strength * (1 + slope_x * x + slope_y * y) * (1 - corners * (x**2 + y**2) / 2)
    tinted = bright[..., None] * np.asarray(rng.choice(_TINTS)) * 255
    return Image.fromarray(tinted.clip(0, 255).astype(np.uint8))


@lru_cache(maxsize=8)
def _grain(depth: int) -> Image.Image:
    """Return paper grain (512, 512) between 255 - 2 * depth and 255, made of one coarse and one fine layer of noise."""
    noise = np.random.default_rng(depth)
    fine = noise.normal(0, 0.35, (_GRAIN_SIDE, _GRAIN_SIDE))
    coarse = np.kron(noise.normal(0, 0.25, (_GRAIN_SIDE // 2, _GRAIN_SIDE // 2)), np.ones((2, 2)))
    grey = (255 - depth + depth * (fine + coarse)).clip(0, 255).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(grey)] * 3)
