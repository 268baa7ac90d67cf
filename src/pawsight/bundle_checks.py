"""What a bundle's files must be before anything in them is believed.

Enters: a folder that says it is a bundle. Leaves: its card as plain values and its files' bytes, or `BundleRefused`
that names the file. Does not know: what the values mean.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pawsight.errors import BundleRefused

MAX_CARD_BYTES = 16 * 2**20
MAX_FILE_BYTES = 2 * 2**30
_MAX_CLASSES = 100_000
_MAX_NAME = 1024  # characters of a class name


def refused(place: Path, why: str) -> BundleRefused:
    """Return the error for a bundle that cannot be used."""
    return BundleRefused(
        f"{place} is not a usable bundle.", why, "Train again, or copy the whole bundle folder once more."
    )


def checked_card(path: Path, expected_format: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Read bundle.json and return its values and the digests of the other files.

    Raises:
        BundleRefused: it is no JSON object, of another format, or its class names cannot be shown.
    """
    try:
        values = json.loads(_content(path, MAX_CARD_BYTES))
    except (ValueError, RecursionError) as error:
        raise refused(path.parent, f"{path.name} is not JSON: {error}.") from error
    if not isinstance(values, dict) or not isinstance(values.get("files"), dict):
        raise refused(path.parent, f"{path.name} lists no files.")
    if values.get("format") != expected_format:
        raise refused(path.parent, f"It has format {values.get('format')!r}; this Pawsight reads {expected_format}.")
    problem = _problem_with_classes(values.get("classes"))
    if problem:
        raise refused(path.parent, f"{path.name} {problem}.")
    return values, values["files"]


def checked_files(folder: Path, digests: Mapping[str, str], names: Sequence[str]) -> dict[str, bytes]:
    """Read the named files, refusing any whose SHA-256 is not the one written down, and any that nobody named."""
    visible = {path.name for path in folder.iterdir() if not path.name.startswith(".")}  # browsing leaves .DS_Store
    strange = sorted(visible - set(names) - {"bundle.json"})
    if strange:
        raise refused(folder, f"It holds {strange[0]}, which belongs to no bundle.")
    files = {}
    for name in names:
        content = _content(folder / name, MAX_FILE_BYTES)
        if hashlib.sha256(content).hexdigest() != digests.get(name):
            raise refused(folder, f"{name} is not the file that was written: its SHA-256 differs.")
        files[name] = content
    return files


def _content(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file():
            raise refused(path.parent, f"{path.name} is missing.")
        if path.stat().st_size > limit:
            raise refused(path.parent, f"{path.name} is larger than {limit:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise refused(path.parent, f"{path.name} cannot be read: {error.strerror}.") from error


def _problem_with_classes(classes: object) -> str:
    if not isinstance(classes, list) or not 2 <= len(classes) <= _MAX_CLASSES:
        return "has no list of classes"
    for name in classes:
        problem = problem_with_name(name)
        if problem:
            return f"has a class name that {problem}"
    return "names a class twice" if len(set(classes)) != len(classes) else ""


def problem_with_name(name: object) -> str:
    """Say what keeps a value from being the name of a class; empty when nothing does."""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
        return f"is no text of 1 to {_MAX_NAME:,} characters"
    kinds = {unicodedata.category(character) for character in name}
    if "Cs" in kinds:  # what Python makes of bytes in a file name that are no UTF-8
        return "is not UTF-8"
    return "has control characters" if "Cc" in kinds else ""
