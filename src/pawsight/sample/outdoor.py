"""Gardens, beaches, snow and nights to stand before.

Enters: an `Area` and a random source. Leaves: pixels. Does not know: animals.
"""

from __future__ import annotations

from random import Random

import numpy as np

from pawsight.sample.curves import oval, smooth, wedge
from pawsight.sample.ground import Area, blades, cloud, flower, gradient, hill, sprinkled, tree
from pawsight.sample.palette import ACCENTS, GREENS, SKIES, WHITE, Colour, darker, lighter, mix
from pawsight.sample.pen import Pen, tube


def garden(area: Area, rng: Random) -> None:
    """Paint a meadow with hills, trees or a fence, grass and flowers."""
    sky, pen = rng.choice(SKIES), area.pen
    gradient(area, 0, area.high, sky)
    for _ in range(rng.randint(0, 3)):
        cloud(pen, rng.uniform(0, area.wide), rng.uniform(0.06, 0.26), rng.uniform(0.06, 0.11), lighter(sky[1], 0.6))
    green = rng.choice(GREENS)
    hill(area, area.floor - 0.1, mix(green, sky[1], 0.5), rng)
    hill(area, area.floor - 0.03, mix(green, sky[1], 0.25), rng)
    for _ in range(rng.randint(0, 3)):
        tree(pen, rng.uniform(0, area.wide), area.floor + 0.02, rng.uniform(0.25, 0.45), rng)
    if rng.random() < 0.4:
        _fence(area, rng)
    gradient(area, area.floor, area.high, (mix(green, WHITE, 0.12), green, darker(green, 0.08)))
    hill(area, area.floor + 0.02, green, rng, rise=0.012)
    for x, y in sprinkled(area, rng, 24, top=area.floor + 0.03, bottom=area.high + 0.03):
        blades(pen, x, y, 0.045, darker(green, 0.16), rng, count=3)
    for x, y in sprinkled(area, rng, rng.randint(0, 9), top=area.floor, bottom=area.high):
        flower(pen, x, y - 0.03, rng.uniform(0.012, 0.022), rng)


def _fence(area: Area, rng: Random) -> None:
    paint = rng.choice((lighter(ACCENTS[2], 0.7), WHITE, (206, 174, 136)))
    y, ink = area.floor + 0.03, darker(paint, 0.3)
    for low in (0.09, 0.2):
        area.pen.fill(
            [(0, y - low - 0.035), (area.wide, y - low - 0.035), (area.wide, y - low), (0, y - low)], darker(paint, 0.1)
        )
    for i in range(int(area.wide / 0.11) + 1):
        x = 0.02 + i * 0.11
        post = [(x, y - 0.24), (x + 0.035, y - 0.29), (x + 0.07, y - 0.24), (x + 0.07, y), (x, y)]
        area.pen.fill(post, paint)
        area.pen.line([*post[3:], *post[:4]], ink, 0.005)


def beach(area: Area, rng: Random) -> None:
    """Paint sea and sand with a parasol, shells or a bucket."""
    sky, pen, sand = rng.choice(SKIES), area.pen, rng.choice(((240, 218, 170), (236, 206, 160), (226, 208, 178)))
    gradient(area, 0, area.floor, sky)
    if rng.random() < 0.6:
        x, y = rng.uniform(0.1, area.wide - 0.1), rng.uniform(0.1, 0.24)
        pen.glow(x, y, 0.2, 0.2, (255, 244, 200), 0.8)
        pen.fill(oval(x, y, 0.065, 0.065), (255, 236, 170))
    cloud(pen, rng.uniform(0, area.wide), rng.uniform(0.08, 0.24), 0.08, lighter(sky[1], 0.6))
    sea = mix(rng.choice(((92, 168, 190), (104, 154, 196), (120, 186, 180))), sky[1], 0.15)
    gradient(area, area.floor - 0.14, area.floor + 0.06, (mix(sea, sky[1], 0.4), sea))
    for x, y in sprinkled(area, rng, 12, top=area.floor - 0.12, bottom=area.floor):
        pen.stroke([(x - 0.04, y), (x, y - 0.008), (x + 0.04, y)], lighter(sea, 0.5), 0.009)
    gradient(area, area.floor + 0.05, area.high, (lighter(sand, 0.1), sand, darker(sand, 0.1)))
    hill(area, area.floor + 0.02, lighter(sea, 0.7), rng, rise=0.015)
    hill(area, area.floor + 0.045, sand, rng, rise=0.015)
    for x, y in sprinkled(area, rng, 30, top=area.floor + 0.08, bottom=area.high):
        pen.fill(oval(x, y, 0.007, 0.004, count=8), darker(sand, 0.18))
    if rng.random() < 0.5:
        _parasol(area, rng)


