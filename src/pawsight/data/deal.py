"""Deals labelled, grouped things into parts: the arithmetic of a stratified split.

Enters: arrays of labels and group numbers, shares. Leaves: a part for each. Does not know: pictures, hashes, names.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def quotas(counts: Ints, shares: Sequence[float]) -> Ints:
    """Round shares of each class to whole numbers that add up, without drifting over many small classes.

    Args:
        counts: pictures in each class (C,).
        shares: of each part (P,), adding up to 1.

    Returns:
        whole numbers (C, P): each within one of `counts x shares`, each row adding up to the class's count. A class
        with a single picture gives it to the first part; what is left over after rounding down goes to the parts
        that have fallen furthest behind over the classes so far.
    """
    rounded = np.zeros((len(counts), len(shares)), dtype=np.int64)
    behind = np.zeros(len(shares))
    for row, count in enumerate(counts):
        exact = count * np.asarray(shares)
        whole = np.floor(exact + 1e-9).astype(np.int64)
        behind += exact - whole
        if whole[0] == 0:  # a class that nothing can be learnt from is worth nothing in the other parts
            whole[0] += 1
            behind[0] -= 1
        spare = int(count - whole.sum())
        room = np.where(whole <= exact + 1e-9, behind, -np.inf)
        for part in np.argsort(-room, kind="stable")[:spare]:
            whole[part] += 1
            behind[part] -= 1
        rounded[row] = whole
    return rounded


def deal(labels: Ints, groups: Ints, wanted: Ints) -> Ints:
    """Give each thing a part, so that no group is torn apart.

    Args:
        labels: class index of each thing (N,), in the order in which they are dealt.
        groups: group number of each thing (N,).
        wanted: how many of each class each part should get (C, P); rows add up to the class counts.

    Returns:
        part index of each thing (N,). Where all groups are single things the wanted numbers are met exactly;
        groups of several are dealt first, the largest first, each to the part that is emptiest in proportion. Where
        the first part is wanted to have something of a class, it has.
    """
    room = wanted.astype(np.int64).copy()
    parts = np.full(len(labels), -1, dtype=np.int64)
    undealt = wanted.sum(axis=1)
    lacking = wanted[:, 0] > 0  # classes of which the first part has nothing yet
    for members in _shared_groups(groups):
        needs = np.bincount(labels[members], minlength=len(room))
        last_chance = (lacking & (needs > 0) & (needs == undealt)).any()
        part = 0 if last_chance else _roomiest(room, wanted, needs)
        parts[members] = part
        room[:, part] -= needs
        undealt -= needs
        lacking &= (needs == 0) | (part > 0)
    for label in range(len(room)):
        single = np.flatnonzero((labels == label) & (parts < 0))
        fitting = _fitting(room[label], len(single), int(lacking[label]))
        parts[single] = np.repeat(np.arange(room.shape[1]), fitting)
    return parts


def _shared_groups(groups: Ints) -> list[Ints]:
    """Return the members of each group of several, the largest first, then in the order of dealing."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1, append=-1)) if len(groups) else np.empty(0, np.int64)
    several = [order[a:b] for a, b in pairwise(starts) if b - a > 1]
    return sorted(several, key=lambda members: (-len(members), int(members[0])))


def _roomiest(room: Ints, wanted: Ints, needs: Ints) -> int:
    """Return the part that is emptiest, in proportion, among those that can take the group; else the least overfull."""
    concerned = needs > 0
    after = (room[concerned] - needs[concerned, None]).min(axis=0)
    emptiness = after / np.maximum(wanted[concerned].sum(axis=0), 1)
    return int(np.argmax(np.where(after >= 0, 1 + emptiness, after.astype(float))))


def _fitting(room: Ints, count: int, least: int) -> Ints:
    """Bring the room of one class to exactly `count`: the roomiest parts pay for the overfull ones.

    The first part keeps `least`.
    """
    fitting = np.maximum(room, 0)
    for part in np.argsort(-fitting, kind="stable"):
        spare = int(fitting[part]) - (least if part == 0 else 0)
        fitting[part] -= min(spare, max(0, int(fitting.sum()) - count))
    return fitting
