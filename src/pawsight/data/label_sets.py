"""Several labels of a picture as one text, `red;round`, as files of a run hold them, and as a table of truths.

Which tables have several labels is read in picture_lists.py; a data set says it of itself (`Dataset.several_labels`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

SEPARATOR = ";"
NO_LABELS = "none of the labels"  # for people and in patches, where an empty cell says nothing
Ints = NDArray[np.int64]


def joined(labels: Iterable[str]) -> str:
    """Return labels, each once and sorted, as one text; the empty text stands for none."""
    return SEPARATOR.join(sorted(set(labels)))


def labels_in(text: str) -> tuple[str, ...]:
    """Return the labels that `joined` made one text of."""
    return tuple(text.split(SEPARATOR)) if text else ()


def in_words(text: str) -> str:
    """Return the labels that `joined` made one text of as people read them."""
    return ", ".join(labels_in(text)) or NO_LABELS


def memberships(labels: Sequence[Sequence[str]]) -> tuple[Ints, list[str], Ints]:
    """Return every label that N pictures have: its picture (M,), the names, and its name by number (M,)."""
    rows = np.repeat(np.arange(len(labels)), [len(own) for own in labels])
    names, numbers = np.unique([label for own in labels for label in own], return_inverse=True)
    return rows, names.tolist(), numbers


def truth_of(texts: Sequence[str], names: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of the names each picture has (N, L).

    Args:
        texts: labels of N pictures, as `joined` makes them.
        names: all L labels.

    Raises:
        KeyError: a picture has a label that is not among the names.
    """
    columns = {name: column for column, name in enumerate(names)}
    truth = np.zeros((len(texts), len(names)), dtype=bool)
    for row, text in enumerate(texts):
        truth[row, [columns[label] for label in labels_in(text)]] = True
    return truth