def _parasol(area: Area, rng: Random) -> None:
    x, y, colour = rng.choice((0.16, 0.84)) * area.wide, area.floor - 0.28, rng.choice(ACCENTS)
    pen = area.pen.at(x, y, size=0.3, turn=rng.uniform(-14, 14))
    pen.line([(0, 0), (0, 1.3)], (150, 116, 90), 0.04)
    dome = smooth(
        [
            (-0.8, 0.1),
            (-0.8, 0.1),
            (-0.55, -0.4),
            (0, -0.62),
            (0.55, -0.4),
            (0.8, 0.1),
            (0.8, 0.1),
            (0.4, 0.02),
            (0, 0.08),
            (-0.4, 0.02),
        ]
    )
    pen.solid([dome], colour, ink=darker(colour, 0.4), width=0.02)
    pen.solid(
        [smooth([(0, -0.62), (0.3, -0.3), (0.4, 0.02), (0, 0.08), (-0.4, 0.02), (-0.3, -0.3)])],
        lighter(colour, 0.75),
        depth=0.3,
    )


def snow(area: Area, rng: Random) -> None:
    """Paint a winter day: soft hills, firs and flakes."""
    sky, pen = rng.choice((*SKIES, ((120, 140, 180), (206, 214, 232)))), area.pen
    gradient(area, 0, area.high, sky)
    hill(area, area.floor - 0.1, mix(sky[1], (200, 214, 230), 0.6), rng)
    for _ in range(rng.randint(2, 5)):
        _fir(pen, rng.uniform(0, area.wide), area.floor + rng.uniform(-0.05, 0.03), rng.uniform(0.2, 0.42), rng)
    ground: Colour = (240, 244, 250)
    gradient(area, area.floor, area.high, (ground, mix(ground, sky[0], 0.25)))
    hill(area, area.floor + 0.01, ground, rng, rise=0.015)
    for x, y in sprinkled(area, rng, 40, top=0, bottom=area.high):
        r = rng.uniform(0.004, 0.011)
        pen.fill(oval(x, y, r, r, count=10), WHITE)


def _fir(pen: Pen, x: float, y: float, size: float, rng: Random) -> None:
    green = mix(rng.choice(GREENS), (60, 100, 96), 0.55)
    pen.fill(
        [
            (x - size * 0.05, y),
            (x + size * 0.05, y),
            (x + size * 0.04, y - size * 0.3),
            (x - size * 0.04, y - size * 0.3),
        ],
        (116, 88, 72),
    )
    for level in range(3):
        top, half = y - size * (0.48 + 0.24 * level), size * (0.32 - 0.08 * level)
        pen.solid(
            [
                smooth(
                    [(x, top), (x, top), (x + half, top + half), (x, top + half * 0.85), (x - half, top + half)],
                    steps=4,
                )
            ],
            green,
            depth=0.4,
        )
        pen.fill(wedge(x, top + half * 0.5, half * 0.5, half * 0.35, half * 0.2), WHITE)


