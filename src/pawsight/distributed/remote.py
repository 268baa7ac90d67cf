"""Pictures and lists behind an address: s3://, gs:// and whatever else fsspec knows.

Enters: URLs. Leaves: URLs below a folder, bytes, open files. Does not know: pictures, what the bytes are for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from pawsight.core.errors import (
    DownloadFailed,
    MissingExtra,
    UnreadablePicture,
    WrongUsage,
    require_extra,
)
from pawsight.data.folders import HIDDEN_NAMES
from pawsight.images.loader import MAX_FILE_BYTES

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_TRIES, _PAUSE_S = 3, 0.5
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)  # trying again changes nothing


def is_url(name: str) -> bool:
    """Say whether a name is an address rather than a place on this disk."""
    return _URL.match(name) is not None


def filesystem(url: str) -> Any:
    """Return the fsspec file system of a URL, without a memory of what it listed before.

    Raises:
        MissingExtra: the package that speaks this protocol is not installed.
        WrongUsage: nothing speaks it, or the URL chains several.
        DownloadFailed: it is spoken, but not with this configuration.
    """
    require_extra("ray", "pyarrow", "fsspec", needed_by="--out")
    import fsspec

    found = _URL.match(url)
    protocol = found[1].lower() if found else ""
    if not found or "::" in url:
        raise WrongUsage(f"{url} is no address of pictures.", "", "Type for example s3://bucket/photos")
    try:
        return fsspec.filesystem(protocol, use_listings_cache=False)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        fix = f"Type: pip install {package}" if package else ""
        raise MissingExtra(
            f"{protocol}:// is not spoken here.", f"{package} is missing." if package else f"{error}.", fix
        ) from error
    except ValueError as error:
        raise WrongUsage(
            f"{url} cannot be read.", f"{protocol}:// is no known protocol.", "Try s3:// or gs://"
        ) from error
    except Exception as error:  # clouds' libraries raise kinds of their own where keys or regions are missing
        raise _failed("reach", url, error) from error


def is_folder(url: str) -> bool:
    """Say whether files lie below a URL.

    Raises:
        DownloadFailed: it cannot be asked, or there is nothing.
    """
    store = filesystem(url)
    try:
        folder, there = store.isdir(url), store.exists(url)
    except Exception as error:
        raise _failed("look at", url, error) from error
    if not there:
        raise DownloadFailed(f"There is nothing at {url}.", "", "Look at the name once more.")
    return bool(folder)


def below(url: str) -> Iterator[str]:
    """Yield the URLs of all visible files below a folder, sorted; one folder's names are held at a time."""
    store = filesystem(url)
    yield from _walk(store, store._strip_protocol(url), url)


def _walk(store: Any, folder: str, url: str) -> Iterator[str]:
    try:
        inside = store.ls(folder, detail=True)
    except Exception as error:
        raise _failed("list", url, error) from error
    names = sorted(_as_sorted(entry) for entry in inside if entry["name"].rstrip("/") != folder.rstrip("/"))
    del inside  # the largest folder is what memory holds
    for name in names:
        last = name.rstrip("/").rpartition("/")[2]
        if last.startswith(".") or last in HIDDEN_NAMES:
            continue
        if name.endswith("/"):
            yield from _walk(store, name.rstrip("/"), store.unstrip_protocol(name))
        else:
            yield str(store.unstrip_protocol(name))


def _as_sorted(entry: dict[str, Any]) -> str:
    """Return the name of a folder with a slash, by which it is sorted as the files below it would be."""
    name = str(entry["name"]).rstrip("/")
    return f"{name}/" if entry["type"] == "directory" else name


def read(url: str) -> bytes:
    """Return the bytes of a picture, trying again where the network may have been at fault.

    Raises:
        UnreadablePicture: it is not there, too large, or cannot be had.
    """
    try:
        data = _tried(url)
    except UnreadablePicture:
        raise
    except Exception as error:
        raise UnreadablePicture(f"Could not read {url}.", _reason(error)) from error
    if len(data) > MAX_FILE_BYTES:
        raise UnreadablePicture(f"Could not read {url}.", "too large")
    return data


def _tried(url: str) -> bytes:
    store = filesystem(url)
    for attempt in range(1, _TRIES):
        try:
            return bytes(store.cat_file(url, 0, MAX_FILE_BYTES + 1))
        except _FINAL:
            raise
        except OSError:
            time.sleep(_PAUSE_S * attempt)
    return bytes(store.cat_file(url, 0, MAX_FILE_BYTES + 1))


def _reason(error: Exception) -> str:
    """Return a few words: what is absent is called the same wherever it is absent."""
    if isinstance(error, FileNotFoundError):
        return "no such file or directory"
    first = (str(error).splitlines() or [""])[0][:200]
    return first[:1].lower() + first[1:] or type(error).__name__


def _failed(deed: str, url: str, error: Exception) -> DownloadFailed:
    return DownloadFailed(
        f"Could not {deed} {url}.", f"The answer was: {_reason(error)}.", "Check name and credentials."
    )
