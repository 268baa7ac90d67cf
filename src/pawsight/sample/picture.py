"""Composes one picture: a size, a scene, an animal or something else, things in front, light.

Enters: a kind, a seed and a number. Leaves: an RGB picture and the box in which its animal is seen.
Does not know: files.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from PIL import Image

from pawsight.core.errors import WrongUsage
from pawsight.sample import indoor, outdoor
from pawsight.sample.figure import shadow
from pawsight.sample.ground import Area
from pawsight.sample.light import lit
from pawsight.sample.others import something_else
from pawsight.sample.pen import Box, Pen
from pawsight.sample.poses import EXTENT, animal
from pawsight.sample.props import hiding_place, in_front
from pawsight.sample.traits import Animal, any_animal

CLASSES = ("cats", "dogs")
KINDS = (*CLASSES, "other")
_FINE = 2  # drawn this many times larger, then reduced, so that edges are smooth
_INSIDE = ((indoor.studio, 20), (indoor.room, 28))
_OUTSIDE = ((outdoor.garden, 22), (outdoor.beach, 9), (outdoor.snow, 7), (outdoor.night, 8), (outdoor.autumn, 8))


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
            f"The sample cannot draw {kind!r}.",
            f"It draws {', '.join(KINDS)}.",
            f"Type one of them, e.g. draw({KINDS[0]!r}, seed=0, index=0).",
        )
    # A seed of its own for each picture, so that none depends on how many were drawn before it.
    rng = Random(f"pawsight sample {seed} {part} {kind} {index}")  # noqa: S311 - drawings are no secret
    area = _scene(rng, sides)
    subject = _other(area, rng) if kind == "other" else _animal(area, any_animal(kind, rng), rng)
    sheet = area.pen.sheet
    picture = lit(sheet.reduce(_FINE), rng)
    return picture, _seen(subject.touched, sheet.size)


def _scene(rng: Random, sides: tuple[int, int]) -> Area:
    least, greatest = sides
    wide, high = (round(rng.triangular(least, greatest, least + 0.3 * (greatest - least))) for _ in range(2))
    sheet = Image.new("RGB", (wide * _FINE, high * _FINE))
    pen = Pen.over(sheet, (rng.choice((-0.7, 0.7)), -0.75))
    across, down = sheet.width / pen.unit, sheet.height / pen.unit
    scenes = _INSIDE + _OUTSIDE
    paint = rng.choices(scenes, [share for _, share in scenes])[0]
    area = Area(pen, across, down, floor=down * rng.uniform(0.6, 0.76), outside=paint in _OUTSIDE)
    paint[0](area, rng)
    return area


def _animal(area: Area, a: Animal, rng: Random) -> Pen:
    wide, high = EXTENT[a.pose]
    size = rng.uniform(0.7, 1.04) * min(area.wide / wide, area.high / high)
    flip = rng.random() < 0.5
    x, y = _standing(area, a.pose, size, rng, facing=-1 if flip else 1)
    if a.pose not in ("portrait", "peek"):
        shadow(area.pen, x, y, size * wide, size)
    own = area.pen.at(x, y, size=size, turn=rng.gauss(0, 2.5), flip=flip).apart()
    animal(own, a, rng)
    if a.pose == "peek":
        hiding_place(area, x, y, rng)
    elif rng.random() < 0.24:
        in_front(area, x, y, size * high, rng)
    return own


def _standing(area: Area, pose: str, size: float, rng: Random, *, facing: int) -> tuple[float, float]:
    """Return where the animal's origin goes; the frame cuts off the hind part of one in eight."""
    wide, high = EXTENT[pose]
    room = max(0.0, area.wide - wide * size) / 2
    x = area.wide / 2 + rng.uniform(-room, room)
    if rng.random() < 0.12:
        x = area.wide / 2 - facing * (area.wide / 2 - wide * size * rng.uniform(0.2, 0.3))
    if pose == "portrait":
        return x, area.high * rng.uniform(0.96, 1.0) - 0.12 * size
    if pose == "peek":
        return x, max(size * 0.76, area.high * rng.uniform(0.66, 0.78))
    return x, min(area.high - 0.03, max(area.floor + 0.09, size * high * 0.98, area.high * rng.uniform(0.86, 0.95)))


def _other(area: Area, rng: Random) -> Pen:
    size, x = rng.uniform(0.5, 0.9) * min(area.wide, area.high), area.wide * rng.uniform(0.4, 0.6)
    own = area.pen.apart()
    something_else(replace(area, pen=own), x, area.high * rng.uniform(0.86, 0.95), size, rng)
    return own


def _seen(touched: list[Box], size: tuple[int, int]) -> Box:
    """Return the box round all that was touched, within the frame, in pixels of the reduced picture."""
    if not touched:
        return 0, 0, size[0] // _FINE, size[1] // _FINE
    left, top = (max(0, min(box[i] for box in touched)) // _FINE for i in (0, 1))
    right, bottom = (min(size[i], max(box[i + 2] for box in touched)) // _FINE for i in (0, 1))
    return left, top, max(right, left + 1), max(bottom, top + 1)
