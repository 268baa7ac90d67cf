"""Animals in nine poses: a body, legs, paws, tail and collar in their places, and where the head goes.

The pen's unit is about the animal's height, its origin on the ground between the feet. Animals seen from the side look
to the right; the pen may be flipped. Heads are in cat.py and dog.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np

from pawsight.sample import cat, dog
from pawsight.sample.animal import Animal, body_marks, pale_patch, sock, stripes, tail_tip
from pawsight.sample.drawing import (
    Colour,
    Controls,
    Mark,
    Pen,
    Points,
    Shape,
    Tube,
    darker,
    fluffy,
    lighter,
    mirrored,
    mix,
    oval,
    smooth,
    tube,
)

# Width and height that a pose takes, with ears and tail, in the animal's units.
EXTENT: dict[str, tuple[float, float]] = {
    "sit-front": (0.9, 1.12),
    "sit-side": (1.14, 1.12),
    "stand": (1.46, 1.0),
    "lie": (1.4, 0.82),
    "loaf": (1.0, 0.86),
    "curl": (1.0, 0.62),
    "portrait": (1.0, 0.95),
    "peek": (0.9, 0.72),
    "back": (0.9, 1.1),
}


def animal(pen: Pen, a: Animal, rng: Random) -> None:
    """Draw the whole animal."""
    _POSES[a.pose](pen, a, rng)


def _sit_front(pen: Pen, a: Animal, rng: Random) -> None:
    g, tall = a.girth, 0.04 * (a.leg - 1) if a.kind == "dogs" else 0.0
    tail(pen, a, -0.2 * g, -0.06, low=True, rng=rng)
    half = (
        (0.0, -0.64 - tall),
        (0.13 * g, -0.58),
        (0.19 * g, -0.42),
        (0.235 * g, -0.24),
        (0.27 * g, -0.08),
        (0.2 * g, 0.0),
        (0.0, 0.01),
    )
    body(pen, a, mirrored(half), rng, extra=[pale_patch(0, -0.34, 0.13 * g, 0.24, a.coat.pale)])
    for side in (-1, 1):
        haunch(pen, a, side * 0.205 * g, -0.13, 0.095, 0.125, rng, turn=side * -14)
        paw(pen, a, side * 0.225 * g, -0.02, facing=side, size=1.1)
    spread = 0.085 if a.kind == "cats" else 0.105 * g
    for side in (-1, 1):
        leg(
            pen,
            a,
            [(side * (spread + 0.02), -0.36), (side * (spread + 0.005), -0.2), (side * spread, -0.035)],
            (0.062, 0.054, 0.047),
            facing=0,
        )
    collar(pen, a, 0, -0.5 - tall, 0.16 * g)
    head(pen, a, 0.0, -0.72 - tall, 0.255, rng)


def _sit_side(pen: Pen, a: Animal, rng: Random) -> None:
    g = a.girth
    tail(pen, a, -0.26, -0.06, low=True, rng=rng)
    leg(pen, a, [(0.2, -0.36), (0.235, -0.2), (0.245, -0.035)], (0.06, 0.048, 0.042), far=True)
    outline = [
        (0.06, -0.7),
        (0.2, -0.56),
        (0.215 + 0.04 * g, -0.4),
        (0.2, -0.2),
        (0.1, -0.04),
        (-0.1, 0.01),
        (-0.28, -0.02),
        (-0.31 * g, -0.16),
        (-0.24 * g, -0.36),
        (-0.1 * g, -0.56),
    ]
    body(pen, a, outline, rng, extra=[pale_patch(0.24, -0.4, 0.1, 0.2, a.coat.pale)])
    leg(pen, a, [(0.13, -0.36), (0.155, -0.2), (0.16, -0.035)], (0.068, 0.054, 0.045))
    paw(pen, a, 0.02, -0.025, facing=1, size=1.15)
    haunch(pen, a, -0.13, -0.16, 0.165, 0.14, rng, turn=-20)
    collar(pen, a, 0.125, -0.53, 0.145, turn=-16)
    head(pen, a, 0.12 + (0.02 if a.view == "profile" else 0), -0.75, 0.235, rng, tilt=2)


def _stand(pen: Pen, a: Animal, rng: Random) -> None:
    high, g = 0.3 * a.leg, a.girth
    top, belly = -high - 0.27, -high - 0.27 + 0.27 * (0.8 + 0.3 * g)
    tail(pen, a, -0.36, top + 0.08, low=False, rng=rng)
    step = rng.uniform(-0.07, 0.07)
    thick = (0.07, 0.05, 0.042) if a.kind == "dogs" else (0.06, 0.043, 0.038)
    leg(pen, a, [(-0.22, belly - 0.08), (-0.26 - step, -high * 0.5), (-0.24 - step, -0.035)], thick, far=True)
    leg(pen, a, [(0.2, belly - 0.08), (0.22 + step, -high * 0.5), (0.24 + step, -0.035)], thick, far=True)
    tuck = belly - (0.06 if a.kind == "dogs" else 0.015)
    outline = [
        (0.34, top + 0.02),
        (0.39, top + 0.14),
        (0.3, belly - 0.01),
        (0.05, belly - 0.01),
        (-0.18, tuck),
        (-0.34, belly - 0.06),
        (-0.39, top + 0.12),
        (-0.3, top + 0.01),
        (0.0, top + 0.03 * (a.kind == "cats")),
    ]
    neck = tube([(0.26, top + 0.12), (0.36, top - 0.04), (0.42, top - 0.12)], (0.13, 0.105, 0.1))
    body(pen, a, outline, rng, extra=[pale_patch(0.04, belly, 0.3, 0.07, a.coat.pale)], more=(neck,))
    hind = [(-0.27, top + 0.15), (-0.29, belly - 0.05), (-0.35 + step, -high * 0.5), (-0.32 + step, -0.035)]
    leg(pen, a, hind, (0.105, 0.09, thick[1], thick[2]), bare=0.42)
    fore = [(0.27, top + 0.16), (0.29, belly - 0.02), (0.29 - step, -high * 0.5), (0.29 - step, -0.035)]
    leg(pen, a, fore, (0.085, thick[0], thick[1], thick[2]), bare=0.42)
    collar(pen, a, 0.385, top - 0.02, 0.115, turn=-32)
    head(pen, a, 0.46, top - 0.2, 0.19, rng)


def _lie(pen: Pen, a: Animal, rng: Random) -> None:
    tail(pen, a, -0.42, -0.06, low=True, rng=rng)
    leg(pen, a, [(0.2, -0.12), (0.34, -0.06), (0.5, -0.045)], (0.06, 0.05, 0.043), far=True)
    outline = [
        (0.22, -0.46),
        (0.34, -0.3),
        (0.32, -0.1),
        (0.2, 0.0),
        (-0.2, 0.01),
        (-0.44, -0.02),
        (-0.5, -0.14),
        (-0.42, -0.27),
        (-0.2, -0.32 * a.girth),
        (0.06, -0.36),
    ]
    body(pen, a, outline, rng, extra=[pale_patch(0.32, -0.24, 0.1, 0.16, a.coat.pale)])
    haunch(pen, a, -0.28, -0.14, 0.165, 0.125, rng, turn=-12)
    paw(pen, a, -0.14, -0.025, facing=1, size=1.2)
    leg(pen, a, [(0.16, -0.16), (0.2, -0.06), (0.42, -0.04)], (0.075, 0.058, 0.046))
    collar(pen, a, 0.285, -0.345, 0.14, turn=-14)
    head(pen, a, 0.29, -0.54, 0.225, rng)


def _loaf(pen: Pen, a: Animal, rng: Random) -> None:
    g = a.girth
    tail(pen, a, -0.34 * g, -0.05, low=True, rng=rng)
    half = ((0.0, -0.46), (0.2 * g, -0.43), (0.34 * g, -0.3), (0.4 * g, -0.12), (0.34 * g, 0.0), (0.0, 0.01))
    body(pen, a, mirrored(half), rng, extra=[pale_patch(0, -0.16, 0.16, 0.16, a.coat.pale)])
    for side in (-1, 1):
        if a.kind == "dogs":
            leg(
                pen,
                a,
                [(side * 0.15, -0.14), (side * 0.16, -0.06), (side * 0.15, -0.02)],
                (0.06, 0.055, 0.05),
                facing=0,
            )
        else:
            paw(pen, a, side * 0.1, -0.02, size=1.15)
    collar(pen, a, 0, -0.24, 0.19)
    head(pen, a, 0.0, -0.46, 0.265, rng)


def _curl(pen: Pen, a: Animal, rng: Random) -> None:
    thick = 0.23 * a.girth
    body(pen, a, oval(0.0, 0.01 - thick, 0.43, thick, count=12), rng)
    haunch(pen, a, -0.22, -0.16, 0.17, 0.13, rng)
    head(pen, a, 0.2, -0.19, 0.2, rng, tilt=14)
    paw(pen, a, 0.04, -0.025, facing=1, size=1.1)
    limb = tube([(-0.42, -0.1), (-0.36, -0.03), (-0.16, -0.005), (0.02, -0.03)], (0.03, 0.04, 0.042, 0.026))
    if a.tail != "stub":
        pen.solid([limb], a.coat.base, ink=a.coat.ink, width=INK, depth=0.4)


def _portrait(pen: Pen, a: Animal, rng: Random) -> None:
    g = a.girth
    half = (
        (0.0, -0.52),
        (0.2 * g, -0.4),
        (0.3 * g, -0.18),
        (0.4 * g, 0.0),
        (0.46 * g, 0.3),
        (0.4 * g, 0.6),
        (0.0, 0.66),
    )
    body(pen, a, mirrored(half), rng, extra=[pale_patch(0.03 * a.turn, 0.1, 0.2, 0.36, a.coat.pale)])
    collar(pen, a, 0.02 * a.turn, -0.09, 0.29 * g)
    head(pen, a, 0.0, -0.42, 0.38, rng)


def _peek(pen: Pen, a: Animal, rng: Random) -> None:
    half = ((0.0, -0.3), (0.18, -0.26), (0.25, 0.0), (0.26, 0.3), (0.0, 0.32))
    body(pen, a, mirrored(half), rng, extra=[pale_patch(0, 0.02, 0.12, 0.2, a.coat.pale)])
    collar(pen, a, 0, -0.07, 0.2)
    head(pen, a, 0.0, -0.3, 0.29, rng)


def _back(pen: Pen, a: Animal, rng: Random) -> None:
    g = a.girth
    half = (
        (0.0, -0.64),
        (0.13 * g, -0.58),
        (0.19 * g, -0.42),
        (0.25 * g, -0.24),
        (0.29 * g, -0.08),
        (0.22 * g, 0.0),
        (0.0, 0.01),
    )
    body(pen, a, mirrored(half), rng)
    pen.stroke([(0, -0.5), (0.01, -0.34), (-0.01, -0.16)], a.coat.detail, 0.008)
    for side in (-1, 1):
        pen.stroke([(side * 0.2 * g, -0.27), (side * 0.13 * g, -0.16), (side * 0.17 * g, -0.03)], a.coat.detail, 0.009)
    collar(pen, a, 0, -0.52, 0.16 * g)
    tail(pen, a, -0.02, -0.05, low=a.tail not in ("hook", "curled", "wag"), rng=rng)
    head(pen, a, 0.0, -0.7, 0.245, rng)


_POSES: dict[str, Callable[[Pen, Animal, Random], None]] = {
    "sit-front": _sit_front,
    "sit-side": _sit_side,
    "stand": _stand,
    "lie": _lie,
    "loaf": _loaf,
    "curl": _curl,
    "portrait": _portrait,
    "peek": _peek,
    "back": _back,
}


_SHADE: Colour = (44, 34, 60)


def head(pen: Pen, a: Animal, x: float, y: float, size: float, rng: Random, *, tilt: float = 0.0) -> None:
    """Draw the animal's head about (x, y), `size` units from its middle to its cheek."""
    species = cat if a.kind == "cats" else dog
    views = {"front": species.front, "profile": species.profile, "back": species.back}
    views[a.view](pen.at(x, y, size=size, turn=a.tilt + tilt), a, rng)


