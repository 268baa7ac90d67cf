"""Finds DATA, as the user names it, and downloads, unpacks or draws it where needed.

Nothing is written outside the cache: downloads go to `downloads/`, named after their URL; unpacked archives to
`extracted/`, named after their content; drawings to `sample/`, named after the code that draws them. Each appears under
its name only when it is whole, so that what is there is used again. Which class a picture has is read in folders.py.
"""

from __future__ import annotations

import difflib
import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pawsight.core.errors import DataError, StorageError, WrongUsage
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import sha256_of, sha256_of_file
from pawsight.data.archive import ArchiveLimits, archive_kind, check_archive, extract
from pawsight.data.download import DownloadLimits, download
from pawsight.data.folders import Listed
from pawsight.data.tables import read_list

SAMPLE = "sample"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_MOST_COMPARED = 2000  # names in a folder that a mistyped one is compared with
_DIGITS = 16  # of a SHA-256, in the names of cached things


@dataclass(frozen=True, slots=True)
class NamedDataset:
    """An archive on the web that has a short name here."""

    url: str
    description: str
    pictures: int


NAMED: Mapping[str, NamedDataset] = MappingProxyType(
    {
        "cats-and-dogs": NamedDataset(
            url="https://storage.googleapis.com/mledu-datasets/cats_and_dogs_filtered.zip",
            description="3,000 photographs, half of cats and half of dogs, 2,000 for training and 1,000 for validation",
            pictures=3000,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the pictures are."""

    kind: Literal["folder", "archive", "csv", "sample"]
    root: Path  # the folder to look through; for a CSV the folder it lies in
    name: str  # short, for titles
    note: str = ""  # what the user should know about where these came from
    listed: tuple[Listed, ...] = ()  # for a CSV what it lists


def resolve(
    data: str | os.PathLike[str],
    *,
    cache: Path,
    progress: Progress = SILENT,
    named: Mapping[str, NamedDataset] = NAMED,
    download_limits: DownloadLimits = DownloadLimits(),
    archive_limits: ArchiveLimits = ArchiveLimits(),
) -> Source:
    """Return the folder or list on this disk that DATA names, downloading, unpacking or drawing it where needed.

    Args:
        data: text may be a folder, an archive, a CSV, an http(s) URL of an archive, `sample` or a name in `named`. A
            name wins over a folder of that name, which is then written ./NAME. A Path is always a place, never a name.
        cache: the folder for what can be made again.

    Raises:
        WrongUsage: DATA is none of these; the message lists them and the nearest names.
        DataError: it is one of these, but cannot be had or read: DownloadFailed, UnsafeArchive, BadDataset, NoPictures.
        StorageError: the disk refused.
    """
    resolver = _Resolver(cache, progress, named, download_limits, archive_limits)
    text = os.fspath(data)
    if isinstance(data, str) and (scheme := _SCHEME.match(text)):
        if scheme[1].lower() not in ("http", "https"):
            why = f"{scheme[1]}:// is not fetched."
            raise WrongUsage(f"{text} cannot be used as DATA.", why, "Fetch it, give the file.")
        return resolver.from_url(text)
    if isinstance(data, str) and (text == SAMPLE or text in named):
        source = resolver.from_sample() if text == SAMPLE else resolver.from_name(text)
        shadowed = f"There is also ./{text} here: to use that, write ./{text}" if os.path.exists(text) else ""
        return replace(source, note=f"{source.note} {shadowed}".strip())
    return resolver.from_place(text)


@dataclass(frozen=True, slots=True)
class _Resolver:
    cache: Path
    progress: Progress
    named: Mapping[str, NamedDataset]
    download_limits: DownloadLimits
    archive_limits: ArchiveLimits

    def from_place(self, text: str) -> Source:
        place = _expanded(text)
        if not text or not os.path.exists(place):
            near = self._nearest(text)
            why = f"The nearest there is: {', '.join(near)}." if near else "Nothing here has a name like that."
            raise WrongUsage(f"There is no {text!r} to use as DATA.", why, self._what_data_may_be())
        if place.is_dir():
            return Source("folder", place, place.resolve().name)
        if not place.is_file():
            raise WrongUsage(f"{place} is neither a file nor a folder.", "", self._what_data_may_be())
        if place.suffix.lower() == ".csv":
            return Source("csv", place.parent, place.stem, listed=read_list(place))
        if archive_kind(place) is None:
            why = "It is a file, but neither an archive nor a .csv."
            fix = f"For one picture there is: pawsight predict RUN {place}\n{self._what_data_may_be()}"
            raise WrongUsage(f"{place} cannot be used as DATA.", why, fix)
        return self._from_archive(place, _stem(place.name))

    def from_url(self, url: str, name: str = "") -> Source:
        file = _file_name(url)
        target = self.cache / "downloads" / f"{sha256_of(url.encode())[:_DIGITS]}-{file}"
        known = target.is_file()
        download(url, target, limits=self.download_limits, progress=self.progress, check=check_archive)
        try:
            source = self._from_archive(target, name or _stem(file))
        except DataError:
            target.unlink(missing_ok=True)  # our own copy: the next run is to fetch it anew
            raise
        return replace(source, note=f"{'Downloaded before' if known else 'Downloaded'} from {url}. {source.note}")

    def from_name(self, name: str) -> Source:
        dataset = self.named[name]
        source = self.from_url(dataset.url, name)
        return replace(source, note=f"{dataset.description}. {source.note}")

    def from_sample(self) -> Source:
        from pawsight.sample import drawing_digest, write_sample

        target = self.cache / "sample" / drawing_digest()[:_DIGITS]
        if not target.is_dir():
            try:
                write_sample(target, seed=0, progress=self.progress)
            except StorageError:
                if not target.is_dir():  # else another process was quicker
                    raise
        note = "These are drawings of cats and dogs, made on this machine; no photographs."
        return Source("sample", target, SAMPLE, note)

    def _from_archive(self, archive: Path, name: str) -> Source:
        """Unpack an archive, or use what an earlier run unpacked."""
        with self.progress.stage(f"Reading {archive.name}", None):
            digest = sha256_of_file(archive)[:_DIGITS]
        target = self.cache / "extracted" / digest
        known = target.is_dir()
        if not known:
            try:
                extract(archive, target, limits=self.archive_limits, progress=self.progress)
            except StorageError:
                if not target.is_dir():  # else another process was quicker
                    raise
        note = f"{'Was unpacked before' if known else 'Unpacked'} to {target}."
        return Source("archive", _inner(target), name, note)

    def _nearest(self, text: str) -> list[str]:
        """Return names like `text` among the datasets and in the folder that it points into."""
        place = _expanded(text)
        near = difflib.get_close_matches(text, [SAMPLE, *self.named])
        try:
            beside = {entry.name.casefold(): entry for entry in islice(place.parent.iterdir(), _MOST_COMPARED)}
        except (OSError, ValueError):
            beside = {}
        return near + [str(beside[name]) for name in difflib.get_close_matches(place.name.casefold(), beside)]

    def _what_data_may_be(self) -> str:
        names = "".join(f"\n  {name:<15}{dataset.description}" for name, dataset in self.named.items())
        return (
            "DATA may be:\n"
            "  photos/        a folder with one folder per class, or with train/ and validation/ above those\n"
            "  pets.zip       an archive of such a folder: zip, tar, tar.gz, tar.bz2, tar.xz\n"
            "  https://...    the address of such an archive\n"
            "  pets.csv       a list with the columns path,label\n"
            f"  {SAMPLE:<15}drawings of cats and dogs, made on this machine{names}"
        )


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~NAME of an unknown user
        return Path(text)


def _inner(folder: Path) -> Path:
    """Step into the one folder that many archives wrap their folders in; hidden things do not count."""
    seen = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    wrapper = seen[0] if len(seen) == 1 and seen[0].is_dir() else None
    if wrapper is None or not any(entry.is_dir() for entry in wrapper.iterdir()):
        return folder
    return _inner(wrapper)


def _file_name(url: str) -> str:
    """Return a name for a download that every disk takes, after the last part of the URL's path."""
    last = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".")[-80:] or "download"


def _stem(name: str) -> str:
    return re.sub(r"(\.tar)?\.[A-Za-z0-9]+$", "", name) or name
