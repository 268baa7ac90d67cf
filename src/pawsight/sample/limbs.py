"""Legs, paws, tails and collars.

Enters: a pen in units of the animal's height, y = 0 on the ground, and an `Animal`. Leaves: pixels.
Does not know: poses.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from pawsight.sample.coat import sock, tail_tip
from pawsight.sample.curves import Controls, Points, fluffy, oval, smooth
from pawsight.sample.palette import Colour, darker, lighter, mix
from pawsight.sample.pen import Mark, Pen, Tube, tube
from pawsight.sample.traits import Animal

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
    limb = tube(spine, radii)
    x, y = limb.spine[-1]
    paw = _paw_outline(a, float(x), float(y), facing)
    colour = sock(a.coat)
    marks = []
    if colour is not None:
        height = float(np.ptp(limb.spine[:, 1])) * 0.4 + 0.04
        marks = [Mark(oval(float(x), float(y), 0.16, height), mix(colour, a.coat.ink, 0.28) if far else colour)]
    elif a.coat.pattern == "tabby":
        marks = _bands(limb, a.coat.mark)
    # Without ink round its upper end a leg grows out of the body instead of being hung on it.
    start = 0 if far else int(len(limb.spine) * bare)
    lower = Tube(limb.spine[start:], limb.radii[start:])
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
    found = []
    for share in (0.35, 0.55, 0.75):
        (x, y), r = limb.spine[int(share * (len(limb.spine) - 1))], float(limb.radii.mean())
        found.append(
            Mark(smooth([(x - r * 1.3, y), (x, y + 0.016), (x + r * 0.4, y), (x, y - 0.006)], steps=3), colour)
        )
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
        end = limb.spine[-max(3, len(limb.spine) // 4) :]
        middle = end.mean(axis=0)
        marks = [*marks, Mark(oval(float(middle[0]), float(middle[1]), 0.11, 0.11), tip)]
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
    found = []
    for share in (0.25, 0.42, 0.59, 0.76, 0.93):
        (x, y), r = limb.spine[int(share * (len(limb.spine) - 1))], float(limb.radii.max())
        found.append(Mark(oval(float(x), float(y), r * 1.5, r * 0.42, turn=30, count=12), colour))
    return found


def _bush(pen: Pen, a: Animal, limb: Tube, marks: list[Mark], rng: Random) -> None:
    sides = []
    for sign in (1, -1):
        along = np.gradient(limb.spine, axis=0)
        normal = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.maximum(
            np.linalg.norm(along, axis=1, keepdims=True), 1e-9
        )
        sides.append(limb.spine + sign * normal * limb.radii[:, None])
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
        Mark(oval(x, y, 0.08, 0.08, count=12), pale)
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
