"""What a bundle's files must be before anything in them is believed.

Enters: a folder that says it is a bundle. Leaves: its card as plain values and its files' bytes, or `BundleRefused`
that names the file. Does not know: what the values mean.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pawsight.classifier.graph_checks import fault_in_graph
from pawsight.core.errors import BundleRefused

MAX_CARD_BYTES = 16 * 2**20
MAX_FILE_BYTES = 2 * 2**30
# Of the arrays in an npz, unpacked and together. Eight pictures of 1024 x 1024 are 24 MiB and their answers less, while
# a file of a few kilobytes may claim any number of gigabytes.
MAX_ARRAY_BYTES = 256 * 2**20
_MAX_CLASSES = 100_000
_MAX_NAME = 1024  # characters of a class name
# The end of a protobuf field 1 that is a text of 8 bytes, just before that text; its two numbers may be padded.
_ENTRY_OF_8 = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)\Z")


def refused(place: Path, why: str) -> BundleRefused:
    """Return the error for a bundle that cannot be used."""
    return BundleRefused(
        f"{place} is not a usable bundle.", why, "Train again, or copy the whole bundle folder once more."
    )


def checked_card(path: Path, expected_format: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Read bundle.json and return its values and the digests of the other files.

    Raises:
        BundleRefused: it is no JSON object, altered, of another format, or its class names cannot be shown.
    """
    try:
        values = json.loads(_content(path, MAX_CARD_BYTES))
        sealed = isinstance(values, dict) and values.get("seal") == seal_of(values)
    except (ValueError, RecursionError) as error:
        raise refused(path.parent, f"{path.name} is not JSON: {error}.") from error
    if isinstance(values, dict) and not sealed:
        raise refused(path.parent, f"{path.name} was altered after it was written.")
    if not isinstance(values, dict) or not isinstance(values.get("files"), dict):
        raise refused(path.parent, f"{path.name} lists no files.")
    if values.get("format") != expected_format:
        raise refused(path.parent, f"It has format {values.get('format')!r}; this Pawsight reads {expected_format}.")
    problem = _problem_with_classes(values.get("classes"))
    if problem:
        raise refused(path.parent, f"{path.name} {problem}.")
    return values, values["files"]


def seal_of(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a card's JSON values without their seal, whatever the order and layout of the file.

    It tells a slip, such as classes put in another order; no forger, who can write a new seal as well.
    """
    others = {key: value for key, value in values.items() if key != "seal"}
    return hashlib.sha256(json.dumps(others, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


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


def check_self_contained(path: Path, model: bytes) -> None:
    """Refuse an ONNX model with weights in other files: whoever opens it would read them from wherever it points.

    In ONNX's `TensorProto.external_data` the file is named under the key "location". It is looked for in the bytes,
    since predicting needs no onnx package.
    """
    for found in re.finditer(b"location", model):
        if _ENTRY_OF_8.search(model[max(0, found.start() - 20) : found.start()]):
            raise refused(path.parent, f"{path.name} keeps weights in another file, which no bundle does.")


def check_graph(path: Path, model: bytes) -> None:
    """Refuse a model that is no plain graph: loops, branches, operators of unknown makers, arrays made from numbers."""
    if fault := fault_in_graph(model):
        raise refused(path.parent, f"{path.name} {fault}.")


def checked_arrays(path: Path, content: bytes, names: Sequence[str], *, optional: str = "") -> dict[str, NDArray[Any]]:
    """Read the content of an npz that holds the named arrays and no others, without trusting the sizes that it claims.

    Args:
        path: what to call it.
        content: its bytes.
        names: arrays that must be there.
        optional: one that may be.

    Raises:
        BundleRefused: it holds something else, Python objects, or more than `MAX_ARRAY_BYTES`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {member.filename: member for member in archive.infolist()}
            found = [*names, optional] if f"{optional}.npy" in members else names
            if len(archive.infolist()) != len(found) or set(members) != {f"{name}.npy" for name in found}:
                raise ValueError(f"it holds something else than {' and '.join(names)}")
            if sum(member.file_size for member in members.values()) > MAX_ARRAY_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_ARRAY_BYTES:,} bytes")
            return {name: _array(archive, members[f"{name}.npy"]) for name in found}
    except Exception as error:  # numpy and zipfile raise many kinds for a file that is not what it says
        raise refused(path.parent, f"{path.name} cannot be read: {error}.") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{member.filename} is packed in another way than Pawsight packs")
    with archive.open(member) as file:
        if npy.read_magic(file) != (1, 0):
            raise ValueError(f"{member.filename} is of another version than Pawsight writes")
        shape, by_columns, kind = npy.read_array_header_1_0(file)
        if kind.hasobject:
            raise ValueError(f"{member.filename} holds Python objects")
        size = math.prod(shape) * kind.itemsize
        if min(shape, default=0) < 0 or size != member.file_size - file.tell():
            raise ValueError(f"{member.filename} is not as long as its header says")
        values = file.read(size)
    if len(values) != size:
        raise ValueError(f"{member.filename} ends early")
    flat = np.frombuffer(values, kind) if size else np.empty(0, kind)
    return flat.reshape(shape, order="F" if by_columns else "C").copy()


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
