"""The verb `doctor`: checks the installation and says how to fix what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util

from pawsight import __version__
from pawsight.classifier.engine import devices
from pawsight.core.errors import install
from pawsight.core.machine import cache_folder, this_machine

_LEAST_DISK_GIB = 2
_LEAST_MEMORY_GIB = 2
_LEAST_PYTHON = (3, 11)
INSTALL = 'pip install "pawsight[train]"'
_TENSORFLOW = "tensorflow|tensorflow-cpu|tensorflow-rocm|tensorflow-macos|tensorflow-intel|tf-nightly"
_OPTIONAL = {  # name -> extra, what it is for, its packages; of packages with a bar one is enough
    "Keras": ("keras", "the exercise's networks", ("keras", _TENSORFLOW, "tf2onnx")),
    "Serving": (
        "serve",
        "pawsight serve",
        ("starlette", "uvicorn", "python-multipart", "prometheus-client", "python-json-logger"),
    ),
    "Exporting": ("export", "pawsight export", ("onnxruntime", "ai-edge-litert", "nncf")),
    "Ray": ("ray", "predict --out and --engine ray", ("ray", "pyarrow", "fsspec")),
    "HEIC": ("heif", "reading HEIC pictures", ("pi-heif",)),
    "DICOM": ("dicom", "reading DICOM pictures", ("pydicom",)),
    "Video": ("video", "predict on videos and cameras", ("opencv-python-headless",)),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked."""

    name: str
    good: bool
    found: str
    fix: str = ""  # what to type or do, also to get what is optional


def doctor() -> list[Check]:
    """Check everything that Pawsight needs, without changing anything."""
    return [*_system(), *_needed_packages(), *_devices(), *map(_extra, _OPTIONAL), *_cache()]


def summary(checks: Sequence[Check]) -> list[str]:
    """Return the checks as lines of text."""
    lines = []
    for check in checks:
        state = "FIX" if not check.good else "-- " if check.fix else "ok "
        lines.append(f"{state} {check.name:<11} {check.found}")
        if check.fix:
            lines.append(f"    {'':<11} {check.fix}")
    return lines


def _system() -> list[Check]:
    machine = this_machine()
    is_new = sys.version_info >= _LEAST_PYTHON
    arithmetic = "bfloat16 (AMX)" if machine.bfloat16 == "AMX" else "float32"
    gib = machine.memory_gib
    has_memory = gib == 0 or gib >= _LEAST_MEMORY_GIB
    return [
        Check("Pawsight", True, __version__),
        Check(
            "Python",
            is_new,
            ".".join(map(str, sys.version_info[:3])),
            "" if is_new else "Install Python 3.11 or newer.",
        ),
        Check("System", True, platform.platform()),  # without the machine's name, for people post it
        Check("Processor", True, f"{machine.processor}, {machine.cores} cores; computes in {arithmetic}"),
        Check(
            "Memory",
            has_memory,
            f"{gib:.0f} GiB" if gib else "unknown",
            "" if has_memory else f"Training needs {_LEAST_MEMORY_GIB} GiB; close other programs.",
        ),
    ]


def _needed_packages() -> list[Check]:
    from pawsight.models.backbones import BACKBONES

    checks = []
    for name, packages, fix in (
        ("Predicting", ("numpy", "pillow", "openvino", "scipy"), "pip install pawsight"),
        ("Training", ("onnx",), INSTALL),
    ):
        found, missing = _packages(*packages)
        listed = ", ".join([*found, *(f"{package} is missing" for package in missing)])
        checks.append(Check(name, not missing, listed, fix if missing else ""))
    count = sum(util.find_spec(backbone.module) is not None for backbone in BACKBONES.values())
    whole = count == len(BACKBONES)
    found_weights = f"{count} of {len(BACKBONES)} pretrained backbones installed"
    return [*checks, Check("Weights", whole, found_weights, "" if whole else INSTALL)]


def _devices() -> list[Check]:
    """List what --device may name; without OpenVINO nothing is known of it."""
    if not _version("openvino"):
        return []
    return [Check("Devices", True, "; ".join(f"{name.lower()}: {text}" for name, text in devices().items()))]


def _extra(name: str) -> Check:
    """Check an extra, which only some verbs and recipes need; it may be missing."""
    extra, purpose, packages = _OPTIONAL[name]
    found, missing = _packages(*packages)
    text = ", ".join(found) if not missing else f"for {purpose}; not installed: {', '.join(missing)}"
    return Check(name, True, text, install(extra, missing) if missing else "")


def _packages(*packages: str) -> tuple[list[str], list[str]]:
    """Return the installed packages with their versions, and the others; of names with a bar one is enough."""
    found, missing = [], []
    for choice in packages:
        names = choice.split("|")
        versions = [f"{name} {version}" for name in names if (version := _version(name))]
        if versions:
            found += versions[:1]
        else:
            missing.append(names[0])
    return found, missing


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _cache() -> list[Check]:
    folder = cache_folder()
    place = next(place for place in (folder, *folder.parents) if place.exists())
    writable = place.is_dir() and os.access(place, os.W_OK)
    gib = shutil.disk_usage(place).free / 2**30
    return [
        Check(
            "Cache",
            writable,
            f"{folder} ({'writable' if writable else 'not writable'})",
            "" if writable else "Set PAWSIGHT_CACHE to a folder that is writable.",
        ),
        Check(
            "Disk",
            gib >= _LEAST_DISK_GIB,
            f"{gib:.0f} GiB free for the cache",
            "" if gib >= _LEAST_DISK_GIB else "Free some space, or set PAWSIGHT_CACHE to a folder on another disk.",
        ),
    ]
