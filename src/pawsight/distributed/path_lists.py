"""Inputs as typed -> paths of pictures, one after another, in an order that never changes.

An input is a folder, a file, a list (a table with a column `path`; a .txt or @FILE with a path a line; - for standard
input), or the URL of one of these (remote.py).
Whether a path leads to a picture is found out when it is read.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO

from pawsight.core.errors import BadDataset, NoPictures, StorageError, WrongUsage
from pawsight.data.folders import is_folder, is_regular_file
from pawsight.data.picture_lists import Folders, as_spelled
from pawsight.data.reading import is_hidden
from pawsight.data.tables import ENDINGS, MAX_LINE_CHARS, Table, TableError
from pawsight.distributed import remote

_FIX = "The list needs a column called path: one path or URL a row."


def paths_of(inputs: Sequence[str], *, without: Path | None = None) -> Iterator[str]:
    """Yield the path of every picture, lazily: the names in one folder are held at most.

    A file is yielded as it is. A folder yields the visible files below it, in the order of `pawsight predict`. A list
    yields what it lists, in its order.

    Args:
        inputs: as typed.
        without: a folder to leave out wherever it is, because the answers go there.

    Raises:
        NoPictures: an input does not exist.
        WrongUsage: an input is empty.
        BadDataset: a list has no usable column `path`.
        DownloadFailed, MissingExtra: a URL cannot be opened.
    """
    for name in inputs:
        if not name:
            raise WrongUsage("The name of an input is empty.", "", "Type . for this folder.")
        if (paths := listed(name)) is not None:
            yield from paths
        elif remote.is_url(name):
            yield from remote.below(name) if remote.is_folder(name) else [name]
        elif is_folder(Path(name)):
            yield from _walk(Path(name), os.path.realpath(name), _identity(without))
        elif not os.path.lexists(name):
            raise NoPictures(f"There is no {name}.", "", "Name pictures, folders of pictures, or a list of them.")
        else:
            yield str(Path(name))


def listed(name: str) -> Iterator[str] | None:
    """Return the paths of a list as it is typed; None where something else is typed.

    Args:
        name: a table or .txt, @FILE for a list of any name, or - for one on standard input.
    """
    if name == "-":
        return path_lines(sys.stdin.buffer)
    if name.startswith("@") and not os.path.lexists(name):
        return read_list(name[1:])
    if not is_list(name):
        return None
    is_file = not remote.is_folder(name) if remote.is_url(name) else is_regular_file(Path(name))
    return read_list(name) if is_file else None


def _walk(folder: Path, root: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Yield files below a folder; a folder that cannot be read is yielded itself, and reading it gives the reason."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        names = sorted(_visible_names(folder, root))
    except OSError:
        yield str(folder)
        return
    for name in names:
        if name.endswith("/"):
            yield from _walk(folder / name, root, seen)
        else:
            yield str(folder / name)


def _identity(folder: Path | None) -> set[tuple[int, int]]:
    try:
        status = folder.stat() if folder else None
    except OSError:  # it does not exist yet
        status = None
    return {(status.st_dev, status.st_ino)} if status else set()


def _visible_names(folder: Path, root: str) -> Iterator[str]:
    """Yield the visible names in a folder, those of folders with a slash, so that they sort as full paths would."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_hidden(entry.name):
                continue
            try:
                is_dir = entry.is_dir()
            except OSError:  # a circle of links: reading it as a file gives the reason
                is_dir = False
            if not is_dir:
                yield entry.name
            elif not (entry.is_symlink() and _is_below(entry.path, root)):
                yield f"{entry.name}/"


def _is_below(link: str, root: str) -> bool:
    """Return whether a link leads to a folder that the walk reaches anyway, under its own name."""
    target = os.path.realpath(link)
    return target == root or target.startswith(root.rstrip(os.sep) + os.sep)


def is_list(name: str) -> bool:
    """Return whether a name is that of a list rather than of a picture."""
    return name.lower().endswith((*ENDINGS, ".txt"))


def path_lines(file: IO[bytes]) -> Iterator[str]:
    """Yield the paths of a plain list, one a line or separated by NUL characters as `find -print0` writes them."""
    first = file.readline()
    if first.startswith(codecs.BOM_UTF16_LE):  # as PowerShell writes what a command prints
        yield from filter(None, (first + file.read()).decode("utf-16", "replace").splitlines())
        return
    for line in chain([first.removeprefix(codecs.BOM_UTF8)], file):
        yield from map(os.fsdecode, filter(None, line.rstrip(b"\r\n").split(b"\0")))


def read_list(name: str) -> Iterator[str]:
    """Yield the paths of a list, in its order.

    Those of a table are relative to its folder and are looked for as those of a labelled list. Those of a plain list
    are relative to the current folder, as if they were typed, or else to the list's.

    Args:
        name: path or URL of a table with a column `path`, or of a plain list with a path a line.

    Raises:
        BadDataset: it has no usable column `path`; the message names the line or row.
        StorageError: it cannot be read.
    """
    folder = name.rpartition("/")[0] if remote.is_url(name) else str(Path(name).parent)
    with _open_list(name) as file:
        if name.lower().endswith(ENDINGS):
            yield from _table_paths(file, name, folder)
        else:
            for line in path_lines(file):
                path = _without_quotes(line)
                is_here = remote.is_url(path) or os.path.lexists(path)
                yield path if is_here else f"{folder}/{path}" if remote.is_url(name) else str(Path(folder, path))


def _without_quotes(line: str) -> str:
    """Return a line as a path; Windows' "Copy as path" puts it in quotes."""
    path = line.strip()
    is_quoted = len(path) > 2 and path[0] == path[-1] == '"'
    return path[1:-1] if is_quoted and not os.path.lexists(line) else line


def _table_paths(file: IO[bytes], name: str, folder: str) -> Iterator[str]:
    folders = Folders()
    try:
        table = Table(file, name=name, max_line_chars=MAX_LINE_CHARS, lists=True)
        if table.columns.count("path") != 1:
            columns = ", ".join(map(repr, table.header)) or "none"
            raise BadDataset(f"{name} lists no pictures.", f"Its columns are {columns}.", _FIX)
        column = table.columns.index("path")
        for number, row in table:
            path = row[column] if column < len(row) else ""
            if any(row) and (not path.strip() or "\0" in path):
                raise BadDataset(f"{name} has no usable path in row {number:,}.", f"It has {path!r}.", _FIX)
            if remote.is_url(path.strip()):
                yield path.strip()
            elif any(row) and remote.is_url(name):
                yield f"{folder}/{path}"
            elif any(row):
                yield str(as_spelled(Path(folder), path, folders) or Path(folder, path))
    except TableError as error:
        raise BadDataset(f"{name} cannot be read as a table.", f"Line {error.line}: {error.fault}.", _FIX) from error


@contextmanager
def _open_list(name: str) -> Iterator[IO[bytes]]:
    try:
        with remote.filesystem(name).open(name, "rb") if remote.is_url(name) else Path(name).open("rb") as file:
            yield file
    except OSError as error:
        why = f"The system says: {error.strerror or error}."
        raise StorageError(f"Could not read {name}.", why, "Check that it exists and that you may read it.") from error
