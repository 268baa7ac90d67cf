"""One drawn animal: its properties, picked at random, and its fur, as marks on any part of it.

How an animal is drawn is in body.py, cat.py and dog.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from pawsight.sample.drawing import (
    ACCENTS,
    IRISES,
    Colour,
    Mark,
    Points,
    blob,
    brightness,
    darker,
    even,
    lighter,
    mix,
    outward,
    oval,
    smooth,
    wedge,
)

POSES = ("sit-front", "sit-side", "stand", "lie", "loaf", "curl", "portrait", "peek", "back")
_POSE_SHARES = (20, 16, 16, 10, 9, 5, 14, 10, 6)
_EARS = {
    "cats": (("pointed", "large", "rounded", "folded", "tufted"), (42, 18, 20, 10, 10)),
    "dogs": (("long", "button", "half", "pricked", "bat", "rose"), (30, 22, 16, 16, 9, 7)),
}
_TAILS = {
    "cats": (("long", "hook", "wave", "bushy"), (38, 26, 20, 16)),
    "dogs": (("whip", "plume", "curled", "stub", "wag"), (24, 28, 20, 10, 18)),
}
PATTERNS = ("solid", "tabby", "patches", "tuxedo", "points", "spots", "saddle", "socks")
FURS: tuple[Colour, ...] = (
    (226, 142, 70),  # ginger
    (240, 212, 168),  # cream
    (146, 150, 160),  # grey
    (84, 80, 90),  # charcoal
    (246, 240, 230),  # white
    (124, 84, 60),  # chocolate
    (210, 170, 124),  # fawn
    (196, 200, 206),  # silver
    (184, 98, 56),  # russet
    (64, 60, 70),  # black
    (230, 182, 104),  # golden
    (120, 134, 156),  # blue
)


@dataclass(frozen=True, slots=True)
class Coat:
    """One animal's fur."""

    base: Colour
    pale: Colour  # belly, muzzle, chest
    mark: Colour  # stripes, patches, points
    ink: Colour  # outline
    detail: Colour  # fine lines within: toes, haunches
    skin: Colour  # inside of the ears
    nose: Colour
    pattern: str  # one of PATTERNS


def any_coat(rng: Random) -> Coat:
    """Pick a coat; nothing here may depend on the kind of animal."""
    base, pattern = _varied(rng.choice(FURS), rng), rng.choice(PATTERNS)
    bright = brightness(base)
    pale = lighter(base, rng.uniform(0.55, 0.85) if bright > 0.45 else rng.uniform(0.72, 0.92))
    return Coat(
        base=base,
        pale=pale,
        mark=_mark(base, pattern, rng),
        ink=darker(base, 0.62 if bright > 0.45 else 0.72),
        detail=darker(base, 0.45) if bright > 0.36 else lighter(base, 0.28),
        skin=mix((232, 160, 150), base, rng.uniform(0.1, 0.35)),
        nose=rng.choice(((74, 52, 56), (52, 44, 50), (196, 112, 108), (122, 78, 68))),
        pattern=pattern,
    )


def _varied(colour: Colour, rng: Random) -> Colour:
    shift = rng.uniform(-10, 10)
    red, green, blue = (max(0, min(255, round(c + shift + rng.uniform(-7, 7)))) for c in colour)
    return red, green, blue


def _mark(base: Colour, pattern: str, rng: Random) -> Colour:
    bright = brightness(base)
    if pattern == "points" or bright > 0.85:
        return rng.choice(((96, 72, 64), (74, 70, 80), (198, 120, 62), (140, 96, 66)))
    if pattern == "patches" and rng.random() < 0.6:
        return rng.choice(((78, 72, 80), (206, 124, 62), (246, 240, 230), (130, 90, 62)))
    return darker(base, rng.uniform(0.32, 0.5)) if bright > 0.36 else darker(base, 0.5)


@dataclass(frozen=True, slots=True)
class Animal:
    """The properties of one animal; lengths are factors about 1."""

    kind: str  # "cats" or "dogs"
    coat: Coat
    pose: str  # one of POSES
    view: str  # of the head: "front", "profile" or "back"
    girth: float
    leg: float
    ears: str
    ear_size: float
    muzzle: float  # 0 flat, 1 long
    tail: str
    fluff: float  # 0 short fur, 1 long fur
    eyes: str  # "open", "wide", "sleepy", "shut" or "happy"
    iris: Colour
    pupil: float  # width as a share of the eye
    gaze: tuple[float, float]  # where it looks, each -1 to 1
    turn: float  # of the head: -1 left, 1 right
    tilt: float  # of the head, degrees
    tongue: bool
    collar: Colour | None
    charm: str  # what hangs on the collar: "bell", "bone", "bow", "scarf" or "none"


