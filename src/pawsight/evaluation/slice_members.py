"""Which pictures belong to which slice: by trait, by format, by the folder they came from.

Enters: names, labels and facts of pictures. Leaves: a mask for each slice. Does not know: answers, models, files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pawsight.data.facts import QUALITY_FLAGS, Facts, quality_flags
from pawsight.evaluation.slices import LEAST_TESTED, Mask, SliceKey

_FOLDERS = (2, 50)  # fewest and most folders that make slices: one says nothing, hundreds say too little each
_SHARE = 5  # a fifth stands in for a trait that too few pictures have
_STAND_INS: Mapping[str, tuple[str, Callable[[Facts], float]]] = {
    # trait -> the name of the extreme fifth, and a figure that is lowest there
    "tiny": ("smallest fifth", lambda facts: float(facts.width * facts.height)),
    "dark": ("darkest fifth", lambda facts: facts.looks.brightness),
    "bright": ("brightest fifth", lambda facts: -facts.looks.brightness),
    "blurry": ("least sharp fifth", lambda facts: facts.looks.sharpness),
}


def slice_members(names: Sequence[str], labels: Sequence[str], facts: Sequence[Facts]) -> dict[SliceKey, Mask]:
    """Return the slices of N pictures and which belong to each (N,).

    Args:
        names: paths below the root of the data.
        labels: class names.
        facts: of the same pictures.

    Traits are those of the audit. Where fewer than ten pictures are tiny, dark, bright or blurry, the extreme fifth
    of all is a slice as well, unless it would hold fewer than ten too. Formats are slices where there are several;
    folders where 2 to 50 have ten pictures or more and they are not just the classes over again.
    """
    if not len(names) == len(labels) == len(facts):
        raise ValueError(f"{len(names)} names, {len(labels)} labels and {len(facts)} facts do not belong together")
    members = _by_trait(facts) | _by_fifth(facts)
    formats = [one.format for one in facts]
    if len(set(formats)) > 1:
        members |= _by_word("format", formats)
    members |= _by_folder(names, labels)
    return {key: mask for key, mask in members.items() if mask.any()}


def _by_trait(facts: Sequence[Facts]) -> dict[SliceKey, Mask]:
    traits = [quality_flags(one) for one in facts]
    return {
        SliceKey("trait", trait): np.array([trait in some for some in traits], dtype=bool) for trait in QUALITY_FLAGS
    }


def _by_fifth(facts: Sequence[Facts]) -> dict[SliceKey, Mask]:
    traits = Counter(trait for one in facts for trait in quality_flags(one))
    fifth = len(facts) // _SHARE
    return {
        SliceKey("fifth", name): _lowest([figure(one) for one in facts], fifth)
        for trait, (name, figure) in _STAND_INS.items()
        if traits[trait] < LEAST_TESTED <= fifth
    }


def _lowest(values: Sequence[float], count: int) -> Mask:
    """Return which of the values are the `count` lowest; none where ties make that a matter of order alone."""
    figures: NDArray[np.float64] = np.array(values)
    limit = np.sort(figures)[count - 1]
    mask: Mask = figures <= limit
    return mask if mask.sum() <= 2 * count else np.zeros(len(values), dtype=bool)


def _by_word(kind: str, words: Sequence[str]) -> dict[SliceKey, Mask]:
    return {SliceKey(kind, word): np.array([one == word for one in words], dtype=bool) for word in sorted(set(words))}


def _by_folder(names: Sequence[str], labels: Sequence[str]) -> dict[SliceKey, Mask]:
    """Return the folders at the deepest level at which few enough of them hold enough pictures."""
    parents = [PurePosixPath(name).parent.parts for name in names]
    for depth in range(max(map(len, parents), default=0), 0, -1):
        folders = ["/".join(parts[:depth]) for parts in parents]
        counted = Counter(folders)
        large = [folder for folder, count in counted.items() if count >= LEAST_TESTED]
        if _FOLDERS[0] <= len(large) <= _FOLDERS[1] and not _only_classes(folders, labels):
            slices = _by_word("folder", folders)
            return {key: mask for key, mask in slices.items() if key.name in large}
    return {}


def _only_classes(folders: Sequence[str], labels: Sequence[str]) -> bool:
    """Say whether knowing the folder is knowing the class and the other way round."""
    pairs = set(zip(folders, labels, strict=True))
    return len(pairs) == len(set(folders)) == len(set(labels))
