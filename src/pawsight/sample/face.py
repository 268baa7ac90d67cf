"""Eyes, noses, mouths and whiskers of cats and dogs, seen from the front or the side, in units of half a head."""

from __future__ import annotations

import math
from random import Random

from pawsight.sample.animal import Animal
from pawsight.sample.drawing import (
    BLUSH,
    NIGHT,
    TONGUE,
    WHITE,
    Pen,
    Points,
    brightness,
    darker,
    lighter,
    mix,
    oval,
    smooth,
)


def eye(pen: Pen, a: Animal, x: float, y: float, r: float, *, side: float, almond: float) -> None:
    """Draw one eye about (x, y), `r` high; `side` is -1 for the left one; `almond` slants and narrows it (0-1)."""
    if a.eyes in ("shut", "happy"):
        _closed_eye(pen, a, x, y, r)
        return
    place = pen.at(x, y, size=r * (1.12 if a.eyes == "wide" else 1.0), flip=side > 0)
    rim = _rim(almond)
    place.fill(rim * 1.16 + (0, -0.05), darker(a.coat.ink, 0.5))
    place.fill(rim, a.iris)
    place.fill(rim * (0.86, 0.5) + (0, 0.36), lighter(a.iris, 0.35))
    _pupil(place, a, flip=side > 0)
    if a.eyes == "sleepy":
        _lid(place, a, rim)


def _rim(almond: float) -> Points:
    round_eye = oval(0, 0, 0.98, 1.0, count=24)
    if not almond:
        return round_eye
    slanted = smooth(
        [(0.95, 0.38), (0.35, -0.62), (-0.45, -0.95), (-1.12, -0.45), (-1.0, 0.2), (-0.45, 0.82), (0.3, 0.82)], steps=4
    )
    whole = smooth([tuple(p) for p in slanted], steps=1)
    return whole if almond >= 0.5 else whole * (0.95, 1.05)


def _pupil(place: Pen, a: Animal, *, flip: bool) -> None:
    x, y = a.gaze[0] * 0.2 * (-1 if flip else 1), a.gaze[1] * 0.12
    place.fill(oval(x, y, max(0.16, a.pupil), 0.5 + 0.36 * min(1.0, a.pupil + 0.4), count=22), NIGHT)
    place.fill(oval(-0.30 if not flip else 0.30, -0.36, 0.27, 0.29, count=14), WHITE)
    place.fill(oval(0.28 if not flip else -0.28, 0.38, 0.13, 0.13, count=10), mix(WHITE, a.iris, 0.2))


def _lid(place: Pen, a: Animal, rim: Points) -> None:
    upper = rim[rim[:, 1] < 0.02]
    if len(upper) > 2:
        place.fill(upper * (1.14, 1.14), mix(a.coat.base, a.coat.ink, 0.25))
        place.line([(-1.1, 0.02), (1.1, 0.02)], a.coat.ink, 0.16)


def _closed_eye(pen: Pen, a: Animal, x: float, y: float, r: float) -> None:
    bend = -0.75 if a.eyes == "happy" else 0.6
    ink = a.coat.ink if brightness(a.coat.base) > 0.36 else lighter(a.coat.base, 0.45)
    pen.stroke(
        [(x - r, y), (x - 0.5 * r, y + bend * r * 0.8), (x + 0.5 * r, y + bend * r * 0.8), (x + r, y)], ink, 0.11
    )


def small_nose(pen: Pen, a: Animal, x: float, y: float, r: float) -> None:
    """Draw a cat's nose: a rounded triangle that points down."""
    shape = smooth([(-1, -0.5), (0, -0.66), (1, -0.5), (0.72, 0.12), (0.0, 0.72), (-0.72, 0.12)], steps=4) * r + (x, y)
    pen.fill(shape, a.coat.nose)
    pen.fill(oval(x - 0.3 * r, y - 0.3 * r, 0.26 * r, 0.14 * r, count=10), lighter(a.coat.nose, 0.45))


