"""The audit of a dataset: findings about files, image quality, duplicates and classes, the most severe first.

Nothing is read or changed here: reading the dataset has measured all that is needed. What is said of the findings is in
reports/. Severities: "high" makes labels or scores wrong unless something is done; "medium" may do so, loses pictures,
counts some twice or leaves a class too few; "low" is unusual and worth a look.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.statistics import holm
from pawsight.core.text import html_table, plural
from pawsight.data.dataset import Dataset, Picture
from pawsight.data.facts import Facts, quality_flags
from pawsight.data.parts import PARTS
from pawsight.data.split import Assigned, Split, missed, spread

SEVERITIES = ("high", "medium", "low")

PROBLEMS = {
    "two-labels": "high",
    "near-two-labels": "medium",
    "across-parts": "high",
    "near-across-parts": "medium",
    "torn-group": "high",
    "class-missing": "high",
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
    "uneven-parts": "medium",
    "outside-parts": "low",
    "labels-differ": "low",
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
# What is looked for where each picture is of one class, and where it may have several labels.
OF_ONE_CLASS = frozenset({"two-labels", "near-two-labels", "lopsided"})
OF_SEVERAL_LABELS = frozenset({"labels-differ"})
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
_NOT_MISSED = ("hidden", "a link to a folder that is listed already")  # reasons that need no finding
_COMMON = 0.5  # share of grey pictures from which they are the rule
# Of the two together, the smaller class has a fifth: where Google's "Imbalanced datasets" (Machine Learning Crash
# Course) goes from mild to moderate.
IMBALANCED = 4.0  # pictures of the commonest class for each of this one
GIVES_AWAY = 0.3  # Cramér's V of a shortcut: Cohen's medium effect
ROTATION_DIFFERS = 0.1  # Cramér's V: Cohen's small effect, enough to leak through a reader that ignores EXIF
_OWN_SIZE = 0.02  # share of all pictures from which an exact size is a category; others are put in ranges
_RANGES = 8
SIGNIFICANT = 0.01  # p value after Holm's correction
_SHUFFLED_UP_TO = 2_000  # pictures; beyond, the approximation is good and shuffling slow
_SHUFFLES = 1_999
_SEED = 20_261_122  # of the shuffles: the same data always give the same findings
_FEWEST = 5  # pictures in a category of its own
# Pictures in a class that is looked at: below, a category would need half of the class to be expected five times, and
# the few rows stretch Cramér's V over one class more, which hides what tells the large ones apart.
FEWEST_OF_CLASS = 10

_SHOWN = 20  # findings in a notebook's table

Table = NDArray[np.int64]  # pictures (classes, categories)
# Strength, class, category that it has too often, the share of its pictures that have it, and of all others.
Association = tuple[float, str, str, float, float]


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

    @classmethod
    def of(cls, path: str, problem: str, value: str | float) -> Finding:
        """Return a finding with the severity of its problem."""
        return cls(path, problem, value, PROBLEMS[problem])


class Findings(tuple[Finding, ...]):
    """The findings of an audit, the most severe first."""

    __slots__ = ()

    def __repr__(self) -> str:
        counted = Counter(finding.severity for finding in self)
        severities = ", ".join(f"{counted[name]:,} {name}" for name in SEVERITIES if counted[name])
        return f"Findings({plural(len(self), 'finding')}{severities and ': '}{severities})"

    def _repr_html_(self) -> str:
        header = ("severity", "problem", "path", "value")
        rows = ([getattr(finding, name) for name in header] for finding in self[:_SHOWN])
        more = f"; the first {_SHOWN}" if len(self) > _SHOWN else ""
        return html_table(header, rows, caption=f"{plural(len(self), 'finding')}{more}") if self else "No findings."


def audit(dataset: Dataset, split: Split) -> Findings:
    """List what is wrong with a dataset.

    Args:
        dataset: all pictures with their facts.
        split: of the same dataset; its duplicates and its shares are judged.

    Returns:
        findings ordered by severity, problem, path; the same data give the same findings.
    """
    findings = [
        *_left_out(dataset),
        *_unusual(dataset),
        *duplicate_findings(split),
        *group_findings(split),
        *part_findings(dataset, split),
        *class_findings(dataset),
    ]

    def rank(finding: Finding) -> tuple[int, str, str, str]:
        return SEVERITIES.index(finding.severity), finding.problem, finding.path, str(finding.value)

    return Findings(sorted(findings, key=rank))


def _left_out(dataset: Dataset) -> Iterator[Finding]:
    for file in dataset.left_out:
        if file.reason.startswith("outside "):
            yield Finding.of(file.name, "outside-parts", file.reason)
        elif file.reason == "truncated":
            yield Finding.of(file.name, "truncated", "")
        elif file.reason not in _NOT_MISSED:
            yield Finding.of(file.name, "unreadable", file.reason)


def _unusual(dataset: Dataset) -> Iterator[Finding]:
    """List pictures that are unlike photographs in general; grey ones only among colour."""
    flags = {picture.name: quality_flags(picture.facts) for picture in dataset.pictures}
    counted = Counter(flag for own in flags.values() for flag in own)
    grey_is_usual = counted["grey"] > _COMMON * len(dataset.pictures)
    for picture in dataset.pictures:
        for flag in flags[picture.name]:
            if not (flag == "grey" and grey_is_usual):
                yield Finding.of(picture.name, flag, _figure(flag, picture.facts))
        if _has_wrong_suffix(picture):
            yield Finding.of(picture.name, "wrong-extension", picture.facts.format)


def _figure(flag: str, facts: Facts) -> float:
    """Return what was measured, in the unit of the limit."""
    short, long = sorted((facts.width, facts.height))
    figures = {
        "tiny": short,
        "huge": round(facts.width * facts.height / 1e6, 1),
        "odd-aspect": round(long / short, 2),
        "blurry": facts.statistics.sharpness,
        "single-colour": round(facts.statistics.contrast, 1),
        "grey": round(facts.statistics.chroma, 1),
        "rotated": facts.orientation,
    }
    return figures.get(flag, round(facts.statistics.brightness, 1))


def _has_wrong_suffix(picture: Picture) -> bool:
    """Return whether the suffix names another format; a number or nothing names none."""
    suffix = PurePosixPath(picture.name).suffix.lower()
    allowed = _SUFFIXES.get(picture.facts.format)
    return allowed is not None and any(letter.isalpha() for letter in suffix) and suffix not in allowed


def duplicate_findings(split: Split) -> Iterator[Finding]:
    """List duplicates, each with the most severe problem it has and the name of the other picture.

    With two labels it teaches a contradiction; in two parts it is learnt and then tested; within a class it counts
    twice. Where one of two can stay, the finding is about the other. A picture that is no exact copy is compared with
    the first of its group alone, since nothing is known about it and the others.
    """
    for group in split.duplicates:
        ranked = sorted(group, key=lambda picture: (PARTS.index(picture.part), picture.name))
        rank = {picture.name: number for number, picture in enumerate(ranked)}
        by_content: dict[str, list[Assigned]] = defaultdict(list)
        for picture in ranked:
            by_content[picture.sha256].append(picture)
        equal = {sha256: _first_of_each(members) for sha256, members in by_content.items()}
        centre = group[0].sha256
        others = _first_of_each(picture for picture in ranked if picture.sha256 != centre)
        for picture in ranked:
            near = others if picture.sha256 == centre else equal[centre]
            if problem := _worst_problem(picture, equal[picture.sha256], near, rank, split.several_labels):
                yield Finding.of(picture.name, *problem)


def group_findings(split: Split) -> Iterator[Finding]:
    """List groups, given or found, that lie in several parts: what was learnt is tested, or nearly."""
    for name, group in split.groups_across_parts.items():
        last = max(group, key=lambda picture: PARTS.index(picture.part))
        yield Finding.of(last.name, "torn-group", f"{name}: {spread(group)}")


def _worst_problem(
    picture: Assigned, same: Iterable[Assigned], near: Iterable[Assigned], rank: Mapping[str, int], several_labels: bool
) -> tuple[str, str] | None:
    """Return the most severe problem that a picture has with its duplicates, and the name of the other picture.

    Of several labels one may have been forgotten at one of two pictures; of one class each, one must be wrong.
    """
    earlier_same = [other for other in same if rank[other.name] < rank[picture.name]]
    earlier_near = [other for other in near if rank[other.name] < rank[picture.name]]
    unlike_same = [other for other in same if other.label != picture.label]
    unlike_near = [other for other in near if other.label != picture.label]
    problems = (
        ("two-labels", [] if several_labels else unlike_same),
        ("near-two-labels", [] if several_labels else unlike_near),
        ("across-parts", [other for other in earlier_same if other.part != picture.part]),
        ("near-across-parts", [other for other in earlier_near if other.part != picture.part]),
        ("labels-differ", unlike_same + unlike_near if several_labels else []),
        ("duplicate", earlier_same),
        ("near-duplicate", earlier_near),
    )
    return next(((problem, others[0].name) for problem, others in problems if others), None)


def _first_of_each(pictures: Iterable[Assigned]) -> list[Assigned]:
    """Return the first picture of each class in each part: a thousand white pages are alike."""
    first: dict[tuple[str, str], Assigned] = {}
    for picture in pictures:
        first.setdefault((picture.label, picture.part), picture)
    return list(first.values())


def part_findings(dataset: Dataset, split: Split) -> Iterator[Finding]:
    """List classes of which a part holds nothing, or clearly more or less than it holds of all pictures."""
    folders = class_folders(dataset)
    counts = np.zeros((len(dataset.classes), len(PARTS)), dtype=np.int64)
    rows = {label: row for row, label in enumerate(dataset.classes)}
    for picture in split.assigned:
        for label in split.labels_of(picture):
            counts[rows[label], PARTS.index(picture.part)] += 1
    sizes = np.array([split.sizes[part] for part in PARTS])
    wanted = counts.sum(axis=1, keepdims=True) * (sizes / max(1, len(split.assigned)))
    for row, column in zip(*np.nonzero(missed(counts, wanted)), strict=True):
        count, problem = int(counts[row, column]), "uneven-parts" if counts[row, column] else "class-missing"
        text = f"{count:,} of {int(counts[row].sum()):,} in {PARTS[column]}, {wanted[row, column]:.0f} expected"
        yield Finding.of(folders[dataset.classes[row]], problem, text)


def class_findings(dataset: Dataset) -> Iterator[Finding]:
    """List classes with too few pictures, and features beside what is shown, such as the size, that tell the class."""
    folders = class_folders(dataset)
    most = max(dataset.counts.values(), default=0)
    for label, count in dataset.counts.items():
        if most > IMBALANCED * count and not dataset.several_labels:  # each label is learnt for itself
            yield Finding.of(folders[label], "lopsided", round(most / count, 1))
    facts = [picture.facts for picture in dataset.pictures]
    features = {
        "size": _sizes(facts),
        "camera": [image.statistics.camera or "no camera" for image in facts],
        "format": [image.format for image in facts],
        "colour": ["grey" if "grey" in quality_flags(image) else "colour" for image in facts],
        "rotation": ["turned by EXIF" if image.orientation > 1 else "upright" for image in facts],
    }
    if dataset.several_labels:
        found = label_associations([picture.labels for picture in dataset.pictures], dataset.classes, features)
    else:
        found = list(associations([picture.label for picture in dataset.pictures], features).items())
    for name, (strength, label, category, share, elsewhere) in found:
        text = (
            f"{'size ' if name == 'size' else ''}{category}: {100 * share:.0f} % of {label}, "
            f"{100 * elsewhere:.0f} % of the rest (Cramér's V {strength:.2f})"
        )
        if strength >= GIVES_AWAY:
            yield Finding.of(folders[label], f"shortcut-{name}", text)
        elif name == "rotation" and strength >= ROTATION_DIFFERS:
            yield Finding.of(folders[label], "rotation-differs", text)


def class_folders(dataset: Dataset) -> dict[str, str]:
    """Return the folder of each class, the bare name where its pictures lie in several."""
    if dataset.several_labels:
        return {label: label for label in dataset.classes}
    folders = defaultdict(set)
    for picture in dataset.pictures:
        folders[picture.label].add(str(PurePosixPath(picture.name).parent))
    return {label: next(iter(own)) if len(own) == 1 else label for label, own in folders.items()}


def _sizes(facts: list[Facts]) -> list[str]:
    """Name the size of each picture: exactly where many share it, else by its range of pixels."""
    exact = [f"{image.width} x {image.height}" for image in facts]
    shared = {size for size, count in Counter(exact).items() if count > _OWN_SIZE * len(facts)}
    areas = np.array([image.width * image.height for image in facts])
    ends = np.unique(np.quantile(areas, np.linspace(0, 1, _RANGES + 1), method="nearest"))
    places = np.clip(np.searchsorted(ends, areas, side="right") - 1, 0, max(0, len(ends) - 2))
    ranges = [f"{ends[place]:,} to {ends[min(place + 1, len(ends) - 1)]:,} pixels" for place in places]
    return [size if size in shared else range_ for size, range_ in zip(exact, ranges, strict=True)]


def associations(labels: Sequence[str], features: Mapping[str, Sequence[str]]) -> dict[str, Association]:
    """Return the features that go with the labels beyond chance, however weakly.

    Chance: Pearson's chi-square test, its p value by shuffled labels where there are few pictures (the usual
    approximation wants five expected in a cell, W. G. Cochran 1954), corrected by Holm's method (S. Holm 1979).
    Strength: Cramér's V without its bias (W. Bergsma 2013), where 0.1 is small, 0.3 medium and 0.5 large for two
    classes (J. Cohen, "Statistical Power Analysis", 1988, w with one degree of freedom).

    Args:
        labels: of N pictures; classes with fewer than `FEWEST_OF_CLASS` pictures are left out.
        features: for each name N categories.

    Returns:
        by name of the feature: the strength, from 0 to 1 where one tells the other; the class that stands out most and
        the category that it has too often; the share of the class's pictures that have it, and of all others.
    """
    sizes = Counter(labels)
    kept = [index for index, label in enumerate(labels) if sizes[label] >= FEWEST_OF_CLASS]
    kept_labels = [labels[index] for index in kept]
    tables = {
        name: _table(kept_labels, _pooled([values[index] for index in kept])) for name, values in features.items()
    }
    varied = {name: table for name, table in tables.items() if min(table[2].shape) > 1}
    p_values = holm([chi_square_p_value(counts) for _, _, counts in varied.values()])
    return {
        name: (cramers_v(table[2]), *_strongest(*table))
        for (name, table), p_value in zip(varied.items(), p_values, strict=True)
        if p_value < SIGNIFICANT
    }


def label_associations(
    labels: Sequence[Collection[str]], names: Sequence[str], features: Mapping[str, Sequence[str]]
) -> list[tuple[str, Association]]:
    """Return the features that go with one of several labels beyond chance, however weakly.

    Chance: the approximation of Pearson's test, corrected by Bonferroni over all labels and features: tests by shuffled
    labels would take seconds a label.

    Args:
        labels: of N pictures; a label that fewer than `FEWEST_OF_CLASS` pictures have, or have not, is left out.
        names: all labels.
        features: as for `associations`.

    Returns:
        name of the feature and its association with a label, as `associations` has them.
    """
    from scipy.stats import chi2_contingency

    found: list[tuple[str, Association]] = []
    pooled = {name: _pooled(values) for name, values in features.items()}
    for label in names:
        has = [str(label in own) for own in labels]
        if min(has.count("True"), has.count("False")) < FEWEST_OF_CLASS:
            continue
        for name, values in pooled.items():
            _, categories, counts = _table(has, values)
            if len(categories) > 1:
                p_value = float(chi2_contingency(counts, correction=False).pvalue)
                without, own = counts / counts.sum(axis=1, keepdims=True)
                place = int((own - without).argmax())
                if p_value * len(names) * len(features) < SIGNIFICANT:
                    shares = float(own[place]), float(without[place])
                    found.append((name, (cramers_v(counts), label, categories[place], *shares)))
    return found


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


def chi_square_p_value(counts: Table) -> float:
    """Return the p value of Pearson's test: by shuffled labels up to 2,000 pictures, beyond by the approximation."""
    if counts.sum() > _SHUFFLED_UP_TO:
        from scipy.stats import chi2_contingency

        return float(chi2_contingency(counts, correction=False).pvalue)
    observed = float(_chi_square(counts))
    return (1 + int((_shuffled(counts) >= observed * (1 - 1e-9)).sum())) / (1 + _SHUFFLES)


