"""What a run answered to one part, picture by picture, and the pictures that several runs share.

Enters: finished runs. Leaves: `AnswerTable`s. Does not know: how runs are made, what is printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import StorageError
from pawsight.core.runs import PREDICTIONS, read_table
from pawsight.evaluation.comparison import Answered

_HALF_DIGIT = 5e-7  # predictions.csv holds six digits, so that 0.000000 is anything below this


@dataclass(frozen=True, slots=True)
class AnswerTable:
    """Answers to pictures known by content and label."""

    classes: tuple[str, ...]
    answered: tuple[Answered, ...]
    probabilities: NDArray[np.float64]  # (N, C), rows adding up to 1

    @property
    def true(self) -> NDArray[np.int64]:
        """The class index (N,) of each picture."""
        places = {name: index for index, name in enumerate(self.classes)}
        return np.array([places[one.label] for one in self.answered], np.int64)


def read_answers(folder: Path, classes: Sequence[str], part: str) -> AnswerTable:
    """Read the answers of a run to its validation or test part; none where it has not answered to it.

    Args:
        folder: of a finished run.
        classes: its class names in order.
        part: "validation" or "test".

    Raises:
        StorageError: the file is missing, or is not as `train` writes it.
    """
    path = folder / PREDICTIONS
    rows = [row for row in read_table(path) if row.get("part") == part]
    try:
        table = np.array([[float(row[f"p({name})"]) for name in classes] for row in rows]).reshape(-1, len(classes))
        answered = tuple(Answered(row["sha256"], row["label"], row["predicted"]) for row in rows)
        if not np.isfinite(table).all() or {one.label for one in answered} - set(classes):
            raise ValueError("a probability is no number, or a label is no class of the run")
    except (KeyError, ValueError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read.", f"The reader says: {error}.", "Name a finished run, e.g. runs/latest."
        ) from error
    table = np.maximum(table, _HALF_DIGIT)
    return AnswerTable(tuple(classes), answered, table / table.sum(axis=1, keepdims=True))


def shared(tables: Sequence[AnswerTable]) -> list[AnswerTable]:
    """Return the answers to the pictures that all tables have, in the same order of pictures.

    Pictures are matched by content and label, copies of one as often as every table has them.
    """
    counts = [Counter(_key(one) for one in table.answered) for table in tables]
    common = counts[0]
    for other in counts[1:]:
        common &= other
    return [_only(table, common) for table in tables]


def _key(one: Answered) -> tuple[str, str]:
    return one.sha256, one.label


def _only(table: AnswerTable, wanted: Counter[tuple[str, str]]) -> AnswerTable:
    left, chosen = Counter(wanted), []
    for row in sorted(range(len(table.answered)), key=lambda row: _key(table.answered[row])):
        key = _key(table.answered[row])
        if left[key]:
            left[key] -= 1
            chosen.append(row)
    rows = np.array(chosen, np.int64)
    return AnswerTable(table.classes, tuple(table.answered[row] for row in chosen), table.probabilities[rows])
