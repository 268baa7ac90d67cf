"""Pictures that are no class of anybody's: drawings of things, writing, textures and noise, to try a guard on.

Enters: a side in pixels. Leaves: uint8 squares by kind, the same at every call. Does not know: the guard.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from pawsight.images.decode import Pixels
from pawsight.sample import draw

_SEED = 20261123
_EACH = 15
_LETTERS = "abcdefghijklmnopqrstuvwxyz      ,."
_SIDES = (200, 240)  # of the drawings, in pixels


def strangers(image_px: int) -> Mapping[str, Pixels]:
    """Return 15 pictures of each of four kinds, (15, image_px, image_px, 3) uint8 by the kind's name."""
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
    """Return grains of one pixel first, then ever larger blots."""
    side = max(3, round(240 / 1.35**index))
    grains = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    return grains.resize((240, 240), Image.Resampling.BICUBIC)
