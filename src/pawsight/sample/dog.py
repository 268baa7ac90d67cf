"""A dog's head: a muzzle that stands out, a big nose, floppy or pricked ears; eyes and mouths are in face.py.

The pen's unit is half a head's width, its origin mid-head.
"""

from __future__ import annotations

from random import Random

import numpy as np

from pawsight.sample.animal import Animal, face_marks, hairs, stripes
from pawsight.sample.drawing import (
    TONGUE,
    Colour,
    Controls,
    Mark,
    Pen,
    Points,
    darker,
    fluffy,
    lighter,
    mirrored,
    mix,
    oval,
    smooth,
)
from pawsight.sample.face import big_nose, cheeks, dots, eye, mouth

# The right ear, from its inner foot over the tip to its outer foot; a point given twice is a corner.
_EARS: dict[str, Controls] = {
    "long": (
        (0.48, -0.8),
        (0.86, -0.78),
        (1.12, -0.3),
        (1.2, 0.34),
        (1.02, 0.74),
        (0.8, 0.6),
        (0.74, 0.05),
        (0.6, -0.4),
    ),
    "button": ((0.4, -0.84), (0.8, -0.92), (1.12, -0.6), (1.2, -0.12), (1.06, 0.14), (0.86, 0.0), (0.66, -0.4)),
    "half": (
        (0.34, -0.74),
        (0.5, -1.14),
        (0.8, -1.24),
        (1.1, -1.02),
        (1.16, -0.62),
        (1.1, -0.56),
        (0.86, -0.74),
        (0.8, -0.42),
    ),
    "pricked": ((0.2, -0.7), (0.36, -1.2), (0.6, -1.62), (0.68, -1.62), (0.84, -1.2), (0.84, -0.44)),
    "bat": ((0.3, -0.7), (0.42, -1.2), (0.66, -1.5), (0.94, -1.42), (1.04, -1.0), (0.86, -0.4)),
    "rose": ((0.44, -0.76), (0.74, -0.98), (1.08, -0.86), (1.22, -0.56), (1.02, -0.46), (0.74, -0.42)),
}
_UPRIGHT = ("pricked", "bat")
_SKULL = ((0.0, -0.92), (0.4, -0.88), (0.74, -0.6), (0.84, -0.12), (0.8, 0.3), (0.6, 0.62), (0.3, 0.84), (0.0, 0.88))


def front(pen: Pen, a: Animal, rng: Random) -> None:
    """Draw the head seen from the front, turned a little by `a.turn`."""
    upright = a.ears in _UPRIGHT
    if upright:
        _both_ears(pen, a, back=False)
    _skull(pen, a, rng, face_marks(a.coat, rng, turn=a.turn))
    if not upright:
        _both_ears(pen, a, back=False)
    _face(pen, a, rng)


def back(pen: Pen, a: Animal, rng: Random) -> None:
    """Draw the head seen from behind."""
    outline = _skull(pen, a, rng, [])
    if a.coat.pattern == "tabby":
        pen.solid([outline], a.coat.base, marks=stripes(outline, a.coat.mark, rng, upward=0.3, length=0.2), depth=0.5)
    _both_ears(pen, a, back=True)


def _both_ears(pen: Pen, a: Animal, *, back: bool) -> None:
    for side in (-1, 1):
        _ear(pen, a, side, back=back)


def _ear_colour(a: Animal) -> Colour:
    if a.coat.pattern in ("points", "saddle", "patches"):
        return a.coat.mark
    return mix(a.coat.base, a.coat.ink, 0.2) if a.ears in ("long", "button", "rose") else a.coat.base


def _ear(pen: Pen, a: Animal, side: int, *, back: bool) -> None:
    grown = _grown(_EARS[a.ears], a.ear_size, side, a.turn)
    outline = smooth(grown)
    if a.ears == "long" and a.fluff > 0.3:
        outline = smooth(grown * (1.04, 1.1))
    pen.solid([outline], _ear_colour(a), ink=a.coat.ink, width=0.045, depth=0.5)
    if a.ears in _UPRIGHT and not back:
        middle = grown.mean(axis=0)
        pen.solid([smooth((grown - middle) * (0.58, 0.7) + middle + (0.0, 0.08))], a.coat.skin, depth=0.5)
    if a.ears == "half":
        _fold(pen, a, grown)


def _fold(pen: Pen, a: Animal, ear: Points) -> None:
    flap = smooth([ear[1], ear[2], ear[3], ear[4], ear[4], (ear[1] + ear[4]) / 2 + (0.0, 0.22)])
    pen.solid([flap], mix(_ear_colour(a), a.coat.ink, 0.16), ink=a.coat.ink, width=0.03, depth=0.4)


