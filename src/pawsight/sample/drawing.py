"""Smooth outlines, colours, a pen for shaded, inked shapes, and the light over a finished picture.

The colours are the same for cats and dogs, so that none gives the answer away. Points are (N, 2), y down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Points = npt.NDArray[np.float64]
Controls = Sequence[tuple[float, float]] | Points


@lru_cache(maxsize=256)
def _catmull_rom(count: int, steps: int, closed: bool) -> Points:
    """Weights of `count` control points (columns) in each point of the curve (rows)."""
    t = np.arange(steps) / steps
    powers = np.stack([np.ones(steps), t, t**2, t**3], axis=1)
    basis = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]], dtype=np.float64)
    four = powers @ basis
    segments = count if closed else count - 1
    weights = np.zeros((segments * steps + (not closed), count))
    for segment in range(segments):
        for neighbour in range(4):
            at = segment + neighbour - 1
            at = at % count if closed else min(max(at, 0), count - 1)
            weights[segment * steps : (segment + 1) * steps, at] += four[:, neighbour]
    if not closed:
        weights[-1, -1] = 1.0
    return weights


def smooth(points: Controls, *, closed: bool = True, steps: int = 6) -> Points:
    """Return a Catmull-Rom curve through `points`; a point given twice makes a corner."""
    p = np.asarray(points, dtype=np.float64)
    return np.asarray(_catmull_rom(len(p), steps, closed) @ p, dtype=np.float64)


def mirrored(half: Controls) -> Points:
    """Complete the right half of a figure, listed from top to bottom, with its left half."""
    right = np.asarray(half, dtype=np.float64)
    left = (right * (-1.0, 1.0))[::-1]
    return np.concatenate([right, left[np.abs(left[:, 0]) > 1e-9]])


def oval(x: float, y: float, rx: float, ry: float, *, turn: float = 0.0, count: int = 30) -> Points:
    """Return an ellipse about (x, y), turned clockwise by `turn` degrees."""
    flat = _circle(count) * (rx, ry)
    return (turned(flat, turn) if turn else flat) + (x, y)


@lru_cache(maxsize=32)
def _circle(count: int) -> Points:
    angle = np.linspace(0.0, 2 * math.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def turned(points: Points, degrees: float) -> Points:
    """Turn points clockwise (as seen with y down) about the origin."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.asarray(points @ np.array([[c, s], [-s, c]]), dtype=np.float64)


def blob(x: float, y: float, rx: float, ry: float, rng: Random, *, wobble: float = 0.25) -> Points:
    """Return an uneven round shape about (x, y)."""
    count, start = rng.randint(6, 8), rng.uniform(0, math.pi)
    reach = [1 + rng.uniform(-wobble, wobble) for _ in range(count)]
    angles = [start + 2 * math.pi * i / count for i in range(count)]
    return smooth([(x + rx * r * math.cos(a), y + ry * r * math.sin(a)) for a, r in zip(angles, reach, strict=True)])


def outward(points: Points) -> Points:
    """Return unit normals (N, 2) of a closed outline, pointing away from its inside."""
    ring = np.concatenate([points[-1:], points, points[:1]])
    along = ring[2:] - ring[:-2]
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    after = ring[2:]
    area = float(points[:, 0] @ after[:, 1] - after[:, 0] @ points[:, 1])
    sign = 1.0 if area > 0 else -1.0
    return np.asarray(along[:, ::-1] * (sign, -sign) / length[:, None], dtype=np.float64)


def even(points: Points, count: int) -> Points:
    """Return `count` points spread evenly along a closed outline."""
    ring = np.vstack([points, points[:1]])
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))])
    at = np.linspace(0.0, walked[-1], count, endpoint=False)
    return np.stack([np.interp(at, walked, ring[:, 0]), np.interp(at, walked, ring[:, 1])], axis=1)


def fluffy(points: Points, rng: Random, *, height: float, tufts: int) -> Points:
    """Return the outline with `tufts` locks of fur up to `height` long that lean downwards, few below."""
    ring = even(points, tufts * 4)
    reach = np.zeros((len(ring), 1))
    longest = np.array([rng.uniform(0.3, 1.0) * height for _ in range(tufts)])
    for place, share in ((1, 0.45), (2, 1.0), (3, 0.1)):
        reach[place::4, 0] = longest * share
    away = outward(ring)
    below = np.clip(1.15 - np.maximum(away[:, 1:], 0.0), 0.15, 1.0)
    return smooth(ring + reach * below * (away + np.array([0.0, 0.6])), steps=3)


def wedge(x: float, y: float, dx: float, dy: float, width: float) -> Points:
    """Return a stripe that starts `width` wide at (x, y) and ends in a point at (x + dx, y + dy)."""
    length = math.hypot(dx, dy) or 1.0
    nx, ny = -dy / length * width / 2, dx / length * width / 2
    mx, my = x + dx * 0.55, y + dy * 0.55
    tip = (x + dx, y + dy)
    return smooth(
        [(x + nx, y + ny), (mx + nx * 0.8, my + ny * 0.8), tip, tip, (mx - nx * 0.8, my - ny * 0.8), (x - nx, y - ny)],
        steps=3,
    )


Colour = tuple[int, int, int]

WHITE: Colour = (255, 252, 245)
NIGHT: Colour = (38, 32, 48)
BLUSH: Colour = (240, 150, 140)
TONGUE: Colour = (236, 120, 128)

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


Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels
_SHADOW: Colour = (70, 48, 78)
_CELLS = 22  # side of the coarse grid on which shading is worked out


