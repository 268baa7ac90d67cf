"""A cat's head: short flat muzzle, upright or folded ears, slit eyes, whiskers; eyes and mouths are in face.py.

The pen's unit is half a head's width, its origin mid-head.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np

from pawsight.sample.animal import Animal, face_marks, hairs, pale_patch, stripes
from pawsight.sample.drawing import Controls, Mark, Pen, Points, darker, fluffy, lighter, mirrored, mix, oval, smooth
from pawsight.sample.face import cheeks, eye, mouth, small_nose, whiskers

# The right ear, from its inner foot over the tip to its outer foot; a point given twice is a corner.
_EARS: dict[str, Controls] = {
    "pointed": ((0.16, -0.66), (0.42, -1.12), (0.78, -1.5), (0.78, -1.5), (0.93, -1.0), (0.92, -0.3)),
    "large": ((0.16, -0.62), (0.5, -1.25), (1.02, -1.72), (1.02, -1.72), (1.12, -1.05), (0.98, -0.18)),
    "rounded": ((0.24, -0.68), (0.44, -1.02), (0.66, -1.22), (0.84, -1.16), (0.94, -0.84), (0.92, -0.3)),
    "folded": ((0.26, -0.7), (0.5, -0.96), (0.78, -0.9), (0.92, -0.62), (0.9, -0.34), (0.55, -0.5)),
    "tufted": ((0.14, -0.66), (0.48, -1.15), (0.84, -1.62), (0.84, -1.62), (0.9, -1.0), (0.92, -0.3)),
}
_SKULL = ((0.0, -0.84), (0.42, -0.8), (0.8, -0.5), (0.99, 0.02), (0.93, 0.42), (0.62, 0.74), (0.26, 0.87), (0.0, 0.88))


def front(pen: Pen, a: Animal, rng: Random) -> None:
    """Draw the head seen from the front, turned a little by `a.turn`."""
    for side in (-1, 1):
        _ear(pen, a, side, back=False)
    _skull(pen, a, rng, face_marks(a.coat, rng, turn=a.turn))
    _face(pen, a, rng)


def back(pen: Pen, a: Animal, rng: Random) -> None:
    """Draw the head seen from behind."""
    outline = _skull(pen, replace(a, coat=replace(a.coat, pale=a.coat.base)), rng, [])
    if a.coat.pattern == "tabby":
        pen.solid([outline], a.coat.base, marks=stripes(outline, a.coat.mark, rng, upward=0.3, length=0.2), depth=0.5)
    for side in (-1, 1):
        _ear(pen, a, side, back=True)


def _ear(pen: Pen, a: Animal, side: int, *, back: bool) -> None:
    grown = _grown(_EARS[a.ears], a.ear_size, side, a.turn)
    colour = a.coat.mark if a.coat.pattern in ("points", "saddle") else a.coat.base
    pen.solid([smooth(grown)], colour, ink=a.coat.ink, width=0.045, depth=0.4)
    if back or a.ears == "folded":
        return
    middle = grown.mean(axis=0)
    inner = (grown - middle) * (0.62, 0.68) + middle + (0.0, 0.07)
    pen.solid([smooth(inner)], a.coat.skin, depth=0.5)
    for lean in (-0.1, 0.06):
        foot = (middle[0] + lean, middle[1] + 0.34)
        pen.stroke(
            [foot, (foot[0] + side * 0.02, foot[1] - 0.28), (foot[0] + side * 0.1, foot[1] - 0.5)], a.coat.pale, 0.07
        )
    if a.ears == "tufted":
        tip = grown[2]
        pen.stroke(
            [(tip[0], tip[1] + 0.1), (tip[0] + side * 0.02, tip[1] - 0.1), (tip[0] + side * 0.09, tip[1] - 0.26)],
            a.coat.ink,
            0.08,
        )


def _grown(ear: Controls, size: float, side: int, turn: float) -> Points:
    points = smooth(ear, steps=1)
    foot = (points[0] + points[-1]) / 2
    grown = (points - foot) * (1.0, size) + foot
    # A turned head shows its near ear broad and its far ear narrow.
    narrow = 1 - 0.16 * side * turn
    return np.asarray((grown * (narrow, 1.0) + (0.06 * side * turn, 0.0)) * (side, 1.0), dtype=np.float64)


def _skull(pen: Pen, a: Animal, rng: Random, marks: list[Mark]) -> Points:
    outline = smooth(mirrored(_SKULL), steps=5) * (1.0 + 0.06 * (a.girth - 1), 1.0)
    if a.fluff > 0.3:
        outline = fluffy(outline, rng, height=0.13 * a.fluff, tufts=15)
    pale = (
        [pale_patch(0.3 * a.turn, 0.72, 0.62, 0.4, mix(a.coat.base, a.coat.pale, 0.55))]
        if a.coat.pattern != "points"
        else []
    )
    pen.solid([outline], a.coat.base, ink=a.coat.ink, width=0.045, marks=hairs(outline, a.coat, rng) + pale + marks)
    return outline


def _face(pen: Pen, a: Animal, rng: Random) -> None:
    x, muzzle = 0.3 * a.turn, a.coat.pale if a.coat.pattern != "points" else lighter(a.coat.mark, 0.18)
    cheeks(pen, x * 0.7, 0.38, 0.6)
    for side in (-1, 1):
        near = 1 - 0.12 * side * a.turn
        eye(pen, a, x * 0.8 + side * 0.43 * near, -0.02, 0.235 * near, side=side, almond=1.0)
    pads = [oval(x + side * 0.19, 0.49, 0.25, 0.19, turn=side * 14) for side in (-1, 1)]
    pen.solid([*pads, oval(x, 0.66, 0.17, 0.12)], muzzle, depth=0.32)
    mouth(pen, a, x, 0.42, 0.27, drop=0.1)
    small_nose(pen, a, x, 0.36, 0.115)
    whiskers(pen, a, x, 0.5, sides=(-1, 1), reach=0.72, rng=rng)


def profile(pen: Pen, a: Animal, rng: Random) -> None:
    """Draw the head seen from its right side, looking right."""
    _profile_ear(pen, a, shift=0.34, far=True)
    chin = 0.06 * a.muzzle
    outline = smooth(
        [
            (-0.5, -0.76),
            (0.1, -0.9),
            (0.52, -0.68),
            (0.78, -0.24),
            (1.0 + chin, 0.04),
            (1.04 + chin, 0.22),
            (0.94, 0.44),
            (0.72, 0.62),
            (0.25, 0.76),
            (-0.35, 0.8),
            (-0.86, 0.48),
            (-1.0, -0.1),
            (-0.82, -0.55),
        ]
    )
    if a.fluff > 0.3:
        outline = fluffy(outline, rng, height=0.09 * a.fluff, tufts=16)
    marks = [*(stripes(outline, a.coat.mark, rng, upward=0.1, length=0.18) if a.coat.pattern == "tabby" else [])]
    dark = a.coat.pattern == "points"
    snout = (oval(0.92, 0.34, 0.46, 0.36, turn=-12), a.coat.mark if dark else a.coat.pale)
    pen.solid([outline], a.coat.base, ink=a.coat.ink, width=0.045, marks=[*hairs(outline, a.coat, rng), snout, *marks])
    _profile_ear(pen, a, shift=0.0, far=False)
    eye(pen, a, 0.5, -0.14, 0.2, side=1, almond=1.0)
    small_nose(pen, a, 1.0 + chin, 0.1, 0.1)
    pen.stroke([(1.0, 0.28), (0.86, 0.36), (0.66, 0.34)], darker(a.coat.nose, 0.4), 0.06)
    whiskers(pen, a, 0.5, 0.36, sides=(1,), reach=0.66, rng=rng)
    whiskers(pen, a, 0.86, 0.36, sides=(-1,), reach=0.7, rng=rng)


def _profile_ear(pen: Pen, a: Animal, *, shift: float, far: bool) -> None:
    height = {"large": 1.75, "rounded": 1.24, "folded": 1.0}.get(a.ears, 1.5) * a.ear_size
    tip = (-0.02 + shift, -height)
    corner = [tip, tip] if a.ears != "rounded" else [(tip[0] - 0.12, tip[1] + 0.03), (tip[0] + 0.1, tip[1] + 0.06)]
    points = smooth(
        [
            (-0.52 + shift, -0.5),
            (-0.36 + shift, -0.5 - 0.55 * (height - 0.5)),
            *corner,
            (0.2 + shift, -1.0),
            (0.24 + shift, -0.62),
        ]
    )
    colour = mix(a.coat.base, a.coat.ink, 0.25) if far else a.coat.base
    pen.solid([points], a.coat.mark if a.coat.pattern == "points" else colour, ink=a.coat.ink, width=0.045, depth=0.4)
    if not far and a.ears != "folded":
        middle = points.mean(axis=0)
        pen.solid([(points - middle) * (0.5, 0.62) + middle + (0.05, 0.06)], a.coat.skin, depth=0.4)
