"""Groups: pictures of one occasion, such as a patient, a burst or a video, which lie in one part of every split.

The user names them (`--group-by`, the column group of a table); bursts, frames of a video and runs of consecutive
numbers are found here without that. Copies and pictures that look alike are kept together too: see duplicates.py.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.core.text import plural
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.facts import thumbnail_of
from pawsight.data.label_sets import memberships
from pawsight.data.named_groups import check_several
from pawsight.data.parts import words_of
from pawsight.data.reading import CAMERA, EXIF_TIME, NO_GROUPS, seconds_between
from pawsight.images.fingerprint import THUMBNAIL_PX, groups_of

BURST, VIDEO, RUN = "burst", "video", "run"
BURST_SECONDS = 3.0  # between two pictures of one camera that belong together whatever the user says
# More pictures of one camera with one and the same time come from a clock that stands still.
_MOST_AT_ONCE = 60
_MOST_APART = 2  # of two numbers in a run: the picture between them may have been deleted
_FEWEST_STEPS = 20  # from number to number, to say whether such pictures are closer than others
# By how much more often steps are shorter than distances of other pictures of the same classes. On the hand signs it is
# 62 points, on cats and dogs 2 (docs/experiments.md).
_LEAST_EXCESS = 0.3
_KOLMOGOROV = 1.95  # of the two-sample test of Kolmogorov and Smirnov at 0.1 %
_OTHERS = 8  # pictures that each is compared with beside the next one
_PLACES = 16  # to a side, of a thumbnail that distances are taken of
_AT_ONCE = 2_048  # pairs: 10 MB
_MOST_STEPS = 4_000  # that this is measured on
_STEM = re.compile(r"(.*?)(\d+)", re.DOTALL)  # of a file's name: what comes before its last number, and the number
_DIGITS = 9  # of a number; longer ones are times or identifiers
_VIDEO_WORDS = frozenset({"clip", "video", "frame", "frames", "movie"})
_VIDEO_ENDING = re.compile(r"\.(mp4|avi|mov|mkv|webm|m4v|mpe?g)[ ._-]*$", re.IGNORECASE)
_SMALL = 8  # pictures of a class that one found group may always hold; more only up to half of the class

Ints = NDArray[np.int64]


def grouped(dataset: Dataset, progress: Progress = SILENT) -> Dataset:
    """Return a dataset with the group of every picture that has one: as the user says, else as found.

    Found groups are bursts, frames of one video by their names, and runs of consecutive numbers that are closer than
    other pictures of the same classes. None is found among pictures whose group the user named, nor where
    `reading.group_by` is "none". A found group with more than half of a class would leave nothing to measure it with:
    it is not kept together, and a warning says so.

    Raises:
        WrongUsage: by camera or time, no picture has a group.
    """
    pictures, by = dataset.pictures, dataset.reading.group_by
    groups, notes, warnings = _given(dataset), [], []
    if any(groups):
        without = groups.count("")
        notes.append(
            f"{plural(len(pictures) - without, 'picture')} in {plural(len(set(groups) - {''}), 'group')}"
            f"{f' by --group-by {by}' if by else ''}, each kept in one part"
            + (f"; {plural(without, 'picture is', 'pictures are')} in none" if without else "")
        )
    free = [row for row, group in enumerate(groups) if not group and by != NO_GROUPS]
    if free:
        names, series = _found([pictures[row] for row in free], several_labels=dataset.several_labels)
        for row, name in zip(free, names, strict=True):
            groups[row] = name
        if sentence := found_sentence(names):
            notes.append(f"{sentence}, each kept in one part; --group-by {NO_GROUPS} does not look for them")
        warnings = [
            f"Class {label!r} is little more than one series: {first} and {plural(count - 1, 'picture')} after it. A"
            " split tears it apart, and the scores are too high. Add pictures of other occasions"
            for label, first, count in series
        ]
    for line in notes:
        progress.say(f"Note     {line}")
    for line in warnings:
        progress.say(f"WARNING  {line}")
    return replace(
        dataset,
        pictures=tuple(replace(picture, group=group) for picture, group in zip(pictures, groups, strict=True)),
        notes=(*dataset.notes, *notes),
        warnings=(*dataset.warnings, *warnings),
    )


def _given(dataset: Dataset) -> list[str]:
    """Return the group of each picture (N,) that the user named, "" for none."""
    pictures, by = dataset.pictures, dataset.reading.group_by
    seconds = seconds_between(by)
    if by == CAMERA:
        groups = [picture.facts.statistics.camera for picture in pictures]
    elif seconds is not None:
        first = groups_of(len(pictures), _bursts(pictures, seconds)).tolist()
        groups = [
            f"{EXIF_TIME}: {pictures[row].name}" if picture.facts.statistics.taken is not None else ""
            for picture, row in zip(pictures, first, strict=True)
        ]
    else:
        return [picture.group for picture in pictures]
    check_several(by, groups, "the EXIF of each picture", pictures[0].name)
    return groups


def found_sentence(groups: Sequence[str]) -> str:
    """Return how many pictures were found in how many bursts, videos and runs; nothing where none was."""
    counted = Counter(group for group in groups if group)
    kinds = Counter(group.partition(":")[0] for group in counted)
    named = {BURST: "burst", VIDEO: "video", RUN: "run of numbers"}
    several = {RUN: "runs of numbers"}
    parts = [plural(kinds[kind], noun, several.get(kind, "")) for kind, noun in named.items() if kinds[kind]]
    pictures = sum(count for group, count in counted.items() if group.partition(":")[0] in named)
    return f"{plural(pictures, 'picture')} in {', '.join(parts)} found" if parts else ""


def is_found(group: str) -> bool:
    """Return whether a group was found here; else the user named it."""
    return group.partition(": ")[0] in (BURST, VIDEO, RUN)


def numbers_of(groups: Sequence[str]) -> Ints | None:
    """Number groups (N,) for what is computed with them, a picture without one alone; None where none has one."""
    if not any(groups):
        return None
    first: dict[str, int] = {}
    return np.array([first.setdefault(group, row) if group else row for row, group in enumerate(groups)], np.int64)


def _found(pictures: Sequence[Picture], *, several_labels: bool) -> tuple[list[str], list[tuple[str, str, int]]]:
    """Return the name of each picture's found group, "" for none, and the series that are more than half of a class.

    Of those: class, first picture, and how many pictures of the class.
    """
    links = {
        BURST: _bursts(pictures, BURST_SECONDS),
        VIDEO: _videos(pictures),
        RUN: _runs(pictures, several_labels=several_labels),
    }
    rows, classes, labels = memberships([p.labels if several_labels else (p.label,) for p in pictures])
    of_class = np.bincount(labels, minlength=1)
    names = [""] * len(pictures)
    series: list[tuple[str, str, int]] = []
    # What is too large as a whole may hold smaller groups: a class of one video has bursts in it.
    for kinds in ((BURST, VIDEO, RUN), (BURST, RUN), (BURST,)):
        groups = groups_of(len(pictures), np.concatenate([links[kind] for kind in kinds]))
        cells, counts = np.unique(np.stack([groups[rows], labels]), axis=1, return_counts=True)
        is_large = counts > np.maximum(_SMALL, of_class[cells[1]] / 2)
        large = zip(*cells[:, is_large].tolist(), counts[is_large].tolist(), strict=True)
        series = series or [(str(classes[label]), pictures[first].name, count) for first, label, count in large]
        members: dict[int, list[int]] = defaultdict(list)
        for row, group in enumerate(groups.tolist()):
            members[group].append(row)
        for own in members.values():
            if len(own) > 1 and not names[own[0]] and own[0] not in cells[0, is_large]:
                kind = next(kind for kind in kinds if np.isin(own, links[kind]).any())
                for row in own:
                    names[row] = f"{kind}: {pictures[own[0]].name}"
    return names, series


def _bursts(pictures: Sequence[Picture], seconds: float) -> Ints:
    """Return the pairs (P, 2) of rows that one camera took one after the other, within so many seconds."""
    by_camera: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for row, picture in enumerate(pictures):
        statistics = picture.facts.statistics
        if statistics.camera and statistics.taken is not None:
            by_camera[statistics.camera].append((statistics.taken, row))
    pairs = []
    for taken in by_camera.values():
        at_once = Counter(time for time, _ in taken)
        known = sorted(shot for shot in taken if at_once[shot[0]] <= _MOST_AT_ONCE)
        pairs += [(row, other) for (first, row), (then, other) in pairwise(known) if then - first <= seconds]
    return _as_pairs(pairs)


def _videos(pictures: Sequence[Picture]) -> Ints:
    """Return the pairs (P, 2) of rows whose names say frames of one video: clip_0001.jpg, trip.mp4_12.jpg."""
    pairs = []
    for numbered in _numbered(pictures, by_folder=True).values():
        prefix = _STEM.fullmatch(PurePosixPath(pictures[numbered[0][1]].name).stem)
        words = words_of(prefix[1]) if prefix else []
        if prefix and (_VIDEO_ENDING.search(prefix[1]) or (words[-1:] and words[-1] in _VIDEO_WORDS)):
            pairs += [(row, other) for (_, row), (_, other) in pairwise(numbered)]
    return _as_pairs(pairs)


def _runs(pictures: Sequence[Picture], *, several_labels: bool) -> Ints:
    """Return the pairs (P, 2) of rows with consecutive numbers that are closer than chance has it.

    Each picture is compared with the next number and with others of the class that the next one has; with several
    labels, with any others. Where the steps are much more often short than those distances, the length at which they
    differ most tells the two apart.
    """
    pairs, classes = [], ["" if several_labels else picture.label for picture in pictures]
    for numbered in _numbered(pictures, by_folder=False).values():
        steps = [(row, other) for (first, row), (then, other) in pairwise(numbered) if then - first <= _MOST_APART]
        if len(steps) >= _FEWEST_STEPS:
            chance = np.random.default_rng(0)
            by_class: dict[str, list[int]] = defaultdict(list)
            for _, row in numbered:
                by_class[classes[row]].append(row)
            measured = [steps[place] for place in sorted(chance.permutation(len(steps))[:_MOST_STEPS].tolist())]
            others = [
                (row, other)
                for row, following in measured
                for other in chance.choice(by_class[classes[following]], _OTHERS).tolist()
                if other not in (row, following)
            ]
            limit = _limit(_distances(pictures, measured), _distances(pictures, others))
            near = _distances(pictures, steps) <= limit
            pairs += [step for step, is_near in zip(steps, near.tolist(), strict=True) if is_near]
    return _as_pairs(pairs)


def _numbered(pictures: Sequence[Picture], *, by_folder: bool) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Return folder and name without its last number -> numbers and rows, in order.

    Unless asked for by folder, folders in which no number comes twice are taken together: a camera numbers on while
    its pictures go to several classes.
    """
    series: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for row, picture in enumerate(pictures):
        path = PurePosixPath(picture.name)
        numbered = _STEM.fullmatch(path.stem)
        if numbered and len(numbered[2]) <= _DIGITS:
            series[str(path.parent), numbered[1].casefold()].append((int(numbered[2]), row))
    if by_folder:
        return {key: sorted(numbers) for key, numbers in series.items()}
    counted: dict[str, list[int]] = defaultdict(list)
    for (_, prefix), numbers in series.items():
        counted[prefix] += [number for number, _ in numbers]
    repeated = {prefix for prefix, numbers in counted.items() if len(set(numbers)) < len(numbers)}
    together: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for (folder, prefix), numbers in series.items():
        together[folder if prefix in repeated else "", prefix] += numbers
    return {key: sorted(numbers) for key, numbers in together.items()}