Tube = tuple[Points, Points]  # a limb or tail: its spine (N, 2), and its radius (N,) at each point of it
Shape = Points | Tube
Mark = tuple[Points, Colour]  # a patch on a part: its outline, cut off at the part's, and its colour


def tube(spine: Controls, radii: Sequence[float]) -> Tube:
    """Return a limb along a smooth line through `spine`, as thick as `radii` at evenly spread points of it."""
    points = np.asarray(spine, dtype=np.float64)
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    # It is painted as a row of discs, which must lie close to look like one smooth limb.
    steps = min(24, 4 + int(length / (0.3 * max(radii) * (len(points) - 1))))
    line = smooth(points, closed=False, steps=steps)
    where = np.linspace(0, len(radii) - 1, len(line))
    return (line, np.interp(where, np.arange(len(radii)), np.asarray(radii, dtype=np.float64)))


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
        for outline, colour in marks:
            draw.polygon((self.pixels(outline) - box[:2]).ravel().tolist(), fill=colour)

    def _box(self, shapes: Sequence[Shape]) -> Box:
        low, high = zip(*(self._bounds(shape) for shape in shapes), strict=True)
        # Even numbers, so that halves of the box fall on pixels of the reduced picture.
        (left, top), (right, bottom) = np.min(low, axis=0) // 2 * 2, np.max(high, axis=0) // 2 * 2 + 2
        return int(left), int(top), int(right), int(bottom)

    def _bounds(self, shape: Shape) -> tuple[Points, Points]:
        if isinstance(shape, tuple):
            spine, radius = self.pixels(shape[0]), (shape[1] * self.unit)[:, None]
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
            if isinstance(shape, tuple):
                _paint_tube(draw, self.pixels(shape[0]) - origin, shape[1] * self.unit + extra, colour)
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


_TINTS = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 0.96, 0.88), (1.0, 0.98, 0.93), (0.92, 0.97, 1.0), (0.96, 0.94, 1.0))
_GRAIN_SIDE = 640


def lit(picture: Image.Image, rng: Random) -> Image.Image:
    """Return the picture under a randomly chosen light."""
    wide, high = picture.size
    veil = _veil(rng).resize((wide // 2, high // 2), Image.Resampling.BILINEAR)
    grain, left, top = _grain(rng.choice((2, 3, 5, 8))), rng.randrange(200), rng.randrange(200)
    grain = grain.crop((left, top, min(left + wide, _GRAIN_SIDE), min(top + high, _GRAIN_SIDE)))
    veil, grain = (layer.resize(picture.size, Image.Resampling.NEAREST) for layer in (veil, grain))
    if rng.random() < 0.12:
        picture = _sunbeams(picture, rng)
    return ImageChops.multiply(ImageChops.multiply(picture, veil), grain)


def _sunbeams(picture: Image.Image, rng: Random) -> Image.Image:
    """Return the picture with two or three soft slanting beams over it, strongest at their upper end."""
    beams = Image.new("L", (96, 96))
    brush, slant = ImageDraw.Draw(beams), rng.choice((-1, 1)) * rng.uniform(20, 50)
    at = rng.uniform(0, 30) - min(slant, 0.0)
    for _ in range(rng.randint(2, 3)):
        wide = rng.uniform(7, 16)
        brush.polygon([(at, 0), (at + wide, 0), (at + wide * 1.6 + slant, 96), (at + slant, 96)], fill=86)
        at += wide + rng.uniform(6, 14)
    fading = ImageChops.multiply(beams, Image.linear_gradient("L").rotate(180).resize((96, 96)))
    soft = fading.filter(ImageFilter.GaussianBlur(1.6)).resize(picture.size, Image.Resampling.BILINEAR)
    return Image.composite(Image.new("RGB", picture.size, (255, 246, 214)), picture, soft)


def _veil(rng: Random) -> Image.Image:
    """Return a coarse picture (24, 24) to multiply with: a tint, brighter on one side, darker in the corners."""
    y, x = np.mgrid[-1:1:24j, -1:1:24j]
    strength = rng.choices((1.06, 1.0, 0.9, 0.74), (58, 20, 12, 10))[0]
    slope_x, slope_y = rng.uniform(-0.07, 0.07), rng.uniform(-0.06, 0.06)
    corners = rng.choice((0.0, 0.06, 0.12, 0.24))
    bright = strength * (1 + slope_x * x + slope_y * y) * (1 - corners * (x**2 + y**2) / 2)
    tinted = bright[..., None] * np.asarray(rng.choice(_TINTS)) * 255
    return Image.fromarray(tinted.clip(0, 255).astype(np.uint8))


@lru_cache(maxsize=8)
def _grain(depth: int) -> Image.Image:
    """Return paper grain (640, 640) between 255 - 2 * depth and 255, made of one coarse and one fine layer of noise."""
    noise = np.random.default_rng(depth)
    fine = noise.normal(0, 0.35, (_GRAIN_SIDE, _GRAIN_SIDE))
    coarse = np.kron(noise.normal(0, 0.25, (_GRAIN_SIDE // 2, _GRAIN_SIDE // 2)), np.ones((2, 2)))
    grey = (255 - depth + depth * (fine + coarse)).clip(0, 255).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(grey)] * 3)
