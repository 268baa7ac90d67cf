"""What can be wrong with a data set, and how grave each problem is.

Enters: a path and what was measured. Leaves: a `Finding`. Does not know: how a problem is found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.data.dataset import Dataset, Picture
from pawsight.data.facts import USUAL, Facts, QualityLimits, quality_flags
from pawsight.data.split import PARTS, Assigned, Split

SEVERITIES = ("high", "medium", "low")

# high: labels or scores are wrong unless something is done. medium: pictures are lost or count twice, or a class is
# starved. low: unusual, worth a look.
PROBLEMS = {
    "two-labels": "high",
    "near-two-labels": "high",
    "across-parts": "high",
    "near-across-parts": "high",
    "shortcut-size": "high",
    "shortcut-camera": "high",
    "shortcut-format": "high",
    "shortcut-colour": "high",
    "shortcut-rotation": "high",
    "rotation-differs": "medium",
    "unreadable": "medium",
    "truncated": "medium",
    "duplicate": "medium",
    "single-colour": "medium",
    "lopsided": "medium",
    "outside-parts": "low",
    "near-duplicate": "low",
    "wrong-extension": "low",
    "tiny": "low",
    "huge": "low",
    "odd-aspect": "low",
    "dark": "low",
    "bright": "low",
    "blurry": "low",
    "grey": "low",
    "rotated": "low",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one file or, where the path is a class or ".", with the data set."""

    path: str  # below the root of the data, with forward slashes
    problem: str  # one of PROBLEMS
    value: str | float  # what was measured, or the name of the other picture; empty where there is nothing to add
    severity: str  # "high", "medium" or "low"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"path": self.path, "problem": self.problem, "value": self.value, "severity": self.severity}


def found(path: str, problem: str, value: str | float) -> Finding:
    """Return a finding as grave as its problem."""
    return Finding(path, problem, value, PROBLEMS[problem])


_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi"),
    "MPO": (".mpo", ".jpg", ".jpeg", ".jpe"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif", ".avifs"),
}
_NOT_MISSED = ("hidden", "a link to a folder that is listed already")  # reasons why nobody expects a file to be used
_COMMON = 0.5  # share of grey pictures from which they are the rule


def audit(dataset: Dataset, split: Split, *, limits: QualityLimits = USUAL) -> tuple[Finding, ...]:
    """List what is wrong.

    Args:
        dataset: all pictures with their facts.
        split: of the same dataset; its groups of pictures that look alike are judged.
        limits: what is called dark, tiny and so on.

    Returns:
        findings ordered by severity, problem, path; the same data give the same findings.
    """
    findings = [
        *_left_out(dataset),
        *_unusual(dataset, limits),
        *alike_findings(dataset, split),
        *class_findings(dataset, limits),
    ]
    return tuple(sorted(findings, key=_rank))


def _rank(one: Finding) -> tuple[int, str, str, str]:
    return SEVERITIES.index(one.severity), one.problem, one.path, str(one.value)


def _left_out(dataset: Dataset) -> Iterator[Finding]:
    for one in dataset.left_out:
        if one.reason.startswith("outside "):
            yield found(one.name, "outside-parts", one.reason)
        elif one.reason == "truncated":
            yield found(one.name, "truncated", "")
        elif one.reason not in _NOT_MISSED:
            yield found(one.name, "unreadable", one.reason)


def _unusual(dataset: Dataset, limits: QualityLimits) -> Iterator[Finding]:
    """List pictures that are unlike photographs in general; grey ones only among colour."""
    traits = {one.name: quality_flags(one.facts, limits) for one in dataset.pictures}
    counted = Counter(trait for own in traits.values() for trait in own)
    grey_is_usual = counted["grey"] > _COMMON * len(dataset.pictures)
    for one in dataset.pictures:
        for trait in traits[one.name]:
            if not (trait == "grey" and grey_is_usual):
                yield found(one.name, trait, _figure(trait, one.facts))
        if _has_wrong_suffix(one):
            yield found(one.name, "wrong-extension", one.facts.format)


def _figure(trait: str, facts: Facts) -> float:
    """Return what was measured, in the unit of the limit."""
    short, long = sorted((facts.width, facts.height))
    figures = {
        "tiny": short,
        "huge": round(facts.width * facts.height / 1e6, 1),
        "odd-aspect": round(long / short, 2),
        "blurry": facts.looks.sharpness,
        "single-colour": round(facts.looks.contrast, 1),
        "grey": round(facts.looks.chroma, 1),
        "rotated": facts.orientation,
    }
    return figures.get(trait, round(facts.looks.brightness, 1))


def _has_wrong_suffix(picture: Picture) -> bool:
    """Say whether the suffix names another format; a number or nothing names none."""
    suffix = PurePosixPath(picture.name).suffix.lower()
    allowed = _SUFFIXES.get(picture.facts.format)
    return allowed is not None and any(letter.isalpha() for letter in suffix) and suffix not in allowed


_COMPARED = 20  # pictures of a class and part among which the nearest is looked for; a thousand white pages are alike


