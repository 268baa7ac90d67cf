"""Pictures as a user names them: files, and folders of them.

Enters: names. Leaves: an answer for each file, counted as it comes. Does not know: what is asked of the pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pawsight.core.errors import NoPictures, WrongUsage
from pawsight.core.progress import Progress
from pawsight.data.folders import expand, is_folder

Answer = TypeVar("Answer")
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


def answered(
    paths: list[Path], answer: Callable[[Iterable[Path]], Iterator[Answer]], doing: str, progress: Progress
) -> Iterator[Answer]:
    """Let `answer` see every file, and pass its answers on as they come.

    Args:
        paths: files and folders.
        answer: takes files lazily and gives one answer for each, in order.
        doing: what the progress says is done, e.g. "Classifying".
        progress: who is told of each answer.

    Raises:
        NoPictures: folders were named and none holds a file.
    """
    total = len(paths) if not any(is_folder(path) for path in paths) else None
    came = False
    with progress.stage(doing, total, "pictures") as step:
        for one in answer(expand(paths)):
            came = True
            step.advance()
            yield one
    if paths and not came:
        raise NoPictures(
            f"No files found under {', '.join(map(str, paths[:_SHOWN]))}.",
            "There is nothing there, or hidden files alone.",
            "Name pictures, or folders that hold some.",
        )
