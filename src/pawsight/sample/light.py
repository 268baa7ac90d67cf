"""Light over a finished picture: warm, cool or dim, sunbeams, darker corners, paper grain.

Enters: a picture and a random source. Leaves: a new picture of the same size. Does not know: what is on it.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

_TINTS = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 0.96, 0.88), (1.0, 0.98, 0.93), (0.92, 0.97, 1.0), (0.96, 0.94, 1.0))
_GRAIN_SIDE = 640


def lit(picture: Image.Image, rng: Random) -> Image.Image:
    """Return the picture under a randomly chosen light."""
    wide, high = picture.size
    veil = _veil(rng).resize((wide // 2, high // 2), Image.Resampling.BILINEAR)
    grain, left, top = _grain(rng.choice((2, 3, 5, 8))), rng.randrange(200), rng.randrange(200)
    grain = grain.crop((left, top, min(left + wide, _GRAIN_SIDE), min(top + high, _GRAIN_SIDE)))
    veil, grain = (layer.resize(picture.size, Image.Resampling.NEAREST) for layer in (veil, grain))
    if rng.random() < 0.12:
        picture = _sunbeams(picture, rng)
    return ImageChops.multiply(ImageChops.multiply(picture, veil), grain)


def _sunbeams(picture: Image.Image, rng: Random) -> Image.Image:
    """Return the picture with two or three soft slanting beams over it, strongest at their upper end."""
    beams = Image.new("L", (96, 96))
    brush, slant = ImageDraw.Draw(beams), rng.choice((-1, 1)) * rng.uniform(20, 50)
    at = rng.uniform(0, 30) - min(slant, 0.0)
    for _ in range(rng.randint(2, 3)):
        wide = rng.uniform(7, 16)
        brush.polygon([(at, 0), (at + wide, 0), (at + wide * 1.6 + slant, 96), (at + slant, 96)], fill=86)
        at += wide + rng.uniform(6, 14)
    fading = ImageChops.multiply(beams, Image.linear_gradient("L").rotate(180).resize((96, 96)))
    soft = fading.filter(ImageFilter.GaussianBlur(1.6)).resize(picture.size, Image.Resampling.BILINEAR)
    return Image.composite(Image.new("RGB", picture.size, (255, 246, 214)), picture, soft)


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
    """Return paper grain (640, 640) between 255 - 2 * depth and 255, made of one coarse and one fine layer of noise."""
    noise = np.random.default_rng(depth)
    fine = noise.normal(0, 0.35, (_GRAIN_SIDE, _GRAIN_SIDE))
    coarse = np.kron(noise.normal(0, 0.25, (_GRAIN_SIDE // 2, _GRAIN_SIDE // 2)), np.ones((2, 2)))
    grey = (255 - depth + depth * (fine + coarse)).clip(0, 255).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(grey)] * 3)
