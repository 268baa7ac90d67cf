"""The verb `doctor`: checks the installation and says how to fix what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from pawsight import __version__
from pawsight.core.machine import cache_folder, this_machine

_LEAST_DISK_GIB = 2
_LEAST_MEMORY_GIB = 2
_LEAST_PYTHON = (3, 11)
INSTALL = 'pip install "pawsight[train]"'
_OPTIONAL = {  # name -> extra, what it is for, its packages; of packages with a bar one is enough
    "Keras": ("keras", "the exercise's networks and finetune", ("keras", "tensorflow|tensorflow-cpu", "tf2onnx")),
    "Serving": (
        "serve",
        "pawsight serve",
        ("starlette", "uvicorn", "python-multipart", "prometheus-client", "python-json-logger"),
    ),
    "Exporting": ("export", "pawsight export", ("onnxruntime", "ai-edge-litert", "nncf")),
    "Ray": ("ray", "predict --out and --engine ray", ("ray", "pyarrow", "fsspec")),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    name: str
    good: bool
    found: str
    fix: str  # what to type or do, also to get what is optional; empty where there is nothing to do


def doctor() -> list[Finding]:
    """Check everything that Pawsight needs, without changing anything."""
    needed = [_pawsight(), _python(), _system(), _processor(), _memory(), _inference(), _training(), _weights()]
    return [*needed, *map(_extra, _OPTIONAL), _cache(), _disk()]


def summary(findings: Sequence[Finding]) -> list[str]:
    """Return the findings as lines of text."""
    lines = []
    for finding in findings:
        state = "FIX" if not finding.good else "-- " if finding.fix else "ok "
        lines.append(f"{state} {finding.name:<11} {finding.found}")
        if finding.fix:
            lines.append(f"    {'':<11} {finding.fix}")
    return lines


def _pawsight() -> Finding:
    return Finding("Pawsight", True, __version__, "")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= _LEAST_PYTHON
    return Finding("Python", good, version, "" if good else "Install Python 3.11 or newer.")


def _system() -> Finding:
    return Finding("System", True, platform.platform(), "")  # without the machine's name, for people post it


def _processor() -> Finding:
    machine = this_machine()
    how = "bfloat16 (AMX)" if machine.bfloat16 == "AMX" else "float32"
    return Finding("Processor", True, f"{machine.processor}, {machine.cores} cores; computes in {how}", "")


def _memory() -> Finding:
    gib = this_machine().memory_gib
    good = gib == 0 or gib >= _LEAST_MEMORY_GIB
    fix = "" if good else f"Training needs {_LEAST_MEMORY_GIB} GiB; close other programs."
    return Finding("Memory", good, f"{gib:.0f} GiB" if gib else "unknown", fix)


def _inference() -> Finding:
    found, missing = _packages("numpy", "pillow", "openvino", "scipy")
    return Finding("Predicting", not missing, _listed(found, missing), "pip install pawsight" if missing else "")


def _training() -> Finding:
    found, missing = _packages("onnx")
    return Finding("Training", not missing, _listed(found, missing), INSTALL if missing else "")


def _listed(found: list[str], missing: list[str]) -> str:
    return ", ".join([*found, *(f"{name} is missing" for name in missing)])


def _weights() -> Finding:
    from pawsight.models.backbones import BACKBONES

    missing = [backbone.package for backbone in BACKBONES.values() if util.find_spec(backbone.module) is None]
    found = f"{len(BACKBONES) - len(missing)} of {len(BACKBONES)} pretrained backbones installed"
    return Finding("Weights", not missing, found, INSTALL if missing else "")


def _extra(name: str) -> Finding:
    """Check an extra, which only some verbs and recipes need; it may be missing."""
    extra, purpose, packages = _OPTIONAL[name]
    found, missing = _packages(*packages)
    text = ", ".join(found) if not missing else f"for {purpose}; not installed: {', '.join(missing)}"
    return Finding(name, True, text, f'pip install "pawsight[{extra}]"' if missing else "")


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


def _cache() -> Finding:
    folder = cache_folder()
    place = _nearest_existing(folder)
    good = place.is_dir() and os.access(place, os.W_OK)
    fix = "" if good else "Set PAWSIGHT_CACHE to a folder that is writable."
    return Finding("Cache", good, f"{folder} ({'writable' if good else 'not writable'})", fix)


def _disk() -> Finding:
    gib = shutil.disk_usage(_nearest_existing(cache_folder())).free / 2**30
    good = gib >= _LEAST_DISK_GIB
    fix = "" if good else "Free some space, or set PAWSIGHT_CACHE to a folder on another disk."
    return Finding("Disk", good, f"{gib:.0f} GiB free for the cache", fix)


def _nearest_existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
