"""Run folders: numbered, never overwritten, the newest finished one linked as `latest`; the tables inside one."""

from __future__ import annotations

import csv
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pawsight.core.errors import DiskFull, StorageError
from pawsight.core.storage import plain_cell, refusal, remove, table_text, write_bytes

LATEST = "latest"
PATCH = "labels.patch.csv"  # decisions made while reviewing the run
APPLIED_PATCH = "applied.patch.csv"  # decisions the run was trained with
HISTORY = "history.csv"
AUDIT, SLICES, LEARNING_CURVE, SUSPECTS = "audit.csv", "slices.json", "learning_curve.json", "suspects.json"
LOG, RECIPE, SPLITS, CATALOG, PREDICTIONS, METRICS, SOURCE, LOOKS = (
    "log.txt",
    "recipe.toml",
    "splits.csv",
    "catalog.csv",
    "predictions.csv",
    "metrics.json",
    "source.json",
    "looks.json",
)


def new_run(runs: Path) -> Path:
    """Make the next numbered folder, 001 upwards; two processes never get the same.

    Raises:
        StorageError: the place cannot be written to.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        taken = [int(path.name) for path in runs.iterdir() if path.name.isdecimal()]
        for number in range(max(taken, default=0) + 1, 10**9):
            with suppress(FileExistsError):
                folder = runs / f"{number:03d}"
                folder.mkdir()
                return folder.absolute()
    except OSError as error:
        raise refusal("make a run folder in", runs, error, fix="Give another with --out.") from error
    raise StorageError(f"No run folder can be made in {runs}.", "All numbers are taken.", "Give another with --out.")


def new_group(runs: Path, name: str) -> Path:
    """Return the next free path NAME-001, NAME-002, ... beside the runs, for a report over several of them."""
    ends = [path.name.removeprefix(f"{name}-") for path in runs.glob(f"{name}-*")]
    return runs / f"{name}-{max((int(end) for end in ends if end.isdecimal()), default=0) + 1:03d}"


def set_latest(folder: Path) -> None:
    """Point `latest`, beside the run, at it; where links cannot be made the name is left as it is.

    Raises:
        StorageError: there is no room for it.
    """
    link = folder.parent / f".{LATEST}.{folder.name}"  # one name: the next call removes what a kill left
    latest = folder.parent / LATEST
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name, target_is_directory=True)
        if sys.platform == "win32" and latest.is_symlink():
            latest.unlink()  # Windows replaces no link to a folder: `latest` would name the older run for ever
        os.replace(link, latest)
    except OSError as error:
        refused = refusal("write the link", latest, error)
        if isinstance(refused, DiskFull):
            raise refused from error
    finally:
        remove(link)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV (RFC 4180, UTF-8; bytes of file names that are no text stay what they are).

    Text that a spreadsheet would take for a formula gets an apostrophe before it (`storage.safe_cell`).
    """
    write_bytes(path, table_text(header, rows).encode("utf-8", "surrogateescape"))


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a CSV that `write_table` wrote.

    Raises:
        StorageError: it is missing or cannot be read.
    """
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [_plain(row) for row in csv.DictReader(file)]
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read.", f"The system says: {error.strerror}.", "Name a finished run, e.g. runs/latest."
        ) from error


def _plain(row: dict[str, str]) -> dict[str, str]:
    """Undo `safe_cell` in a row; where it has too many or too few cells, keep what csv made of that."""
    return {
        plain_cell(name) if isinstance(name, str) else name: plain_cell(cell) if isinstance(cell, str) else cell
        for name, cell in row.items()
    }


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training part, with its validation."""

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