def body(
    pen: Pen,
    a: Animal,
    outline: Controls | Points,
    rng: Random,
    *,
    extra: list[Mark] | None = None,
    more: tuple[Shape, ...] = (),
) -> Points:
    """Draw a body with the coat's pattern on it and `extra` marks under that, and return its outline.

    It is melted with `more` shapes, such as a neck.
    """
    skin = smooth(outline)
    if a.fluff > 0.3:
        skin = fluffy(skin, rng, height=0.05 * a.fluff, tufts=20)
    pen.solid(
        [skin, *more],
        a.coat.base,
        ink=a.coat.ink,
        width=INK,
        marks=[*(extra or []), *body_marks(skin, a.coat, rng)],
        depth=0.55,
    )
    return skin


def haunch(pen: Pen, a: Animal, x: float, y: float, rx: float, ry: float, rng: Random, *, turn: float = 0.0) -> None:
    """Draw the rounding of a thigh."""
    shape = oval(x, y, rx, ry, turn=turn)
    marks = stripes(shape, a.coat.mark, rng, upward=-0.4, length=0.3) if a.coat.pattern == "tabby" else []
    pen.solid([shape], a.coat.base, ink=a.coat.detail, width=0.007, marks=marks, depth=0.5)


def shadow(pen: Pen, x: float, y: float, wide: float, high: float) -> None:
    """Lay the shadow of an animal on the ground: broad and faint, and dark close to where it touches."""
    pen.glow(x, y, 0.52 * wide, 0.09 * high, _SHADE, 0.42)
    pen.glow(x, y - 0.005 * high, 0.4 * wide, 0.04 * high, _SHADE, 0.42)


