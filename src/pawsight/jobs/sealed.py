"""The held-out parts of a run: found again by content, and the looks at the test part counted.

Enters: a run folder and the name of a part. Leaves: files with their labels. Does not know: models, metrics.
"""

from __future__ import annotations

import json
from pathlib import Path

from pawsight.data.finder import Candidate
from pawsight.errors import WrongUsage
from pawsight.runs import LOOKS, SOURCE, SPLITS, read_table
from pawsight.storage import write_json


def held_out(run: Path, part: str) -> tuple[Candidate, ...]:
    """Return the files of a run's validation or test part, and count a look at the test part.

    Raises:
        WrongUsage: the place is a bundle without its run.
    """
    if not (run / SPLITS).is_file():
        raise WrongUsage(
            f"{run} has no {SPLITS}, so it has no pictures of its own to be measured on.",
            "It is a bundle without its run.",
            f"Give pictures: pawsight evaluate {run} DATA",
        )
    root = Path(json.loads((run / SOURCE).read_text(encoding="utf-8"))["root"])
    if part == "test":
        count_look(run)
    return tuple(
        Candidate(root / row["path"], row["path"], row["label"], part)
        for row in read_table(run / SPLITS)
        if row["part"] == part
    )


def count_look(run: Path) -> int:
    """Add one to the number of times the test part was looked at, and return it."""
    looks = looks_at_test(run) + 1
    write_json(run / LOOKS, {"looks_at_test": looks})
    return looks


def looks_at_test(run: Path) -> int:
    """Return how often the test part of a run was looked at."""
    path = run / LOOKS
    return int(json.loads(path.read_text(encoding="utf-8"))["looks_at_test"]) if path.is_file() else 0
