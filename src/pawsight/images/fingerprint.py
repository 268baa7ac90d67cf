"""Perceptual hashes: which pictures look the same though their bytes differ.

Enters: decoded pixels. Leaves: 64-bit hashes, and groups of pictures whose hashes are near. Does not know: files.

The hash is imagehash's `phash` (DCT of a 32 x 32 grey picture, the 8 x 8 lowest frequencies against their median),
after C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawsight.images.decode import Pixels

HASHED_PX = 240  # side of the square that data sets are hashed at; the default recipe's, so that one decode serves both
NEAR_BITS = 6  # of 64; measured on the exercise's photographs, see docs/experiments.md
_REDUCED_PX = 64  # twice the side at which the hash is taken
_COMPARED = 1 << 23  # hashes compared at once: 64 MB of differences


def grey_of(pixels: Pixels) -> Image.Image:
    """Return the luma (ITU-R BT.601) of a decoded picture (H, W, 3) uint8, for all who measure it."""
    return Image.fromarray(pixels).convert("L")


def perceptual_hash(pixels: Pixels, *, grey: Image.Image | None = None) -> int:
    """Return the 64-bit perceptual hash of a decoded picture (H, W, 3) uint8, from its grey where that is at hand."""
    import imagehash

    grey = grey or grey_of(pixels)
    # A box average first: the hash itself shrinks with a slow filter, and at twice its size the two hardly differ.
    small = grey.reduce(max(1, min(grey.size) // _REDUCED_PX))
    bits = imagehash.phash(small).hash
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


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
