"""What is wrong with classes as a whole: lopsided ones, and those that something beside the picture gives away.

Enters: a `Catalog`. Leaves: `Finding`s about class folders. Does not know: single pictures, parts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from pawsight.data.association import Association, associations
from pawsight.data.catalog import Catalog
from pawsight.data.facts import Facts
from pawsight.data.findings import Finding, found
from pawsight.data.traits import TraitLimits, traits_of

# Of the two together, the smaller class has a fifth: where Google's "Imbalanced datasets" (Machine Learning Crash
# Course) goes from mild to moderate.
LOPSIDED = 4.0  # pictures of the commonest class for each of this one
GIVES_AWAY = 0.3  # Cramér's V of a shortcut: Cohen's medium effect
ROTATION_DIFFERS = 0.1  # Cramér's V: Cohen's small effect, enough to leak through a reader that ignores EXIF
_OWN_SIZE = 0.02  # share of all pictures from which an exact size is a category; others are put in ranges
_RANGES = 8


def class_findings(catalog: Catalog, limits: TraitLimits) -> Iterator[Finding]:
    """List classes with too few pictures, and whatever beside the picture tells the class."""
    folders = class_folders(catalog)
    most = max(catalog.counts.values(), default=0)
    for label, count in catalog.counts.items():
        if most > LOPSIDED * count:
            yield found(folders[label], "lopsided", round(most / count, 1))
    for name, one in _told_beside(catalog, limits).items():
        told = _words(name, one)
        if one.strength >= GIVES_AWAY:
            yield found(folders[one.label], f"shortcut-{name}", told)
        elif name == "rotation" and one.strength >= ROTATION_DIFFERS:
            yield found(folders[one.label], "rotation-differs", told)


def class_folders(catalog: Catalog) -> dict[str, str]:
    """Return the folder of each class, the bare name where its pictures lie in several."""
    folders = defaultdict(set)
    for one in catalog.pictures:
        folders[one.label].add(str(PurePosixPath(one.name).parent))
    return {label: next(iter(own)) if len(own) == 1 else label for label, own in folders.items()}


def _told_beside(catalog: Catalog, limits: TraitLimits) -> dict[str, Association]:
    facts = [one.facts for one in catalog.pictures]
    features = {
        "size": _sizes(facts),
        "camera": [one.looks.camera or "no camera" for one in facts],
        "format": [one.format for one in facts],
        "colour": ["grey" if "grey" in traits_of(one, limits) else "colour" for one in facts],
        "rotation": ["turned by EXIF" if one.orientation > 1 else "upright" for one in facts],
    }
    return associations([one.label for one in catalog.pictures], features)


def _sizes(facts: list[Facts]) -> list[str]:
    """Name the size of each picture: exactly where many share it, else by its range of pixels."""
    exact = [f"{one.width} x {one.height}" for one in facts]
    shared = {size for size, count in Counter(exact).items() if count > _OWN_SIZE * len(facts)}
    areas = np.array([one.width * one.height for one in facts])
    ends = np.unique(np.quantile(areas, np.linspace(0, 1, _RANGES + 1), method="nearest"))
    places = np.clip(np.searchsorted(ends, areas, side="right") - 1, 0, max(0, len(ends) - 2))
    ranges = [f"{ends[place]:,} to {ends[min(place + 1, len(ends) - 1)]:,} pixels" for place in places]
    return [size if size in shared else range_ for size, range_ in zip(exact, ranges, strict=True)]


def _words(name: str, one: Association) -> str:
    size = f"{name} {one.category}" if name == "size" else one.category
    return (
        f"{size}: {100 * one.share:.0f} % of {one.label}, {100 * one.elsewhere:.0f} % of the rest "
        f"(Cramér's V {one.strength:.2f})"
    )
