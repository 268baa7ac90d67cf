"""Draws smooth, shaded, inked shapes on a picture.

Enters: outlines in the drawing's own units, and colours. Leaves: changed pixels, and the boxes touched where asked.
Does not know: what is being drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from pawsight.sample.curves import Controls, Points, outward, smooth
from pawsight.sample.palette import Colour, lighter, mix

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
_SHADOW: Colour = (70, 48, 78)
_CELLS = 22  # side of the coarse grid on which shading is worked out


@dataclass(frozen=True, slots=True)
class Tube:
    """A limb or tail: a line with a radius at each of its points, in the drawing's units."""

    spine: Points  # (N, 2)
    radii: Points  # (N,)


@dataclass(frozen=True, slots=True)
class Mark:
    """A patch of colour on a part, cut off at the part's outline."""

    outline: Points
    colour: Colour


Shape = Points | Tube


def tube(spine: Controls, radii: Sequence[float]) -> Tube:
    """Return a limb along a smooth line through `spine`, as thick as `radii` at evenly spread points of it."""
    points = np.asarray(spine, dtype=np.float64)
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    # It is painted as a row of discs, which must lie close to look like one smooth limb.
    steps = min(24, 4 + int(length / (0.3 * max(radii) * (len(points) - 1))))
    line = smooth(points, closed=False, steps=steps)
    where = np.linspace(0, len(radii) - 1, len(line))
    return Tube(line, np.interp(where, np.arange(len(radii)), np.asarray(radii, dtype=np.float64)))


