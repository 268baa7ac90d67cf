"""The area a scene is painted on, and what scenes share: gradients, hills, grass, clouds, plants.

Enters: a pen in units of the picture's shorter side, its origin in the top left corner. Leaves: pixels.
Does not know: animals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from pawsight.sample.curves import Points, oval, smooth, wedge
from pawsight.sample.palette import ACCENTS, GREENS, WHITE, Colour, darker, lighter, mix
from pawsight.sample.pen import Pen, tube


@dataclass(frozen=True, slots=True)
class Area:
    """A picture to paint a scene on; lengths in units of its shorter side."""

    pen: Pen
    wide: float
    high: float
    floor: float  # how far down the floor or ground begins
    outside: bool  # where grass grows


def gradient(area: Area, top: float, bottom: float, colours: Sequence[Colour]) -> None:
    """Fill the whole width from `top` to `bottom` with colours that run into each other."""
    sheet, unit = area.pen.sheet, area.pen.unit
    first, last = max(0, round(top * unit)), min(sheet.height, round(bottom * unit))
    if last <= first:
        return
    column = Image.fromarray(np.asarray(colours, dtype=np.uint8)[:, None, :])
    column = column.resize((1, last - first), Image.Resampling.BILINEAR)
    sheet.paste(column.resize((sheet.width, last - first), Image.Resampling.NEAREST), (0, first))


def hill(area: Area, y: float, colour: Colour, rng: Random, *, bumps: int = 4, rise: float = 0.07) -> Points:
    """Draw a range of hills whose feet lie below the picture, and return its skyline (N, 2)."""
    step = area.wide / bumps
    tops = [(step * (i - 0.5), y + rng.uniform(-rise, rise)) for i in range(bumps + 2)]
    line = smooth(tops, closed=False, steps=7)
    area.pen.fill(np.concatenate([line, [(area.wide + step, area.high + 0.1), (-step, area.high + 0.1)]]), colour)
    return line


def blades(pen: Pen, x: float, y: float, height: float, colour: Colour, rng: Random, *, count: int = 5) -> None:
    """Draw a tuft of grass that grows from (x, y)."""
    for _ in range(count):
        lean, tall = rng.uniform(-0.5, 0.5) * height, height * rng.uniform(0.6, 1.0)
        foot = x + rng.uniform(-0.35, 0.35) * height
        pen.fill(wedge(foot, y, lean, -tall, height * 0.16), mix(colour, rng.choice(GREENS), 0.3))


def flower(pen: Pen, x: float, y: float, size: float, rng: Random) -> None:
    """Draw a flower of five petals on a stem; (x, y) is its middle."""
    petal = lighter(rng.choice(ACCENTS), 0.2)
    pen.line([(x, y), (x + size * 0.2, y + size * 3.2)], (104, 146, 88), size * 0.3)
    for turn in range(0, 360, 72):
        place = pen.at(x, y, size=size, turn=turn)
        place.fill(oval(0, -0.62, 0.4, 0.55, count=12), petal)
    pen.fill(oval(x, y, size * 0.36, size * 0.36, count=12), (248, 210, 100))


def cloud(pen: Pen, x: float, y: float, size: float, colour: Colour = WHITE) -> None:
    """Draw a cloud with a flat foot."""
    puffs = [
        oval(x + dx * size, y + dy * size, r * size, r * size * 0.8, count=20)
        for dx, dy, r in ((-0.7, 0, 0.45), (0, -0.25, 0.6), (0.65, -0.02, 0.48))
    ]
    pen.solid([*puffs, oval(x, y + 0.16 * size, 1.1 * size, 0.24 * size)], colour, depth=0.16)


def tree(pen: Pen, x: float, y: float, size: float, rng: Random) -> None:
    """Draw a round or pointed tree whose foot is at (x, y)."""
    leaf, trunk = rng.choice(GREENS), (134, 98, 74)
    pen.solid([tube([(x, y), (x, y - size * 0.5)], (size * 0.07, size * 0.05))], trunk, depth=0.4)
    if rng.random() < 0.4:
        for level in range(3):
            top, half = y - size * (0.62 + 0.24 * level), size * (0.34 - 0.08 * level)
            pen.solid(
                [
                    smooth(
                        [
                            (x, top - half * 0.9),
                            (x, top - half * 0.9),
                            (x + half, top + half * 0.8),
                            (x - half, top + half * 0.8),
                        ]
                    )
                ],
                darker(leaf, 0.15),
                depth=0.4,
            )
        return
    crowns = [
        oval(x + dx * size, y - dy * size, r * size, r * size)
        for dx, dy, r in ((-0.2, 0.6, 0.24), (0.2, 0.62, 0.25), (0.0, 0.84, 0.27))
    ]
    pen.solid(crowns, leaf, depth=0.45)


def leafy(pen: Pen, x: float, y: float, size: float, colour: Colour, rng: Random, *, spread: float = 75) -> None:
    """Draw a plant of long leaves that fan out upwards from (x, y)."""
    leaves = rng.randint(5, 7)
    for i in range(leaves):
        turn = -spread + 2 * spread * i / (leaves - 1) + rng.uniform(-8, 8)
        place = pen.at(x, y, size=size * rng.uniform(0.8, 1.05), turn=turn)
        shade = mix(colour, rng.choice(GREENS), 0.35)
        place.solid(
            [
                smooth(
                    [(0.0, 0.05), (0.13, -0.4), (0.05, -0.9), (0.0, -1.0), (0.0, -1.0), (-0.11, -0.75), (-0.13, -0.35)]
                )
            ],
            shade,
            ink=darker(shade, 0.3),
            width=0.014,
            depth=0.3,
        )
        place.line([(0, 0), (0, -0.85)], lighter(shade, 0.25), 0.018)


def sprinkled(area: Area, rng: Random, count: int, *, top: float, bottom: float) -> list[tuple[float, float]]:
    """Return random places between two heights, the farthest (highest) first so that near things cover far ones."""
    return sorted(
        ((rng.uniform(0, area.wide), rng.uniform(top, bottom)) for _ in range(count)), key=lambda place: place[1]
    )