def any_animal(kind: str, rng: Random) -> Animal:
    """Pick an animal; everything but shape is picked alike for both kinds."""
    pose = rng.choices(POSES, _POSE_SHARES)[0]
    cat = kind == "cats"
    ears, tail = (rng.choices(*table[kind])[0] for table in (_EARS, _TAILS))
    return Animal(
        kind=kind,
        coat=any_coat(rng),
        pose=pose,
        view=_view(pose, rng),
        girth=rng.uniform(0.82, 1.2),
        leg=rng.uniform(0.85, 1.15) if cat else rng.choice((0.62, 0.9, 1.0, 1.15, 1.25)),
        ears=ears,
        ear_size=rng.uniform(0.88, 1.14),
        muzzle=rng.uniform(0.0, 0.35) if cat else rng.uniform(0.25, 1.0),
        tail=tail,
        fluff=rng.choice((0.0, 0.0, 0.0, 0.4, 0.8, 1.0)),
        eyes="shut"
        if pose == "curl"
        else rng.choices(("open", "wide", "sleepy", "shut", "happy"), (55, 20, 10, 5, 10))[0],
        iris=rng.choice(IRISES),
        pupil=rng.uniform(0.22, 0.75) if cat else rng.uniform(0.62, 0.8),
        gaze=(rng.uniform(-1, 1), rng.uniform(-0.6, 0.6)),
        turn=rng.uniform(-1, 1) * rng.choice((0.25, 1.0)),
        tilt=rng.gauss(0, 7),
        tongue=rng.random() < 0.3,
        collar=rng.choice(ACCENTS) if rng.random() < 0.5 else None,
        charm=rng.choice(("bell", "bone", "bow", "scarf", "none")),
    )


def _view(pose: str, rng: Random) -> str:
    if pose == "back":
        return "back"
    chance = {"sit-side": 0.4, "stand": 0.55, "lie": 0.35}.get(pose, 0.0)
    return "profile" if rng.random() < chance else "front"


def body_marks(outline: Points, coat: Coat, rng: Random) -> list[Mark]:
    """Return the marks of a body: fine hairs, and the pattern over them."""
    return [*hairs(outline, coat, rng), *_PATTERNS.get(coat.pattern, _plain)(outline, coat, rng)]