INK = 0.011  # width of the outline round a body


def fur(a: Animal, *, far: bool = False) -> Colour:
    """Return the colour of a limb; those on the far side lie in the shade."""
    return mix(a.coat.base, a.coat.ink, 0.28) if far else a.coat.base


def leg(
    pen: Pen,
    a: Animal,
    spine: Controls,
    radii: Sequence[float],
    *,
    far: bool = False,
    facing: int = 1,
    bare: float = 0.45,
) -> None:
    """Draw a leg along `spine`, the first `bare` of it without an outline.

    The paw at its end points right (1), left (-1) or at the viewer (0).
    """
    limb = line, thickness = tube(spine, radii)
    x, y = line[-1]
    paw = _paw_outline(a, float(x), float(y), facing)
    colour = sock(a.coat)
    marks = []
    if colour is not None:
        height = float(np.ptp(line[:, 1])) * 0.4 + 0.04
        marks = [(oval(float(x), float(y), 0.16, height), mix(colour, a.coat.ink, 0.28) if far else colour)]
    elif a.coat.pattern == "tabby":
        marks = _bands(limb, a.coat.mark)
    # Without ink round its upper end a leg grows out of the body instead of being hung on it.
    start = 0 if far else int(len(line) * bare)
    lower = (line[start:], thickness[start:])
    pen.solid([limb, paw], fur(a, far=far), ink=a.coat.ink, width=INK, marks=marks, depth=0.42, inked=[lower, paw])
    _toes(pen, a, float(x), float(y), facing)


