"""The epochs of a run, as history.csv tells them.

Enters: history.csv. Leaves: `Epoch`s, and which of them is best. Does not know: how they were trained or are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pawsight.runs import read_table

HISTORY = "history.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One pass over the training part; a figure that was not taken, or came out as no number, is NaN."""

    epoch: int  # counted from 1
    loss: float  # nats, training part
    accuracy: float  # share, training part
    val_loss: float
    val_accuracy: float
    learning_rate: float = math.nan
    seconds: float = math.nan


def read_history(path: Path) -> tuple[Epoch, ...]:
    """Return the epochs of a history.csv in the order in which they stand there.

    Raises:
        StorageError: the file cannot be read.
    """
    return tuple(_epoch(number, row) for number, row in enumerate(read_table(path), start=1))


def best_epoch(history: Sequence[Epoch]) -> Epoch | None:
    """Return the epoch with the best validation accuracy; ties go to the lower validation loss, then to the earlier.

    None where validation was never measured.
    """
    measured = [one for one in history if math.isfinite(one.val_accuracy)]
    return min(measured, key=_rank) if measured else None


def _rank(one: Epoch) -> tuple[float, float, int]:
    loss = one.val_loss if math.isfinite(one.val_loss) else math.inf
    return -one.val_accuracy, loss, one.epoch


def _epoch(number: int, row: Mapping[str, str]) -> Epoch:
    counted = _number(row, "epoch")
    return Epoch(
        epoch=int(counted) if math.isfinite(counted) else number,
        loss=_number(row, "loss"),
        accuracy=_number(row, "accuracy"),
        val_loss=_number(row, "val_loss"),
        val_accuracy=_number(row, "val_accuracy"),
        learning_rate=_number(row, "learning_rate"),
        seconds=_number(row, "seconds"),
    )


def _number(row: Mapping[str, str], key: str) -> float:
    try:
        return float(row.get(key) or "nan")
    except ValueError:
        return math.nan