def _grown(ear: Controls, size: float, side: int, turn: float) -> Points:
    points = smooth(ear, steps=1)
    grown = (points - points[0]) * (size, size) + points[0]
    narrow = 1 - 0.14 * side * turn
    return np.asarray((grown * (narrow, 1.0) + (0.05 * side * turn, 0.0)) * (side, 1.0), dtype=np.float64)


def _skull(pen: Pen, a: Animal, rng: Random, marks: list[Mark]) -> Points:
    broad = 1.0 + 0.14 * (1 - a.muzzle)
    outline = smooth(mirrored(_SKULL), steps=5) * (broad, 1.0)
    if a.fluff > 0.3:
        outline = fluffy(outline, rng, height=0.13 * a.fluff, tufts=15)
    pen.solid([outline], a.coat.base, ink=a.coat.ink, width=0.045, marks=hairs(outline, a.coat, rng, count=26) + marks)
    return outline


def _face(pen: Pen, a: Animal, rng: Random) -> None:
    x, long = 0.34 * a.turn, a.muzzle
    cheeks(pen, x * 0.6, 0.3, 0.62)
    for side in (-1, 1):
        near = 1 - 0.12 * side * a.turn
        eye(pen, a, x * 0.7 + side * 0.38 * near, -0.16, 0.17 * near, side=side, almond=0.0)
        _brow(pen, a, x * 0.7 + side * 0.38 * near, -0.46, side)
    nose = 0.2 + 0.12 * long
    muzzle = a.coat.mark if a.coat.pattern == "points" else a.coat.pale
    if a.fluff > 0.5:
        _beard(pen, a, x * 1.1, muzzle, rng)
    _muzzle(pen, a, x, muzzle)
    mouth(pen, a, x * 1.15, nose + 0.12, 0.34, drop=0.16)
    dots(pen, a, x * 1.1, nose + 0.28, spread=0.26)
    big_nose(pen, a, x * 1.2, nose, 0.215)
    if a.fluff:
        _shag(pen, a, rng)


def _muzzle(pen: Pen, a: Animal, x: float, colour: Colour) -> None:
    wide, low = 0.58 - 0.16 * a.muzzle, 0.86 + 0.2 * a.muzzle
    bridge = smooth(
        [
            (x * 0.6 - 0.14, -0.1),
            (x * 0.6 + 0.14, -0.1),
            (x + wide * 0.7, 0.2),
            (x * 1.1 + wide, 0.55),
            (x * 1.1 + wide * 0.66, low - 0.06),
            (x * 1.1, low),
            (x * 1.1 - wide * 0.66, low - 0.06),
            (x * 1.1 - wide, 0.55),
            (x - wide * 0.7, 0.2),
        ]
    )
    pen.solid([bridge], colour, ink=mix(colour, a.coat.ink, 0.3), width=0.018, depth=0.48)


def _beard(pen: Pen, a: Animal, x: float, colour: Colour, rng: Random) -> None:
    """Draw the beard of a long-haired dog, which the muzzle half covers."""
    low = 0.66 + 0.2 * a.muzzle
    outline = fluffy(oval(x, low, 0.46, 0.3), rng, height=0.16, tufts=11) + np.array([0.0, 0.02])
    tips = smooth([(x - 0.3, low), (x - 0.2, low + 0.42), (x, low + 0.34), (x + 0.2, low + 0.44), (x + 0.3, low)])
    shade = mix(colour, a.coat.ink, 0.12)
    pen.solid([outline, tips], shade, ink=mix(colour, a.coat.ink, 0.5), width=0.022, depth=0.5)


def _shag(pen: Pen, a: Animal, rng: Random) -> None:
    """Draw the locks on the cheeks and brow of a long-haired dog."""
    dark = mix(a.coat.base, a.coat.ink, 0.45)
    for side in (-1, 1):
        for y in (-0.7, -0.1, 0.12, 0.34):
            start = (side * 0.5, y)
            pen.stroke([start, (side * 0.6, y + 0.06), (side * rng.uniform(0.64, 0.74), y + 0.18)], dark, 0.045)
    for at in (-0.14, 0.0, 0.14):
        pen.stroke([(at, -0.88), (at * 1.3, -0.74), (at * 1.6, -0.56 - rng.uniform(0, 0.1))], dark, 0.05)


