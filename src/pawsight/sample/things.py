"""Things in front of an animal (a ball, a plant, a box to look out of), and subjects that are neither cat nor dog."""

from __future__ import annotations

from random import Random

import numpy as np
from PIL import Image

from pawsight.sample.drawing import (
    ACCENTS,
    GREENS,
    WALLS,
    WHITE,
    WOODS,
    Colour,
    Mark,
    Pen,
    darker,
    lighter,
    mix,
    oval,
    smooth,
    tube,
)
from pawsight.sample.scenes import Area, blades, flower, leafy, tree


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
    stripe = (oval(0, -r, r * 0.34, r * 1.2, turn=30), lighter(colour, 0.75))
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
        (oval(-0.18 + 0.09 * i, -0.15 + 0.06 * j, 0.014, 0.014, count=10), lighter(colour, 0.6))
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
        marks=[(oval(0, -h / 2, 0.03, h), ribbon)],
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
    tape = (oval(0, 0.0, 0.05, 0.16), lighter(card, 0.4))
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
        (oval(-0.45 + 0.1 * i + 0.05 * (j % 2), 0.08 + 0.08 * j, 0.042, 0.026, count=12), lighter(straw, 0.22))
        for i in range(10)
        for j in range(6)
    ]
    _panel(pen, 0.4, straw, weave)
    pen.solid([oval(0, 0.01, 0.43, 0.045)], lighter(straw, 0.12), ink=darker(straw, 0.5), width=0.01, depth=0.35)


def something_else(area: Area, x: float, y: float, size: float, rng: Random) -> None:
    """Draw one thing that stands at (x, y) and is about `size` high, or cover the whole picture with a pattern."""
    thing = rng.choice((_house, _trees, _fish, _car, _cup, _boat, _bouquet, _writing, _tiles, _noise))
    if thing in (_writing, _tiles, _noise):
        thing(area.pen, rng)
        return
    thing(area.pen.at(x, y, size=size, turn=rng.gauss(0, 3), flip=rng.random() < 0.5), rng)


def _house(pen: Pen, rng: Random) -> None:
    wall, roof = rng.choice(WALLS), rng.choice(ACCENTS)
    ink = darker(roof, 0.5)
    pen.solid([smooth([(-0.36, -0.52), (0.36, -0.52), (0.36, 0), (-0.36, 0)], steps=1)], wall, ink=ink, width=0.012)
    pen.solid(
        [smooth([(0.16, -0.98), (0.27, -0.98), (0.27, -0.6), (0.16, -0.6)], steps=1)],
        darker(roof, 0.2),
        ink=ink,
        width=0.012,
    )
    pen.solid([smooth([(-0.46, -0.5), (0, -0.96), (0.46, -0.5)], steps=1)], roof, ink=ink, width=0.012)
    door = smooth([(-0.09, 0), (-0.09, -0.2), (0, -0.28), (0.09, -0.2), (0.09, 0), (0.09, 0), (-0.09, 0)])
    pen.solid([door], rng.choice(WOODS), ink=ink, width=0.01)
    for side in (-1, 1):
        pane = [(side * 0.16, -0.42), (side * 0.3, -0.42), (side * 0.3, -0.26), (side * 0.16, -0.26)]
        pen.solid([smooth(pane, steps=1)], (250, 232, 170), ink=ink, width=0.01, depth=0.2)


def _trees(pen: Pen, rng: Random) -> None:
    for dx, size in ((-0.3, 0.7), (0.32, 0.6), (0.0, 1.0)):
        tree(pen, dx, 0.0, size, rng)


def _fish(pen: Pen, rng: Random) -> None:
    colour = rng.choice(ACCENTS)
    ink, place = darker(colour, 0.5), pen.at(0, -0.45)
    place.solid(
        [smooth([(-0.3, 0), (-0.58, -0.24), (-0.52, 0), (-0.58, 0.24)])], lighter(colour, 0.2), ink=ink, width=0.012
    )
    place.solid([smooth([(-0.1, -0.2), (0.0, -0.38), (0.2, -0.2)])], lighter(colour, 0.2), ink=ink, width=0.012)
    stripes = [(oval(at, 0, 0.035, 0.3), lighter(colour, 0.7)) for at in (-0.14, 0.04, 0.2)]
    place.solid([oval(0.03, 0, 0.42, 0.25, count=40)], colour, ink=ink, width=0.012, marks=stripes)
    place.fill(oval(0.29, -0.06, 0.055, 0.055), WHITE)
    place.fill(oval(0.3, -0.055, 0.03, 0.03), (40, 34, 48))
    place.stroke([(0.4, 0.06), (0.34, 0.1), (0.3, 0.07)], ink, 0.018)


