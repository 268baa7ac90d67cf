"""Does something beside the picture, its size or its camera, tell the class?

Enters: a label and a category for each picture. Leaves: an `Association`, or nothing where there is none to speak of.
Does not know: pictures, where the categories come from.

Chance: Pearson's chi-square test, its p value by shuffled labels where there are few pictures (the usual approximation
wants five expected in a cell, W. G. Cochran 1954), corrected by Holm's method (S. Holm 1979). Size: Cramér's V without
its bias (W. Bergsma 2013), where 0.1 is small, 0.3 medium and 0.5 large for two classes (J. Cohen, "Statistical Power
Analysis", 1988, w with one degree of freedom).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
