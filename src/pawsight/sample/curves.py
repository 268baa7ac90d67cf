"""Smooth outlines from a handful of points.

Enters: control points in any unit, x to the right and y down. Leaves: point arrays (N, 2).
Does not know: pixels, colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from random import Random

import numpy as np
import numpy.typing as npt

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