def night(area: Area, rng: Random) -> None:
    """Paint a starry night over roofs or hills, with a moon and lit windows."""
    deep, pen = rng.choice(((44, 52, 96), (60, 50, 100), (36, 66, 96), (78, 74, 122))), area.pen
    gradient(area, 0, area.high, (darker(deep, 0.2), deep, mix(deep, (214, 150, 160), 0.4)))
    for x, y in sprinkled(area, rng, 34, top=0, bottom=area.floor):
        r = rng.uniform(0.003, 0.008)
        pen.fill(oval(x, y, r, r, count=8), (255, 246, 214))
    x, y, r = rng.uniform(0.12, area.wide - 0.12), rng.uniform(0.12, 0.28), rng.uniform(0.06, 0.1)
    pen.glow(x, y, r * 3.2, r * 3.2, (255, 240, 200), 0.5)
    pen.fill(oval(x, y, r, r), (255, 242, 206))
    hill(area, area.floor - 0.06, mix(deep, (90, 110, 140), 0.3), rng)
    for i in range(rng.randint(0, 4)):
        _cottage(area, (i + rng.uniform(0.1, 0.8)) * area.wide / 4, area.floor + 0.03, deep, rng)
    green = mix(rng.choice(GREENS), deep, 0.5)
    gradient(area, area.floor, area.high, (green, darker(green, 0.12)))
    hill(area, area.floor + 0.02, green, rng, rise=0.015)
    for gx, gy in sprinkled(area, rng, 20, top=area.floor + 0.04, bottom=area.high + 0.02):
        blades(pen, gx, gy, 0.045, mix(green, (170, 200, 170), 0.2), rng, count=3)


def _cottage(area: Area, x: float, y: float, deep: Colour, rng: Random) -> None:
    w, h, wall = rng.uniform(0.09, 0.14), rng.uniform(0.12, 0.2), mix(rng.choice(ACCENTS), deep, 0.6)
    area.pen.fill([(x, y - h), (x + w, y - h), (x + w, y), (x, y)], wall)
    area.pen.fill([(x - 0.02, y - h), (x + w / 2, y - h - 0.08), (x + w + 0.02, y - h)], darker(wall, 0.35))
    for dx in (0.25, 0.62):
        cx, cy = x + w * dx, y - h * 0.65
        area.pen.fill(
            [(cx, cy), (cx + w * 0.18, cy), (cx + w * 0.18, cy + h * 0.22), (cx, cy + h * 0.22)], (255, 222, 138)
        )


def autumn(area: Area, rng: Random) -> None:
    """Paint a park in autumn: warm trees, a path, fallen leaves."""
    sky, pen = rng.choice(SKIES), area.pen
    gradient(area, 0, area.high, sky)
    warm: tuple[Colour, ...] = ((222, 140, 70), (204, 100, 66), (232, 184, 92), (176, 150, 90))
    hill(area, area.floor - 0.12, mix(rng.choice(warm), sky[1], 0.6), rng)
    for _ in range(rng.randint(2, 4)):
        _warm_tree(pen, rng.uniform(0, area.wide), area.floor + 0.03, rng.uniform(0.36, 0.56), rng.choice(warm))
    ground = mix(rng.choice(GREENS), rng.choice(warm), 0.4)
    gradient(area, area.floor, area.high, (lighter(ground, 0.15), ground))
    hill(area, area.floor + 0.02, ground, rng, rise=0.015)
    for x, y in sprinkled(area, rng, 26, top=area.floor + 0.04, bottom=area.high):
        leaf = smooth(np.array([(-1, 0), (0, -0.5), (1.2, 0), (1.2, 0), (0, 0.5)]), steps=3)
        pen.at(x, y, size=rng.uniform(0.012, 0.022), turn=rng.uniform(0, 180)).fill(leaf, rng.choice(warm))


def _warm_tree(pen: Pen, x: float, y: float, size: float, colour: Colour) -> None:
    pen.solid([tube([(x, y), (x + 0.01, y - size * 0.6)], (size * 0.06, size * 0.04))], (120, 86, 66), depth=0.4)
    crowns = [
        oval(x + dx * size, y - dy * size, r * size, r * size)
        for dx, dy, r in ((-0.18, 0.66, 0.22), (0.2, 0.68, 0.24), (0.0, 0.88, 0.24))
    ]
    pen.solid(crowns, colour, depth=0.4)
