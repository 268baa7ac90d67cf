"""The split into train, validation and test, cut once by content; a split that the user gives is in given_split.py.

Parts that folders give are kept. Otherwise the split is stratified by class, or by each of several labels, keeps what
looks alike (duplicates.py) in one part as long as every class keeps its shares, and depends on the contents of the
pictures and the seed alone, not on names or order.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pawsight.core.text import html_table
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.duplicates import alike_groups, duplicate_groups, duplicate_pairs
from pawsight.data.label_sets import labels_in, truth_of
from pawsight.data.parts import PARTS

_UNDEALT = "undealt"  # in place of a part, while pictures are dealt
_EXERCISE_BATCH = 32  # the exercise counts its fifth in whole batches: 32 batches // 5 x 32 = 192 of 1,000 pictures
_SHOWN = 30  # classes in a notebook's table
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Assigned:
    """A picture and its part."""

    name: str
    sha256: str
    label: str
    part: str
    group: str = ""  # as in `found.Candidate`


@dataclass(frozen=True, repr=False)  # without slots, for the cached digest
class Split:
    """The part of every picture."""

    assigned: tuple[Assigned, ...]  # in the order of the dataset
    how: str  # one sentence for the user
    alike: tuple[tuple[Assigned, ...], ...] = ()  # groups kept in one part: duplicates, and what looks like them
    # Groups that show one picture, as far as can be seen: exact copies, and what is like the first of the group
    duplicates: tuple[tuple[Assigned, ...], ...] = ()
    several_labels: bool = False  # as in `Dataset`

    @property
    def duplicates_across_parts(self) -> tuple[tuple[str, ...], ...]:
        """Names in each group of duplicates that lies in several parts, as given parts may have it: leakage."""
        return tuple(_names(group) for group in self.duplicates if len({picture.part for picture in group}) > 1)

    @property
    def conflicting_labels(self) -> tuple[tuple[str, ...], ...]:
        """Names in each group of duplicates that lies in several classes; none where pictures have several labels."""
        if self.several_labels:
            return ()
        return tuple(_names(group) for group in self.duplicates if len({picture.label for picture in group}) > 1)

    @property
    def groups_across_parts(self) -> dict[str, tuple[Assigned, ...]]:
        """Each group, given or found, that lies in several parts, as given parts may have it -> its pictures."""
        members: dict[str, list[Assigned]] = defaultdict(list)
        for picture in self.assigned:
            if picture.group:
                members[picture.group].append(picture)
        return {name: tuple(own) for name, own in members.items() if len({picture.part for picture in own}) > 1}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over contents, labels and parts: equal digests mean that numbers can be compared."""
        lines = sorted(f"{picture.sha256},{picture.label},{picture.part}" for picture in self.assigned)
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{size:,} {name}" for name, size in self.sizes.items())
        return f"Split({sizes}; {self.how}; digest {self.digest[:12]})"

    def numbers(self, *parts: str) -> Ints:
        """Number the pictures of some parts, or of all, by what is kept together (N,); each other picture is alone."""
        chosen = [picture for picture in self.assigned if picture.part in (parts or PARTS)]
        rows = {picture.name: row for row, picture in enumerate(chosen)}
        groups = np.arange(len(rows))
        for together in self.alike:
            members = [rows[picture.name] for picture in together if picture.name in rows]
            groups[members] = min(members, default=0)
        return groups

    def _repr_html_(self) -> str:
        counts = Counter((picture.label, picture.part) for picture in self.assigned)
        labels = sorted({picture.label for picture in self.assigned})
        rows = [[label, *(counts[label, part] for part in PARTS)] for label in labels[:_SHOWN]]
        rows += [[f"and {len(labels) - _SHOWN:,} more classes", "", "", ""]] if len(labels) > _SHOWN else []
        rows += [["all", *self.sizes.values()]]
        return html_table(["class", *PARTS], rows, caption=f"{self.how}; digest {self.digest[:12]}")

    def labels_in(self, part: str) -> set[str]:
        """Return the labels that pictures of one part have, one by one where they have several."""
        return {label for picture in self.part(part) for label in self.labels_of(picture)}

    def labels_of(self, picture: Assigned) -> tuple[str, ...]:
        """Return the label of a picture, or all that it has."""
        return labels_in(picture.label) if self.several_labels else (picture.label,)

    def part(self, name: str) -> tuple[Assigned, ...]:
        """Return the pictures of one part."""
        return tuple(picture for picture in self.assigned if picture.part == name)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of pictures in each part."""
        counted = Counter(picture.part for picture in self.assigned)
        return {name: counted[name] for name in PARTS}


def make_split(dataset: Dataset, *, seed: int = 0) -> Split:
    """Assign every picture to train, validation or test.

    Given train, validation and test folders stand. Where test is missing, a fixed stratified fifth of validation
    becomes test; where validation is missing, 15 % of train becomes validation; without parts 70 / 15 / 15.
    """
    pictures = dataset.pictures
    pairs = duplicate_pairs(pictures)
    groups = alike_groups(pictures, pairs, several_labels=dataset.several_labels)
    given = {picture.part for picture in pictures}
    parts = [picture.part or "train" for picture in pictures]
    if given >= set(PARTS):
        return _split(dataset, parts, pairs, groups, "train, validation and test as the folders say")
    if given == {"train", "validation"}:
        source, shares = "validation", {"test": _fifth(parts.count("validation"))}
        how = "train and validation as the folders say; a fixed fifth of validation became test"
    elif given == {"train", "test"}:
        source, shares = "train", {"validation": 0.15}
        how = "train and test as the folders say; a fixed 15 % of train became validation"
    else:
        parts = ["train"] * len(pictures)
        source, shares = "train", {"validation": 0.15, "test": 0.15}
        how = "70 % train, 15 % validation, 15 % test"
    moved, groups, is_apart = _dealt(dataset, parts, pairs, groups, source, shares, seed)
    if is_apart:
        how += "; pictures that look alike are in several parts, else classes would miss their shares"
    return _split(dataset, moved, pairs, groups, how)


def split_into(dataset: Dataset, parts: Sequence[str], *, how: str) -> Split:
    """Return the split that gives each picture of a dataset the part at the same place in `parts`."""
    pairs = duplicate_pairs(dataset.pictures)
    groups = alike_groups(dataset.pictures, pairs, several_labels=dataset.several_labels)
    return _split(dataset, parts, pairs, groups, how)


def split_around(dataset: Dataset, parts: Sequence[str | None], *, seed: int, how: str) -> Split:
    """Return a split that keeps the parts that are given, and deals the other pictures in the same shares.

    A picture without a part goes where its duplicates and the others of its group lie; of several parts to the one
    furthest from training, so that what shows a test picture is never trained on. Next it goes where pictures that
    look like it lie, if all of them lie in one part; next where its own folder says. The others are dealt by class.

    Args:
        dataset: of N pictures.
        parts: (N,) of each picture, None where it is to be dealt; at least one is given.
        seed: of the dealing.
        how: the split came about, for the user.
    """
    pictures = dataset.pictures
    pairs = duplicate_pairs(pictures)
    groups = alike_groups(pictures, pairs, several_labels=dataset.several_labels)
    placed = _beside(dataset, parts, pairs, groups)
    counted = Counter(part for part in parts if part)
    shares = {part: counted[part] / counted.total() for part in PARTS[1:] if counted[part]}
    moved, groups, _ = _dealt(dataset, placed, pairs, groups, _UNDEALT, shares, seed)
    return _split(dataset, ["train" if part == _UNDEALT else part for part in moved], pairs, groups, how)


def _beside(dataset: Dataset, parts: Sequence[str | None], pairs: Ints, groups: Ints) -> list[str]:
    """Return the part of each picture (N,) that it has, or that the pictures like it or its folder say."""
    pictures = dataset.pictures
    same = alike_groups(pictures, pairs, apart=set(dataset.classes), several_labels=dataset.several_labels)
    of_same: dict[int, set[str]] = defaultdict(set)
    of_alike: dict[int, set[str]] = defaultdict(set)
    for row, part in enumerate(parts):
        if part:
            of_same[int(same[row])].add(part)
            of_alike[int(groups[row])].add(part)
    placed = []
    for row, (picture, part) in enumerate(zip(pictures, parts, strict=True)):
        near, alike = of_same[int(same[row])], of_alike[int(groups[row])]
        beside = max(near, key=PARTS.index) if near else min(alike) if len(alike) == 1 else None
        placed.append(part or beside or picture.part or _UNDEALT)
    return placed


def all_in_training(split: Split, *, keeps_test: bool) -> Split:
    """Return the split with its validation pictures in training, as cross-validation needs no others.

    Args:
        split: of all pictures.
        keeps_test: whether its test part stays what it is, sealed, as one that the user gave; else that is in training
            too.
    """
    moved = {picture: replace(picture, part="train") for picture in split.assigned}
    if keeps_test:
        moved |= {picture: picture for picture in split.part("test")}
    assigned, alike, duplicates = (
        [tuple(moved[picture] for picture in group) for group in groups]
        for groups in ([split.assigned], split.alike, split.duplicates)
    )
    how = "measured by cross-validation: all pictures are in training"
    if keeps_test and split.part("test"):
        how = "measured by cross-validation: all pictures but those of the given test set are in training"
    return replace(split, assigned=assigned[0], how=how, alike=tuple(alike), duplicates=tuple(duplicates))


def _split(dataset: Dataset, parts: Sequence[str], pairs: Ints, groups: Ints, how: str) -> Split:
    pictures = dataset.pictures
    assigned = tuple(
        Assigned(picture.name, picture.sha256, picture.label, part, picture.group)
        for picture, part in zip(pictures, parts, strict=True)
    )
    members: dict[int, list[Assigned]] = defaultdict(list)
    for picture, group in zip(assigned, groups.tolist(), strict=True):
        members[group].append(picture)
    alike = tuple(tuple(group) for group in members.values() if len(group) > 1)
    duplicates = tuple(tuple(assigned[row] for row in group) for group in duplicate_groups(pictures, pairs))
    return Split(assigned, how, alike, duplicates, dataset.several_labels)


def spread(group: Sequence[Assigned]) -> str:
    """Return how many pictures of a group lie in each part: 12 train, 3 test."""
    counted = Counter(picture.part for picture in group)
    return ", ".join(f"{counted[part]:,} {part}" for part in PARTS if counted[part])


def _names(group: Sequence[Assigned]) -> tuple[str, ...]:
    return tuple(picture.name for picture in group)


def _fifth(pictures: int) -> float:
    """Return the share that becomes test: a fifth in whole batches as the exercise counts, where there are enough."""
    batches = -(-pictures // _EXERCISE_BATCH)
    whole = batches // 5 * _EXERCISE_BATCH
    return whole / pictures if batches >= 5 else 0.2


def _dealt(
    dataset: Dataset,
    parts: Sequence[str],
    pairs: Ints,
    groups: Ints,
    source: str,
    shares: Mapping[str, float],
    seed: int,
) -> tuple[list[str], Ints, bool]:
    """Move stratified shares of one part into others, groups whole; if classes miss their shares so, duplicates alone.

    Returns:
        the part of each picture, the groups (N,) that stayed whole, and whether others were torn.
    """
    moved, misses = _moved(dataset, parts, groups, source, shares, seed)
    if misses:  # duplicates must stay together; what merely looks alike need not
        fewer = alike_groups(dataset.pictures, pairs, apart=misses, several_labels=dataset.several_labels)
        again, left = _moved(dataset, parts, fewer, source, shares, seed)
        if len(left) < len(misses):
            return again, fewer, True
    return moved, groups, False


def _moved(
    dataset: Dataset, parts: Sequence[str], groups: Ints, source: str, shares: Mapping[str, float], seed: int
) -> tuple[list[str], set[str]]:
    """Move stratified shares of one part, whole groups at a time, into others.

    Returns:
        the part of each picture, and the classes, or labels, that missed a share.
    """
    rows = _in_drawn_order(dataset.pictures, parts, source, seed)
    names, sizes = [source, *shares], [1 - sum(shares.values()), *shares.values()]
    texts = [dataset.pictures[row].label for row in rows]
    wanted: NDArray[np.int64] | NDArray[np.float64]
    if dataset.several_labels:
        labels = sorted({label for text in texts for label in labels_in(text)})
        truth = truth_of(texts, labels)
        chosen = iterative_split(truth, groups[rows], sizes)
        counts = np.stack([truth[chosen == part].sum(axis=0) for part in range(len(names))], axis=1)
        wanted = np.outer(truth.sum(axis=0), sizes)
    else:
        classes, numbers = np.unique(texts, return_inverse=True)
        labels = classes.tolist()
        wanted = stratified_counts(np.bincount(numbers), sizes)
        chosen = stratified_group_split(numbers, groups[rows], wanted)
        counts = np.zeros_like(wanted)
        np.add.at(counts, (numbers, chosen), 1)
    moved = list(parts)
    for row, choice in zip(rows, chosen, strict=True):
        moved[row] = names[choice]
    return moved, {labels[row] for row in np.flatnonzero(missed(counts, wanted).any(axis=1))}


def _in_drawn_order(pictures: Sequence[Picture], parts: Sequence[str], source: str, seed: int) -> Ints:
    """Return the rows (N,) of one part, in the order that contents and seed give."""
    rows = np.array([index for index, part in enumerate(parts) if part == source], np.int64)
    ranks = [hashlib.sha256(f"{seed}:{pictures[row].sha256}".encode()).hexdigest() for row in rows]
    return rows[np.argsort(ranks)]


def missed(counts: Ints, wanted: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where parts of classes (C, P) hold too few or too many: by more than a tenth of the class, or nothing.

    One picture too many or too few is no miss, nor is an empty part that should get less than one.
    """
    tolerance = np.maximum(1, counts.sum(axis=1, keepdims=True) / 10)
    return np.asarray((np.abs(counts - wanted) > tolerance) | ((counts == 0) & (wanted >= 1)))


