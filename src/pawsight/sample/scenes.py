"""Rooms and landscapes to stand before, painted on an `Area`, and the plants and clouds that they share.

The pen's unit is the picture's shorter side, its origin in the top left corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from pawsight.sample.drawing import (
    ACCENTS,
    GREENS,
    SKIES,
    WALLS,
    WHITE,
    WOODS,
    Colour,
    Pen,
    Points,
    darker,
    lighter,
    mix,
    oval,
    smooth,
    tube,
    wedge,
)


@dataclass(frozen=True, slots=True)
class Area:
    """A picture to paint a scene on; lengths in units of its shorter side."""

    pen: Pen
    wide: float
    high: float
    floor: float  # how far down the floor or ground begins
    outside: bool  # where grass grows


def studio(area: Area, rng: Random) -> None:
    """Paint a plain backdrop, often with a disc, dots, stars or hearts on it."""
    tone = rng.choice((*WALLS, *(lighter(c, 0.45) for c in ACCENTS)))
    gradient(area, 0, area.high, (lighter(tone, 0.3), tone, darker(tone, 0.1), mix(tone, WHITE, 0.15)))
    mode = rng.choice(("disc", "confetti", "plain", "disc", "confetti"))
    if mode == "disc":
        radius, other = rng.uniform(0.34, 0.46), lighter(rng.choice(ACCENTS), rng.uniform(0.2, 0.6))
        area.pen.fill(oval(area.wide / 2, area.high * 0.5, radius, radius, count=60), other)
    elif mode == "confetti":
        for x, y in sprinkled(area, rng, 26, top=0, bottom=area.high):
            _confetto(area.pen.at(x, y, size=rng.uniform(0.016, 0.036), turn=rng.uniform(0, 90)), rng, tone)


def _confetto(pen: Pen, rng: Random, tone: Colour) -> None:
    colour = mix(rng.choice(ACCENTS), tone, 0.45)
    star = [
        (math.cos(a * math.pi / 5) * r, math.sin(a * math.pi / 5) * r)
        for a, r in zip(range(10), (1.1, 0.5) * 5, strict=True)
    ]
    heart = smooth(
        [(0, -0.3), (0.5, -0.8), (1.0, -0.3), (0.5, 0.4), (0, 0.95), (0, 0.95), (-0.5, 0.4), (-1.0, -0.3), (-0.5, -0.8)]
    )
    pen.fill(rng.choice((star, heart, oval(0, 0, 0.8, 0.8, count=14))), colour)


def room(area: Area, rng: Random) -> None:
    """Paint a room: wallpaper, floor, and two or three pieces of furniture."""
    wall = rng.choice(WALLS)
    gradient(area, 0, area.floor + 0.02, (lighter(wall, 0.15), wall, darker(wall, 0.06)))
    _wallpaper(area, wall, rng)
    pieces = rng.sample((_window, _pictures, _shelf, _lamp, _armchair, _pot), 3)
    places = [area.wide * share + rng.uniform(-0.05, 0.05) for share in rng.sample((0.14, 0.5, 0.86), 3)]
    for piece, x in zip(pieces[:2], places, strict=False):
        if piece in (_window, _pictures, _shelf):
            piece(area, x, rng)
    _floor(area, rng)
    for piece, x in zip(pieces, (*places[:2], rng.choice((0.08, 0.92)) * area.wide), strict=True):
        if piece in (_lamp, _armchair, _pot):
            piece(area, x, rng)
    if rng.random() < 0.6:
        _rug(area, rng)


def _wallpaper(area: Area, wall: Colour, rng: Random) -> None:
    tint, mode = darker(wall, 0.07), rng.choice(("stripes", "dots", "plain", "panel"))
    if mode == "stripes":
        for i in range(0, int(area.wide / 0.06) + 1, 2):
            area.pen.fill(
                [(i * 0.06, 0), (i * 0.06 + 0.06, 0), (i * 0.06 + 0.06, area.floor), (i * 0.06, area.floor)], tint
            )
    elif mode == "dots":
        for row in range(int(area.floor / 0.1) + 1):
            for column in range(int(area.wide / 0.1) + 2):
                area.pen.fill(oval((column - 0.5 * (row % 2)) * 0.1, row * 0.1 + 0.04, 0.014, 0.014, count=10), tint)
    elif mode == "panel":
        area.pen.fill(
            [(0, area.floor - 0.2), (area.wide, area.floor - 0.2), (area.wide, area.floor), (0, area.floor)],
            lighter(wall, 0.4),
        )
        area.pen.line([(0, area.floor - 0.2), (area.wide, area.floor - 0.2)], darker(wall, 0.16), 0.012)


def _floor(area: Area, rng: Random) -> None:
    wood, pen = rng.choice((*WOODS, *(darker(c, 0.12) for c in WALLS[:4]))), area.pen
    gradient(area, area.floor, area.high, (darker(wood, 0.14), wood, lighter(wood, 0.08)))
    pen.fill(
        [(0, area.floor - 0.03), (area.wide, area.floor - 0.03), (area.wide, area.floor), (0, area.floor)],
        lighter(wood, 0.62),
    )
    pen.line([(0, area.floor), (area.wide, area.floor)], darker(wood, 0.3), 0.008)
    middle = area.wide / 2
    for i in range(-7, 8):
        pen.line([(middle + i * 0.12, area.floor), (middle + i * 0.26, area.high)], darker(wood, 0.13), 0.006)


def _rug(area: Area, rng: Random) -> None:
    x, y, rx = area.wide * rng.uniform(0.4, 0.6), (area.floor + area.high) / 2 + 0.03, rng.uniform(0.36, 0.5)
    colours = rng.sample(ACCENTS, 2)
    area.pen.solid(
        [oval(x, y, rx, rx * 0.3, count=50)],
        mix(colours[0], WHITE, 0.2),
        ink=darker(colours[0], 0.25),
        width=0.008,
        depth=0.12,
    )
    for share, colour in (
        (0.82, lighter(colours[1], 0.4)),
        (0.72, mix(colours[0], WHITE, 0.2)),
        (0.4, lighter(colours[1], 0.4)),
    ):
        area.pen.fill(oval(x, y, rx * share, rx * 0.3 * share, count=44), colour)


def _window(area: Area, x: float, rng: Random) -> None:
    pen, (sky, low), tall = area.pen, rng.choice(SKIES), min(0.44, area.floor - 0.16)
    half, top = 0.15, max(0.05, area.floor - 0.2 - tall)
    frame = [(x - half, top), (x + half, top), (x + half, top + tall), (x - half, top + tall)]
    pen.fill(
        [
            (x - half - 0.02, top - 0.02),
            (x + half + 0.02, top - 0.02),
            (x + half + 0.02, top + tall + 0.02),
            (x - half - 0.02, top + tall + 0.02),
        ],
        WHITE,
    )
    pen.fill(frame, sky)
    pen.fill(
        [(x - half, top + tall * 0.62), (x + half, top + tall * 0.55), (x + half, top + tall), (x - half, top + tall)],
        rng.choice(GREENS),
    )
    pen.fill(oval(x - 0.05, top + tall * 0.25, 0.05, 0.02, count=16), low)
    pen.line([(x, top), (x, top + tall)], WHITE, 0.014)
    pen.line([(x - half, top + tall / 2), (x + half, top + tall / 2)], WHITE, 0.014)
    _curtains(pen, x, top, half, tall, lighter(rng.choice(ACCENTS), 0.25))


def _curtains(pen: Pen, x: float, top: float, half: float, tall: float, cloth: Colour) -> None:
    for side in (-1, 1):
        edge = x + side * (half + 0.05)
        drape = smooth(
            [
                (edge, top - 0.03),
                (edge - side * 0.12, top - 0.03),
                (edge - side * 0.09, top + tall * 0.5),
                (edge - side * 0.03, top + tall * 0.7),
                (edge - side * 0.07, top + tall + 0.08),
                (edge, top + tall + 0.08),
            ]
        )
        pen.solid([drape], cloth, ink=darker(cloth, 0.25), width=0.006, depth=0.35)
    pen.line([(x - half - 0.09, top - 0.035), (x + half + 0.09, top - 0.035)], darker(WOODS[1], 0.1), 0.014)


def _pictures(area: Area, x: float, rng: Random) -> None:
    for _ in range(rng.randint(1, 3)):
        w, h = rng.uniform(0.05, 0.09), rng.uniform(0.05, 0.09)
        px, py = x + rng.uniform(-0.16, 0.16), rng.uniform(0.12, max(0.2, area.floor - 0.25))
        box = [(px - w, py - h), (px + w, py - h), (px + w, py + h), (px - w, py + h)]
        area.pen.solid([smooth(box, steps=1)], rng.choice(WOODS), depth=0.3)
        inner = [(px + (a - px) * 0.78, py + (b - py) * 0.78) for a, b in box]
        area.pen.fill(inner, lighter(rng.choice(ACCENTS), 0.6))
        area.pen.fill(oval(px, py + h * 0.2, w * 0.4, h * 0.4, count=16), rng.choice(ACCENTS))


def _shelf(area: Area, x: float, rng: Random) -> None:
    y, wood = max(0.24, area.floor * rng.uniform(0.36, 0.5)), rng.choice(WOODS)
    at = x - 0.2
    while at < x + 0.16:
        w, h, colour = (
            rng.uniform(0.025, 0.05),
            rng.uniform(0.09, 0.16),
            mix(rng.choice(ACCENTS), (200, 190, 180), 0.25),
        )
        area.pen.fill([(at, y - h), (at + w, y - h), (at + w, y), (at, y)], colour)
        area.pen.line([(at, y - h * 0.75), (at + w, y - h * 0.75)], lighter(colour, 0.5), 0.008)
        at += w + rng.choice((0.003, 0.003, 0.05))
    area.pen.solid(
        [smooth([(x - 0.24, y), (x + 0.24, y), (x + 0.24, y + 0.03), (x - 0.24, y + 0.03)], steps=1)], wood, depth=0.3
    )


def _lamp(area: Area, x: float, rng: Random) -> None:
    shade, y = lighter(rng.choice(ACCENTS), 0.45), max(0.26, area.floor - 0.42)
    area.pen.line([(x, y), (x, area.floor + 0.03)], (110, 92, 84), 0.016)
    area.pen.fill(oval(x, area.floor + 0.035, 0.08, 0.02, count=20), (110, 92, 84))
    area.pen.solid(
        [smooth([(x - 0.07, y - 0.12), (x + 0.07, y - 0.12), (x + 0.12, y + 0.05), (x - 0.12, y + 0.05)], steps=1)],
        shade,
        ink=darker(shade, 0.3),
        width=0.006,
        depth=0.25,
    )
    area.pen.glow(x, y, 0.3, 0.3, (255, 240, 190), 0.6)


def _armchair(area: Area, x: float, rng: Random) -> None:
    cloth = mix(rng.choice(ACCENTS), (190, 170, 160), 0.25)
    place = area.pen.at(x, area.floor + 0.06, size=0.36)
    ink = darker(cloth, 0.45)
    place.solid(
        [smooth([(-0.5, -0.3), (-0.45, -1.0), (0.0, -1.12), (0.45, -1.0), (0.5, -0.3), (0.0, -0.2)])],
        cloth,
        ink=ink,
        width=0.02,
    )
    place.solid(
        [smooth([(-0.45, -0.48), (0.45, -0.48), (0.48, -0.08), (-0.48, -0.08)])],
        lighter(cloth, 0.15),
        ink=ink,
        width=0.02,
    )
    for side in (-1, 1):
        place.solid([tube([(side * 0.56, -0.52), (side * 0.56, -0.06)], (0.14, 0.12))], cloth, ink=ink, width=0.02)


def _pot(area: Area, x: float, rng: Random) -> None:
    clay, y = mix(rng.choice(ACCENTS), (200, 130, 100), 0.4), area.floor + 0.05
    leafy(area.pen, x, y - 0.12, rng.uniform(0.22, 0.34), rng.choice(GREENS), rng, spread=60)
    pot = smooth([(x - 0.085, y - 0.14), (x + 0.085, y - 0.14), (x + 0.06, y), (x - 0.06, y)], steps=1)
    area.pen.solid([pot, oval(x, y - 0.14, 0.095, 0.022)], clay, ink=darker(clay, 0.35), width=0.006)


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
