"""Random flips and rotations, for training only; no saved model holds them.

The result is that of Keras's RandomFlip and RandomRotation with the same random numbers: rotation about the middle of
the picture, counter-clockwise where positive, bilinear interpolation, and outside the picture the nearest edge pixel or
the mirrored picture. The one difference: Pillow rounds down where Keras keeps fractions, which darkens a picture by
half a grey level of 255. Pillow works without the interpreter lock, so threads help.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from pawsight.images.decode import Pixels

Fill = Literal["nearest", "reflect"]
_PAD_MODES: dict[Fill, Literal["edge", "symmetric"]] = {"nearest": "edge", "reflect": "symmetric"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What may happen to a picture each time it is trained on."""

    flip_horizontal: bool  # left to right, with probability 1/2
    flip_vertical: bool  # upside down, with probability 1/2
    rotation: float  # largest turn either way, as a fraction of a full turn: 0.2 is 72 degrees
    fill: Fill  # what shows where the turned picture does not reach
    # One random number for both flips: Keras 3's RandomFlip mirrors a picture both ways or leaves it alone. Keras 2,
    # with which the exercise was written, drew a number for each, so that all four combinations occurred.
    flips_together: bool = True


def augment(pixels: Pixels, how: Augmentation, rng: np.random.Generator) -> Pixels:
    """Flip and turn one picture at random.

    Args:
        pixels: (H, W, 3) uint8; never changed.
        how: what may happen.
        rng: three numbers are drawn from it whatever `how` says, so that no setting changes the numbers of another.

    Returns:
        (H, W, 3) uint8, possibly a view of `pixels`.
    """
    first, second, third = rng.random(3)
    coin_vertical = first if how.flips_together else second
    pixels = flipped(
        pixels,
        horizontal=how.flip_horizontal and first < 0.5,
        vertical=how.flip_vertical and coin_vertical < 0.5,
    )
    return turned(pixels, how.rotation * (2.0 * third - 1.0), how.fill)


def flipped(pixels: Pixels, *, horizontal: bool, vertical: bool) -> Pixels:
    """Return a view of the picture, mirrored left to right, upside down, both or neither."""
    return pixels[:: -1 if vertical else 1, :: -1 if horizontal else 1]


def turned(pixels: Pixels, turn: float, fill: Fill) -> Pixels:
    """Turn a picture about its middle and keep its shape.

    Args:
        pixels: (H, W, 3) uint8.
        turn: of a full turn, counter-clockwise where positive: 0.25 is a quarter.
        fill: "nearest" repeats the edge, "reflect" mirrors the picture there, the edge itself included.

    Returns:
        (H, W, 3) uint8; `pixels` itself where it does not turn.
    """
    if turn % 1.0 == 0.0:
        return pixels
    height, width = pixels.shape[:2]
    cos, sin = math.cos(math.tau * turn), math.sin(math.tau * turn)
    down, right = _margin(height, width, cos, sin), _margin(width, height, cos, sin)
    image = Image.fromarray(np.pad(pixels, ((down, down), (right, right), (0, 0)), _PAD_MODES[fill]))
    # Pillow asks where in the padded picture a pixel of the new one comes from; middles go to middles.
    x, y = width / 2, height / 2
    matrix = (cos, -sin, x + right - cos * x + sin * y, sin, cos, y + down - sin * x - cos * y)
    turned_image = image.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(turned_image, dtype=np.uint8)


def generator_for(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Return the generator of one picture in one epoch, whatever was drawn before and in whichever thread.

    Args:
        seed: of the run; seed, epoch and index are each in [0, 2**64).
        epoch: which pass over the training part.
        index: which picture of it.

    Returns:
        a generator that shares no number with that of any other picture or epoch: the three are the key and the
        upper words of the counter of a Philox cipher (Salmon and others, Parallel Random Numbers, 2011), so that
        nothing needs hashing and no two can meet.
    """
    counter = np.array([0, 0, index, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([seed, 0], dtype=np.uint64), counter=counter))


def _margin(along: int, across: int, cos: float, sin: float) -> int:
    """Return how many pixels the turned frame reaches beyond the picture, with one more to interpolate with."""
    return max(0, math.ceil((abs(cos) * along + abs(sin) * across - along) / 2)) + 1
