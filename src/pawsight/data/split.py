"""Train, validation and test: cut once, by content, and sealed by a digest.

Enters: a `Catalog` and a seed, or parts that somebody else chose. Leaves: a `Split`. Does not know: models, pixels.

Parts given by folders are respected. Where the cut is ours it is stratified by class, depends on the pictures'
contents and the seed alone (not on names or order), and keeps exact and near duplicates on one side.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pawsight.data.dataset import Catalog, Picture
from pawsight.data.facts import is_plain
from pawsight.images.fingerprint import groups_of, near_pairs

PARTS = ("train", "validation", "test")
_EXERCISE_BATCH = 32  # the exercise counts its fifth in whole batches: 32 batches // 5 x 32 = 192 of 1,000 pictures


@dataclass(frozen=True, slots=True)
class Assigned:
    """One picture's place."""

    name: str
    sha256: str
    label: str
    part: str


@dataclass(frozen=True, slots=True)
class Split:
    """Every picture's part, and how that came about."""

    assigned: tuple[Assigned, ...]  # in the order of the catalog
    how: str  # one sentence for people
    alike: tuple[tuple[Assigned, ...], ...] = ()  # groups of pictures that are equal or nearly so

    @property
    def straddling(self) -> tuple[tuple[str, ...], ...]:
        """Names of equal or near-equal pictures that given folders put in two parts."""
        return tuple(_names(group) for group in self.alike if len({one.part for one in group}) > 1)

    @property
    def disputed(self) -> tuple[tuple[str, ...], ...]:
        """Names of equal or near-equal pictures that lie in two classes."""
        return tuple(_names(group) for group in self.alike if len({one.label for one in group}) > 1)

    @property
    def digest(self) -> str:
        """SHA-256 over contents, labels and parts: equal digests mean that numbers can be compared."""
        lines = sorted(f"{one.sha256},{one.label},{one.part}" for one in self.assigned)
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def part(self, name: str) -> tuple[Assigned, ...]:
        """Return the pictures of one part."""
        return tuple(one for one in self.assigned if one.part == name)

    @property
    def sizes(self) -> dict[str, int]:
        """Pictures in each part."""
        return {name: sum(one.part == name for one in self.assigned) for name in PARTS}


def make_split(catalog: Catalog, *, seed: int = 0) -> Split:
    """Assign every picture to train, validation or test.

    Given train, validation and test folders stand. Where test is missing, a fixed stratified fifth of validation
    becomes test; where validation is missing, 15 % of train becomes validation; without parts 70 / 15 / 15.
    """
    pictures = catalog.pictures
    groups = _duplicate_groups(pictures)
    given = {picture.part for picture in pictures}
    parts = [picture.part or "train" for picture in pictures]
    if given >= set(PARTS):
        how = "train, validation and test as the folders say"
    elif given == {"train", "validation"}:
        _move(parts, pictures, groups, "validation", {"test": _fifth(parts.count("validation"))}, seed)
        how = "train and validation as the folders say; a fixed fifth of validation became test"
    elif given == {"train", "test"}:
        _move(parts, pictures, groups, "train", {"validation": 0.15}, seed)
        how = "train and test as the folders say; a fixed 15 % of train became validation"
    else:
        parts = ["train"] * len(pictures)
        _move(parts, pictures, groups, "train", {"validation": 0.15, "test": 0.15}, seed)
        how = "70 % train, 15 % validation, 15 % test"
    return _assigned(pictures, parts, groups, how)


def split_into(catalog: Catalog, parts: Sequence[str], *, how: str) -> Split:
    """Return the split that gives each picture of a catalog the part of the same place in `parts`."""
    return _assigned(catalog.pictures, parts, _duplicate_groups(catalog.pictures), how)


def _assigned(pictures: Sequence[Picture], parts: Sequence[str], groups: NDArray[np.int64], how: str) -> Split:
    assigned = tuple(Assigned(one.name, one.sha256, one.label, part) for one, part in zip(pictures, parts, strict=True))
    return Split(assigned, how, _together(assigned, groups))


def _names(group: Sequence[Assigned]) -> tuple[str, ...]:
    return tuple(one.name for one in group)


def _fifth(pictures: int) -> float:
    """Return the share that becomes test: a fifth in whole batches as the exercise counts, where there are enough."""
    batches = -(-pictures // _EXERCISE_BATCH)
    whole = batches // 5 * _EXERCISE_BATCH
    return whole / pictures if batches >= 5 else 0.2


def _move(
    parts: list[str],
    pictures: Sequence[Picture],
    groups: NDArray[np.int64],
    source: str,
    shares: Mapping[str, float],
    seed: int,
) -> None:
    """Move stratified shares of one part, whole duplicate groups at a time, into others."""
    rows = [index for index, part in enumerate(parts) if part == source]
    labels = np.unique([pictures[row].label for row in rows], return_inverse=True)[1]
    wanted = quotas(np.bincount(labels), [1 - sum(shares.values()), *shares.values()])
    order = np.argsort([_rank(seed, pictures[row].sha256) for row in rows])
    dealt = deal(labels[order], groups[rows][order], wanted)
    names = [source, *shares]
    for row, choice in zip(np.asarray(rows)[order], dealt, strict=True):
        parts[row] = names[choice]


def _rank(seed: int, sha256: str) -> str:
    return hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()


def _duplicate_groups(pictures: Sequence[Picture]) -> NDArray[np.int64]:
    """Number the groups of pictures with equal bytes or near-equal looks."""
    # The signs of a flat picture's frequencies are rounding: black and green would share a hash.
    varied = np.array([index for index, one in enumerate(pictures) if not is_plain(one.facts)], dtype=np.int64)
    hashes = np.array([pictures[index].facts.phash for index in varied], dtype=np.uint64)
    # Equal hashes first: a thousand alike would be half a million pairs, and are a thousand links to the first.
    distinct, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
    first = {picture.sha256: index for index, picture in reversed(list(enumerate(pictures)))}
    same = [(first[picture.sha256], index) for index, picture in enumerate(pictures)]
    alike = np.stack([varied[firsts[which]], varied], axis=1)
    near = varied[firsts[near_pairs(distinct)]]
    return groups_of(len(pictures), np.concatenate([near, alike, np.array(same, dtype=np.int64).reshape(-1, 2)]))


def _together(assigned: Sequence[Assigned], groups: NDArray[np.int64]) -> tuple[tuple[Assigned, ...], ...]:
    members: dict[int, list[Assigned]] = defaultdict(list)
    for one, group in zip(assigned, groups.tolist(), strict=True):
        members[group].append(one)
    return tuple(tuple(together) for together in members.values() if len(together) > 1)


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
