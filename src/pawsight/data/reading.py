"""How folders are read: the options of the user as one value, and which files are never pictures of a class.

folders.py applies it. Endings are those of names; what a file is says its content (images/decode.py).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from pawsight.core.errors import WrongUsage
from pawsight.core.text import seconds_of
from pawsight.data.parts import PARTS, part_named

IGNORE_FILE = ".pawsightignore"  # patterns for the folder that it lies in, one a line
FOLDER, EXIF_TIME, CAMERA, NO_GROUPS = "folder", "exif-time", "camera", "none"  # after --group-by
_SESSION = "1m"  # between pictures of one camera that --group-by exif-time keeps together
NO_PARTS = "none"  # after --parts: no folder is a part
READABLE_ENDINGS = (
    *(".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif"),
    *(".heic", ".heif", ".hif"),
)
PICTURE_ENDINGS = (  # also those that are only named in a refusal
    *READABLE_ENDINGS,
    *(".jxl", ".jp2", ".icloud", ".dcm"),
    *(".cr2", ".cr3", ".nef", ".nrw", ".arw", ".dng", ".orf", ".raf", ".rw2", ".pef"),
)
TABLE_ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")  # beside pictures; a .json there is seldom a table
_OTHER_ENDINGS = frozenset(
    (
        *TABLE_ENDINGS,
        *(".txt", ".md", ".rst", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".html", ".htm", ".log"),
        *(".json", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".mat", ".npy", ".npz", ".pkl", ".h5", ".hdf5"),
        *(".py", ".ipynb", ".sh", ".bat", ".js", ".css", ".db", ".sqlite", ".lnk", ".url", ".sha256", ".md5"),
        *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z"),
    )
)
OWN_NAMES = ("runs", "explained")  # of folders below the root that earlier versions wrote without a mark

# Why a file is left out by its name or place, without being read
HIDDEN, IGNORED, NOT_AMONG, EMPTY, LISTED = "hidden", "ignored", "not among --only", "an empty folder", "a link to "
OWN, OWN_NAME, OUTSIDE = "written by Pawsight", "named as a folder of Pawsight's", "outside "
MISSING = "not found"  # what the reasons of files begin with that a list or a run names and that are not there
BESIDE, UNLABELLED, NO_CLASS = "beside the class folders", "without a class folder", "no class in its name"
DROPPED = "of a class that is dropped"
BY_NAME = (HIDDEN, IGNORED, NOT_AMONG, EMPTY, LISTED, OWN, OWN_NAME, OUTSIDE, BESIDE, UNLABELLED, NO_CLASS, DROPPED)
NO_PICTURE = "not a picture"
_BROKEN = ("truncated", "unreadable", "too large")  # reasons that only a picture gets, whatever it is called

_HIDDEN = frozenset(  # what systems, network drives and tools leave beside pictures; in lower case
    (
        *("__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "lost+found"),
        *("$recycle.bin", "recycler", "system volume information", "#recycle", "#snapshot", "@recycle", "@eadir"),
        *("@recently-snapshot", "@tmp", "network trash folder", "temporary items", "node_modules"),
    )
)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name belongs to a system or a tool, not to the user's pictures."""
    return name.startswith((".", "~$")) or name.casefold() in _HIDDEN


def may_be_picture(name: str) -> bool:
    """Return whether a file of this name may be a picture: its ending is not one of documents, data or programs."""
    return PurePosixPath(name).suffix.lower() not in _OTHER_ENDINGS


def is_picture_name(name: str) -> bool:
    """Return whether a file name ends as names of pictures do."""
    return PurePosixPath(name).suffix.lower() in PICTURE_ENDINGS


