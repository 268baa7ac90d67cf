"""The split of a run: given by --split, its files found again, and how often its test set was evaluated.

The cut into training, validation and test set is made in data/split.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.core.errors import StorageError, WrongUsage
from pawsight.core.runs import LOOKS, SOURCE, SPLITS, read_table
from pawsight.core.storage import turn_to_rewrite, write_json
from pawsight.data.folders import Candidate
from pawsight.data.given_split import SplitFile, read_split_file


def given_split(
    split: str | os.PathLike[str] | None, split_seed: int = 0, *, allow_leaks: bool = False
) -> SplitFile | None:
    """Read the split that --split names, a file or a run; None where there is none.

    Raises:
        WrongUsage: a seed was given beside it, leaks are allowed without one, or there is no such file.
        BadDataset: lines of it cannot be used. StorageError: it cannot be read.
    """
    if split is None:
        if allow_leaks:
            raise WrongUsage(
                "--allow-leaks has no effect without --split.",
                "A split drawn here keeps duplicates in one subset.",
                "Leave it out, or give a file: --split splits.csv --allow-leaks",
            )
        return None
    path = Path(split).expanduser()
    if split_seed:
        raise WrongUsage(
            f"--split-seed {split_seed} has no effect beside --split {split}.",
            "The file assigns each picture, so nothing is drawn at random.",
            "Leave one of them out.",
        )
    file = path / SPLITS if path.is_dir() else path
    if not file.is_file():
        raise WrongUsage(
            f"{file} is not a regular file." if file.exists() else f"There is no file {file}.",
            "--split needs a CSV file with the columns path,part, or a run that has one.",
            "Check the path, e.g. --split runs/001/splits.csv",
        )
    return read_split_file(file, allow_leaks=allow_leaks)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The files of one subset, and what they held when the split was made."""

    candidates: tuple[Candidate, ...]
    contents: Mapping[str, str]  # name -> SHA-256


def held_out(run: Path, part: str, *, counts: bool = True) -> HeldOut:
    """Return the files of a run's subset; an evaluation of the test set is counted if `counts` says so.

    Raises:
        WrongUsage: the folder is a bundle without its run. StorageError: a file of the run cannot be read.
    """
    path = run / SPLITS
    if not path.is_file():
        raise WrongUsage(
            f"{run} has no {SPLITS}, so it has no pictures of its own to measure.",
            "It is a bundle without its run.",
            f"Give pictures: pawsight evaluate {run} DATA",
        )
    root = root_of(run)
    table = read_table(path)
    if any(not {"path", "sha256", "label", "part"} <= row.keys() or None in row.values() for row in table):
        raise StorageError(
            f"{path} cannot be read.",
            "It lacks one of the columns path, sha256, label, part.",
            "Name a finished run, e.g. runs/latest.",
        )
    rows = [row for row in table if row["part"] == part]
    if part == "test" and counts:
        count_look(run)
    return HeldOut(
        tuple(Candidate(root / row["path"], row["path"], row["label"], part) for row in rows),
        {row["path"]: row["sha256"] for row in rows},
    )


def root_of(run: Path) -> Path:
    """Return the folder that the paths of a run's pictures are below.

    Raises:
        StorageError: the run does not say.
    """
    return Path(_value(run / SOURCE, "root", str))


def count_look(run: Path) -> int:
    """Count one more evaluation of the test set, and return how many there were."""
    with turn_to_rewrite(run / LOOKS):
        looks = looks_at_test(run) + 1
        write_json(run / LOOKS, {"looks_at_test": looks})
    return looks


def looks_at_test(run: Path) -> int:
    """Return how often the test set of a run was evaluated since training."""
    path = run / LOOKS
    return int(_value(path, "looks_at_test", int)) if path.is_file() else 0


def looks_sentence(looks: int) -> str:
    """Return what the number of evaluations of a test set means."""
    if looks <= 1:
        return "Test set evaluated once since training."
    return (
        f"Test set evaluated {looks:,} times since training. If you use it to choose a model, its score is biased:"
        " measure the choice on other pictures."
    )


def _value(path: Path, key: str, kind: type) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))[key]
        if not isinstance(value, kind):
            raise TypeError(f"{key} is {value!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read.", f"Reading it failed: {error}.", "Name a finished run, e.g. runs/latest."
        ) from error
    return value