def _shuffled(counts: Table) -> NDArray[np.float64]:
    """Return chi-square of tables with the same margins, as labels assigned by chance would make them."""
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    rows, columns = cells // counts.shape[1], cells % counts.shape[1]
    dealt = np.random.default_rng(_SEED).permuted(np.tile(rows, (_SHUFFLES, 1)), axis=1)
    offsets = counts.size * np.arange(_SHUFFLES)[:, None]
    places = (offsets + dealt * counts.shape[1] + columns).ravel()
    tables = np.bincount(places, minlength=_SHUFFLES * counts.size).reshape(_SHUFFLES, *counts.shape)
    values: NDArray[np.float64] = _chi_square(tables)
    return values


def cramers_v(counts: Table) -> float:
    """Return Cramér's V (0 to 1) without its bias, by Bergsma's formula."""
    total, (rows, columns) = float(counts.sum()), counts.shape
    phi = max(0.0, float(_chi_square(counts)) / total - (rows - 1) * (columns - 1) / (total - 1))
    least = min(side - (side - 1) ** 2 / (total - 1) for side in (rows, columns)) - 1
    return float(min(1.0, (phi / least) ** 0.5)) if least > 0 else 0.0


def _strongest(classes: Sequence[str], categories: Sequence[str], counts: Table) -> tuple[str, str, float, float]:
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
    return classes[int(row)], categories[int(column)], own / size, elsewhere
