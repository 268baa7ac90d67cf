"""Nine poses: a body, the limbs in their places, and where the head goes.

Enters: a pen whose unit is about the animal's height, its origin on the ground between the feet, and an `Animal`.
Leaves: pixels. Does not know: the scene round it. Animals seen from the side look to the right; the pen may be flipped.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from pawsight.sample.coat import pale_patch
from pawsight.sample.curves import mirrored, oval
from pawsight.sample.figure import body, haunch, head
from pawsight.sample.limbs import INK, collar, leg, paw, tail
from pawsight.sample.pen import Pen, tube
from pawsight.sample.traits import Animal

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
