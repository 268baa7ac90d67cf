"""Rooms and studios to stand before.

Enters: an `Area` and a random source. Leaves: pixels. Does not know: animals.
"""

from __future__ import annotations

import math
from random import Random

from pawsight.sample.curves import oval, smooth
from pawsight.sample.ground import Area, gradient, leafy, sprinkled
from pawsight.sample.palette import ACCENTS, GREENS, SKIES, WALLS, WHITE, WOODS, Colour, darker, lighter, mix
from pawsight.sample.pen import Pen, tube


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
