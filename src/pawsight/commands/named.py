"""Pictures as a user names them: files, and folders of them.

Paths are expanded to files by `data.finder`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pawsight.core.errors import NoPictures, WrongUsage
from pawsight.core.progress import Progress
from pawsight.data.folders import is_folder

Result = TypeVar("Result")
_SHOWN = 5  # names listed in a message


def named(pictures: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return names as paths.

    Raises:
        WrongUsage: a name is empty.
    """
    if not all(os.fspath(picture) for picture in pictures):
        raise WrongUsage(
            "One of the pictures has an empty name.",
            "An empty name would mean every file of this folder.",
            "Type . if that is what you want.",
        )
    return [Path(picture) for picture in pictures]


def counted(results: Iterable[Result], paths: list[Path], stage: str, progress: Progress) -> Iterator[Result]:
    """Yield the results for the files below paths as they come, and count them in the progress.

    Args:
        results: one for each file, made lazily, in order.
        paths: files and folders as the user named them.
        stage: name of the progress, e.g. "Classifying".
        progress: is advanced with each result.

    Raises:
        NoPictures: folders were named and none holds a file.
    """
    total = len(paths) if not any(is_folder(path) for path in paths) else None
    has_results = False
    with progress.stage(stage, total, "pictures") as step:
        for result in results:
            has_results = True
            step.advance()
            yield result
    if paths and not has_results:
        raise NoPictures(
            f"No files found under {', '.join(map(str, paths[:_SHOWN]))}.",
            "There is nothing there, or hidden files alone.",
            "Name pictures, or folders that hold some.",
        )
