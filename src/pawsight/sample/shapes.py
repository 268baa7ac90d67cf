"""Drawings of one or two shapes with several labels each: large, red, round, striped, two. Some have none of them."""

from __future__ import annotations

from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

LABELS = ("large", "red", "round", "striped", "two")
_SHARES = (0.4, 0.3, 0.5, 0.25, 0.15)  # of the drawings that have each label
_RED, _OTHERS = (200, 50, 45), ((40, 90, 190), (50, 150, 70), (215, 115, 40), (150, 70, 120), (190, 100, 110))
_SIDES = (3, 4, 5, 6, 7, 8)  # of what is not round
_LARGE, _SMALL = (0.17, 0.28), (0.07, 0.155)  # half the height of a shape, as a share of the picture's


def draw_shapes(seed: int, *, side: int = 160) -> tuple[Image.Image, tuple[str, ...]]:
    """Draw a picture and return it with its labels, in alphabetical order; each label is drawn for itself.

    Args:
        seed: of all that is random.
        side: of the picture, in pixels.
    """
    rng = Random(seed)  # noqa: S311 - drawings
    labels = tuple(label for label, share in zip(LABELS, _SHARES, strict=True) if rng.random() < share)
    paper = tuple(rng.randint(110, 250) for _ in range(3))
    picture = Image.new("RGB", (side, side), paper)
    places = [(0.3, rng.uniform(0.3, 0.7)), (0.7, rng.uniform(0.3, 0.7))] if "two" in labels else [(0.5, 0.5)]
    for x, y in places:
        radius = rng.uniform(*(_LARGE if "large" in labels else _SMALL)) * side
        colour = tuple(
            min(255, max(0, part + rng.randint(-25, 25))) for part in (_RED if "red" in labels else rng.choice(_OTHERS))
        )
        middle = ((x + rng.uniform(-0.06, 0.06)) * side, (y + rng.uniform(-0.06, 0.06)) * side)
        box = [middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius]
        mask = Image.new("L", picture.size)
        pen = ImageDraw.Draw(mask)
        if "round" in labels:
            pen.ellipse(box, fill=255)
        else:
            pen.regular_polygon((*middle, radius * 1.1), rng.choice(_SIDES), rotation=rng.randint(0, 119), fill=255)
        if "striped" in labels:
            stripes = Image.new("L", (2 * side, 2 * side))
            width = max(2, round(radius / rng.uniform(3, 9)))
            for start in range(0, 2 * side, 2 * width):
                ImageDraw.Draw(stripes).rectangle([start, 0, start + width - 1, 2 * side], fill=255)
            stripes = stripes.rotate(rng.uniform(0, 180)).crop((side // 2, side // 2, 3 * side // 2, 3 * side // 2))
            mask = ImageChops.multiply(mask, stripes)
        picture.paste(colour, mask=mask)
    grain = np.random.default_rng(seed).normal(0, rng.uniform(2, 30), (side, side, 3))
    pixels = np.clip(np.asarray(picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2)))) + grain, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8)), labels
