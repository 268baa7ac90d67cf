"""ONNX Runtime for browsers: which version, which two of its files, and how to know that they are these.

Enters: the folder of the npm package onnxruntime-web, or nothing. Leaves: where the page finds the files. Does not
know: models, pages.

The build for WebAssembly alone is the smallest that runs every operator of ours; its script has the loader inside it,
so that two files are all. It runs in one thread on hosts that send no special headers.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.errors import WrongUsage

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
PUBLIC = f"https://cdn.jsdelivr.net/npm/{PACKAGE}@{VERSION}/dist/"  # jsDelivr shows npm packages as they are
FOLDER = "runtime"
LARGEST = 64 * 2**20  # bytes of a file that is read to be compared


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFile:
    """One file of the package."""

    name: str  # below dist/
    copied_as: str  # some hosts do not know that .mjs is JavaScript, and a browser then refuses it
    size: int  # bytes
    sha384: str  # base64, as in an integrity attribute


RUNTIME = (
    RuntimeFile(
        name="ort.wasm.bundle.min.mjs",
        copied_as="ort.wasm.bundle.min.js",
        size=73_054,
        sha384="PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    ),
    RuntimeFile(
        name="ort-wasm-simd-threaded.wasm",
        copied_as="ort-wasm-simd-threaded.wasm",
        size=14_239_897,
        sha384="vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file that the page fetches."""

    address: str  # relative to the page, or absolute
    bytes: int
    integrity: str | None = None  # that the browser checks; None for a file of the export itself


def public_parts() -> list[Part]:
    """Return the runtime as the public address has it, with what the browser checks it by."""
    return [Part(address=PUBLIC + one.name, bytes=one.size, integrity=f"sha384-{one.sha384}") for one in RUNTIME]


def copied_parts() -> list[Part]:
    """Return the runtime as it lies in the export."""
    return [Part(address=f"{FOLDER}/{one.copied_as}", bytes=one.size) for one in RUNTIME]


def read_runtime(package: Path) -> Sequence[tuple[str, bytes]]:
    """Read the runtime from an npm package folder.

    Returns:
        names below the export, and contents.

    Raises:
        WrongUsage: a file is missing, or is not that of the version that this Pawsight was tested with.
    """
    return [(f"{FOLDER}/{one.copied_as}", _checked(package, one)) for one in RUNTIME]


def _checked(package: Path, wanted: RuntimeFile) -> bytes:
    path = package / "dist" / wanted.name
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST)
    except OSError as error:
        raise _refused(package, f"dist/{wanted.name} cannot be read: {error.strerror or error}.") from error
    if base64.b64encode(hashlib.sha384(content).digest()).decode() != wanted.sha384:
        raise _refused(package, f"dist/{wanted.name} is not that of version {VERSION}.")
    return content


def _refused(package: Path, why: str) -> WrongUsage:
    return WrongUsage(
        f"--runtime {package} is not the npm package {PACKAGE} in version {VERSION}.",
        why,
        f"Type: npm install {PACKAGE}@{VERSION}, then --runtime node_modules/{PACKAGE}",
    )
