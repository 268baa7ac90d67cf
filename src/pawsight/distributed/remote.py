"""Files on this disk or behind a URL (s3://, gs:// and whatever else fsspec knows): listed, read ahead, decoded.

Only reading is done ahead, in threads that mostly wait. Decoding is left to the caller, so that a worker with one core
uses one core.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.core.errors import (
    DownloadFailed,
    MissingExtra,
    UnreadablePicture,
    WrongUsage,
    require_extra,
)
from pawsight.core.storage import sha256_of
from pawsight.core.thread_pool import ordered_map
from pawsight.data.download import WEB, fetch_bytes, scheme_of
from pawsight.data.reading import is_hidden
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.loader import MAX_FILE_BYTES, Loaded, read_regular_file

_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_TRIES, _PAUSE_S = 3, 0.5
_READERS = 4  # files read at once, each whole in memory: an object store takes some 30 ms to answer
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)  # trying again is no use


def is_url(name: str) -> bool:
    """Return whether a name is a URL rather than a path on this disk."""
    return bool(scheme_of(name))


def filesystem(url: str) -> Any:
    """Return the fsspec file system of a URL, without a cache of listings.

    Raises:
        MissingExtra: the package for this protocol is not installed.
        WrongUsage: the protocol is unknown or FTP, or the URL chains several.
        DownloadFailed: the file system cannot be opened with this configuration.
    """
    require_extra("ray", "pyarrow", "fsspec", needed_by="--out")
    import fsspec

    protocol = scheme_of(url)
    if not protocol or "::" in url:
        raise WrongUsage(f"{url} is not a URL of pictures.", "", "Type for example s3://bucket/photos")
    if protocol == "ftp":  # fsspec prints a traceback where the server does not answer
        raise WrongUsage(f"{url} cannot be read.", "ftp:// is not fetched.", "Fetch it, and name the file.")
    try:
        return fsspec.filesystem(protocol, use_listings_cache=False)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        fix = f"Type: pip install {package}" if package else ""
        raise MissingExtra(
            f"{protocol}:// cannot be read.", f"{package} is not installed." if package else f"{error}.", fix
        ) from error
    except ValueError as error:
        raise WrongUsage(
            f"{url} cannot be read.", f"{protocol}:// is not a known protocol.", "Try s3:// or gs://"
        ) from error
    except Exception as error:  # cloud libraries raise errors of their own where keys or regions are missing
        raise _failed("reach", url, error) from error


def is_folder(url: str) -> bool:
    """Return whether a URL is that of a folder.

    Raises:
        DownloadFailed: it cannot be listed, or there is nothing.
    """
    if scheme_of(url) in WEB:  # fetched by our own downloader, which needs no package
        return False
    store = filesystem(url)
    try:
        is_dir, exists = store.isdir(url), store.exists(url)
    except Exception as error:
        raise _failed("find", url, error) from error
    if not exists:
        raise DownloadFailed(f"There is nothing at {url}.", "", "Check the name.")
    return bool(is_dir)


def below(url: str) -> Iterator[str]:
    """Yield the URLs of all visible files below a folder, sorted; the names of one folder are held at a time."""
    store = filesystem(url)
    yield from _walk(store, store._strip_protocol(url), url)


def _walk(store: Any, folder: str, url: str) -> Iterator[str]:
    try:
        entries = store.ls(folder, detail=True)
    except Exception as error:
        raise _failed("list", url, error) from error
    names = sorted(_sort_name(entry) for entry in entries if entry["name"].rstrip("/") != folder.rstrip("/"))
    del entries  # the largest folder sets how much memory is needed
    for name in names:
        last = name.rstrip("/").rpartition("/")[2]
        if is_hidden(last):
            continue
        if name.endswith("/"):
            yield from _walk(store, name.rstrip("/"), store.unstrip_protocol(name))
        else:
            yield str(store.unstrip_protocol(name))


def _sort_name(entry: dict[str, Any]) -> str:
    """Return an entry's name, that of a folder with a slash, so that it sorts as the files below it would."""
    name = str(entry["name"]).rstrip("/")
    return f"{name}/" if entry["type"] == "directory" else name


def read(url: str) -> bytes:
    """Return the bytes of a picture; tries again where the network may be the cause of a failure.

    Raises:
        UnreadablePicture: it does not exist, is too large, or cannot be read.
    """
    if scheme_of(url) in WEB:
        return fetch_bytes(url, max_bytes=MAX_FILE_BYTES)
    try:
        store = filesystem(url)
        for attempt in range(1, _TRIES + 1):
            try:
                data = bytes(store.cat_file(url, 0, MAX_FILE_BYTES + 1))
                break
            except OSError as error:
                if isinstance(error, _FINAL) or attempt == _TRIES:
                    raise
                time.sleep(_PAUSE_S * attempt)
    except UnreadablePicture:
        raise
    except Exception as error:
        raise UnreadablePicture(f"Could not read {url}.", _reason(error)) from error
    if len(data) > MAX_FILE_BYTES:
        raise UnreadablePicture(f"Could not read {url}.", "too large")
    return data


def _reason(error: Exception) -> str:
    """Return a reason in a few words, the same ones for every kind of missing file."""
    if isinstance(error, FileNotFoundError):
        return "no such file or directory"
    first = (str(error).splitlines() or [""])[0][:200]
    return first[:1].lower() + first[1:] or type(error).__name__


def _failed(action: str, url: str, error: Exception) -> DownloadFailed:
    return DownloadFailed(
        f"Could not {action} {url}.", f"The answer was: {_reason(error)}.", "Check the name and your credentials."
    )


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file as it was read."""

    name: str
    sha256: str  # empty where it could not be read
    data: bytes
    problem: str  # empty where it could be read


def fetch(name: str) -> Fetched:
    """Read a file on this disk or behind a URL."""
    try:
        data = read(name) if is_url(name) else read_regular_file(Path(name))
    except UnreadablePicture as error:
        return Fetched(name, "", b"", error.why)
    return Fetched(name, sha256_of(data), data, "")


def fetched_ahead(names: Iterable[str]) -> Iterator[Fetched]:
    """Yield each file in order, a few of them read ahead."""
    return ordered_map(fetch, names, threads=_READERS, ahead=1)


def decoded(fetched: Fetched, settings: DecodeSettings) -> Loaded:
    """Decode a file that was read; a failure is in the result's `problem`."""
    if fetched.problem:
        return Loaded(Path(fetched.name), "", None, fetched.problem)
    try:
        square = decode(fetched.data, settings, name=fetched.name)
    except UnreadablePicture as error:
        return Loaded(Path(fetched.name), fetched.sha256, None, error.why)
    return Loaded(Path(fetched.name), fetched.sha256, square, "")
