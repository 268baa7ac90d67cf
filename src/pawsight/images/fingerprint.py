"""Perceptual hashes and the groups of near-duplicates that they find.

The hash is the one known as pHash: the cosine transform of a 32 x 32 grey picture, its 8 x 8 lowest frequencies against
their median, after C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010. Cosines are
whole numbers here, so that sums are exact and a bit is the same on any machine; in floating point the bits of a plain
picture, whose frequencies are all zero, are noise. Otherwise it is that of the library imagehash, without loading
SciPy for it (tests/images/test_fingerprint.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawsight.images.decode import Pixels

HASHED_PX = 240  # side of the square that data sets are hashed at; the default recipe's, so that one decode serves both
NEAR_BITS = 6  # of 64; measured on the exercise's photographs, see docs/experiments.md
_SIDE, _LOWEST = 32, 8  # of the picture that is transformed, and of the frequencies that are kept
_REDUCED_PX = 2 * _SIDE
# 8 bits of a pixel, two cosines of 22 and two sums of 32 fit into 63 bits.
_COSINES = np.rint(
    (1 << 22) * np.cos(np.pi / _SIDE * np.outer(np.arange(_LOWEST), np.arange(_SIDE) + 0.5)),
).astype(np.int64)
_COMPARED = 1 << 23  # hashes compared at once: 64 MB of differences


def grey_of(pixels: Pixels) -> Image.Image:
    """Return the luma (ITU-R BT.601) of a decoded picture (H, W, 3) uint8 once for all measurements."""
    return Image.fromarray(pixels).convert("L")


def perceptual_hash(pixels: Pixels, *, grey: Image.Image | None = None) -> int:
    """Return the 64-bit perceptual hash of a decoded picture (H, W, 3) uint8, from its grey where that is at hand."""
    grey = grey or grey_of(pixels)
    # A box average first: the filter below is slow, and at twice the size the two hardly differ.
    small = grey.reduce(max(1, min(grey.size) // _REDUCED_PX)).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    frequencies = _COSINES @ np.asarray(small, dtype=np.int64) @ _COSINES.T
    bits = frequencies > _median(frequencies)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _median(values: NDArray[np.int64]) -> int:
    """Return the median of an even number of whole numbers, rounded down, so that the same ones are above it."""
    ordered = np.sort(values, axis=None)
    middle = len(ordered) // 2
    return (int(ordered[middle - 1]) + int(ordered[middle])) // 2


def near_pairs(hashes: NDArray[np.uint64], *, bits: int = NEAR_BITS) -> NDArray[np.int64]:
    """Return the pairs (P, 2) of indices i < j whose hashes differ in at most `bits` of 64."""
    found = []
    rows_at_once = max(1, _COMPARED // max(1, len(hashes)))
    for start in range(0, len(hashes), rows_at_once):
        block = hashes[start : start + rows_at_once]
        differ = np.bitwise_count(block[:, None] ^ hashes[None, start:])
        rows, columns = np.nonzero(differ <= bits)
        ahead = columns > rows
        found.append(np.stack([rows[ahead] + start, columns[ahead] + start], axis=1))
    return np.concatenate(found) if found else np.empty((0, 2), np.int64)


def groups_of(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a group number (count,) for each picture: pictures joined by a chain of pairs share one.

    The number of a group is the smallest index in it, so it does not depend on the order of the pairs.
    """
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs.tolist():
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return np.array([root(index) for index in range(count)], dtype=np.int64)
