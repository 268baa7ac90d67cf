"""Letters for drawn sheets: names that others chose, legible and no wider than there is room.

Enters: any text. Leaves: text that the font can show, shortened to a width. Does not know: what is written about.

DejaVu comes with matplotlib and holds Latin, Greek, Cyrillic, Hebrew, Arabic and many signs; where matplotlib is not
installed Pillow's own font must do. What the font lacks is spelled out: an emoji by its name, a letter by its number.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont
_FONTS_OF_MATPLOTLIB = "mpl-data/fonts/ttf"
_NO_CHARACTER = "\U0010ffff"  # never assigned: what the font draws for it, it draws for all that it lacks
_UNNAMEABLE = ("Cs", "Co", "Cn")  # half of a pair, private, unassigned
_WITHOUT_LOOKS = ("Cf", "Me")  # joiners, marks of direction
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


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


def legible(text: str, letters: Font) -> str:
    """Return the text on one line, without what moves or hides letters, with what the font lacks spelled out."""
    return " ".join("".join(_shown(character, letters) for character in text).split())


def fitted(text: str, letters: Font, width: float) -> str:
    """Return legible text no wider than `width` pixels, cut in the middle: both ends of a name tell it apart."""
    text = legible(text, letters)
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


def _shown(character: str, letters: Font) -> str:
    kind, number = unicodedata.category(character), ord(character)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    if kind in _WITHOUT_LOOKS or number in _SKIN_TONES or any(number in span for span in _SELECTORS):
        return ""
    if kind in _UNNAMEABLE:
        return "\ufffd"
    if character.isspace() or _has(character, letters):
        return character
    name = unicodedata.name(character, "")
    return f"[{name.lower()}]" if kind.startswith("S") and name else f"U+{number:04X} "


@lru_cache(maxsize=4096)
def _has(character: str, letters: Font) -> bool:
    return _drawn(character, letters) != _drawn(_NO_CHARACTER, letters)


def _drawn(character: str, letters: Font) -> tuple[tuple[int, int], bytes]:
    mask = letters.getmask(character)
    return mask.size, bytes(mask)
