"""Run folders: numbered, never overwritten, the newest finished one under the name `latest`.

Enters: the folder that holds runs. Leaves: paths, and small tables inside a run. Does not know: what a run trains.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pawsight.core.errors import DiskFull, StorageError
from pawsight.core.storage import plain_cell, refusal, table_text, write_bytes
from pawsight.core.temporary import remove

LATEST = "latest"
PATCH = "labels.patch.csv"  # decisions made while reviewing the run
APPLIED_PATCH = "applied.patch.csv"  # decisions the run was trained with
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


def set_latest(folder: Path) -> None:
    """Point `latest`, beside the run, at it; where links cannot be made the name is left as it is.

    Raises:
        StorageError: there is no room for it.
    """
    link = folder.parent / f".{LATEST}.{folder.name}"  # of one name, so that what a killed process left goes as well
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name, target_is_directory=True)
        os.replace(link, folder.parent / LATEST)
    except OSError as error:
        refused = refusal("write the link", folder.parent / LATEST, error)
        if isinstance(refused, DiskFull):
            raise refused from error
    finally:
        remove(link)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV (RFC 4180, UTF-8; bytes of file names that are no text stay what they are).

    Text that a spreadsheet would take for a formula gets an apostrophe before it (storage.safe_cell).
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
    """Undo what made a row safe; a row that is too long or too short keeps what csv made of that."""
    return {
        plain_cell(name) if isinstance(name, str) else name: plain_cell(cell) if isinstance(cell, str) else cell
        for name, cell in row.items()
    }


def new_group(runs: Path, name: str) -> Path:
    """Return the next free path NAME-001, NAME-002, ... beside the runs, for a report over several of them."""
    ends = [path.name.removeprefix(f"{name}-") for path in runs.glob(f"{name}-*")]
    return runs / f"{name}-{max((int(end) for end in ends if end.isdecimal()), default=0) + 1:03d}"
