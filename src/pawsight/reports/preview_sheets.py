"""The sheets of `pawsight preview`: a grid of each class, the four flips of one picture, random rotations of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image

from pawsight.core.text import plural
from pawsight.images.augment import Fill, flipped, generator_for, turned
from pawsight.images.contact_sheet import Row, draw_sheet
from pawsight.images.decode import Pixels

_TURNS = 4  # random rotations shown of each kind
_KINDS: tuple[tuple[float, Fill, str, str], ...] = (
    (0.5, "nearest", "Up to half a turn either way", "the nearest pixel fills what turns in"),
    (0.2, "reflect", "Up to a fifth of a turn either way", "the picture mirrored fills what turns in"),
)
_AS_IT_IS = "as it is"
_SQUARE = "Stretched to squares, like the network's input."


def grid(title: str, subtitle: str, counts: Mapping[str, int], rows: Mapping[str, Sequence[Pixels]]) -> Image.Image:
    """Draw some pictures of each class, a row each.

    Args:
        title, subtitle: stand on top.
        counts: pictures to train on, for every class.
        rows: pictures (H, W, 3) of the classes that are shown; the footnote counts the others.
    """
    hidden = len(counts) - len(rows)
    cut = f" {hidden:,} of {len(counts):,} classes {'is' if hidden == 1 else 'are'} not shown." if hidden else ""
    lines: list[Row] = [
        (label, plural(counts[label], "picture"), [(pixels, "") for pixels in pictures])
        for label, pictures in rows.items()
    ]
    return draw_sheet(title, lines, subtitle=subtitle, footnote=f"{_SQUARE}{cut}")


def four_flips(pixels: Pixels) -> Image.Image:
    """Show a picture as it is, mirrored, upside down, and both."""
    ways = {
        _AS_IT_IS: (False, False),
        "left to right": (True, False),
        "upside down": (False, True),
        "both": (True, True),
    }
    tiles = [(flipped(pixels, horizontal=h, vertical=v), caption) for caption, (h, v) in ways.items()]
    return draw_sheet("One picture, four flips", [("", "", tiles)])


def rotations(pixels: Pixels, seed: int) -> Image.Image:
    """Show a picture as it is and turned at random, a row for each way of the exercise to fill the corners."""
    rows: list[Row] = []
    for kind, (largest, fill, heading, remark) in enumerate(_KINDS):
        turns = generator_for(seed, kind, 0).uniform(-largest, largest, _TURNS).tolist()
        tiles = [(turned(pixels, turn, fill), f"{360 * turn:+.0f}°".replace("-", "−")) for turn in turns]
        rows.append((heading, remark, [(pixels, _AS_IT_IS), *tiles]))
    return draw_sheet("One picture, turned at random", rows)