def stratified_counts(counts: Ints, shares: Sequence[float]) -> Ints:
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


def stratified_group_split(labels: Ints, groups: Ints, wanted: Ints) -> Ints:
    """Assign pictures to parts so that each group stays in one part.

    Args:
        labels: class index of each picture (N,), in the order in which they are assigned.
        groups: group number of each picture (N,).
        wanted: how many of each class each part should get (C, P); rows add up to the class counts.

    Returns:
        part index of each picture (N,). Without groups of several pictures the wanted numbers are met exactly.
        Groups of several are assigned first, the largest first, each to the part that is emptiest in proportion.
        Where the first part is to get pictures of a class, it gets at least one.
    """
    room = wanted.astype(np.int64).copy()
    parts = np.full(len(labels), -1, dtype=np.int64)
    unassigned = wanted.sum(axis=1)
    lacking = wanted[:, 0] > 0  # classes of which the first part has nothing yet
    for members in _shared_groups(groups):
        needs = np.bincount(labels[members], minlength=len(room))
        last_chance = (lacking & (needs > 0) & (needs == unassigned)).any()
        part = 0 if last_chance else _roomiest(room, wanted, needs)
        parts[members] = part
        room[:, part] -= needs
        unassigned -= needs
        lacking &= (needs == 0) | (part > 0)
    for label in range(len(room)):
        single = np.flatnonzero((labels == label) & (parts < 0))
        fitting = _fitting(room[label], len(single), int(lacking[label]))
        parts[single] = np.repeat(np.arange(room.shape[1]), fitting)
    return parts


