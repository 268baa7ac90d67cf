"""The held-out parts of a run: found again by content, and the looks at the test part counted.

Enters: a run folder and the name of a part. Leaves: files with their labels. Does not know: models, metrics.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.core.errors import StorageError, WrongUsage
from pawsight.core.runs import LOOKS, SOURCE, SPLITS, read_table
from pawsight.core.storage import write_json
from pawsight.data.folders import Candidate


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The files of one part, and what they held when the split was made."""

    candidates: tuple[Candidate, ...]
    contents: Mapping[str, str]  # name -> SHA-256


def held_out(run: Path, part: str, *, counts: bool = True) -> HeldOut:
    """Return the files of a run's validation or test part, and count a look at the test part if `counts` says so.

    Raises:
        WrongUsage: the place is a bundle without its run. StorageError: a file of the run cannot be read.
    """
    if not (run / SPLITS).is_file():
        raise WrongUsage(
            f"{run} has no {SPLITS}, so it has no pictures of its own to be measured on.",
            "It is a bundle without its run.",
            f"Give pictures: pawsight evaluate {run} DATA",
        )
    root = root_of(run)
    rows = _rows(run / SPLITS, part)
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


def _rows(path: Path, part: str) -> list[dict[str, str]]:
    table = read_table(path)
    if any(not {"path", "sha256", "label", "part"} <= row.keys() or None in row.values() for row in table):
        raise StorageError(
            f"{path} cannot be read.",
            "It lacks one of the columns path, sha256, label, part.",
            "Name a finished run, e.g. runs/latest.",
        )
    return [row for row in table if row["part"] == part]


def count_look(run: Path) -> int:
    """Add one to the number of times the test part was looked at, and return it."""
    looks = looks_at_test(run) + 1
    write_json(run / LOOKS, {"looks_at_test": looks})
    return looks


def told_looks(looks: int) -> str:
    """Return what a person should know about so many looks, the present one included."""
    if looks <= 1:
        return "This is the first look at the test part since training, and it is counted."
    return (
        f"This is look {looks:,} at the test part since training: whoever chooses by what it says needs other pictures"
        " for the last word."
    )


def looks_at_test(run: Path) -> int:
    """Return how often the test part of a run was looked at."""
    path = run / LOOKS
    return int(_value(path, "looks_at_test", int)) if path.is_file() else 0


def _value(path: Path, key: str, kind: type) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))[key]
        if not isinstance(value, kind):
            raise TypeError(f"{key} is {value!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read.", f"The reader says: {error}.", "Name a finished run, e.g. runs/latest."
        ) from error
    return value
