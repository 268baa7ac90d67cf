"""Finds DATA, as the user names it, and downloads, unpacks or draws it where needed.

Nothing is written outside the cache: downloads go to `downloads/`, named after their URL; unpacked archives to
`extracted/`, named after their content; drawings to `sample/`, named after the code that draws them. Each appears under
its name only when it is whole, so that what is there is used again. Which class a picture has is read in folders.py.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pawsight.core.errors import DataError, StorageError, WrongUsage
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import as_path, path_text, sha256_of_file
from pawsight.core.text import typed
from pawsight.data.archive import ArchiveLimits, archive_kind, check_archive, extract
from pawsight.data.download import WEB, DownloadLimits, cached_name, download, scheme_of
from pawsight.data.folders import find
from pawsight.data.found import Found
from pawsight.data.named_groups import with_named_groups
from pawsight.data.picture_lists import locate, read_list
from pawsight.data.reading import FolderReading
from pawsight.data.tables import ENDINGS, columns_text

SAMPLE = "sample"
# What to type where something that is no path was given as DATA.
IN_PROGRAM = "Of a table or of arrays make a data set: pawsight.Dataset.from_table(table) or .from_arrays(X, y)"
_MOST_COMPARED = 2000  # names in a folder that a mistyped one is compared with
_DIGITS = 16  # of a SHA-256, in the names of cached things


NAMED: Mapping[str, tuple[str, str]] = MappingProxyType(  # archives on the web: name -> address, description
    {
        "cats-and-dogs": (
            "https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip",
            "3,000 photographs, half of cats and half of dogs, 2,000 for training and 1,000 for validation",
        ),
    }
)


_OTHER_TABLES: Mapping[str, str] = MappingProxyType(  # ending -> what it is; labels are often kept in these
    {
        ".mat": "a Matlab file",
        ".npy": "an array of NumPy",
        ".npz": "arrays of NumPy",
        ".pkl": "a pickle, which may run any program when it is opened,",
        ".xlsx": "a workbook of Excel",
        ".xls": "a workbook of Excel",
        ".ods": "a workbook of LibreOffice",
        ".xml": "XML, perhaps annotations of Pascal VOC with boxes",
        ".yaml": "YAML, perhaps of a detector with boxes",
        ".yml": "YAML, perhaps of a detector with boxes",
    }
)
_OTHER_ARCHIVES: Mapping[str, str] = MappingProxyType({".rar": "a RAR archive", ".7z": "a 7-Zip archive"})
_AS_TABLE = "Save it as CSV with the columns path,label: one line for each picture, e.g. flowers/1.jpg,rose"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the pictures are."""

    kind: Literal["folder", "archive", "csv", "sample"]
    root: Path  # the folder to look through; for a table the folder it lies in
    name: str  # short, for titles
    note: str = ""  # what the user should know about where these came from
    listed: Found | None = None  # for a CSV what it lists
    reading: FolderReading | None = None  # how folders are read; None: as their names say
    data: str = ""  # as the user named it; empty: the root

    def find(self) -> Found:
        """Return the files and their labels: what a CSV lists, else what the folder holds.

        Raises:
            BadDataset: what the folders mean has to be asked. WrongUsage: an option does not fit them.
        """
        return self.listed or with_named_groups(find(self.root, self.reading, data=self.data))


def listed(source: Source, progress: Progress) -> Source:
    """Return a source whose files are listed, once; say where they came from, and how their folders were read.

    Raises:
        As `Source.find`.
    """
    found = source.find()
    for warning in found.warnings:
        progress.say(f"WARNING  {warning}")
    for note in filter(None, (source.note, *found.notes)):
        progress.say(f"Note     {note}")
    return replace(source, listed=found)