def paw(pen: Pen, a: Animal, x: float, y: float, *, facing: int = 0, size: float = 1.0) -> None:
    """Draw a paw by itself, its middle at (x, y)."""
    place = pen.at(x, y, size=size)
    place.solid([_paw_outline(a, 0.0, 0.0, facing)], sock(a.coat) or a.coat.base, ink=a.coat.ink, width=INK, depth=0.4)
    _toes(place, a, 0.0, 0.0, facing)


def _paw_outline(a: Animal, x: float, y: float, facing: int) -> Points:
    grown = 1.0 if a.kind == "cats" else 1.16
    return oval(x + 0.03 * facing, y + 0.008, 0.066 * grown, 0.043 * grown)


def _toes(pen: Pen, a: Animal, x: float, y: float, facing: int) -> None:
    colour = a.coat.detail if sock(a.coat) is None else mix(sock(a.coat) or a.coat.base, a.coat.ink, 0.5)
    for step in (-0.5, 0.5):
        at = x + 0.05 * facing + step * 0.042
        pen.stroke([(at, y + 0.004), (at + 0.004 * facing, y + 0.02), (at, y + 0.04)], colour, 0.010)


def _bands(limb: Tube, colour: Colour) -> list[Mark]:
    (line, radii), found = limb, []
    for share in (0.35, 0.55, 0.75):
        (x, y), r = line[int(share * (len(line) - 1))], float(radii.mean())
        found.append((smooth([(x - r * 1.3, y), (x, y + 0.016), (x + r * 0.4, y), (x, y - 0.006)], steps=3), colour))
    return found


