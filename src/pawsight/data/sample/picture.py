"""Composes one picture: a size, a scene, an animal or something else, things in front, light.

Enters: a kind, a seed and a number. Leaves: an RGB picture and the box in which its animal is seen.
Does not know: files.
"""

from __future__ import annotations

from random import Random

import numpy as np
from PIL import Image

from pawsight.data.sample import indoor, outdoor
from pawsight.data.sample.ground import Area
from pawsight.data.sample.light import lit
from pawsight.data.sample.others import something_else
from pawsight.data.sample.palette import WALLS
from pawsight.data.sample.pen import Box, Pen
from pawsight.data.sample.poses import EXTENT, animal
from pawsight.data.sample.props import hiding_place, in_front
from pawsight.data.sample.traits import Animal, any_animal
from pawsight.errors import WrongUsage

CLASSES = ("cats", "dogs")
KINDS = (*CLASSES, "other")
_FINE = 2  # drawn this many times larger, then reduced, so that edges are smooth
_SCENES = (indoor.studio, indoor.room, outdoor.garden, outdoor.beach, outdoor.snow, outdoor.night, outdoor.autumn)
_SCENE_SHARES = (20, 28, 22, 9, 7, 8, 8)
_SHADE = (44, 34, 60)


def draw(kind: str, *, seed: int, index: int, part: str = "train", sides: tuple[int, int] = (200, 420)) -> Image.Image:
    """Draw one picture; equal arguments give equal pixels, whatever else was drawn before.

    Args:
        kind: "cats", "dogs", or "other" for a picture that shows neither.
        seed, index: any whole numbers.
        part: "train" or "validation"; the two never share a picture.
        sides: the least and the greatest side, in pixels.

    Returns:
        An RGB picture.

    Raises:
        WrongUsage: there is no such kind.
    """
    return draw_with_place(kind, seed=seed, index=index, part=part, sides=sides)[0]


def draw_with_place(
    kind: str, *, seed: int, index: int, part: str = "train", sides: tuple[int, int] = (200, 420)
) -> tuple[Image.Image, Box]:
    """Draw one picture as `draw` does, and say where in it the animal or thing is.

    Returns:
        The picture and the box (left, top, right, bottom) in its pixels, right and bottom exclusive.
    """
    if kind not in KINDS:
        raise WrongUsage(
            f"The sample cannot draw {kind!r}.", f"It draws {', '.join(KINDS)}.", f"Type one of them, e.g. draw({KINDS[0]!r}, seed=0, index=0)."
        )
    rng = Random(f"pawsight sample {seed} {part} {kind} {index}")
    area = _blank(rng, sides)
    rng.choices(_SCENES, _SCENE_SHARES)[0](area, rng)
    subject = _other(area, rng) if kind == "other" else _animal(area, any_animal(kind, rng), rng)
    sheet = area.pen.sheet
    picture = lit(sheet.reduce(_FINE), rng)
    return picture, _seen(subject.touched, sheet.size)


def _blank(rng: Random, sides: tuple[int, int]) -> Area:
    least, greatest = sides
    wide, high = (round(rng.triangular(least, greatest, least + 0.3 * (greatest - least))) for _ in range(2))
    sheet = Image.new("RGB", (wide * _FINE, high * _FINE), rng.choice(WALLS))
    unit = float(min(sheet.size))
    pen = Pen(sheet, np.array([[unit, 0, 0], [0, unit, 0]], dtype=np.float64), unit, (rng.choice((-0.7, 0.7)), -0.75))
    return Area(pen, sheet.width / unit, sheet.height / unit, sheet.height / unit * rng.uniform(0.6, 0.76))


def _animal(area: Area, a: Animal, rng: Random) -> Pen:
    wide, high = EXTENT[a.pose]
    size = rng.uniform(0.66, 0.98) * min(area.wide / wide, area.high / high)
    x, y = _standing(area, a.pose, size, rng)
    pen = area.pen.at(x, y, size=size, turn=rng.gauss(0, 2.5), flip=rng.random() < 0.5)
    if a.pose not in ("portrait", "peek"):
        area.pen.glow(x, y, 0.5 * size * wide, 0.09 * size, _SHADE, 0.55)
    own = Pen(pen.sheet, pen.matrix, pen.unit, pen.light, [])
    animal(own, a, rng)
    if a.pose == "peek":
        hiding_place(Area(area.pen, area.wide, area.high, area.floor), x, y, rng)
    elif rng.random() < 0.24:
        in_front(area, x, y, size * high, rng)
    return own


def _standing(area: Area, pose: str, size: float, rng: Random) -> tuple[float, float]:
    """Return where the animal's origin goes; one in eight is cut by the frame."""
    wide, high = EXTENT[pose]
    room = max(0.0, area.wide - wide * size) / 2
    x = area.wide / 2 + rng.uniform(-room, room)
    if rng.random() < 0.12:
        x += rng.choice((-1, 1)) * 0.28 * size * wide
    if pose == "portrait":
        return x, area.high * rng.uniform(0.96, 1.0) - 0.12 * size
    if pose == "peek":
        return x, max(size * 0.76, area.high * rng.uniform(0.66, 0.78))
    return x, min(area.high - 0.03, max(area.floor + 0.09, size * high * 0.98, area.high * rng.uniform(0.86, 0.95)))


def _other(area: Area, rng: Random) -> Pen:
    size, x = rng.uniform(0.5, 0.9) * min(area.wide, area.high), area.wide * rng.uniform(0.4, 0.6)
    own = Pen(area.pen.sheet, area.pen.matrix, area.pen.unit, area.pen.light, [])
    something_else(Area(own, area.wide, area.high, area.floor), x, area.high * rng.uniform(0.86, 0.95), size, rng)
    return own


def _seen(touched: list[Box], size: tuple[int, int]) -> Box:
    """Return the box round all that was touched, within the frame, in pixels of the reduced picture."""
    if not touched:
        return 0, 0, size[0] // _FINE, size[1] // _FINE
    left, top = (max(0, min(box[i] for box in touched)) // _FINE for i in (0, 1))
    right, bottom = (min(size[i], max(box[i + 2] for box in touched)) // _FINE for i in (0, 1))
    return left, top, max(right, left + 1), max(bottom, top + 1)