def resolve(
    data: str | os.PathLike[str],
    *,
    cache: Path,
    reading: FolderReading | None = None,
    columns: Mapping[str, str] | None = None,
    progress: Progress = SILENT,
    named: Mapping[str, tuple[str, str]] = NAMED,
    download_limits: DownloadLimits = DownloadLimits(),
    archive_limits: ArchiveLimits = ArchiveLimits(),
) -> Source:
    """Return the folder or list on this disk that DATA names, downloading, unpacking or drawing it where needed.

    Args:
        data: text may be a folder, an archive, a table, an http(s) URL of an archive, `sample` or a name in `named`. A
            name wins over a folder of that name, which is then written ./NAME. A Path is always a place, never a name.
        cache: the folder for what can be made again.
        reading: how folders are read; None: as their names say.
        columns: of a table, as for `tables.Table`.

    Raises:
        WrongUsage: DATA is none of these; the message lists them and the nearest names.
        DataError: it is one of these, but cannot be had or read: DownloadFailed, UnsafeArchive, BadDataset, NoPictures.
        StorageError: the disk refused.
    """
    of_table = FolderReading()
    if reading is not None:
        several, separator = reading.several_labels, reading.label_separator
        of_table = FolderReading(group_by=reading.group_by, several_labels=several, label_separator=separator)
    source = _resolved(data, columns, of_table, cache, progress, named, download_limits, archive_limits)
    if of_table.several_labels and source.listed is None:
        raise WrongUsage(
            f"{shlex.join(replace(of_table, group_by='').words())} has no effect on {source.data or source.root}.",
            "It is no table: a picture in a folder has one label.",
            "List the pictures and their labels in a table, path,label; or leave it out where it was typed.",
        )
    if reading is not None and source.listed is not None and reading != of_table:
        raise WrongUsage(
            f"{shlex.join(reading.words())} has no effect on a table.",
            f"{source.data} says the class and the part of each picture itself.",
            "Leave it out.",
        )
    if columns and source.listed is None:
        raise WrongUsage(
            f"--columns {columns_text(columns)} has no effect on {source.data or source.root}.",
            "It is no table: the folders say the class of each picture.",
            "Leave it out.",
        )
    return replace(source, reading=reading)


def _resolved(
    data: str | os.PathLike[str],
    columns: Mapping[str, str] | None,
    of_table: FolderReading,
    cache: Path,
    progress: Progress,
    named: Mapping[str, tuple[str, str]],
    download_limits: DownloadLimits,
    archive_limits: ArchiveLimits,
) -> Source:
    text = path_text(data, IN_PROGRAM)
    if isinstance(data, str) and (scheme := scheme_of(text)):
        if scheme not in WEB:
            why = f"{scheme}:// is not fetched."
            raise WrongUsage(f"{text} cannot be used as DATA.", why, "Fetch it, give the file.")
        return _downloaded(text, "", cache, progress, download_limits, archive_limits)
    if isinstance(data, str) and (text == SAMPLE or text in named):
        if text == SAMPLE:
            source = _drawn(cache, progress)
        else:
            url, description = named[text]
            source = _downloaded(url, text, cache, progress, download_limits, archive_limits)
            source = replace(source, note=f"{description}. {source.note}")
        shadowed = f"There is also ./{text} here: to use that, write ./{text}" if os.path.exists(text) else ""
        return replace(source, note=f"{source.note} {shadowed}".strip())
    return _from_place(text, columns, of_table, named, cache, progress, archive_limits)


def _from_place(
    text: str,
    columns: Mapping[str, str] | None,
    of_table: FolderReading,
    named: Mapping[str, tuple[str, str]],
    cache: Path,
    progress: Progress,
    archive_limits: ArchiveLimits,
) -> Source:
    place = as_path(text)
    if not text or not os.path.exists(place):
        near = _nearest(text, named)
        why = f"The nearest there is: {', '.join(near)}." if near else "Nothing here has a name like that."
        raise WrongUsage(f"There is no {text!r} to use as DATA.", why, _what_data_may_be(named))
    if place.is_dir():
        return Source("folder", place, place.resolve().name, data=text)
    if not place.is_file():
        raise WrongUsage(f"{place} is neither a file nor a folder.", "", _what_data_may_be(named))
    if place.suffix.lower() in (*ENDINGS, ".txt"):
        table = locate(read_list(place, columns=columns, reading=of_table), cache=cache, progress=progress)
        return Source("csv", table.root, place.stem, listed=table, data=text)
    if kind := _OTHER_TABLES.get(place.suffix.lower()):  # before archives: a workbook is a zip file
        raise WrongUsage(f"{place} cannot be used as DATA.", f"It is {kind}, which is not read.", _AS_TABLE)
    if kind := _OTHER_ARCHIVES.get(place.suffix.lower()):
        fix = "Unpack it, and give the folder."
        raise WrongUsage(f"{place} cannot be used as DATA.", f"It is {kind}, which is not read.", fix)
    if archive_kind(place) is None:
        why = "It is a file, but neither an archive nor a .csv, .tsv, .jsonl, .json or .parquet."
        fix = f"For one picture there is: {typed('predict', 'RUN', place)}\n{_what_data_may_be(named)}"
        raise WrongUsage(f"{place} cannot be used as DATA.", why, fix)
    return _unpacked(place, _stem(place.name), cache, progress, archive_limits)


