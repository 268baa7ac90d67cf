"""Contact sheets: rows of pictures with a heading over each row and a caption under each picture.

Enters: decoded pixels and words. Leaves: a Pillow image, or the bytes of a PNG. Does not know: labels, files, what the
pictures are of.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from pawsight.images.decode import Pixels
from pawsight.images.lettering import Font, fitted, font

MARGIN, GAP = 32, 14  # pixels round the sheet, and between pictures
_TITLE, _HEADING, _SMALL = 26, 20, 15  # sizes of letters, in pixels
_BETWEEN_ROWS = 24
_PAPER, _INK, _FAINT, _EDGE = "#ffffff", "#1c1c1c", "#66666b", "#d4d4d8"


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture on a sheet."""

    pixels: Pixels  # (H, W, 3) uint8
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Pictures side by side."""

    heading: str
    remark: str  # said faintly at the right end of the heading
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that is drawn."""

    title: str
    subtitle: str
    rows: tuple[Row, ...]
    footnote: str = ""


def draw_sheet(sheet: Sheet) -> Image.Image:
    """Draw a sheet; names too long for it are cut in the middle.

    Returns:
        an RGB picture as wide as the widest row and as high as all rows need.

    Raises:
        ValueError: there is no row with a picture in it.
    """
    inner = max((_width_of(row.tiles) for row in sheet.rows), default=0)
    if not inner:
        raise ValueError("a sheet needs at least one picture")
    top = MARGIN + _line(_TITLE) + (_line(_SMALL) if sheet.subtitle else 0) + _BETWEEN_ROWS // 2
    foot = _line(_SMALL) + _BETWEEN_ROWS // 2 if sheet.footnote else 0
    between = _BETWEEN_ROWS * (len(sheet.rows) - 1)
    high = top + sum(_height_of(row) for row in sheet.rows) + between + foot + MARGIN
    page = Image.new("RGB", (inner + 2 * MARGIN, high), _PAPER)
    pen = ImageDraw.Draw(page)
    _write(pen, (MARGIN, MARGIN), sheet.title, font(_TITLE, bold=True), _INK, inner)
    _write(pen, (MARGIN, MARGIN + _line(_TITLE)), sheet.subtitle, font(_SMALL), _FAINT, inner)
    for row in sheet.rows:
        _draw_row(page, pen, row, top, inner)
        top += _height_of(row) + _BETWEEN_ROWS
    _write(pen, (MARGIN, high - MARGIN - _line(_SMALL)), sheet.footnote, font(_SMALL), _FAINT, inner)
    return page


def png_of(image: Image.Image) -> bytes:
    """Return the image as the bytes of a PNG file; the same picture gives the same bytes."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _draw_row(page: Image.Image, pen: ImageDraw.ImageDraw, row: Row, top: int, inner: int) -> None:
    remark = fitted(row.remark, font(_SMALL), inner / 2)
    taken = font(_SMALL).getlength(remark)
    _write(pen, (MARGIN, top), row.heading, font(_HEADING, bold=True), _INK, inner - taken - GAP)
    _write(pen, (MARGIN + inner - taken, top + _HEADING - _SMALL), remark, font(_SMALL), _FAINT, inner)
    left, top = MARGIN, top + _heading_of(row)
    for tile in row.tiles:
        height, width = tile.pixels.shape[:2]
        page.paste(Image.fromarray(tile.pixels), (left, top))
        pen.rectangle((left - 1, top - 1, left + width, top + height), outline=_EDGE)
        caption = fitted(tile.caption, font(_SMALL), width)
        middle = left + (width - font(_SMALL).getlength(caption)) / 2
        _write(pen, (middle, top + _tallest(row) + 6), caption, font(_SMALL), _FAINT, width)
        left += width + GAP


def _write(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, letters: Font, ink: str, width: float
) -> None:
    pen.text(place, fitted(text, letters, width), fill=ink, font=letters)


def _width_of(tiles: Sequence[Tile]) -> int:
    widths = [int(tile.pixels.shape[1]) for tile in tiles]
    return sum(widths) + GAP * max(0, len(tiles) - 1)


def _height_of(row: Row) -> int:
    captions = _line(_SMALL) if any(tile.caption for tile in row.tiles) else 0
    return _heading_of(row) + _tallest(row) + captions


def _tallest(row: Row) -> int:
    return max((int(tile.pixels.shape[0]) for tile in row.tiles), default=0)


def _heading_of(row: Row) -> int:
    return _line(_HEADING) if row.heading or row.remark else 0


def _line(size: int) -> int:
    return round(1.6 * size)