def hairs(outline: Points, coat: Coat, rng: Random, *, count: int = 14) -> list[Mark]:
    """Return short strokes of slightly darker and lighter fur, strewn over a part."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    length = float(max(high - low)) * 0.04
    shades = (mix(coat.base, coat.ink, 0.12), lighter(coat.base, 0.12))
    places = [(rng.uniform(low[0], high[0]), rng.uniform(low[1], high[1])) for _ in range(count)]
    return [
        (wedge(x, y, rng.uniform(-0.3, 0.3) * length, length, length * 0.24), rng.choice(shades)) for x, y in places
    ]


def sock(coat: Coat) -> Colour | None:
    """Return the colour of the paws where it differs from the rest."""
    if coat.pattern in ("tuxedo", "socks", "saddle"):
        return coat.pale
    return coat.mark if coat.pattern == "points" else None


def tail_tip(coat: Coat) -> Colour | None:
    """Return the colour of the end of the tail where it differs."""
    return coat.mark if coat.pattern == "patches" else sock(coat)


def stripes(outline: Points, colour: Colour, rng: Random, *, upward: float = 0.0, length: float = 0.34) -> list[Mark]:
    """Return wedges that run inwards from the outline where it faces at least `upward` (-1 down, 1 up)."""
    size = float(max(np.ptp(outline, axis=0)))
    ring = even(outline, 26)
    pairs = zip(ring.tolist(), outward(ring).tolist(), strict=True)
    found = [(p, n) for p, n in pairs if -n[1] > upward or abs(n[0]) > 0.96]
    return [_stripe(p, n, size * length * rng.uniform(0.6, 1.1), colour, rng) for p, n in found[::2]]


def _stripe(place: list[float], normal: list[float], reach: float, colour: Colour, rng: Random) -> Mark:
    sway = rng.uniform(-0.25, 0.25)
    dx, dy = (-normal[0] + sway) * reach, (-normal[1]) * reach
    start = (place[0] + normal[0] * 0.02, place[1] + normal[1] * 0.02)
    return (wedge(*start, dx, dy, reach * 0.30), colour)


def _plain(outline: Points, coat: Coat, rng: Random) -> list[Mark]:
    return []


def _tabby(outline: Points, coat: Coat, rng: Random) -> list[Mark]:
    return stripes(outline, coat.mark, rng, upward=-0.15)


def _patches(outline: Points, coat: Coat, rng: Random) -> list[Mark]:
    size = float(max(np.ptp(outline, axis=0)))
    places = rng.sample(even(outline, 12).tolist(), 3)
    return [
        (blob(x, y, size * rng.uniform(0.2, 0.34), size * rng.uniform(0.16, 0.3), rng), coat.mark) for x, y in places
    ]


def _spots(outline: Points, coat: Coat, rng: Random) -> list[Mark]:
    low, high = outline.min(axis=0), outline.max(axis=0)
    size = float(max(high - low)) * rng.uniform(0.035, 0.06)
    found: list[Mark] = []
    for step in range(18):
        # The golden angle spreads the spots evenly without a grid showing.
        radius, angle = math.sqrt((step + 0.5) / 18) * 0.52, step * 2.39996
        x, y = (low + high) / 2 + (high - low) * radius * np.array([math.cos(angle), math.sin(angle)])
        found.append((blob(x, y, size * rng.uniform(0.6, 1.3), size * rng.uniform(0.6, 1.2), rng), coat.mark))
    return found


def _saddle(outline: Points, coat: Coat, rng: Random) -> list[Mark]:
    height = float(np.ptp(outline[:, 1]))
    middle = outline.mean(axis=0)
    shrunk = (outline - middle) * (0.92, 1.0) + middle
    return [(shrunk - (0, height * rng.uniform(0.36, 0.5)), coat.mark)]


_PATTERNS: dict[str, Callable[[Points, Coat, Random], list[Mark]]] = {
    "tabby": _tabby,
    "patches": _patches,
    "spots": _spots,
    "saddle": _saddle,
}


def face_marks(coat: Coat, rng: Random, *, turn: float) -> list[Mark]:
    """Return the marks of a face seen from the front, in units of half its width, shifted by `turn`."""
    x = 0.3 * turn
    drawn: dict[str, Callable[[], list[Mark]]] = {
        "tabby": lambda: _tabby_face(x, coat.mark),
        "patches": lambda: [(blob(rng.choice((-0.5, 0.5)) + x, -0.3, 0.5, 0.6, rng), coat.mark)],
        "tuxedo": lambda: _blaze(x, coat.pale),
        "saddle": lambda: [(_cap(x), coat.mark), *_blaze(x, coat.pale)],
        "points": lambda: [
            (
                smooth([(x, -0.5), (0.5 + x, 0.1), (0.45 + x, 0.8), (x, 1.0), (-0.45 + x, 0.8), (-0.5 + x, 0.1)]),
                coat.mark,
            )
        ],
        "spots": lambda: [
            (blob(rng.uniform(-0.7, 0.7), rng.uniform(-0.9, -0.4), 0.13, 0.11, rng), coat.mark) for _ in range(4)
        ],
    }
    return drawn.get(coat.pattern, list)()


def _tabby_face(x: float, colour: Colour) -> list[Mark]:
    brow = [wedge(x + at, -1.0, -at * 0.25, 0.42 - abs(at) * 0.3, 0.13) for at in (-0.32, 0.0, 0.32)]
    cheek = [wedge(s * 1.1, y, -s * 0.42, 0.06, 0.12) for s in (-1, 1) for y in (0.08, 0.34)]
    return [(outline, colour) for outline in brow + cheek]


def _blaze(x: float, colour: Colour) -> list[Mark]:
    stripe = smooth(
        [
            (x, -1.0),
            (x + 0.1, -0.55),
            (x + 0.15, 0.0),
            (x + 0.62, 0.5),
            (x + 0.4, 1.1),
            (x - 0.4, 1.1),
            (x - 0.62, 0.5),
            (x - 0.15, 0.0),
            (x - 0.1, -0.55),
        ]
    )
    return [(stripe, colour)]


def _cap(x: float) -> Points:
    return smooth(
        [
            (-1.2, -1.2),
            (1.2, -1.2),
            (1.15, 0.1),
            (x + 0.55, 0.28),
            (x + 0.16, -0.28),
            (x - 0.16, -0.28),
            (x - 0.55, 0.28),
            (-1.15, 0.1),
        ]
    )


def pale_patch(x: float, y: float, rx: float, ry: float, colour: Colour) -> Mark:
    """Return a pale oval whose lower edge ends in locks, e.g. on a chest."""
    ring = oval(x, y, rx, ry, count=44)
    saw = np.where(np.arange(44) % 4 == 2, 1.16, 1.0)
    lower = np.clip((ring[:, 1] - y) / ry + 0.5, 0, 1) * (saw - 1) + 1
    return ((ring - (x, y)) * lower[:, None] + (x, y), colour)
