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

import numpy as np
from numpy.typing import NDArray

from pawsight.data.catalog import Catalog, Picture
from pawsight.data.deal import deal, quotas
from pawsight.data.traits import is_plain
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