def alike_findings(dataset: Dataset, split: Split) -> Iterator[Finding]:
    """List pictures that equal or nearly equal another one."""
    hashes = {one.name: one.facts.phash for one in dataset.pictures}
    for group in split.alike:
        yield from _of_group(group, hashes)


def _of_group(group: Sequence[Assigned], hashes: Mapping[str, int]) -> Iterator[Finding]:
    ranked = sorted(group, key=lambda one: (PARTS.index(one.part), one.name))
    place = {one.name: number for number, one in enumerate(ranked)}
    by_content = defaultdict(list)
    for one in ranked:
        by_content[one.sha256].append(one)
    equal = {sha256: _few_of_each(members, 1) for sha256, members in by_content.items()}
    alike = _few_of_each(ranked, _COMPARED)
    for one in ranked:
        same, near = equal[one.sha256], sorted(alike, key=partial(_distance, hashes, one.name))
        told = _gravest(
            one, same, near, {other.name for other in (*same, *near) if place[other.name] < place[one.name]}
        )
        if told is not None:
            yield found(one.name, *told)


def _gravest(
    one: Assigned, same: Iterable[Assigned], near: Iterable[Assigned], earlier: Collection[str]
) -> tuple[str, str] | None:
    """Return the gravest problem that a picture has with those that are like it, and the name of the other one."""
    before_same = [other for other in same if other.name in earlier]
    before_near = [other for other in near if other.name in earlier]
    told = (
        ("two-labels", [other for other in same if other.label != one.label]),
        ("near-two-labels", [other for other in near if other.label != one.label]),
        ("across-parts", [other for other in before_same if other.part != one.part]),
        ("near-across-parts", [other for other in before_near if other.part != one.part]),
        ("duplicate", before_same),
        ("near-duplicate", before_near),
    )
    return next(((problem, others[0].name) for problem, others in told if others), None)


def _few_of_each(members: Iterable[Assigned], most: int) -> list[Assigned]:
    """Return the first members of each class in each part."""
    kept: dict[tuple[str, str], list[Assigned]] = defaultdict(list)
    for one in members:
        if len(kept[one.label, one.part]) < most:
            kept[one.label, one.part].append(one)
    return [one for few in kept.values() for one in few]


def _distance(hashes: Mapping[str, int], name: str, other: Assigned) -> tuple[int, int, str]:
    return (hashes[name] ^ hashes[other.name]).bit_count(), PARTS.index(other.part), other.name


# Of the two together, the smaller class has a fifth: where Google's "Imbalanced datasets" (Machine Learning Crash
# Course) goes from mild to moderate.
LOPSIDED = 4.0  # pictures of the commonest class for each of this one
GIVES_AWAY = 0.3  # Cramér's V of a shortcut: Cohen's medium effect
ROTATION_DIFFERS = 0.1  # Cramér's V: Cohen's small effect, enough to leak through a reader that ignores EXIF
_OWN_SIZE = 0.02  # share of all pictures from which an exact size is a category; others are put in ranges
_RANGES = 8


def class_findings(dataset: Dataset, limits: QualityLimits) -> Iterator[Finding]:
    """List classes with too few pictures, and whatever beside the picture tells the class."""
    folders = class_folders(dataset)
    most = max(dataset.counts.values(), default=0)
    for label, count in dataset.counts.items():
        if most > LOPSIDED * count:
            yield found(folders[label], "lopsided", round(most / count, 1))
    for name, one in _told_beside(dataset, limits).items():
        told = _words(name, one)
        if one.strength >= GIVES_AWAY:
            yield found(folders[one.label], f"shortcut-{name}", told)
        elif name == "rotation" and one.strength >= ROTATION_DIFFERS:
            yield found(folders[one.label], "rotation-differs", told)


def class_folders(dataset: Dataset) -> dict[str, str]:
    """Return the folder of each class, the bare name where its pictures lie in several."""
    folders = defaultdict(set)
    for one in dataset.pictures:
        folders[one.label].add(str(PurePosixPath(one.name).parent))
    return {label: next(iter(own)) if len(own) == 1 else label for label, own in folders.items()}


def _told_beside(dataset: Dataset, limits: QualityLimits) -> dict[str, Association]:
    facts = [one.facts for one in dataset.pictures]
    features = {
        "size": _sizes(facts),
        "camera": [one.looks.camera or "no camera" for one in facts],
        "format": [one.format for one in facts],
        "colour": ["grey" if "grey" in quality_flags(one, limits) else "colour" for one in facts],
        "rotation": ["turned by EXIF" if one.orientation > 1 else "upright" for one in facts],
    }
    return associations([one.label for one in dataset.pictures], features)


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


SIGNIFICANT = 0.01  # p value after Holm's correction
_SHUFFLED_UP_TO = 2_000  # pictures; beyond, the approximation is good and shuffling slow
_SHUFFLES = 1_999
_SEED = 20_261_122  # of the shuffles: the same data always give the same findings
_FEWEST = 5  # pictures in a category of its own
# Pictures in a class that is looked at: below, a category would need half of the class to be expected five times, and
# the few rows stretch Cramér's V over one class more, which hides what tells the large ones apart.
FEWEST_OF_CLASS = 10