def is_picture(name: str, problem: str) -> bool:
    """Return whether a file that could not be read is a picture all the same, by its ending or by the problem."""
    return is_picture_name(name) or problem in _BROKEN or problem.startswith(MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReading:
    """How classes and parts are read from the names of folders and files.

    Args:
        class_depth: which folder below the part, or below the root, is the class; 1 is the first.
        class_from: regular expression that finds the class in a picture's path below the root, with forward slashes:
            its group `class`, else its first group, else all of what it finds. Empty: folders are the classes.
        parts: name of a folder -> "train", "validation" or "test"; empty: no folder is a part. None: names decide.
        ignore: patterns of files and folders that are left out, e.g. "*_mask.png", "masks", "cats/old/*".
        only: patterns of files to read; empty: all.
        group_by: what pictures have in common that must not be in two parts (groups.py): "folder", "exif-time",
            "exif-time=10m", "camera", a column of a table, or a regular expression that finds the group in a picture's
            path as `class_from` finds the class, by its group `group`. Empty: what a table says, and what is found.
        several_labels: a picture of a table may have several labels, or none of them, by several columns with 1 or
            several lines.
        label_separator: what stands between several labels in one cell, e.g. ";". Empty: a cell is one label.

    Raises:
        WrongUsage: a value cannot be used.
    """

    class_depth: int = 1
    class_from: str = ""
    parts: Mapping[str, str] | None = None
    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    group_by: str = ""
    several_labels: bool = False
    label_separator: str = ""

    def __post_init__(self) -> None:
        if self.class_depth < 1:
            raise WrongUsage(f"--class-depth {self.class_depth} is no depth.", "The first folder has the depth 1.")
        if self.class_from and self.class_depth != 1:
            raise WrongUsage(
                "--class-depth has no effect beside --class-from.", "Each says what the class is.", "Leave one out."
            )
        _check_pattern("--class-from", self.class_from)
        _check_pattern("--group-by", self.group_by)
        seconds_between(self.group_by)
        if self.label_separator:
            object.__setattr__(self, "several_labels", True)
        for folder, part in (self.parts or {}).items():
            if part not in PARTS:
                raise WrongUsage(
                    f"--parts gives the folder {folder!r} the part {part!r}.",
                    f"The parts are {', '.join(PARTS)}.",
                    f"E.g. --parts {shlex.quote(f'{folder}=train,other=test')}",
                )
        for pattern in (*self.ignore, *self.only):
            if not PurePosixPath(pattern.strip("/")).parts:
                raise WrongUsage(f"The pattern {pattern!r} names no file.", "", "E.g. --ignore '*_mask.png'")

    @classmethod
    def from_words(
        cls,
        *,
        class_depth: int | None = None,
        class_from: str | None = None,
        parts: str | None = None,
        ignore: Sequence[str] = (),
        only: Sequence[str] = (),
        group_by: str | None = None,
        several_labels: bool = False,
        label_separator: str | None = None,
    ) -> FolderReading | None:
        """Return what was typed after the options of the same names; None where nothing was.

        Raises:
            WrongUsage: a value cannot be used.
        """
        texts = (class_depth, class_from, parts, group_by, label_separator)
        if all(text is None for text in texts) and not (ignore or only or several_labels):
            return None
        if label_separator == "":
            raise WrongUsage(
                "--label-separator is empty.",
                "It is what stands between the labels in a cell.",
                "E.g. --label-separator ';'; or --several-labels, if each cell has one label or a list.",
            )
        return cls(
            class_depth=1 if class_depth is None else class_depth,
            class_from=class_from or "",
            parts=_parts_typed(parts),
            ignore=tuple(ignore),
            only=tuple(only),
            group_by=group_by or "",
            several_labels=several_labels,
            label_separator=label_separator or "",
        )

    def words(self) -> list[str]:
        """Return the options that say the same on the command line."""
        words = ["--class-depth", str(self.class_depth)] if self.class_depth != 1 else []
        words += ["--class-from", self.class_from] if self.class_from else []
        words += ["--group-by", self.group_by] if self.group_by else []
        if self.label_separator:
            words += ["--label-separator", self.label_separator]
        elif self.several_labels:
            words += ["--several-labels"]
        if self.parts is not None:
            typed = ",".join(f"{folder}={part}" for folder, part in self.parts.items())
            words += ["--parts", typed or NO_PARTS]
        for option, patterns in (("--ignore", self.ignore), ("--only", self.only)):
            words += [word for pattern in patterns for word in (option, pattern)]
        return words

    def to_json(self) -> dict[str, Any]:
        """Return the values that are not the defaults, as JSON has them."""
        default = FolderReading()
        changed = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {name: value for name, value in changed.items() if value != getattr(default, name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FolderReading:
        """Return what `to_json` gave.

        Raises:
            WrongUsage: a value cannot be used.
        """
        parts = values.get("parts")
        return cls(
            class_depth=int(values.get("class_depth", 1)),
            class_from=str(values.get("class_from", "")),
            parts=None if parts is None else dict(parts),
            ignore=tuple(map(str, values.get("ignore", ()))),
            only=tuple(map(str, values.get("only", ()))),
            group_by=str(values.get("group_by", "")),
            several_labels=bool(values.get("several_labels", False)),
            label_separator=str(values.get("label_separator", "")),
        )

    def class_in(self, name: str) -> str | None:
        """Return the class that `class_from` finds in a path below the root; None where it finds none."""
        return _in_path(self.class_from, name, "class")

    def group_in(self, name: str) -> str | None:
        """Return the group that `group_by`, a regular expression, finds in a path below the root; None for none."""
        return _in_path(self.group_by, name, "group")

    def takes(self, name: str) -> bool:
        """Return whether a file, by its path below the root, is among those to read."""
        return not self.only or lies_in(name, self.only)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a path ends as one of the patterns says, in any case; `*` stands for a part of one name.

    Args:
        name: below the root, with forward slashes.
        patterns: e.g. "*.png", "masks/", "cats/*"; one that begins with a slash means the whole path.
    """
    path = PurePosixPath(name.casefold())
    for pattern in patterns:
        bare = pattern.casefold().strip("/")
        if path.match(bare) and not (pattern.startswith("/") and bare.count("/") + 1 != len(path.parts)):
            return True
    return False


def lies_in(name: str, patterns: Sequence[str]) -> bool:
    """Return whether one of the patterns means a file or a folder above it."""
    path = PurePosixPath(name)
    return any(matches(str(place), patterns) for place in (path, *path.parents[:-1]))


def seconds_between(group_by: str) -> float | None:
    """Return the seconds of "exif-time=10m" and of "exif-time", which are 60; None of what else groups pictures.

    Raises:
        WrongUsage: it ends in no length of time.
    """
    kind, _, length = group_by.partition("=")
    try:
        return seconds_of(length or _SESSION) if kind == EXIF_TIME else None
    except ValueError as error:
        fix = f"E.g. --group-by {EXIF_TIME}=10m"
        raise WrongUsage(f"--group-by {group_by} cannot be read.", f"{error}.", fix) from error


def _check_pattern(option: str, pattern: str) -> None:
    if not isinstance(pattern, str):
        raise WrongUsage(f"{option} cannot be {pattern!r}.", "It is a text.", "The empty text '' stands for none.")
    try:
        re.compile(pattern)
    except re.error as error:
        what, fix = f"{option} {pattern!r} is no regular expression.", rf"E.g. {option} '(\w+)_\d+'"
        raise WrongUsage(what, f"It fails with: {error}.", fix) from error


def _in_path(pattern: str, name: str, named: str) -> str | None:
    """Return what the group `named` of a pattern finds, else its first group, else all of it."""
    found = re.search(pattern, name)
    if found is None:
        return None
    return found.groupdict().get(named) or (found[1] if found.re.groups else found[0]) or None


def _parts_typed(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    if text.strip().casefold() == NO_PARTS:
        return {}
    parts = {}
    for pair in text.split(","):
        folder, equals, part = pair.rpartition("=")
        if not equals or not folder.strip():
            raise WrongUsage(
                f"--parts {text!r} cannot be read.",
                f"{pair!r} is not a folder, an equals sign and a part.",
                f"E.g. --parts train_set=train,other=test; --parts {NO_PARTS} if no folder is a part.",
            )
        parts[folder.strip().rstrip("/")] = part_named(part) or part.strip()
    return parts