def _car(pen: Pen, rng: Random) -> None:
    paint = rng.choice(ACCENTS)
    ink = darker(paint, 0.55)
    pen.solid(
        [smooth([(-0.32, -0.38), (-0.2, -0.62), (0.16, -0.62), (0.34, -0.38)])],
        lighter(paint, 0.1),
        ink=ink,
        width=0.014,
    )
    pen.solid([smooth([(-0.24, -0.4), (-0.15, -0.56), (0.12, -0.56), (0.25, -0.4)])], (204, 226, 234), depth=0.3)
    pen.line([(-0.02, -0.58), (-0.02, -0.38)], paint, 0.03)
    pen.solid(
        [smooth([(-0.56, -0.36), (0.5, -0.38), (0.58, -0.26), (0.56, -0.12), (-0.56, -0.12), (-0.6, -0.26)])],
        paint,
        ink=ink,
        width=0.014,
    )
    pen.fill(oval(0.52, -0.28, 0.04, 0.045), (255, 240, 180))
    for x in (-0.32, 0.32):
        pen.solid([oval(x, -0.12, 0.13, 0.13)], (70, 64, 72), ink=(40, 34, 42), width=0.01)
        pen.fill(oval(x, -0.12, 0.055, 0.055), (214, 210, 206))


def _cup(pen: Pen, rng: Random) -> None:
    glaze = rng.choice(ACCENTS)
    ink = darker(glaze, 0.5)
    pen.solid(
        [tube([(0.2, -0.4), (0.4, -0.38), (0.4, -0.18), (0.2, -0.14)], (0.04, 0.045, 0.045, 0.04))],
        glaze,
        ink=ink,
        width=0.012,
    )
    pen.solid(
        [smooth([(-0.28, -0.5), (0.28, -0.5), (0.24, -0.1), (0.14, 0), (-0.14, 0), (-0.24, -0.1)])],
        glaze,
        ink=ink,
        width=0.012,
    )
    pen.solid([oval(0, -0.5, 0.28, 0.06)], (116, 78, 60), ink=ink, width=0.014, depth=0.2)
    for x in (-0.1, 0.06):
        pen.stroke([(x, -0.6), (x + 0.05, -0.7), (x - 0.03, -0.8), (x + 0.02, -0.92)], WHITE, 0.03)


def _boat(pen: Pen, rng: Random) -> None:
    hull, sail = rng.sample(ACCENTS, 2)
    pen.line([(0, -0.2), (0, -0.95)], (130, 96, 76), 0.03)
    for side, reach in ((1, 0.36), (-1, 0.26)):
        cloth = smooth(
            [
                (side * 0.03, -0.92),
                (side * 0.03, -0.92),
                (side * reach, -0.3),
                (side * 0.03, -0.26),
                (side * 0.03, -0.26),
            ]
        )
        pen.solid([cloth], lighter(sail, 0.7), ink=darker(sail, 0.4), width=0.012, depth=0.4)
    pen.solid(
        [smooth([(-0.5, -0.22), (-0.5, -0.22), (0.5, -0.22), (0.5, -0.22), (0.32, 0.0), (-0.32, 0.0)])],
        hull,
        ink=darker(hull, 0.5),
        width=0.012,
    )


def _bouquet(pen: Pen, rng: Random) -> None:
    for _ in range(12):
        flower(pen, rng.uniform(-0.3, 0.3), rng.uniform(-0.95, -0.45), rng.uniform(0.06, 0.1), rng)
    glass = mix(rng.choice(ACCENTS), WHITE, 0.4)
    vase = smooth([(-0.12, -0.4), (0.12, -0.4), (0.2, -0.18), (0.13, 0), (-0.13, 0), (-0.2, -0.18)])
    pen.solid([vase], glass, ink=darker(glass, 0.4), width=0.012)


def _writing(pen: Pen, rng: Random) -> None:
    """Cover the picture with a page of lines that look like handwriting."""
    pen.sheet.paste(rng.choice(WALLS), (0, 0, *pen.sheet.size))
    ink = darker(rng.choice(ACCENTS), 0.6)
    wide, high = (side / pen.unit for side in pen.sheet.size)
    y = 0.12
    while y < high - 0.05:
        x = 0.08
        while x < wide - 0.16:
            word = [(x + 0.018 * i, y + rng.uniform(-0.028, 0.02)) for i in range(rng.randint(3, 8))]
            pen.line(smooth(word, closed=False), ink, 0.008)
            x = word[-1][0] + 0.035
        y += 0.085


def _tiles(pen: Pen, rng: Random) -> None:
    """Cover the picture with tiles."""
    colours, side = rng.sample((*ACCENTS, *GREENS), 3), rng.uniform(0.1, 0.2)
    columns, rows = (int(length / pen.unit / side) + 2 for length in pen.sheet.size)
    for row in range(rows):
        for column in range(columns):
            place = pen.at(column * side, row * side, size=side)
            place.fill([(0, 0), (1, 0), (1, 1), (0, 1)], colours[(row + column) % 2])
            place.fill(oval(0.5, 0.5, 0.3, 0.3, count=16), colours[2])


def _noise(pen: Pen, rng: Random) -> None:
    """Cover the picture with clouds of random colour."""
    cells = rng.choice((6, 12, 40, 120))
    grid = np.random.default_rng(rng.getrandbits(32)).integers(30, 240, (cells, cells, 3), dtype=np.uint8)
    pen.sheet.paste(Image.fromarray(grid).resize(pen.sheet.size, Image.Resampling.BICUBIC))
