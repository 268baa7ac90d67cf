"""Draws a heat map on its picture, as a PNG.

The picture turns grey, so that colour means heat only. Colours go from dark violet over orange to pale yellow, with
even steps and rising lightness, so they also read in print and for colour-blind readers. A white line surrounds the
smallest area that holds half of the heat, the one that `HeatMap.place` names in words.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pawsight.explanation.heatmap import HeatMap, core_level, finer
from pawsight.images.decode import Pixels

LARGEST_PX = 640  # longer side of the picture drawn
_LEAST_PX = 320  # longer side at which a smaller picture is drawn
_OPAQUE = 0.6  # opacity of the colour where the heat is greatest
_FAINT = 0.1  # heat below which nothing is painted
_DIMMED = 0.85  # brightness of the grey picture, so that the pale end of the colours stands out on white
_LINE_PX = 2
_QUALITY = 85  # of a JPEG, 1-95
_GREY = np.array([[0.299], [0.587], [0.114]], np.float32)  # of red, green and blue, by ITU-R BT.601
# The anchors of matplotlib's "inferno" (Smith and van der Walt, public domain), from a quarter upwards, in even steps.
_COLOURS = np.array(
    [
        (87, 16, 110), (120, 28, 109), (154, 43, 97), (187, 55, 84), (212, 72, 66), (237, 105, 37), (246, 137, 15),
        (251, 175, 17), (247, 213, 60), (252, 255, 164),
    ],
    np.float32,
)  # fmt: skip


def overlay(picture: Pixels, heat: HeatMap) -> bytes:
    """Draw a heat map over its picture.

    Args:
        picture: pixels (H, W, 3) uint8 of the whole upright picture; a square that it was stretched to is brought back
            to the proportions of `heat.size`.
        heat: the map.

    Returns:
        A PNG with the proportions of the picture, its longer side 640 pixels at most.
    """
    size = drawn_size(heat.size)
    grey = _DIMMED * (np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC), np.float32) @ _GREY)
    values = finer(heat, size)
    share = _OPAQUE * np.clip((values - _FAINT) / (1 - _FAINT), 0, 1)[..., None] ** 0.7
    drawn = grey + share * (colours_of(values) - grey)
    drawn[_line(heat, size)] = 255
    file = io.BytesIO()
    Image.fromarray(np.rint(np.clip(drawn, 0, 255)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def plain_jpeg(picture: Pixels, size: tuple[int, int]) -> bytes:
    """Return a picture without heat as a JPEG, as large as `overlay` draws it.

    Args:
        picture: pixels (H, W, 3) uint8 of the whole upright picture, or of a square that it was stretched to.
        size: its width and height.
    """
    file = io.BytesIO()
    Image.fromarray(picture).resize(drawn_size(size), Image.Resampling.BICUBIC).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def drawn_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height at which a picture of this size is drawn."""
    longest = max(size)
    factor = min(max(longest, _LEAST_PX), LARGEST_PX) / longest
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _line(heat: HeatMap, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels (H, W) lie on the line round the area that holds half of the heat."""
    if heat.silent:
        return np.zeros(size[::-1], np.bool_)
    inside = Image.fromarray(np.uint8(255) * (finer(heat, size) >= core_level(heat)))
    shrunk = inside.filter(ImageFilter.MinFilter(2 * _LINE_PX + 1))
    line: NDArray[np.bool_] = (np.asarray(inside) > 0) & (np.asarray(shrunk) == 0)
    return line


def colours_of(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the colours (H, W, 3) of values from 0 to 1, interpolated between two anchors."""
    place = np.clip(values, 0, 1) * (len(_COLOURS) - 1)
    below = np.minimum(place.astype(np.intp), len(_COLOURS) - 2)
    part = (place - below)[..., None]
    colours: NDArray[np.float32] = _COLOURS[below] * (1 - part) + _COLOURS[below + 1] * part
    return colours
