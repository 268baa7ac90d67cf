"""What all poses are put together from: heads, bodies and thighs.

Enters: a pen in units of the animal's height and an `Animal`. Leaves: pixels. Does not know: which pose it is.
"""

from __future__ import annotations

from random import Random

from pawsight.sample import cat, dog
from pawsight.sample.coat import body_marks, stripes
from pawsight.sample.curves import Controls, Points, fluffy, oval, smooth
from pawsight.sample.limbs import INK
from pawsight.sample.palette import Colour
from pawsight.sample.pen import Mark, Pen, Shape
from pawsight.sample.traits import Animal

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
