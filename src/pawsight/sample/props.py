"""Things in front of an animal: a ball, a cushion, a plant, a box to look out of.

Enters: an `Area` and a random source. Leaves: pixels. Does not know: which animal is behind them.
"""

from __future__ import annotations

from random import Random

from pawsight.sample.curves import oval, smooth
from pawsight.sample.ground import Area, blades, flower, leafy
from pawsight.sample.palette import ACCENTS, GREENS, WOODS, Colour, darker, lighter, mix
from pawsight.sample.pen import Mark, Pen


def in_front(area: Area, x: float, y: float, size: float, rng: Random) -> None:
    """Draw one thing that hides a part of what stands at (x, y) and is `size` high."""
    thing = rng.choice((_ball, _yarn, _leaves, _gift, _grass if area.outside else _cushion))
    side = rng.choice((-1, 1))
    thing(area.pen.at(x + side * size * rng.uniform(0.2, 0.36), y + 0.02 * size, size=size), rng)


def hiding_place(area: Area, x: float, y: float, rng: Random) -> None:
    """Draw what an animal looks out of or over; its upper edge is at height `y`."""
    rng.choice((_crate, _crate, _wall, _basket))(area, x, y, rng)


def _ball(pen: Pen, rng: Random) -> None:
    colour, r = rng.choice(ACCENTS), rng.uniform(0.1, 0.16)
    stripe = Mark(oval(0, -r, r * 0.34, r * 1.2, turn=30), lighter(colour, 0.75))
    pen.glow(0, 0.0, r * 1.3, r * 0.3, (40, 30, 50), 0.5)
    pen.solid([oval(0, -r, r, r)], colour, ink=darker(colour, 0.5), width=0.009, marks=[stripe], depth=0.6)


def _yarn(pen: Pen, rng: Random) -> None:
    colour, r = rng.choice(ACCENTS), rng.uniform(0.09, 0.14)
    pen.glow(0, 0.0, r * 1.3, r * 0.3, (40, 30, 50), 0.5)
    pen.stroke([(0, -0.01), (0.12, 0.0), (0.2, -0.04), (0.28, 0.0)], darker(colour, 0.2), 0.014)
    pen.solid([oval(0, -r, r, r)], colour, ink=darker(colour, 0.5), width=0.009, depth=0.55)
    for i in range(-2, 3):
        bow = [(-r * 0.75, -r + i * r * 0.3), (0, -r * 1.3 + i * r * 0.3), (r * 0.75, -r + i * r * 0.3)]
        pen.at(0, 0, turn=0).stroke(bow, darker(colour, 0.25), 0.012)


def _cushion(pen: Pen, rng: Random) -> None:
    colour = mix(rng.choice(ACCENTS), (220, 210, 200), 0.2)
    shape = smooth(
        [(-0.24, -0.2), (0, -0.17), (0.24, -0.2), (0.22, -0.08), (0.25, 0.03), (0, 0.01), (-0.25, 0.03), (-0.22, -0.08)]
    )
    dots = [
        Mark(oval(-0.18 + 0.09 * i, -0.15 + 0.06 * j, 0.014, 0.014, count=10), lighter(colour, 0.6))
        for i in range(5)
        for j in range(3)
    ]
    pen.solid([shape], colour, ink=darker(colour, 0.45), width=0.01, marks=dots, depth=0.5)


def _grass(pen: Pen, rng: Random) -> None:
    green = darker(rng.choice(GREENS), 0.12)
    for i in range(7):
        blades(pen, -0.24 + 0.08 * i, 0.05, rng.uniform(0.16, 0.26), green, rng)
    for i in range(2):
        flower(pen, rng.uniform(-0.2, 0.2), -0.16 - 0.05 * i, 0.026, rng)


def _leaves(pen: Pen, rng: Random) -> None:
    leafy(pen, rng.uniform(-0.05, 0.05), 0.1, rng.uniform(0.4, 0.56), darker(rng.choice(GREENS), 0.15), rng)


def _gift(pen: Pen, rng: Random) -> None:
    colour, ribbon = rng.sample(ACCENTS, 2)
    h = rng.uniform(0.18, 0.26)
    pen.solid(
        [smooth([(-0.14, -h), (0.14, -h), (0.14, 0.02), (-0.14, 0.02)], steps=1)],
        colour,
        ink=darker(colour, 0.45),
        width=0.009,
        marks=[Mark(oval(0, -h / 2, 0.03, h), ribbon)],
        depth=0.4,
    )
    for side in (-1, 1):
        pen.solid(
            [oval(side * 0.05, -h - 0.03, 0.055, 0.03, turn=side * -25)], ribbon, ink=darker(ribbon, 0.4), width=0.008
        )


def _panel(pen: Pen, wide: float, colour: Colour, marks: list[Mark]) -> None:
    face = smooth([(-wide, 0), (wide, 0), (wide * 0.96, 1.2), (-wide * 0.96, 1.2)], steps=1)
    pen.solid([face], colour, ink=darker(colour, 0.5), width=0.01, marks=marks, depth=0.35)


def _crate(area: Area, x: float, y: float, rng: Random) -> None:
    card, pen = rng.choice(WOODS), area.pen.at(x, y)
    wide = rng.uniform(0.36, 0.44)
    tape = Mark(oval(0, 0.0, 0.05, 0.16), lighter(card, 0.4))
    _panel(pen, wide, card, [tape])
    for side in (-1, 1):
        flap = smooth(
            [(side * wide, 0), (side * (wide + 0.1), 0.08), (side * (wide + 0.07), 0.17), (side * wide * 0.99, 0.06)],
            steps=1,
        )
        pen.solid([flap], lighter(card, 0.12), ink=darker(card, 0.5), width=0.01, depth=0.3)
    pen.stroke([(-0.1, 0.2), (0, 0.3), (0.1, 0.2)], darker(card, 0.25), 0.014)


def _wall(area: Area, x: float, y: float, rng: Random) -> None:
    stone = mix(rng.choice(WOODS), (200, 190, 190), 0.5)
    pen = area.pen
    pen.solid(
        [
            smooth(
                [(-0.1, y), (area.wide + 0.1, y), (area.wide + 0.1, area.high + 0.2), (-0.1, area.high + 0.2)], steps=1
            )
        ],
        stone,
        ink=darker(stone, 0.4),
        width=0.01,
        depth=0.1,
    )
    for row in range(4):
        low = y + 0.1 * (row + 1)
        pen.line([(0, low), (area.wide, low)], darker(stone, 0.2), 0.008)
        for i in range(int(area.wide / 0.2) + 2):
            at = (i - 0.5 * (row % 2)) * 0.2
            pen.line([(at, low - 0.1), (at, low)], darker(stone, 0.2), 0.008)


def _basket(area: Area, x: float, y: float, rng: Random) -> None:
    straw, pen = mix(rng.choice(WOODS), (216, 176, 112), 0.5), area.pen.at(x, y)
    weave = [
        Mark(oval(-0.45 + 0.1 * i + 0.05 * (j % 2), 0.08 + 0.08 * j, 0.042, 0.026, count=12), lighter(straw, 0.22))
        for i in range(10)
        for j in range(6)
    ]
    _panel(pen, 0.4, straw, weave)
    pen.solid([oval(0, 0.01, 0.43, 0.045)], lighter(straw, 0.12), ink=darker(straw, 0.5), width=0.01, depth=0.35)
