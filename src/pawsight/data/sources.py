"""What DATA may be, and where it is then.

Enters: DATA as a person types it and the cache folder. Leaves: a `Source`: a folder on this disk, or a CSV's list.
Does not know: classes, pictures; what is inside is the dataset's business.

Nothing is written outside the cache. Downloads lie in `downloads/`, named after their URL; unpacked archives in
`extracted/`, named after their content; drawings in `sample/`, named after the code that draws them. Each appears under
its name only when it is whole, so whatever is found there is used again.
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
from pawsight.data.tables import Listed, read_list

SAMPLE = "sample"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_MOST_COMPARED = 2000  # names in a folder, when somebody mistyped one
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


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every way of getting data needs."""

    cache: Path
    progress: Progress
    named: Mapping[str, NamedDataset]
    download_limits: DownloadLimits
    archive_limits: ArchiveLimits


def resolve(
    data: str | os.PathLike[str],
    *,
    cache: Path,
    progress: Progress = SILENT,
    named: Mapping[str, NamedDataset] = NAMED,
    download_limits: DownloadLimits = DownloadLimits(),
    archive_limits: ArchiveLimits = ArchiveLimits(),
) -> Source:
    """Turn DATA into a folder or list on this disk, downloading, unpacking or drawing where needed.

    Args:
        data: text may be a folder, an archive, a CSV, an http(s) URL of an archive, `sample` or a name in `named`. A
            name wins over a folder of that name, which is then written ./NAME. A Path is always a place, never a name.
        cache: the folder for what can be made again.

    Raises:
        WrongUsage: DATA is none of these; the message lists them and the nearest names.
        DataError: it is one of these, but cannot be had or read: DownloadFailed, UnsafeArchive, BadCatalog, NoPictures.
        StorageError: the disk refused.
    """
    desk = _Desk(cache, progress, named, download_limits, archive_limits)
    text = os.fspath(data)
    if isinstance(data, str) and (scheme := _SCHEME.match(text)):
        return _from_url(desk, _web_only(text, scheme[1]))
    if isinstance(data, str) and (text == SAMPLE or text in named):
        source = _from_sample(desk) if text == SAMPLE else _from_name(desk, text)
        return replace(source, note=f"{source.note} {_shadowed(text)}".strip())
    return _from_place(desk, text)


def _from_place(desk: _Desk, text: str) -> Source:
    place = _expanded(text)
    if not text or not os.path.exists(place):
        raise _unknown(desk, text)
    if place.is_dir():
        return Source("folder", place, place.resolve().name)
    if not place.is_file():
        raise WrongUsage(f"{place} is neither a file nor a folder.", "", _what_data_may_be(desk))
    if place.suffix.lower() == ".csv":
        return Source("csv", place.parent, place.stem, listed=read_list(place))
    if archive_kind(place) is None:
        raise _no_source(desk, place)
    return _from_archive(desk, place, _stem(place.name))


def _from_archive(desk: _Desk, archive: Path, name: str) -> Source:
    """Unpack an archive, or use what an earlier run unpacked."""
    with desk.progress.stage(f"Reading {archive.name}", None):
        digest = sha256_of_file(archive)[:_DIGITS]
    target = desk.cache / "extracted" / digest
    known = target.is_dir()
    if not known:
        try:
            extract(archive, target, limits=desk.archive_limits, progress=desk.progress)
        except StorageError:
            if not target.is_dir():  # else another process was quicker
                raise
    return Source("archive", _inner(target), name, f"{'Was unpacked before' if known else 'Unpacked'} to {target}.")


def _from_url(desk: _Desk, url: str, name: str = "") -> Source:
    file = _file_name(url)
    target = desk.cache / "downloads" / f"{sha256_of(url.encode())[:_DIGITS]}-{file}"
    known = target.is_file()
    download(url, target, limits=desk.download_limits, progress=desk.progress, check=check_archive)
    try:
        source = _from_archive(desk, target, name or _stem(file))
    except DataError:
        target.unlink(missing_ok=True)  # our own copy: the next run is to fetch it anew
        raise
    return replace(source, note=f"{'Downloaded before' if known else 'Downloaded'} from {url}. {source.note}")


def _from_name(desk: _Desk, name: str) -> Source:
    dataset = desk.named[name]
    source = _from_url(desk, dataset.url, name)
    return replace(source, note=f"{dataset.description}. {source.note}")


def _from_sample(desk: _Desk) -> Source:
    from pawsight.sample import drawing_digest, write_sample

    target = desk.cache / "sample" / drawing_digest()[:_DIGITS]
    if not target.is_dir():
        try:
            write_sample(target, seed=0, progress=desk.progress)
        except StorageError:
            if not target.is_dir():
                raise
    return Source(
        "sample", target, SAMPLE, "These are drawings of cats and dogs, made on this machine; no photographs."
    )


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~somebody who does not exist
        return Path(text)


def _inner(folder: Path) -> Path:
    """Step into the one folder that many archives wrap their folders in; hidden things do not count."""
    seen = [entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX"))]
    wrapper = seen[0] if len(seen) == 1 and seen[0].is_dir() else None
    if wrapper is None or not any(entry.is_dir() for entry in wrapper.iterdir()):
        return folder
    return _inner(wrapper)


def _web_only(url: str, scheme: str) -> str:
    if scheme.lower() not in ("http", "https"):
        raise WrongUsage(f"{url} cannot be used as DATA.", f"{scheme}:// is not fetched.", "Fetch it, give the file.")
    return url


def _shadowed(name: str) -> str:
    return f"There is also ./{name} here: to use that, write ./{name}" if os.path.exists(name) else ""


def _file_name(url: str) -> str:
    """Return a name for a download that every disk takes, after the last part of the URL's path."""
    last = urllib.parse.unquote(urllib.parse.urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".")[-80:] or "download"


def _stem(name: str) -> str:
    return re.sub(r"(\.tar)?\.[A-Za-z0-9]+$", "", name) or name


def _unknown(desk: _Desk, text: str) -> WrongUsage:
    near = _nearest(desk, text)
    why = f"The nearest there is: {', '.join(near)}." if near else "Nothing here has a name like that."
    return WrongUsage(f"There is no {text!r} to use as DATA.", why, _what_data_may_be(desk))


def _nearest(desk: _Desk, text: str) -> list[str]:
    """Return names like `text` among the datasets and in the folder it points into."""
    place = _expanded(text)
    near = difflib.get_close_matches(text, [SAMPLE, *desk.named])
    try:
        beside = {entry.name.casefold(): entry for entry in islice(place.parent.iterdir(), _MOST_COMPARED)}
    except (OSError, ValueError):
        beside = {}
    return near + [str(beside[name]) for name in difflib.get_close_matches(place.name.casefold(), beside)]


def _no_source(desk: _Desk, place: Path) -> WrongUsage:
    fix = f"For one picture there is: pawsight predict RUN {place}\n{_what_data_may_be(desk)}"
    return WrongUsage(f"{place} cannot be used as DATA.", "It is a file, but neither an archive nor a .csv.", fix)


def _what_data_may_be(desk: _Desk) -> str:
    names = "".join(f"\n  {name:<15}{dataset.description}" for name, dataset in desk.named.items())
    return (
        "DATA may be:\n"
        "  photos/        a folder with one folder per class, or with train/ and validation/ above those\n"
        "  pets.zip       an archive of such a folder: zip, tar, tar.gz, tar.bz2, tar.xz\n"
        "  https://...    the address of such an archive\n"
        "  pets.csv       a list with the columns path,label\n"
        f"  {SAMPLE:<15}drawings of cats and dogs, made on this machine{names}"
    )