def _distances(pictures: Sequence[Picture], pairs: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """Return how far apart pictures are (P,), in levels of 255: the median over 16 x 16 places.

    The median is of what stays while the subject moves: the place and its light.
    """
    rows, ends = np.unique(_as_pairs(pairs), return_inverse=True)
    blank = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8)
    small = np.empty((len(rows), _PLACES, _PLACES, 3), np.uint8)
    for place, row in enumerate(rows.tolist()):
        shown = thumbnail_of(pictures[row].facts) if pictures[row].facts.thumbnail else blank
        small[place] = shown.reshape(_PLACES, -1, _PLACES, THUMBNAIL_PX // _PLACES, 3).mean(axis=(1, 3))
    found = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _AT_ONCE):
        first, second = (small[side].astype(np.int16) for side in ends.reshape(-1, 2)[start : start + _AT_ONCE].T)
        differ = np.abs(first - second).max(axis=3).reshape(len(first), -1)
        found[start : start + _AT_ONCE] = np.median(differ, axis=1)
    return found


def _limit(steps: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Return the distance up to which steps are much more frequent than other distances; -1 where there is none."""
    if not len(others):
        return -1.0
    lengths = np.unique(steps)
    own, usual = (np.searchsorted(np.sort(found), lengths, side="right") / len(found) for found in (steps, others))
    excess = own - usual
    least = max(_LEAST_EXCESS, _KOLMOGOROV * (1 / len(steps) + 1 / len(others)) ** 0.5)
    return float(lengths[excess.argmax()]) if excess.max() >= least else -1.0


def _as_pairs(pairs: Sequence[tuple[int, int]]) -> Ints:
    return np.array(pairs, np.int64).reshape(-1, 2)
