"""Names as a person types them -> paths of pictures, one after the other, in an order that never changes.

Enters: folders, files, lists (CSV or Parquet with a column `path`), and URLs of all three. Leaves: paths and URLs as
text. Does not know: whether they are pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pawsight.core.errors import NoPictures, WrongUsage
from pawsight.data.folders import HIDDEN_NAMES, is_folder
from pawsight.distributed import remote
from pawsight.distributed.listed import is_list, read_paths


def paths_of(named: Sequence[str], *, without: Path | None = None) -> Iterator[str]:
    """Yield the path of every picture, lazily: at most the names in one folder are held.

    Files are taken as they are, folders with the visible files below them, sorted as `pawsight predict` does; lists
    with what they list, in their order.

    Args:
        named: as typed.
        without: a folder that is left out wherever it lies, since it is where the answers go.

    Raises:
        NoPictures: there is no such place.
        WrongUsage: a name is empty.
        BadCatalog: a list is not what it should be.
        DownloadFailed, MissingExtra: an address cannot be asked.
    """
    for name in named:
        if not name:
            raise WrongUsage("One of the pictures has an empty name.", "", "Type . for this folder.")
        yield from _remote(name) if remote.is_url(name) else _local(name, without)


def _remote(url: str) -> Iterator[str]:
    if remote.is_folder(url):
        yield from remote.below(url)
    else:
        yield from read_paths(url) if is_list(url) else [url]


def _local(name: str, without: Path | None) -> Iterator[str]:
    if is_folder(Path(name)):
        yield from _walk(Path(name), os.path.realpath(name), _identity(without))
    elif not os.path.lexists(name):
        raise NoPictures(f"There is no {name}.", "", "Name pictures, folders that hold some, or a list of them.")
    else:
        yield from read_paths(name) if is_list(name) else [str(Path(name))]


def _walk(folder: Path, root: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Yield files below a folder; a folder that cannot be read is yielded itself, and reading it will say why."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        names = sorted(_names(folder, root))
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
    except OSError:  # it is not there yet
        status = None
    return {(status.st_dev, status.st_ino)} if status else set()


def _names(folder: Path, root: str) -> Iterator[str]:
    """Yield what is visible in a folder, folders with a slash: sorted, that is the order of their files' full paths."""
    with os.scandir(folder) as inside:
        for entry in inside:
            if entry.name.startswith(".") or entry.name in HIDDEN_NAMES:
                continue
            if not _is_folder(entry):
                yield entry.name
            elif not (entry.is_symlink() and _lies_below(entry.path, root)):
                yield f"{entry.name}/"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle: reading it as a file will say so
        return False


def _lies_below(link: str, root: str) -> bool:
    """Say whether a link leads to where the walk comes by anyway: a folder keeps its own name."""
    target = os.path.realpath(link)
    return target == root or target.startswith(root.rstrip(os.sep) + os.sep)
