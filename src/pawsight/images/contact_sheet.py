"""Contact sheets: rows of pictures with a heading over each row and a caption under each picture.

Letters are DejaVu Sans, which comes with matplotlib, or else Pillow's own font. A character that a font lacks is drawn
as its box.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pawsight.core.text import printable
from pawsight.images.decode import Pixels

MARGIN, GAP = 32, 14  # pixels round the sheet, and between pictures
_TITLE, _HEADING, _SMALL = 26, 20, 15  # sizes of letters, in pixels
_BETWEEN_ROWS = 24
_PAPER, _INK, _FAINT, _EDGE = "#ffffff", "#1c1c1c", "#66666b", "#d4d4d8"
Font = ImageFont.FreeTypeFont
_FONTS_OF_MATPLOTLIB = "mpl-data/fonts/ttf"


Tile = tuple[Pixels, str]  # a picture (H, W, 3) uint8 and its caption, which may be empty
Row = tuple[str, str, Sequence[Tile]]  # a heading, a remark in grey at its right end, and pictures side by side


def draw_sheet(title: str, rows: Sequence[Row], *, subtitle: str = "", footnote: str = "") -> Image.Image:
    """Draw rows of pictures below a title; names too long for the sheet are cut in the middle.

    Returns:
        an RGB picture as wide as the widest row and as high as all rows need.

    Raises:
        ValueError: there is no row with a picture in it.
    """
    inner = max((_width_of(tiles) for _, _, tiles in rows), default=0)
    if not inner:
        raise ValueError("a sheet needs at least one picture")
    top = MARGIN + _line(_TITLE) + (_line(_SMALL) if subtitle else 0) + _BETWEEN_ROWS // 2
    foot = _line(_SMALL) + _BETWEEN_ROWS // 2 if footnote else 0
    between = _BETWEEN_ROWS * (len(rows) - 1)
    high = top + sum(_height_of(row) for row in rows) + between + foot + MARGIN
    page = Image.new("RGB", (inner + 2 * MARGIN, high), _PAPER)
    pen = ImageDraw.Draw(page)
    _write(pen, (MARGIN, MARGIN), title, font(_TITLE, bold=True), _INK, inner)
    _write(pen, (MARGIN, MARGIN + _line(_TITLE)), subtitle, font(_SMALL), _FAINT, inner)
    for row in rows:
        _draw_row(page, pen, row, top, inner)
        top += _height_of(row) + _BETWEEN_ROWS
    _write(pen, (MARGIN, high - MARGIN - _line(_SMALL)), footnote, font(_SMALL), _FAINT, inner)
    return page


def png_of(image: Image.Image) -> bytes:
    """Return the image as the bytes of a PNG file; the same picture gives the same bytes."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _draw_row(page: Image.Image, pen: ImageDraw.ImageDraw, row: Row, top: int, inner: int) -> None:
    heading, remark, tiles = row
    remark = fitted(remark, font(_SMALL), inner / 2)
    taken = font(_SMALL).getlength(remark)
    _write(pen, (MARGIN, top), heading, font(_HEADING, bold=True), _INK, inner - taken - GAP)
    _write(pen, (MARGIN + inner - taken, top + _HEADING - _SMALL), remark, font(_SMALL), _FAINT, inner)
    left, top = MARGIN, top + _heading_of(row)
    for pixels, caption in tiles:
        height, width = pixels.shape[:2]
        page.paste(Image.fromarray(pixels), (left, top))
        pen.rectangle((left - 1, top - 1, left + width, top + height), outline=_EDGE)
        shown = fitted(caption, font(_SMALL), width)
        middle = left + (width - font(_SMALL).getlength(shown)) / 2
        _write(pen, (middle, top + _tallest(row) + 6), shown, font(_SMALL), _FAINT, width)
        left += width + GAP


def _write(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, letters: Font, ink: str, width: float
) -> None:
    pen.text(place, fitted(text, letters, width), fill=ink, font=letters)


def _width_of(tiles: Sequence[Tile]) -> int:
    widths = [int(pixels.shape[1]) for pixels, _ in tiles]
    return sum(widths) + GAP * max(0, len(tiles) - 1)


def _height_of(row: Row) -> int:
    captions = _line(_SMALL) if any(caption for _, caption in row[2]) else 0
    return _heading_of(row) + _tallest(row) + captions


def _tallest(row: Row) -> int:
    return max((int(pixels.shape[0]) for pixels, _ in row[2]), default=0)


def _heading_of(row: Row) -> int:
    return _line(_HEADING) if row[0] or row[1] else 0


def _line(size: int) -> int:
    return round(1.6 * size)


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
    """Return the text on one line; characters that are not printable are replaced."""
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