def big_nose(pen: Pen, a: Animal, x: float, y: float, r: float) -> None:
    """Draw a dog's nose: broad, with nostrils and a shine."""
    shape = smooth(
        [(-1.1, -0.3), (-0.6, -0.72), (0, -0.78), (0.6, -0.72), (1.1, -0.3), (0.78, 0.34), (0.0, 0.82), (-0.78, 0.34)],
        steps=4,
    )
    pen.fill(shape * r * 1.08 + (x, y), darker(a.coat.nose, 0.35))
    pen.fill(shape * r + (x, y), a.coat.nose)
    for side in (-1, 1):
        pen.fill(
            oval(x + side * 0.48 * r, y + 0.1 * r, 0.2 * r, 0.14 * r, turn=side * 30, count=12),
            darker(a.coat.nose, 0.6),
        )
    pen.fill(oval(x - 0.25 * r, y - 0.44 * r, 0.42 * r, 0.15 * r, count=14), lighter(a.coat.nose, 0.5))


def mouth(pen: Pen, a: Animal, x: float, y: float, wide: float, *, drop: float) -> None:
    """Draw the line below the nose and the two curves of a smile, with a tongue where the animal shows one."""
    ink, low = darker(a.coat.nose, 0.4), y + drop
    if a.tongue:
        _tongue(pen, x, low + 0.02, wide * 0.36)
    pen.line([(x, y), (x, low)], ink, 0.035)
    for side in (-1, 1):
        curve = [
            (x, low),
            (x + side * wide * 0.35, low + wide * 0.2),
            (x + side * wide * 0.75, low + wide * 0.12),
            (x + side * wide, low - wide * 0.12),
        ]
        pen.stroke(curve, ink, 0.062)


def _tongue(pen: Pen, x: float, y: float, r: float) -> None:
    shape = smooth(
        [(x - r, y), (x - 0.95 * r, y + 1.3 * r), (x, y + 2.0 * r), (x + 0.95 * r, y + 1.3 * r), (x + r, y)], steps=5
    )
    pen.solid([shape], TONGUE, ink=darker(TONGUE, 0.4), width=0.03, depth=0.3)
    pen.line([(x, y + 0.2 * r), (x, y + 1.25 * r)], darker(TONGUE, 0.22), 0.03)


def whiskers(pen: Pen, a: Animal, x: float, y: float, *, sides: tuple[int, ...], reach: float, rng: Random) -> None:
    """Draw a cat's whiskers and the dots they grow from."""
    colour = lighter(a.coat.pale, 0.6) if brightness(a.coat.base) < 0.62 else mix(a.coat.ink, a.coat.pale, 0.3)
    droop = rng.uniform(-0.05, 0.2)
    for side in sides:
        for row in (-1, 0, 1):
            start = (x + side * 0.26, y + row * 0.085)
            end = (x + side * (0.3 + reach), y + row * 0.26 + droop - 0.06)
            bend = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 - 0.09)
            pen.line(smooth([start, bend, end], closed=False, steps=5), colour, 0.022)
            pen.fill(oval(x + side * 0.2, y + row * 0.07, 0.022, 0.022, count=8), a.coat.detail)


def dots(pen: Pen, a: Animal, x: float, y: float, *, spread: float) -> None:
    """Draw the dots on a dog's lips and the few short hairs that grow from them."""
    colour = mix(a.coat.pale, a.coat.nose, 0.6)
    for side in (-1, 1):
        for angle in (-30, 25, 80):
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            place = (x + side * (spread + 0.07 * dx), y + 0.07 * dy)
            pen.fill(oval(*place, 0.02, 0.02, count=8), colour)
            pen.line([place, (place[0] + side * 0.17, place[1] + 0.05 * dy + 0.02)], colour, 0.012)


def cheeks(pen: Pen, x: float, y: float, apart: float) -> None:
    """Lay a soft blush on both cheeks."""
    for side in (-1, 1):
        pen.glow(x + side * apart, y, 0.26, 0.2, BLUSH, 0.42)
