"""Letters for drawn sheets: names that others chose, on one line and no wider than there is room.

DejaVu comes with matplotlib; where that is not installed Pillow's own font must do. What a font lacks shows as its box.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from pawsight.core.text import printable

Font = ImageFont.FreeTypeFont
_FONTS_OF_MATPLOTLIB = "mpl-data/fonts/ttf"


@lru_cache(maxsize=16)
def font(size: int, *, bold: bool = False) -> Font:
    """Return DejaVu Sans of that size in pixels, or Pillow's own font where it is not installed."""
    spec = importlib.util.find_spec("matplotlib")  # found, not imported: that would take longer than the drawing
    for place in (spec.submodule_search_locations or []) if spec else []:
        file = Path(place) / _FONTS_OF_MATPLOTLIB / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
        if file.is_file():
            return ImageFont.truetype(file, size)
    own = ImageFont.load_default(size)
    if not isinstance(own, Font):
        raise TypeError("Pillow was built without FreeType")
    return own


def legible(text: str) -> str:
    """Return the text on one line; what moves or hides letters shows as a replacement character."""
    return printable(" ".join(text.split()))


def fitted(text: str, letters: Font, width: float) -> str:
    """Return legible text no wider than `width` pixels, cut in the middle: both ends of a name tell it apart."""
    text = legible(text)
    if letters.getlength(text) <= width:
        return text
    fewest, most = 0, len(text) - 1
    while fewest < most:
        kept = (fewest + most + 1) // 2
        fewest, most = (kept, most) if letters.getlength(_cut(text, kept)) <= width else (fewest, kept - 1)
    return _cut(text, fewest)


def _cut(text: str, kept: int) -> str:
    """Keep that many characters, two thirds of them at the front."""
    tail = kept // 3
    return text[: kept - tail].rstrip() + "…" + text[len(text) - tail :].lstrip()
