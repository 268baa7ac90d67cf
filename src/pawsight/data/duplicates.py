"""Exact and near duplicates: pictures with equal bytes, or with perceptual hashes that differ in a few bits.

The hash and the search for near ones are in images/fingerprint.py; what is wrong with duplicates is in audit.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pawsight.data.dataset import Picture
from pawsight.data.facts import is_plain
from pawsight.images.fingerprint import groups_of, near_pairs


def duplicate_groups(pictures: Sequence[Picture]) -> NDArray[np.int64]:
    """Return a group number (N,) for each picture; duplicates, also of each other's duplicates, share one."""
    # Pictures of one colour have no near duplicates: the signs of their frequencies are rounding errors, so that black
    # and green would share a hash.
    varied = np.array([index for index, picture in enumerate(pictures) if not is_plain(picture.facts)], dtype=np.int64)
    hashes = np.array([pictures[index].facts.phash for index in varied], dtype=np.uint64)
    # Equal hashes first: a thousand of them would be half a million pairs, and are a thousand links to the first.
    distinct, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
    equal_hashes = np.stack([varied[firsts[which]], varied], axis=1)
    near_hashes = varied[firsts[near_pairs(distinct)]]
    first = {picture.sha256: index for index, picture in reversed(list(enumerate(pictures)))}
    equal_bytes = [(first[picture.sha256], index) for index, picture in enumerate(pictures)]
    pairs = [near_hashes, equal_hashes, np.array(equal_bytes, dtype=np.int64).reshape(-1, 2)]
    return groups_of(len(pictures), np.concatenate(pairs))
