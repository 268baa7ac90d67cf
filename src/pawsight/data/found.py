"""What folders, archives and tables hold, by name: folders.py and picture_lists.py make it, dataset.py reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from pawsight.data.reading import FolderReading, is_picture_name, may_be_picture


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a picture."""

    path: Path
    name: str  # below the root, with forward slashes
    label: str  # several labels as `label_sets.joined` makes them one text
    part: str | None
    group: str = ""  # pictures of one group stay in one part; empty: of none


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the folders hold, by name alone."""

    root: Path
    candidates: tuple[Candidate, ...]  # sorted by name
    left_out: tuple[LeftOut, ...]
    loose: tuple[str, ...]  # names of pictures that lie where class folders should be, if there is no class folder
    folders: tuple[str, ...]  # labels of all class folders, also of empty ones; numbers sort as numbers
    notes: tuple[str, ...] = ()  # what was decided where it could have been otherwise, a line each
    warnings: tuple[str, ...] = ()  # what loses pictures or may be wrong, a line each
    reading: FolderReading = field(default_factory=FolderReading)
    data: str = ""  # as the user named it, for what is to be typed; empty: the root
    is_table: bool = False  # the labels are those of a table, not names of folders
    several_labels: bool = False  # a picture may have several labels, or none of them


class Entry(NamedTuple):
    """A file or folder as the walk meets it."""

    name: str  # below the root, with forward slashes
    path: Path
    folder: tuple[str, ...]  # that it lies in, below the part; one that cannot be listed or is empty lies in itself
    kind: Literal["file", "empty", "unreadable", "left out"]
    reason: str  # why it is no file to read; empty for a file
    part: str | None = None

    @property
    def counts(self) -> bool:
        """Whether there are pictures here, or should be: it makes the folder above it one of pictures."""
        if self.kind == "file":
            return may_be_picture(self.name)
        return self.kind == "unreadable" or (self.kind == "empty" and not is_picture_name(self.name))

    @property
    def top(self) -> str:
        """The first folder below the root."""
        return self.name.partition("/")[0]
