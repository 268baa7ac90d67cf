"""Perceptual hashes, what they find alike, and the fingerprint by which a bundle knows its training pictures again.

The hash is the one known as pHash: the cosine transform of a 32 x 32 grey picture, its 8 x 8 lowest frequencies against
their median, after C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010. Cosines are
whole numbers here, so that sums are exact and a bit is the same on any machine; in floating point the bits of a plain
picture, whose frequencies are all zero, are noise. Otherwise it is that of the library imagehash, without loading
SciPy for it (tests/images/test_fingerprint.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawsight.images.decode import Pixels

HASHED_PX = 240  # side of the square that data sets are hashed at; the default recipe's, so that one decode serves both
THUMBNAIL_PX = 32  # side of the colour thumbnail that likeness.py compares
NEAR_BITS = 6  # of 64; measured on the exercise's photographs, see docs/experiments.md
FINGERPRINT_BYTES = 64
# A picture saved again, at half the size or 10 % brighter differs from itself in at most 10 bits of 255 and 8 levels
# of hue; other photographs of the same hands differ in 44 bits, of other things in 89 (docs/experiments.md).
SAME_BITS, SAME_HUE = 16, 8
_SIDE, _LOWEST = 32, 8  # of the picture that is transformed, and of the frequencies that are kept
_FINE = 16  # frequencies of a fingerprint
_REDUCED_PX = 2 * _SIDE
# 8 bits of a pixel, two cosines of 22 and two sums of 32 fit into 63 bits.
_COSINES = np.rint(
    (1 << 22) * np.cos(np.pi / _SIDE * np.outer(np.arange(_FINE), np.arange(_SIDE) + 0.5)),
).astype(np.int64)
_COMPARED = 1 << 23  # hashes compared at once: 64 MB of differences


def thumbnail(pixels: Pixels) -> Pixels:
    """Return a decoded picture (H, W, 3) uint8 averaged to (32, 32, 3) uint8."""
    return np.asarray(Image.fromarray(pixels).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX))


def fingerprint(small: Pixels) -> bytes:
    """Return what tells a picture from others, and does not show it: 64 bytes.

    The signs of the 16 x 16 lowest frequencies of its thumbnail (32, 32, 3) in grey, and the mean hue of 4 x 4 cells.
    """
    grey = np.asarray(grey_of(small), dtype=np.int64)
    frequencies = _COSINES @ grey @ _COSINES.T
    frequencies[0, 0] = 0
    cells = (small[..., [0, 2]].astype(np.int64) - grey[..., None]).reshape(4, 8, 4, 8, 2).sum(axis=(1, 3))
    hue = np.clip(cells // 128 + 128, 0, 255).astype(np.uint8)  # half of each difference, so that it fits a byte
    return bytes(np.packbits(frequencies > 0)) + bytes(hue)


def fingerprints_of(texts: Iterable[str]) -> NDArray[np.uint8]:
    """Return fingerprints (N, 64) that were written as hexadecimal digits.

    Raises:
        ValueError: one is not.
    """
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(-1, FINGERPRINT_BYTES)


def is_known(found: bytes, known: NDArray[np.uint8]) -> bool:
    """Return whether a fingerprint is that of one of the pictures with the fingerprints `known` (N, 64)."""
    own = np.frombuffer(found, np.uint8)
    bits = np.bitwise_count(known[:, :32] ^ own[:32]).sum(axis=1)
    near = known[bits <= SAME_BITS, 32:].astype(np.int64)
    return bool((np.abs(near - own[32:]) <= SAME_HUE // 2).all(axis=1).any())


def grey_of(pixels: Pixels) -> Image.Image:
    """Return the luma (ITU-R BT.601) of a decoded picture (H, W, 3) uint8 once for all measurements."""
    return Image.fromarray(pixels).convert("L")


def perceptual_hash(pixels: Pixels, *, grey: Image.Image | None = None) -> int:
    """Return the 64-bit perceptual hash of a decoded picture (H, W, 3) uint8, from its grey where that is at hand."""
    grey = grey or grey_of(pixels)
    # A box average first: the filter below is slow, and at twice the size the two hardly differ.
    small = grey.reduce(max(1, min(grey.size) // _REDUCED_PX)).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    frequencies = _COSINES[:_LOWEST] @ np.asarray(small, dtype=np.int64) @ _COSINES[:_LOWEST].T
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
