"""Which pictures are there twice: a wide answer for the split, a narrow one for what is said of them.

The split keeps together whatever looks alike (`alike_groups`): perceptual hashes that differ in a few bits, in chains.
What is reported, relabelled or refused counts only after a second look (`duplicate_pairs`): the colour thumbnails are
laid over each other, and a pair must stand out from its neighbours. Reported groups are stars, never chains: every
member was compared with the first. The hash is in images/fingerprint.py, the second look in images/likeness.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pawsight.data.dataset import Picture
from pawsight.data.facts import is_plain, thumbnail_of
from pawsight.data.label_sets import memberships
from pawsight.images.decode import Pixels
from pawsight.images.fingerprint import groups_of, near_pairs
from pawsight.images.likeness import differences

Ints = NDArray[np.int64]

# Measured in docs/experiments.md, "Looks the same": pairs that are one picture, saved again, resized, brightened or
# cropped by 5 %, leave 0.00 to 0.20 of their edges; the most alike photographs of different things leave 0.36 and more.
MOST_EDGES = 0.20
# Levels of 255. Quality 50 shifts the hue of an eighth of a side by up to 3, clipped highlights by up to 9; the eye
# takes hues that differ by 10 over such an area for two colours.
MOST_COLOUR = 8.0
MOST_PATCH = 16.0  # levels of 255: a patch of an eighth of a side that differs by more shows something else
# Where all pictures look alike, as grains on black do, being alike says little: what is taken for one picture must
# leave at most half of what the next one leaves.
GAP = 2.0
NEIGHBOURS = 8  # a picture is compared with; a larger group of pictures has no next one that it could stand out from
_INDISTINGUISHABLE = (0.03, 3.0, 4.0)  # edges, colour, patch: what saving at quality 90 leaves; needs no gap
_LEAST_COSINE = 0.7  # of thumbnails: cropping by 5 % leaves 0.8 and more of anything but the finest texture
_AT_ONCE = 512  # rows of cosines


def alike_groups(
    pictures: Sequence[Picture], pairs: Ints, *, apart: Collection[str] = (), several_labels: bool = False
) -> Ints:
    """Return a group number (N,) for each picture: duplicates and pictures with near hashes, in chains, share one.

    A chain that holds more than a fifth of a class, and more than 8 of its pictures, is no series but a class that
    looks alike as a whole. There, as in classes that are `apart`, only duplicates and the pictures of one given
    group share a number.

    Args:
        pictures: N of them.
        pairs: of `duplicate_pairs`, (P, 2).
        apart: labels of classes in which near hashes do not count.
        several_labels: a picture counts in the class of each of its labels.
    """
    duplicates = np.concatenate([_equal_bytes(pictures), _same_group(pictures), pairs])
    # Pictures of one colour have no near hashes: the signs of their frequencies are rounding errors, so that black
    # and green would share a hash.
    varied = _varied(pictures)
    hashes = np.array([pictures[row].facts.phash for row in varied], dtype=np.uint64)
    # Equal hashes first: a thousand of them would be half a million pairs, and are a thousand links to the first.
    distinct, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
    equal_hashes = np.stack([varied[firsts[which]], varied], axis=1)
    near_hashes = varied[firsts[near_pairs(distinct)]]
    wide = groups_of(len(pictures), np.concatenate([near_hashes, equal_hashes, duplicates]))
    rows, names, labels = memberships([p.labels if several_labels else (p.label,) for p in pictures])
    of_class = np.bincount(labels, minlength=1)
    cells, counts = np.unique(np.stack([wide[rows], labels]), axis=1, return_counts=True)
    broken = (counts > np.maximum(NEIGHBOURS, of_class[cells[1]] / 5)) | np.isin(names, list(apart))[cells[1]]
    return np.where(np.isin(wide, cells[0][broken]), groups_of(len(pictures), duplicates), wide)


def duplicate_groups(pictures: Sequence[Picture], pairs: Ints) -> list[list[int]]:
    """Return groups of rows that show one picture: exact copies, and what the second look finds.

    The first of a group is the picture that all others were compared with. A picture is in one group at most.

    Args:
        pictures: N of them.
        pairs: of `duplicate_pairs`, (P, 2).
    """
    copies: dict[int, list[int]] = defaultdict(list)
    for first, row in _equal_bytes(pictures).tolist():
        copies[first].append(row)
    neighbours: dict[int, list[int]] = defaultdict(list)
    for row, other in pairs.tolist():
        neighbours[row].append(other)
        neighbours[other].append(row)
    groups, taken = [], set()
    for centre in sorted(copies, key=lambda row: (-len(neighbours[row]), row)):
        if centre not in taken:
            star = [centre, *(row for row in sorted(neighbours[centre]) if row not in taken)]
            taken.update(star)
            groups.append([row for member in star for row in copies[member]])
    return sorted(group for group in groups if len(group) > 1)


def duplicate_pairs(pictures: Sequence[Picture]) -> Ints:
    """Return the pairs (P, 2) of rows with different bytes that show one picture, as far as can be seen.

    Of exact copies only the first is looked at. N pictures cost N x N products of thumbnails and at most 8 N second
    looks: 2,000 photographs of hands take 2.0 s of one core, 3,000 photographs of animals 0.5 s.
    """
    first: dict[bytes, int] = {}  # thumbnail -> row
    equal = []
    for row in np.intersect1d(_equal_bytes(pictures)[:, 0], _varied(pictures)).tolist():
        shown = pictures[row].facts.thumbnail
        if shown and (other := first.setdefault(shown, row)) != row:
            equal.append((other, row))
    rows = np.array(list(first.values()), dtype=np.int64)
    pairs = np.array(equal, dtype=np.int64).reshape(-1, 2)
    if len(rows) < 2:
        return pairs
    thumbnails = np.stack([thumbnail_of(pictures[row].facts) for row in rows])
    nearest = _nearest_pairs(thumbnails)
    stands_out = _stand_out(len(rows), nearest, differences(thumbnails, nearest))
    return np.concatenate([pairs, rows[nearest[stands_out]]])


def _varied(pictures: Sequence[Picture]) -> Ints:
    return np.array([row for row, picture in enumerate(pictures) if not is_plain(picture.facts)], dtype=np.int64)


def _equal_bytes(pictures: Sequence[Picture]) -> Ints:
    """Return (N, 2): the first row with the same bytes, and the row."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(picture.sha256, row), row) for row, picture in enumerate(pictures)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _same_group(pictures: Sequence[Picture]) -> Ints:
    """Return (P, 2): the first row of each given group, and the row."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(picture.group, row), row) for row, picture in enumerate(pictures) if picture.group]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _nearest_pairs(thumbnails: Pixels) -> Ints:
    """Return the pairs (P, 2), i < j, of thumbnails (N, 32, 32, 3) of which one is among the nearest of the other."""
    vectors = _vectors(thumbnails)
    count, pairs = min(NEIGHBOURS, len(vectors) - 1), []
    for start in range(0, len(vectors), _AT_ONCE):
        cosines = vectors[start : start + _AT_ONCE] @ vectors.T
        own = np.arange(start, start + len(cosines))
        cosines[own - start, own] = -1
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        rows, places = np.nonzero(np.take_along_axis(cosines, nearest, axis=1) >= _LEAST_COSINE)
        pairs.append(np.stack([own[rows], nearest[rows, places]], axis=1))
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)


def _vectors(thumbnails: Pixels) -> NDArray[np.float32]:
    """Return thumbnails as vectors (N, 288) of length 1: luma in 16 x 16 cells less its mean, hue in 4 x 4 cells."""
    pictures = len(thumbnails)
    values = thumbnails.astype(np.float32)
    luma = values @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    cells = luma.reshape(pictures, 16, 2, 16, 2).mean(axis=(2, 4)).reshape(pictures, -1)
    hue = (values - luma[..., None])[..., [0, 2]].reshape(pictures, 4, 8, 4, 8, 2).mean(axis=(2, 4))
    vectors = np.concatenate([cells - cells.mean(axis=1, keepdims=True), 4 * hue.reshape(pictures, -1)], axis=1)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-6), dtype=np.float32)


def _stand_out(count: int, pairs: Ints, found: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which pairs (P,) are alike, and more so than either picture is to the next one it was compared with."""
    edges, colour, patch = found.T
    # Whatever differs in hue is another picture, however alike it is else, and no measure of what is usual.
    usual = np.where(colour <= MOST_COLOUR, np.maximum(edges, 0.02), np.inf)
    sides = np.zeros(len(pairs), dtype=np.int64)
    ends = np.concatenate([pairs[:, 0], pairs[:, 1]])
    order = np.lexsort((np.tile(usual, 2), ends))
    starts = np.searchsorted(ends[order], np.arange(count + 1))
    for start, end in pairwise(starts):
        own = order[start:end] % max(len(pairs), 1)  # nearest first
        # A picture with fewer neighbours was compared with all that is like it; else the next one is not known.
        following = np.append(usual[own][1:], 0 if len(own) >= NEIGHBOURS else np.inf)
        last = np.flatnonzero((usual[own] <= MOST_EDGES) & (following >= GAP * usual[own]))
        sides[own[: last.max(initial=-1) + 1]] += 1
    certain = (found <= np.array(_INDISTINGUISHABLE, dtype=np.float32)).all(axis=1)
    stands_out: NDArray[np.bool_] = certain | ((sides == 2) & (patch <= MOST_PATCH))
    return stands_out
