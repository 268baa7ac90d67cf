"""Groups that paths name, by `--group-by folder` or a pattern. Those that are found without it: see groups.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pawsight.core.errors import WrongUsage
from pawsight.data.folders import clean_label
from pawsight.data.found import Candidate, Found
from pawsight.data.parts import part_named
from pawsight.data.reading import CAMERA, FOLDER, NO_GROUPS, seconds_between


def with_named_groups(found: Found) -> Found:
    """Return what was found with the groups that paths name, where `reading.group_by` is "folder" or a pattern.

    Raises:
        WrongUsage: no path names a group, or all name the same one.
    """
    by = found.reading.group_by
    if by in ("", NO_GROUPS, CAMERA) or seconds_between(by) is not None or not found.candidates:
        return found
    name_of = _folder_of if by == FOLDER else lambda file: found.reading.group_in(file.name) or ""
    named = tuple(replace(file, group=name_of(file)) for file in found.candidates)
    where = "the path of each picture" + (", since the table has no such column" if found.is_table else "")
    check_several(by, [file.group for file in named], where, found.candidates[0].name)
    return replace(found, candidates=named)


def _folder_of(file: Candidate) -> str:
    """Return the folders that a picture lies in, without those of its part and its class."""
    folders = list(PurePosixPath(file.name).parent.parts)
    part = next((folder for folder in folders if file.part and part_named(folder) == file.part), None)
    label = next((folder for folder in folders if clean_label(folder) == file.label), None)
    for folder in (part, label):
        if folder in folders:  # else it was the part's folder
            folders.remove(folder)  # one of them: cats/cats/1.jpg is of the group cats
    return "/".join(folders)


def check_several(by: str, groups: Sequence[str], where: str, example: str) -> None:
    """Refuse groups (N,) that are fewer than two.

    Args:
        by: what the user asked for.
        groups: their names, "" for none.
        where: they were looked for.
        example: name of a picture.

    Raises:
        WrongUsage: no picture has a group, or all have the same one.
    """
    names = set(groups) - {""}
    if len(names) < 2:
        only = f"all pictures are in the group {min(names)!r}" if names else "no picture is in any"
        raise WrongUsage(
            f"--group-by {by} makes no groups: {only}.",
            f"It was looked for in {where}; the first is {example}.",
            r"E.g. --group-by folder for cats/patient1/3.jpg, or --group-by '(\w+)_\d+' for cats/patient1_3.jpg",
        )
