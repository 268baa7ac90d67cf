"""Reads the class and the part of each picture from its folder, by names alone; dataset.py reads the files.

A list of pictures (picture_lists.py) gives the same form.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pawsight.data.parts import part_named, parts_named
from pawsight.images.decode import NOT_DOWNLOADED
from pawsight.images.loader import storage_failed, storage_problem

_PICTURE_ENDINGS = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # of no class's name
_EMPTY = "an empty folder"
HIDDEN_NAMES = ("__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini")  # beside those that begin with a dot


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a picture."""

    path: Path
    name: str  # below the root, with forward slashes
    label: str
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
    loose: tuple[str, ...]  # names of files that lie where class folders should be
    folders: tuple[str, ...]  # labels of all folders with files in them, and of empty ones
    notes: tuple[str, ...] = ()  # what was read otherwise than it seems, a line each


def find(root: Path) -> Found:
    """List the files below a folder; the path of a file's folder is its label.

    Folders named train, validation (or val, valid) and test are parts, when train and another one are there.
    Links to folders are followed, but no folder is listed twice. Hidden files and folders are left out, and so are
    empty folders with the name of a picture.
    """
    root = _enter(root)
    parts = _parts_below(root)
    candidates, left_out, loose, folders = [], [], [], []
    for name, path, between, reason in sorted(_walk(root, root, set())):
        part, label = _part_and_label(between, parts)
        if reason == _EMPTY and path.suffix.lower() not in _PICTURE_ENDINGS:
            folders.append(label)
        elif reason:
            left_out.append(LeftOut(name, reason))
        elif parts and part is None:
            left_out.append(LeftOut(name, "outside " + ", ".join(sorted(parts))))
        elif not label:
            loose.append(name)
        else:
            candidates.append(Candidate(path, name, label, part))
    folders += [candidate.label for candidate in candidates]
    return Found(root, tuple(candidates), tuple(left_out), tuple(loose), tuple(sorted(set(filter(None, folders)))))


def expand(paths: list[Path]) -> Iterator[Path]:
    """Yield files as they are and, for folders, the visible files below them, sorted."""
    for path in paths:
        if is_folder(path):
            entries = _walk(path, path, set())  # of which only names are kept: there may be a hundred thousand
            names = sorted(name for name, _, _, reason in entries if not reason)
            yield from (path / name for name in names)
        else:
            yield path


def is_regular_file(path: Path) -> bool:
    """Return whether a path names a file; as `is_folder`."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether a path names a folder; one that cannot be looked at does not, and reading it gives the reason."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _walk(root: Path, folder: Path, seen: set[tuple[int, int]]) -> Iterator[tuple[str, Path, tuple[str, ...], str]]:
    """Yield files, folders that cannot be read and folders with nothing visible in them.

    Each has its name below the root, its path, the names of the folders between, and why it is no file to read.
    """
    between = folder.relative_to(root).parts
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            yield name_below(root, folder), folder, between, "a link to a folder that is listed already"
            return
        seen.add((status.st_dev, status.st_ino))
        # Links come last: a folder keeps its own name where a link beside it leads to it.
        inside = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError as error:
        if problem := storage_problem(error):
            raise storage_failed([str(folder)], problem) from error
        yield name_below(root, folder), folder, between, (error.strerror or str(error)).lower()
        return
    if all(is_hidden(entry.name) for entry in inside):
        yield name_below(root, folder), folder, between, _EMPTY
    above = "".join(f"{name}/" for name in between)  # to ask each path for its name takes longer than listing them
    for entry in inside:
        path = folder / entry.name
        if is_hidden(entry.name):
            yield above + entry.name, path, between, NOT_DOWNLOADED if entry.name.endswith(".icloud") else "hidden"
        elif _is_folder(entry):
            yield from _walk(root, path, seen)
        else:
            yield above + entry.name, path, between, ""


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is left out wherever it is."""
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
        if part_named(only.name) or not any(_is_folder(entry) for entry in _scan(only)):
            return root
        root = only


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _scan(folder) if not is_hidden(entry.name)]


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
    named = parts_named(entry.name for entry in folders)
    nothing_else = len(named) == len(folders) and all(any(map(_is_folder, _visible(root / name))) for name in named)
    are_parts = nothing_else or ("train" in named.values() and len(set(named.values())) > 1)
    return named if are_parts else {}


def _part_and_label(folder: tuple[str, ...], parts: dict[str, str]) -> tuple[str | None, str]:
    if not parts:
        return None, clean_label("/".join(folder))
    if not folder or folder[0] not in parts:
        return None, ""
    return parts[folder[0]], clean_label("/".join(folder[1:]))


def clean_label(label: str) -> str:
    """Return the label in composed Unicode, so that a name typed on one system equals the same one from another."""
    return unicodedata.normalize("NFC", label)


def name_below(root: Path, path: Path) -> str:
    """Return a path below a root with forward slashes; the whole path where it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
