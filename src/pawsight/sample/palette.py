"""The colours of the built-in sample, the same for cats and dogs so that none gives the answer away.

Enters: a random source. Leaves: colours as (red, green, blue) in 0-255, and a `Coat`. Does not know: shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

Colour = tuple[int, int, int]

WHITE: Colour = (255, 252, 245)
NIGHT: Colour = (38, 32, 48)
BLUSH: Colour = (240, 150, 140)
TONGUE: Colour = (236, 120, 128)

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
IRISES: tuple[Colour, ...] = (
    (126, 178, 92),
    (232, 178, 62),
    (108, 172, 206),
    (150, 98, 54),
    (196, 126, 50),
    (92, 150, 132),
)
ACCENTS: tuple[Colour, ...] = (
    (214, 84, 76),
    (240, 170, 70),
    (92, 148, 196),
    (120, 172, 118),
    (178, 122, 178),
    (238, 206, 96),
    (76, 138, 138),
    (236, 142, 134),
)
WALLS: tuple[Colour, ...] = (
    (244, 226, 204),
    (206, 224, 218),
    (238, 208, 196),
    (216, 218, 236),
    (250, 236, 190),
    (184, 206, 216),
    (226, 214, 190),
    (232, 196, 176),
    (172, 194, 176),
    (206, 186, 200),
)
WOODS: tuple[Colour, ...] = ((196, 150, 108), (168, 120, 84), (218, 182, 140), (140, 100, 76), (206, 190, 172))
GREENS: tuple[Colour, ...] = ((132, 176, 98), (108, 156, 92), (160, 190, 104), (92, 140, 104), (148, 172, 120))
SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((150, 200, 230), (232, 242, 240)),
    ((116, 178, 222), (216, 236, 240)),
    ((244, 190, 150), (252, 232, 200)),
    ((170, 180, 222), (248, 222, 220)),
    ((190, 210, 214), (236, 236, 226)),
)
PATTERNS = ("solid", "tabby", "patches", "tuxedo", "points", "spots", "saddle", "socks")


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return `a` with `share` (0-1) of `b` in it."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def darker(colour: Colour, share: float) -> Colour:
    """Return `colour` with `share` of a warm near-black in it."""
    return mix(colour, (44, 26, 34), share)


def lighter(colour: Colour, share: float) -> Colour:
    """Return `colour` with `share` of a warm white in it."""
    return mix(colour, WHITE, share)


def brightness(colour: Colour) -> float:
    """Return how bright a colour looks, 0-1."""
    return (0.30 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]) / 255


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
