"""What every epoch of a run measured, as a table that reads back to the same bits.

Enters: the figures of one epoch at a time. Leaves: history.csv, the epochs in it, the best of them. Does not know: what
is trained, or what the figures warn of (`tripwires` does).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pawsight.core.errors import StorageError
from pawsight.core.runs import read_table, write_table

HISTORY = "history.csv"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training part and what validation said after it."""

    number: int  # from 1
    loss: float  # of the training part in nats, mean over the pass
    accuracy: float  # of the training part, 0..1, mean over the pass
    val_loss: float  # after the pass, in nats
    val_accuracy: float  # after the pass, 0..1
    learning_rate: float = math.nan  # of the last step
    seconds: float = math.nan  # of the pass and its validation


_COLUMNS = tuple(field.name for field in fields(Epoch))


def write_history(path: Path, history: Sequence[Epoch]) -> None:
    """Write one row an epoch; the file holds the old table or all of the new.

    Raises:
        StorageError: the disk refused.
    """
    write_table(path, _COLUMNS, (_row(epoch) for epoch in history))


def read_history(path: Path) -> tuple[Epoch, ...]:
    """Read what `write_history` wrote: the same numbers, to the last bit.

    Raises:
        StorageError: the file is missing, cannot be read, or is no history.
    """
    history = []
    for number, row in enumerate(read_table(path), 1):
        epoch = _epoch(row)
        if epoch is None or epoch.number != number:
            raise StorageError(
                f"{path} is no history of a training run.",
                f"Row {number} is not epoch {number} with the columns {', '.join(_COLUMNS)}.",
                "Delete the file if it was edited by hand, and train again without --resume.",
            )
        history.append(epoch)
    return tuple(history)


def best_epoch(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch of the highest validation accuracy; among equals the lowest validation loss, then the earliest.

    A figure that is not a number is worse than every number.

    Raises:
        ValueError: there is no epoch.
    """
    if not history:
        raise ValueError("a history without epochs has no best one")
    return min(history, key=lambda epoch: (_last_if_nan(-epoch.val_accuracy), _last_if_nan(epoch.val_loss)))


def _row(epoch: Epoch) -> list[str]:
    number, *figures = astuple(epoch)
    return [str(int(number)), *(repr(float(figure)) for figure in figures)]  # NumPy's own repr would not read back


def _epoch(row: Mapping[str, str]) -> Epoch | None:
    if tuple(row) != _COLUMNS:
        return None
    number, *figures = row.values()
    try:
        return Epoch(int(number), *map(float, figures))
    except (TypeError, ValueError):  # TypeError: a row cut short has None in it
        return None


def _last_if_nan(figure: float) -> float:
    return math.inf if math.isnan(figure) else figure
