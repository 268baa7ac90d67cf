"""Reads the class and the part of each picture from its folder, by names alone; dataset.py reads the files.

The rows of a CSV (tables.py) are brought into the same form.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PARTS = ("train", "validation", "test")
PART_NAMES = {  # of folders, by which part they are
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
_PICTURE_ENDINGS = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # of no class's name
HIDDEN_NAMES = ("__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini")  # beside those that begin with a dot


@dataclass(frozen=True, slots=True)
class Listed:
    """One picture as a list names it."""

    path: Path  # absolute where the CSV's own path was, else joined to the CSV's folder
    label: str
    part: str | None = None  # one of PARTS


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a picture."""

    path: Path
    name: str  # below the root, with forward slashes
    label: str
    part: str | None


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
    loose: tuple[str, ...]  # names of files that lie where class folders should be
    folders: tuple[str, ...]  # labels of all folders with files in them, and of empty ones


def find(root: Path) -> Found:
    """List the files below a folder; the path of a file's folder is its label.

    Folders named train, validation (or val, valid) and test are parts, when train and another one are there.
    Links to folders are followed, but no folder is listed twice. Hidden files and folders are left out, and so are
    empty folders with the name of a picture.
    """
    root = _enter(root)
    parts = _parts_below(root)
    candidates, left_out, loose, folders = [], [], [], []
    for entry in sorted(_walk(root, root, set()), key=lambda entry: entry.name):
        part, label = _part_and_label(entry.folder, parts)
        if entry.reason or (entry.is_empty_folder and entry.path.suffix.lower() in _PICTURE_ENDINGS):
            left_out.append(LeftOut(entry.name, entry.reason or "an empty folder"))
        elif entry.is_empty_folder:
            folders.append(label)
        elif parts and part is None:
            left_out.append(LeftOut(entry.name, "outside " + ", ".join(sorted(parts))))
        elif not label:
            loose.append(entry.name)
        else:
            candidates.append(Candidate(entry.path, entry.name, label, part))
    folders += [candidate.label for candidate in candidates]
    return Found(root, tuple(candidates), tuple(left_out), tuple(loose), tuple(sorted(set(filter(None, folders)))))


def find_listed(root: Path, listed: tuple[Listed, ...]) -> Found:
    """Return the rows of a list of pictures in the form of `find`."""
    candidates = [Candidate(row.path, _name_below(root, row.path), _clean(row.label), row.part) for row in listed]
    return Found(
        root,
        tuple(sorted(candidates, key=lambda candidate: candidate.name)),
        (),
        (),
        tuple(sorted({candidate.label for candidate in candidates})),
    )


def expand(paths: list[Path]) -> Iterator[Path]:
    """Yield files as they are and, for folders, the visible files below them, sorted."""
    for path in paths:
        if is_folder(path):
            entries = _walk(path, path, set())  # of which only names are kept: there may be a hundred thousand
            names = sorted(entry.name for entry in entries if not entry.reason and not entry.is_empty_folder)
            yield from (path / name for name in names)
        else:
            yield path


def is_folder(path: Path) -> bool:
    """Return whether a path names a folder; one that cannot be looked at does not, and reading it gives the reason."""
    try:
        return path.is_dir()
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    name: str
    folder: tuple[str, ...]  # names of the folders between the root and the file
    reason: str = ""
    is_empty_folder: bool = False


def _walk(root: Path, folder: Path, seen: set[tuple[int, int]]) -> Iterator[_Entry]:
    """Yield files, folders that cannot be read and folders with nothing visible in them."""
    between = folder.relative_to(root).parts
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            yield _Entry(folder, _name_below(root, folder), between, "a link to a folder that is listed already")
            return
        seen.add((status.st_dev, status.st_ino))
        # Links come last: a folder keeps its own name where a link beside it leads to it.
        inside = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError as error:
        yield _Entry(folder, _name_below(root, folder), between, (error.strerror or str(error)).lower())
        return
    if all(_is_hidden(entry.name) for entry in inside):
        yield _Entry(folder, _name_below(root, folder), between, is_empty_folder=True)
    above = "".join(f"{name}/" for name in between)  # to ask each path for its name takes longer than listing them
    for entry in inside:
        path = folder / entry.name
        if _is_hidden(entry.name):
            yield _Entry(path, above + entry.name, between, "hidden")
        elif _is_folder(entry):
            yield from _walk(root, path, seen)
        else:
            yield _Entry(path, above + entry.name, between)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in HIDDEN_NAMES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle: reading it as a file gives the reason
        return False


def _enter(root: Path) -> Path:
    """Step into a folder that holds nothing but one folder of folders, as archives often do."""
    while True:
        visible = _visible(root)
        if len(visible) != 1 or not _is_folder(visible[0]) or visible[0].is_symlink():  # a link may lead back here
            return root
        only = root / visible[0].name
        if only.name.casefold() in PART_NAMES or not any(_is_folder(entry) for entry in _scan(only)):
            return root
        root = only


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _scan(folder) if not _is_hidden(entry.name)]


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError:  # `_walk` meets the same folder and lists it with the reason
        return []


def _parts_below(root: Path) -> dict[str, str]:
    """Return folder name -> part where the folders are parts, else nothing.

    They are where train and another one are there, and where there is nothing but them with class folders in each.
    """
    folders = [entry for entry in _visible(root) if _is_folder(entry)]
    named = {entry.name: PART_NAMES[entry.name.casefold()] for entry in folders if entry.name.casefold() in PART_NAMES}
    nothing_else = len(named) == len(folders) and all(any(map(_is_folder, _visible(root / name))) for name in named)
    are_parts = nothing_else or ("train" in named.values() and len(set(named.values())) > 1)
    return named if are_parts else {}


def _part_and_label(folder: tuple[str, ...], parts: dict[str, str]) -> tuple[str | None, str]:
    if not parts:
        return None, _clean("/".join(folder))
    if not folder or folder[0] not in parts:
        return None, ""
    return parts[folder[0]], _clean("/".join(folder[1:]))


def _clean(label: str) -> str:
    """Return the label in composed Unicode, so that a name typed on one system equals the same one from another."""
    return unicodedata.normalize("NFC", label)


def _name_below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