Table = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Association:
    """A category that goes with a class."""

    strength: float  # Cramér's V, 0 none to 1 one tells the other
    p_value: float  # after Holm's correction
    label: str  # the class that stands out most
    category: str  # with this
    share: float  # of the class's pictures that have it
    elsewhere: float  # share of all other pictures that have it


def associations(labels: Sequence[str], features: Mapping[str, Sequence[str]]) -> dict[str, Association]:
    """Return, by name of the feature, those that go with the labels beyond chance, however weakly.

    Classes with fewer than `FEWEST_OF_CLASS` pictures are left out.

    Args:
        labels: of N pictures.
        features: for each name N categories.
    """
    sizes = Counter(labels)
    kept = [index for index, label in enumerate(labels) if sizes[label] >= FEWEST_OF_CLASS]
    told_of = [labels[index] for index in kept]
    tables = {name: _table(told_of, _pooled([values[index] for index in kept])) for name, values in features.items()}
    told = {name: table for name, table in tables.items() if min(table[2].shape) > 1}
    p_values = _holm({name: _p_value(counts) for name, (_, _, counts) in told.items()})
    return {name: _strongest(*told[name], p_values[name]) for name in told if p_values[name] < SIGNIFICANT}


def _pooled(values: Sequence[str]) -> list[str]:
    """Put categories with hardly a picture together."""
    names, which, counts = np.unique(np.array(values, dtype=object), return_inverse=True, return_counts=True)
    kept = [str(name) if count >= _FEWEST else "something rare" for name, count in zip(names, counts, strict=True)]
    return [kept[index] for index in which]


def _table(labels: Sequence[str], values: Sequence[str]) -> tuple[list[str], list[str], Table]:
    """Return classes, categories and how often they meet (classes, categories)."""
    classes, rows = np.unique(np.array(labels, dtype=object), return_inverse=True)
    categories, columns = np.unique(np.array(values, dtype=object), return_inverse=True)
    return list(classes), list(categories), _counted(rows, columns, (len(classes), len(categories)))


def _counted(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> Table:
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)


def _chi_square(counts: Table) -> Any:
    """Return Pearson's statistic of a table, or of each of several (..., classes, categories)."""
    expected = (
        counts.sum(axis=-1, keepdims=True) * counts.sum(axis=-2, keepdims=True) / counts.sum((-2, -1), keepdims=True)
    )
    return ((counts - expected) ** 2 / expected).sum(axis=(-2, -1))


def _p_value(counts: Table) -> float:
    if counts.sum() > _SHUFFLED_UP_TO:
        from scipy.stats import chi2_contingency

        return float(chi2_contingency(counts, correction=False).pvalue)
    observed = float(_chi_square(counts))
    return (1 + int((_shuffled(counts) >= observed * (1 - 1e-9)).sum())) / (1 + _SHUFFLES)


def _shuffled(counts: Table) -> NDArray[np.float64]:
    """Return chi-square of tables with the same margins, as labels dealt out by chance would make them."""
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    rows, columns = cells // counts.shape[1], cells % counts.shape[1]
    dealt = np.random.default_rng(_SEED).permuted(np.tile(rows, (_SHUFFLES, 1)), axis=1)
    offsets = counts.size * np.arange(_SHUFFLES)[:, None]
    places = (offsets + dealt * counts.shape[1] + columns).ravel()
    tables = np.bincount(places, minlength=_SHUFFLES * counts.size).reshape(_SHUFFLES, *counts.shape)
    values: NDArray[np.float64] = _chi_square(tables)
    return values


def _holm(p_values: Mapping[str, float]) -> dict[str, float]:
    corrected, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda one: p_values[one])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        corrected[name] = largest
    return corrected


def _strength(counts: Table) -> float:
    """Return Cramér's V, by Bergsma's formula."""
    total, (rows, columns) = float(counts.sum()), counts.shape
    phi = max(0.0, float(_chi_square(counts)) / total - (rows - 1) * (columns - 1) / (total - 1))
    least = min(one - (one - 1) ** 2 / (total - 1) for one in (rows, columns)) - 1
    return float(min(1.0, (phi / least) ** 0.5)) if least > 0 else 0.0


def _strongest(classes: Sequence[str], categories: Sequence[str], counts: Table, p_value: float) -> Association:
    """Name the class and the category that meet more often than chance would have them, by adjusted residuals."""
    total = counts.sum()
    of_class, of_category = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    expected = of_class * of_category / total
    residuals = (counts - expected) / np.sqrt(expected * (1 - of_class / total) * (1 - of_category / total))
    # Of two classes each category that one has too often the other has too seldom: the rarer one says more.
    by_rank = np.lexsort((np.broadcast_to(of_category, counts.shape).ravel(), -np.round(residuals, 6).ravel()))
    row, column = np.unravel_index(by_rank[0], counts.shape)
    own, size = int(counts[row, column]), int(of_class[row, 0])
    elsewhere = (int(of_category[0, column]) - own) / (int(total) - size)
    return Association(_strength(counts), p_value, classes[int(row)], categories[int(column)], own / size, elsewhere)
