"""Run folders: numbered, never overwritten, the newest finished one linked as `latest`; the tables inside one."""

from __future__ import annotations

import csv
import json
import math
import os
import shlex
import sys
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

from pawsight.core.errors import DiskFull, StorageError, WrongUsage
from pawsight.core.storage import file_lock, plain_cell, refusal, remove, table_text, write_bytes
from pawsight.core.text import typed

LATEST, BUNDLE, BUNDLE_CARD = "latest", "bundle", "bundle.json"
EXPORT_CARD = "pawsight.json"  # of a bundle in another format
OUTPUT_MARK = ".pawsight"  # a file that says: nothing in this folder is a picture of a class
LOCK = ".lock"  # also the mark of an unfinished run: it goes when the run ends, and stays where the process was killed
_NAMED, _EXAMPLE = 8, "Type for example runs/latest"  # runs named in a message
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


def mark_output(folder: Path) -> None:
    """Make a folder for pictures that Pawsight draws and mark it, so that it is no class where it lies among pictures.

    A folder that holds files without a mark is the user's own and stays so.

    Raises:
        StorageError: the disk refused.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            write_bytes(folder / OUTPUT_MARK, b"Written by Pawsight: no class of pictures.\n")
    except OSError as error:
        raise refusal("write in", folder, error) from error


def is_output(names: Collection[str]) -> bool:
    """Say whether what has these names was written by Pawsight: pictures, runs, a run, a bundle, an export."""
    if any(name in names for name in (OUTPUT_MARK, BUNDLE_CARD, EXPORT_CARD)):
        return True
    if AUDIT in names and "audit.html" in names:
        return True
    return (SOURCE in names and SPLITS in names) or (LATEST in names and any(name.isdecimal() for name in names))


def new_group(runs: Path, name: str) -> Path:
    """Return the next free path NAME-001, NAME-002, ... beside the runs, for a report over several of them."""
    ends = [path.name.removeprefix(f"{name}-") for path in runs.glob(f"{name}-*")]
    return runs / f"{name}-{max((int(end) for end in ends if end.isdecimal()), default=0) + 1:03d}"


def set_latest(folder: Path) -> str:
    """Point `latest`, beside the run, at it, so that it never leads to an older one.

    A copy of a run that is called `latest` (links are copied as folders by some programs) gets another name. Anything
    else of that name is left as it is. Where links cannot be made there is no `latest`.

    Returns:
        a sentence for the user where `latest` is not simply the link to the run; else empty.

    Raises:
        StorageError: there is no room for it.
    """
    link = folder.parent / f".{LATEST}.{folder.name}"  # one name: the next call removes what a kill left
    latest, note = folder.parent / LATEST, ""
    try:
        if latest.is_dir() and not latest.is_symlink():
            note = _made_way(latest, folder)
        if os.path.lexists(latest) and not latest.is_symlink():
            return f"{latest} is something else and was left as it is; the newest run is {folder}."
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name, target_is_directory=True)
        if sys.platform == "win32":
            latest.unlink(missing_ok=True)  # Windows replaces no link to a folder: it would name the older run for ever
        os.replace(link, latest)
    except OSError as error:
        refused = refusal("write the link", latest, error)
        if isinstance(refused, DiskFull):
            raise refused from error
        if latest.is_symlink():
            remove(latest)
    finally:
        remove(link)
    return note


def _made_way(latest: Path, folder: Path) -> str:
    """Rename a copy of a run, or remove an empty folder, that has the name of the link; say what was done."""
    if not any(latest.iterdir()):
        latest.rmdir()
    if not is_run(latest):
        return ""
    aside = next_name(folder.parent, f"{LATEST}-before-{folder.name}")
    latest.rename(aside)
    return f"{latest} was a copy of a run and no link; it is called {aside.name} now."


def next_name(folder: Path, name: str) -> Path:
    """Return the first path of NAME, NAME-2, NAME-3, ... that is free in a folder."""
    return next(path for n in count(1) if not os.path.lexists(path := folder / (name if n == 1 else f"{name}-{n}")))


def named_run(path: Path) -> Path:
    """Return the folder of the run or bundle that a path means; a file of a bundle means its bundle.

    Raises:
        WrongUsage: it means none, with what it is instead: missing, a link whose run is gone, a picture, a folder of
            runs or of pictures, or a run whose training has not ended. StorageError: the system refuses the path.
    """
    try:
        return _named_run(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be read.", f"The system says: {error.strerror}.", _EXAMPLE) from error


def _named_run(path: Path) -> Path:
    if path.is_symlink() and not path.exists():
        raise WrongUsage(
            f"{path} leads to {path.parent / path.readlink()}, which is not there any more.",
            _beside(path.parent),
            f"Type for example {newest}" if (newest := _newest(path.parent)) else "Train again.",
        )
    if not path.exists():
        newest = _newest(path.parent)
        why = _beside(path.parent) if newest else "The run or bundle folder to use must be named."
        raise WrongUsage(f"{path} does not exist.", why, f"Type for example {newest}" if newest else _EXAMPLE)
    if path.is_file():
        if (path.parent / BUNDLE_CARD).is_file():
            return path.parent
        raise WrongUsage(
            f"{path} is a file; a run is a folder.",
            "The run comes first, then the pictures or the data. A model file alone says too little: no classes, no"
            " preprocessing. Name the run it was made in.",
            _EXAMPLE,
        )
    if is_run(path):
        return path
    if is_unfinished(path):
        raise WrongUsage(f"{path} is unfinished: --resume continues it.", _why_unfinished(path), _how_to_resume(path))
    if newest := _newest(path):
        raise WrongUsage(f"{path} is a folder of runs.", _beside(path), f"Name one of them, e.g. {newest}")
    raise WrongUsage(
        f"{path} is no run.",
        f"It has no {METRICS} and no {BUNDLE_CARD}. The run comes first, then the pictures or the data.",
        _EXAMPLE,
    )


def is_unfinished(folder: Path) -> bool:
    """Say whether a training began in a folder and has not ended."""
    return not (folder / METRICS).exists() and any((folder / name).exists() for name in (SOURCE, LOCK))


def is_run(folder: Path) -> bool:
    """Say whether a folder is a finished run or a bundle."""
    is_bundle = (folder / BUNDLE_CARD).exists()  # of any kind: reading a bundle refuses what is no file
    return is_bundle or (folder / METRICS).is_file() or ((folder / BUNDLE).is_dir() and not is_unfinished(folder))


def check_order(verb: str, run: Path, others: Sequence[Path]) -> None:
    """Refuse a run that was named after the pictures or the data.

    Raises:
        WrongUsage: that was meant, with the line to type.
    """
    meant = None
    with suppress(OSError):  # a name that the system refuses: opening it says so
        meant = None if is_run(run) or is_run(run.parent) else next(filter(is_run, others), None)
    if meant is not None:
        rest = [run, *(path for path in others if path is not meant)]
        raise WrongUsage(
            f"{run} is no run, but {meant} is.", "The run comes first.", f"Type: {typed(verb, meant, *rest)}"
        )


def _runs_in(folder: Path) -> list[Path]:
    """Return the finished runs with a number, the oldest first."""
    numbered = [path for path in folder.glob("*") if path.name.isdecimal() and is_run(path)] if folder.is_dir() else []
    return sorted(numbered, key=lambda path: int(path.name))


def _newest(folder: Path) -> Path | None:
    runs = _runs_in(folder)
    return runs[-1] if runs else None


def _beside(folder: Path) -> str:
    names = [path.name for path in _runs_in(folder)]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return (
        f"Runs in {folder}: {', '.join(names[-_NAMED:])}{more}." if names else f"There is no finished run in {folder}."
    )


def _why_unfinished(folder: Path) -> str:
    with suppress(TimeoutError, StorageError):
        if (folder / LOCK).exists():
            with file_lock(folder / LOCK):
                pass
        return "Its training was stopped before the end."
    return "A process is training in it."


def _how_to_resume(folder: Path) -> str:
    """Return the command that continues an unfinished run, as far as the run says it."""
    recipe: dict[str, Any] = {}
    with suppress(OSError, ValueError, AttributeError):
        recipe = tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))
        began = json.loads((folder / SOURCE).read_text(encoding="utf-8")).get("command")
        if began:
            return f"Continue it: {began} --resume --out {shlex.quote(str(folder.parent))}"
    options = ["--recipe", recipe["name"]] if "name" in recipe else []
    line = typed("train", root_of(folder) or "DATA", *options, "--resume", "--out", folder.parent)
    return f"Continue it, with the options that it was started with: {line}"


def root_of(run: Path) -> Path | None:
    """Return the folder that the paths of a run's pictures are below; None where the run does not say.

    Where that folder is gone, and the run and its pictures were moved together, it is found from the run.
    """
    try:
        known = json.loads((run / SOURCE).read_text(encoding="utf-8", errors="surrogateescape"))
        root, beside = known["root"], known.get("from_run")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(root, str):
        return None
    if isinstance(beside, str) and not Path(root).is_dir() and (moved := run / beside).is_dir():
        return moved.resolve()
    return Path(root)


def source_json(run: Path, root: Path, identity: str, *, reading: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what source.json holds: where the pictures are, absolute and from the run, and what may resume the run.

    Args:
        run: the run folder.
        root: the folder of the pictures.
        identity: of the run.
        reading: how folders are read, as JSON; nothing where that is as their names say.
    """
    known: dict[str, Any] = {"root": str(root.absolute()), "identity": identity}
    if reading:
        known["reading"] = dict(reading)
    with suppress(ValueError):  # on Windows, another drive
        known["from_run"] = Path(os.path.relpath(root.absolute(), run.absolute())).as_posix()
    return known


def from_here(path: Path) -> Path:
    """Return a path as it is shown: relative to the current folder where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def from_folder(path: Path, folder: Path) -> str:
    """Return a path as a command that is typed in `folder` names it; absolute where another drive lies between."""
    with suppress(ValueError):  # on Windows, another drive
        return os.path.relpath(path.absolute(), folder.resolve())
    return str(path.absolute())


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