def tail(pen: Pen, a: Animal, x: float, y: float, *, low: bool, rng: Random) -> None:
    """Draw a tail that starts at (x, y) and goes left; `low` keeps it on the ground."""
    shape = _low_tail(a.tail) if low else _TAILS[a.tail]
    sway = rng.uniform(0.9, 1.12)
    spine = [(x + dx * sway, y + dy * sway) for dx, dy in shape]
    limb = tube(spine, _thickness(a))
    coat = a.coat
    marks = _rings(limb, coat.mark) if coat.pattern == "tabby" else []
    tip = tail_tip(coat)
    if tip is not None:
        end = limb[0][-max(3, len(limb[0]) // 4) :]
        middle = end.mean(axis=0)
        marks = [*marks, (oval(float(middle[0]), float(middle[1]), 0.11, 0.11), tip)]
    if a.tail in ("bushy", "plume"):
        _bush(pen, a, limb, marks, rng)
        return
    pen.solid([limb], coat.base, ink=coat.ink, width=INK, marks=marks, depth=0.4)


# Where tails go from their root, raised or lying on the ground.
_TAILS: dict[str, Controls] = {
    "long": ((0.04, 0.02), (-0.14, -0.02), (-0.24, -0.18), (-0.22, -0.38), (-0.3, -0.5)),
    "hook": ((0.04, 0.02), (-0.1, -0.1), (-0.14, -0.32), (-0.08, -0.5), (0.03, -0.52), (0.05, -0.44)),
    "wave": ((0.04, 0.02), (-0.14, 0.06), (-0.26, 0.0), (-0.34, -0.14), (-0.46, -0.16)),
    "bushy": ((0.04, 0.02), (-0.12, -0.06), (-0.22, -0.22), (-0.2, -0.42)),
    "whip": ((0.04, 0.02), (-0.12, 0.0), (-0.24, -0.1), (-0.32, -0.24)),
    "plume": ((0.04, 0.02), (-0.12, -0.04), (-0.24, -0.14), (-0.28, -0.3)),
    "curled": ((0.05, 0.03), (-0.04, -0.12), (0.02, -0.24), (0.14, -0.22), (0.16, -0.12)),
    "stub": ((0.04, 0.02), (-0.04, -0.04), (-0.07, -0.08)),
    "wag": ((0.04, 0.02), (-0.06, -0.1), (-0.1, -0.22), (-0.06, -0.32)),
}


def _low_tail(kind: str) -> Controls:
    if kind in ("stub", "curled", "wag"):
        return _TAILS[kind] if kind != "wag" else ((0.05, 0.0), (-0.08, -0.03), (-0.16, -0.12), (-0.18, -0.2))
    if kind in ("whip", "plume"):
        return ((0.06, 0.0), (-0.1, 0.01), (-0.2, 0.0), (-0.3, -0.06))
    if kind == "hook":
        return ((0.06, 0.0), (-0.1, 0.01), (-0.22, -0.03), (-0.26, -0.14), (-0.18, -0.2), (-0.12, -0.16))
    return ((0.06, 0.0), (-0.1, 0.02), (-0.22, 0.01), (-0.34, -0.02), (-0.42, -0.09))


def _thickness(a: Animal) -> tuple[float, ...]:
    if a.tail in ("bushy", "plume"):
        return (0.035, 0.06, 0.07, 0.062, 0.02)
    thick = {"long": 0.03, "hook": 0.03, "wave": 0.032, "curled": 0.052, "stub": 0.045}.get(a.tail, 0.034)
    thick *= 1 + 0.3 * a.fluff
    return (thick * 1.15, thick, thick, thick * (0.9 if a.kind == "cats" else 0.45))


def _rings(limb: Tube, colour: Colour) -> list[Mark]:
    (line, radii), found = limb, []
    for share in (0.25, 0.42, 0.59, 0.76, 0.93):
        (x, y), r = line[int(share * (len(line) - 1))], float(radii.max())
        found.append((oval(float(x), float(y), r * 1.5, r * 0.42, turn=30, count=12), colour))
    return found


def _bush(pen: Pen, a: Animal, limb: Tube, marks: list[Mark], rng: Random) -> None:
    (line, radii), sides = limb, []
    for sign in (1, -1):
        along = np.gradient(line, axis=0)
        normal = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.maximum(
            np.linalg.norm(along, axis=1, keepdims=True), 1e-9
        )
        sides.append(line + sign * normal * radii[:, None])
    outline = fluffy(np.concatenate([sides[0], sides[1][::-1]]), rng, height=0.03, tufts=9)
    pen.solid([limb, outline], a.coat.base, ink=a.coat.ink, width=INK, marks=marks, depth=0.45)


def collar(pen: Pen, a: Animal, x: float, y: float, wide: float, *, turn: float = 0.0) -> None:
    """Draw a collar as a band `wide` units from middle to end, with what hangs on it."""
    if a.collar is None:
        return
    place = pen.at(x, y, size=wide, turn=turn)
    if a.charm == "scarf":
        shape = smooth(
            [
                (-1.0, -0.2),
                (0, 0.06),
                (1.0, -0.2),
                (1.0, -0.2),
                (0.62, 0.3),
                (0.0, 1.0),
                (0.0, 1.0),
                (-0.62, 0.3),
                (-1.0, -0.2),
            ]
        )
        place.solid([shape], a.collar, ink=darker(a.collar, 0.45), width=0.05, marks=_checks(a.collar), depth=0.45)
        return
    band = tube([(-0.98, -0.2), (-0.5, 0.05), (0.0, 0.12), (0.5, 0.05), (0.98, -0.2)], (0.11, 0.13, 0.13, 0.13, 0.11))
    place.solid([band], a.collar, ink=darker(a.collar, 0.5), width=0.04, depth=0.4)
    _charm(place, a)


def _checks(colour: Colour) -> list[Mark]:
    pale = lighter(colour, 0.6)
    return [
        (oval(x, y, 0.08, 0.08, count=12), pale)
        for x, y in ((-0.5, 0.06), (0.5, 0.06), (0, 0.28), (-0.22, 0.5), (0.24, 0.5), (0.02, 0.74))
    ]


def _charm(place: Pen, a: Animal) -> None:
    gold: Colour = (240, 196, 88)
    if a.charm == "bell":
        place.solid([oval(0, 0.34, 0.2, 0.2, count=20)], gold, ink=darker(gold, 0.5), width=0.04, depth=0.5)
        place.line([(-0.14, 0.36), (0.14, 0.36)], darker(gold, 0.5), 0.04)
    elif a.charm == "bone":
        ends = [oval(s * 0.17, 0.34 + t * 0.07, 0.09, 0.09, count=12) for s in (-1, 1) for t in (-1, 1)]
        place.solid(
            [*ends, tube([(-0.17, 0.34), (0.17, 0.34)], (0.08, 0.08))], (236, 228, 210), ink=(120, 100, 90), width=0.035
        )
    elif a.charm == "bow" and a.collar is not None:
        wing = ((0.0, 0.16), (0.4, -0.08), (0.52, 0.1), (0.46, 0.4))
        for side in (-1, 1):
            place.solid(
                [smooth(np.array(wing) * (side, 1))], lighter(a.collar, 0.15), ink=darker(a.collar, 0.5), width=0.04
            )
        place.solid([oval(0, 0.16, 0.12, 0.13, count=14)], a.collar, ink=darker(a.collar, 0.5), width=0.04)