@dataclass(frozen=True, slots=True)
class Pen:
    """A place, size and direction on a picture."""

    sheet: Image.Image
    brush: ImageDraw.ImageDraw  # on the sheet; kept, as making one takes as long as drawing a small shape
    matrix: Points  # (2, 3): the drawing's units to pixels
    unit: float  # pixels in one unit
    light: tuple[float, float] = (-0.6, -0.8)  # where the light comes from, as seen on the picture
    touched: list[Box] = field(default_factory=list)

    @classmethod
    def over(cls, sheet: Image.Image, light: tuple[float, float]) -> Pen:
        """Return a pen whose unit is the sheet's shorter side and whose origin is its top left corner."""
        unit = float(min(sheet.size))
        matrix = np.array([[unit, 0.0, 0.0], [0.0, unit, 0.0]])
        return cls(sheet, ImageDraw.Draw(sheet), matrix, unit, light)

    def apart(self) -> Pen:
        """Return the same pen with a list of its own for the boxes it touches."""
        return replace(self, touched=[])

    def at(self, x: float, y: float, *, size: float = 1.0, turn: float = 0.0, flip: bool = False) -> Pen:
        """Return a pen whose origin is at (x, y), `size` times larger, turned clockwise by degrees."""
        c, s, f = math.cos(math.radians(turn)) * size, math.sin(math.radians(turn)) * size, -1.0 if flip else 1.0
        linear = self.matrix[:, :2] @ np.array([[c * f, -s], [s * f, c]])
        origin = self.matrix[:, :2] @ np.array([x, y]) + self.matrix[:, 2]
        return replace(self, matrix=np.column_stack([linear, origin]), unit=self.unit * size)

    def pixels(self, points: Controls) -> Points:
        """Return points (N, 2) in pixels."""
        return np.asarray(np.asarray(points) @ self.matrix[:, :2].T + self.matrix[:, 2], dtype=np.float64)

    def fill(self, outline: Controls, colour: Colour) -> None:
        """Fill a closed outline with one flat colour."""
        self.brush.polygon(self.pixels(outline).ravel().tolist(), fill=colour)

    def line(self, points: Controls, colour: Colour, width: float) -> None:
        """Draw an open line, `width` units wide."""
        pixels, wide = self.pixels(points), max(1, round(width * self.unit))
        self.brush.line(pixels.ravel().tolist(), fill=colour, width=wide)

    def stroke(self, points: Controls, colour: Colour, width: float) -> None:
        """Draw a line that is thin at both ends, like one made by a brush."""
        line = smooth(points, closed=False, steps=6)
        swell = np.sin(np.linspace(0.3, math.pi - 0.3, len(line)))[:, None] * width / 2
        along = np.concatenate([line[1:2] - line[:1], line[2:] - line[:-2], line[-1:] - line[-2:-1]])
        along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
        aside = along[:, ::-1] * (1.0, -1.0) * swell
        self.fill(np.concatenate([line + aside, (line - aside)[::-1]]), colour)

    def glow(self, x: float, y: float, rx: float, ry: float, colour: Colour, strength: float) -> None:
        """Lay a soft spot of colour, strongest (0-1) in its middle, over what is there."""
        (cx, cy), wide, high = self.pixels([(x, y)])[0], rx * self.unit, ry * self.unit
        size = (max(2, round(2 * wide)), max(2, round(2 * high)))
        spot = _spot(round(strength * 255)).resize(size, Image.Resampling.BILINEAR)
        self.sheet.paste(colour, (round(cx - wide), round(cy - high)), spot)

    def solid(
        self,
        shapes: Sequence[Shape],
        colour: Colour,
        *,
        ink: Colour | None = None,
        width: float = 0.02,
        marks: Sequence[Mark] = (),
        depth: float = 0.5,
        inked: Sequence[Shape] | None = None,
    ) -> None:
        """Draw shapes melted into one body, marked, and shaded by `depth` (0-1).

        The outline is `width` units wide and drawn in `ink` round `inked`, or round all shapes where that is not given.
        """
        if ink is not None:
            self._paint(shapes if inked is None else inked, ink, width)
        box = self._box(shapes)
        mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        self._paint(shapes, 255, 0.0, on=mask, origin=box[:2])
        self.sheet.paste(self._tile(mask, box, colour, marks, depth), box[:2], mask)
        self.touched.append(box)

    def _tile(self, mask: Image.Image, box: Box, colour: Colour, marks: Sequence[Mark], depth: float) -> Image.Image:
        """Return the part's coloured, marked and shaded area, of the mask's size.

        All of it is worked out at half the size, which is the size of the finished picture.
        """
        half = (mask.width // 2, mask.height // 2)
        veils = _veils(mask, self.light)
        if marks:
            tile = Image.new("RGB", mask.size, colour)
            self._mark(tile, marks, box)
            tile = tile.reduce(2)
            _shade(tile, colour, [veil.resize(half, Image.Resampling.BILINEAR) for veil in veils], depth)
        else:
            small = Image.new("RGB", veils[0].size, colour)
            _shade(small, colour, veils, depth)
            tile = small.resize(half, Image.Resampling.BILINEAR)
        return tile.resize(mask.size, Image.Resampling.NEAREST)

    def _mark(self, tile: Image.Image, marks: Sequence[Mark], box: Box) -> None:
        draw = ImageDraw.Draw(tile)
        for mark in marks:
            draw.polygon((self.pixels(mark.outline) - box[:2]).ravel().tolist(), fill=mark.colour)

    def _box(self, shapes: Sequence[Shape]) -> Box:
        low, high = zip(*(self._bounds(shape) for shape in shapes), strict=True)
        # Even numbers, so that halves of the box fall on pixels of the reduced picture.
        (left, top), (right, bottom) = np.min(low, axis=0) // 2 * 2, np.max(high, axis=0) // 2 * 2 + 2
        return int(left), int(top), int(right), int(bottom)

    def _bounds(self, shape: Shape) -> tuple[Points, Points]:
        if isinstance(shape, Tube):
            spine, radius = self.pixels(shape.spine), (shape.radii * self.unit)[:, None]
            return (spine - radius).min(axis=0), (spine + radius).max(axis=0)
        pixels = self.pixels(shape)
        return pixels.min(axis=0), pixels.max(axis=0)

    def _paint(
        self,
        shapes: Sequence[Shape],
        colour: Colour | int,
        grow: float,
        *,
        on: Image.Image | None = None,
        origin: tuple[int, int] = (0, 0),
    ) -> None:
        draw, extra = self.brush if on is None else ImageDraw.Draw(on), grow * self.unit
        for shape in shapes:
            if isinstance(shape, Tube):
                _paint_tube(draw, self.pixels(shape.spine) - origin, shape.radii * self.unit + extra, colour)
            else:
                _paint_outline(draw, self.pixels(shape) - origin, extra, colour)


def _paint_tube(draw: ImageDraw.ImageDraw, spine: Points, radii: Points, colour: Colour | int) -> None:
    radius = radii[:, None]
    for corners in np.hstack([spine - radius, spine + radius]).tolist():
        draw.ellipse(corners, fill=colour)


def _paint_outline(draw: ImageDraw.ImageDraw, pixels: Points, extra: float, colour: Colour | int) -> None:
    grown = pixels + outward(pixels) * extra if extra else pixels
    draw.polygon(grown.ravel().tolist(), fill=colour)


def _veils(mask: Image.Image, light: tuple[float, float]) -> list[Image.Image]:
    """Return where to darken and where to brighten a part, on a grid of a few cells."""
    step = max(2, max(mask.size) // _CELLS)
    coarse = ImageOps.expand(mask.reduce(step), border=5).filter(ImageFilter.GaussianBlur(2.6))
    away, towards = (_shifted(coarse, light, sign) for sign in (-2.2, 2.2))
    return [ImageChops.invert(away), ImageChops.subtract(away, towards)]


def _shade(tile: Image.Image, colour: Colour, veils: Sequence[Image.Image], depth: float) -> None:
    """Darken the side away from the light and brighten the one towards it."""
    strengths = (depth, depth * 0.55)
    for tone, veil, strength in zip((mix(colour, _SHADOW, 0.72), lighter(colour, 0.75)), veils, strengths, strict=True):
        tile.paste(tone, (0, 0), ImageChops.multiply(veil, Image.new("L", veil.size, round(255 * strength))))


def _shifted(coarse: Image.Image, light: tuple[float, float], by: float) -> Image.Image:
    dx, dy = round(light[0] * by), round(light[1] * by)
    return coarse.crop((5 + dx, 5 + dy, coarse.width - 5 + dx, coarse.height - 5 + dy))


@lru_cache(maxsize=256)
def _spot(strength: int) -> Image.Image:
    """Return a soft round spot (48, 48), `strength` (0-255) in its middle and 0 at its rim."""
    axis = np.linspace(-1, 1, 48)
    away = np.sqrt(axis[:, None] ** 2 + axis[None, :] ** 2).clip(0, 1)
    return Image.fromarray(np.rint(strength * (1 - away**2) ** 1.5).astype(np.uint8))
