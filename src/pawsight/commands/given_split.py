"""The option --split, as a person types it: a file, or a run whose split is to be taken.

Enters: a path and the seed beside it. Leaves: a `SplitFile`, or None. Does not know: pictures.
"""

from __future__ import annotations

import os
from pathlib import Path

from pawsight.core.errors import WrongUsage
from pawsight.core.runs import SPLITS
from pawsight.data.given_split import SplitFile, read_split_file


def given_split(split: str | os.PathLike[str] | None, split_seed: int = 0) -> SplitFile | None:
    """Read the split that was given, before anything slow.

    Raises:
        WrongUsage: a seed was given beside it, or there is no such file.
        BadCatalog: lines of it cannot be used. StorageError: it cannot be read.
    """
    if split is None:
        return None
    path = Path(split).expanduser()
    if split_seed:
        raise WrongUsage(
            f"--split-seed {split_seed} would do nothing beside --split {split}.",
            "The file says where each picture lies, so nothing is left to chance.",
            "Leave one of them out.",
        )
    file = path / SPLITS if path.is_dir() else path
    if not file.is_file():
        raise WrongUsage(
            f"{file} is not a regular file." if file.exists() else f"There is no file {file}.",
            "--split wants a CSV with the columns path,part, or a run with one.",
            "Check the path, e.g. --split runs/001/splits.csv",
        )
    return read_split_file(file)