def _brow(pen: Pen, a: Animal, x: float, y: float, side: int) -> None:
    spot = lighter(a.coat.base, 0.35)
    pen.fill(oval(x, y, 0.12, 0.055, turn=side * 16, count=16), spot)


def profile(pen: Pen, a: Animal, rng: Random) -> None:
    """Draw the head seen from its right side, looking right."""
    m = 0.15 + 0.6 * a.muzzle
    if a.ears in _UPRIGHT:
        _profile_ear(pen, a, shift=0.26, far=True)
    if a.tongue:
        _profile_tongue(pen, m)
    outline = smooth(
        [
            (-0.6, -0.74),
            (-0.05, -0.92),
            (0.4, -0.74),
            (0.62, -0.36),
            (0.9 + 0.5 * m, -0.2),
            (1.02 + m, -0.16),
            (1.14 + m, 0.06),
            (1.06 + m, 0.36),
            (0.8 + 0.6 * m, 0.54),
            (0.4, 0.66),
            (-0.1, 0.82),
            (-0.66, 0.66),
            (-0.96, 0.2),
            (-0.92, -0.36),
        ]
    )
    if a.fluff > 0.3:
        outline = fluffy(outline, rng, height=0.07 * a.fluff, tufts=18)
    dark = a.coat.pattern == "points"
    snout = (oval(0.95 + 0.7 * m, 0.3, 0.5 + 0.35 * m, 0.34, turn=4), a.coat.mark if dark else a.coat.pale)
    marks = [*(stripes(outline, a.coat.mark, rng, upward=0.1, length=0.13) if a.coat.pattern == "tabby" else [])]
    pen.solid(
        [outline],
        a.coat.base,
        ink=a.coat.ink,
        width=0.045,
        marks=[*hairs(outline, a.coat, rng, count=26), snout, *marks],
    )
    pen.stroke(
        [(1.02 + m, 0.26), (0.86 + 0.6 * m, 0.36), (0.6 + 0.2 * m, 0.34), (0.48, 0.22)], darker(a.coat.nose, 0.4), 0.065
    )
    eye(pen, a, 0.36, -0.26, 0.165, side=1, almond=0.0)
    pen.solid(
        [oval(1.06 + m, -0.06, 0.17, 0.15, turn=15)], a.coat.nose, ink=darker(a.coat.nose, 0.4), width=0.03, depth=0.5
    )
    _profile_ear(pen, a, shift=0.0, far=False)


def _profile_tongue(pen: Pen, m: float) -> None:
    x = 0.82 + 0.6 * m
    shape = smooth([(x - 0.16, 0.3), (x - 0.14, 0.78), (x + 0.04, 0.92), (x + 0.18, 0.74), (x + 0.18, 0.3)])
    pen.solid([shape], TONGUE, ink=darker(TONGUE, 0.4), width=0.03, depth=0.4)


_PROFILE_EARS: dict[str, Controls] = {
    "long": ((-0.34, -0.72), (0.02, -0.6), (0.1, 0.0), (-0.02, 0.6), (-0.3, 0.78), (-0.56, 0.5), (-0.6, -0.2)),
    "button": ((-0.38, -0.8), (0.02, -0.72), (0.2, -0.28), (0.14, 0.02), (-0.14, -0.02), (-0.5, -0.3)),
    "half": ((-0.5, -0.6), (-0.42, -1.1), (-0.12, -1.22), (0.2, -1.0), (0.3, -0.66), (0.04, -0.72), (0.0, -0.5)),
    "pricked": ((-0.56, -0.5), (-0.44, -1.15), (-0.2, -1.62), (-0.12, -1.6), (0.06, -1.1), (0.1, -0.62)),
    "bat": ((-0.56, -0.5), (-0.52, -1.1), (-0.3, -1.46), (-0.04, -1.4), (0.12, -1.0), (0.1, -0.6)),
    "rose": ((-0.3, -0.66), (-0.5, -0.84), (-0.84, -0.78), (-0.98, -0.5), (-0.7, -0.36), (-0.3, -0.36)),
}


def _profile_ear(pen: Pen, a: Animal, *, shift: float, far: bool) -> None:
    points = smooth(_PROFILE_EARS[a.ears]) * (1.0, a.ear_size) + (shift, 0.0)
    colour = mix(_ear_colour(a), a.coat.ink, 0.3 if far else 0.06)
    pen.solid([points], colour, ink=a.coat.ink, width=0.045, depth=0.5)
    if a.ears in _UPRIGHT and not far:
        middle = points.mean(axis=0)
        pen.solid([(points - middle) * (0.5, 0.66) + middle + (0.05, 0.08)], a.coat.skin, depth=0.4)