def _downloaded(
    url: str,
    name: str,
    cache: Path,
    progress: Progress,
    download_limits: DownloadLimits,
    archive_limits: ArchiveLimits,
) -> Source:
    """Download an archive and unpack it, or use what an earlier run has; without a name, the URL gives it."""
    target = cache / "downloads" / cached_name(url)
    known = target.is_file()
    download(url, target, limits=download_limits, progress=progress, check=check_archive)
    try:
        source = _unpacked(target, name or _stem(target.name[_DIGITS + 1 :]), cache, progress, archive_limits)
    except DataError:
        target.unlink(missing_ok=True)  # our own copy: the next run is to fetch it anew
        raise
    note = f"{'Downloaded before' if known else 'Downloaded'} from {url}. {source.note}"
    return replace(source, note=note, data=name or url)


def _drawn(cache: Path, progress: Progress) -> Source:
    """Draw the sample, or use what an earlier run drew."""
    from pawsight.sample import drawing_digest, write_sample

    target = cache / "sample" / drawing_digest()[:_DIGITS]
    _make_once(target, lambda: write_sample(target, seed=0, progress=progress))
    note = "These are drawings of cats and dogs, made on this machine; no photographs."
    return Source("sample", target, SAMPLE, note, data=SAMPLE)


def _unpacked(archive: Path, name: str, cache: Path, progress: Progress, limits: ArchiveLimits) -> Source:
    """Unpack an archive, or use what an earlier run unpacked."""
    with progress.stage(f"Reading {archive.name}", None):
        digest = sha256_of_file(archive)[:_DIGITS]
    target = cache / "extracted" / digest
    known = target.is_dir()
    _make_once(target, lambda: extract(archive, target, limits=limits, progress=progress))
    note = f"{'Was unpacked before' if known else 'Unpacked'} to {target}."
    return Source("archive", target, name, note, data=str(archive))


def _make_once(target: Path, make: Callable[[], object]) -> None:
    """Make a folder that is not there; another process may be quicker."""
    if not target.is_dir():
        try:
            make()
        except StorageError:
            if not target.is_dir():
                raise


def _nearest(text: str, named: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return names like `text` among the datasets and in the folder that it points into."""
    place = as_path(text)
    near = difflib.get_close_matches(text, [SAMPLE, *named])
    try:
        beside = {entry.name.casefold(): entry for entry in islice(place.parent.iterdir(), _MOST_COMPARED)}
    except (OSError, ValueError):
        beside = {}
    return near + [str(beside[name]) for name in difflib.get_close_matches(place.name.casefold(), beside)]


def _what_data_may_be(named: Mapping[str, tuple[str, str]]) -> str:
    names = "".join(f"\n  {name:<15}{description}" for name, (_, description) in named.items())
    return (
        "DATA may be:\n"
        "  photos/        a folder with one folder per class, or with train/ and validation/ above those\n"
        "  pets.zip       an archive of such a folder: zip, tar, tar.gz, tar.bz2, tar.xz\n"
        "  https://...    the address of such an archive\n"
        "  pets.csv       a table with the columns path,label; also .tsv, .jsonl, .json and .parquet\n"
        f"  {SAMPLE:<15}drawings of cats and dogs, made on this machine{names}"
    )


def _stem(name: str) -> str:
    return re.sub(r"(\.tar)?\.[A-Za-z0-9]+$", "", name) or name