def iterative_split(truth: NDArray[np.bool_], groups: Ints, shares: Sequence[float]) -> Ints:
    """Assign pictures of several labels to parts, so that each part has its share of every label, rare ones first.

    Args:
        truth: which labels each picture has (N, L), in the order in which pictures are assigned.
        groups: group number of each picture (N,); a group stays in one part.
        shares: of each part (P,), above 0 and adding up to 1.

    Returns:
        part index of each picture (N,). Of a label that occurs, the first part gets at least one picture.

    Source: K. Sechidis, G. Tsoumakas, I. Vlahavas, "On the stratification of multi-label data", ECML PKDD 2011, for the
    order: the label with the fewest pictures left comes first. A group goes where it brings the counts of all its
    labels, and of pictures, nearest to their shares; there it goes where its rarest label lacks most.
    """
    _, firsts, units = np.unique(groups, return_index=True, return_inverse=True)
    counts = np.zeros((len(firsts), truth.shape[1] + 1), np.int64)  # of each label, and in the last column of pictures
    np.add.at(counts, units, np.hstack([truth, np.ones((len(truth), 1), bool)]))
    order = np.lexsort((firsts, -counts[:, -1]))  # the largest groups first
    wanted = np.outer(shares, counts.sum(axis=0))
    whole, lacking = np.maximum(wanted, 0.5), np.ones(truth.shape[1], bool)  # labels that the first part has nothing of
    parts = np.full(len(firsts), -1, np.int64)

    def assign(unit: int, *, is_last: bool) -> None:
        """Put a group where the sum of squared distances from the shares, each over its share, grows least."""
        own = counts[unit]
        part = 0 if is_last else int(np.argmin(((own**2 - 2 * wanted * own) / whole).sum(axis=1)))
        parts[unit] = part
        wanted[part] -= own
        if part == 0:
            lacking[own[:-1] > 0] = False

    while (left := counts[parts < 0, :-1].sum(axis=0)).any():
        label = int(np.argmin(np.where(left > 0, left, left.max() + 1)))
        members = order[(parts[order] < 0) & (counts[order, label] > 0)]
        for unit in members:
            assign(unit, is_last=bool(lacking[label]) and unit == members[-1])
    for unit in order[parts[order] < 0]:  # of pictures without a label
        assign(unit, is_last=False)
    return parts[units]


def _shared_groups(groups: Ints) -> list[Ints]:
    """Return the members of each group of several, the largest first, then in the order of assignment."""
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
