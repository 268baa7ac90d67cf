"""This machine, and what follows from it: threads, precision, the cache folder, versions."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from pawsight.core.text import plural

Device = Literal["cpu", "auto", "gpu", "npu"]  # what may compute; auto is what OpenVINO prefers
DEVICES: tuple[Device, ...] = ("cpu", "auto", "gpu", "npu")
CPU: Device = "cpu"
_BFLOAT16_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512"}
_PACKAGES = ("pawsight", "numpy", "pillow", "openvino", "onnx", "scipy", "keras", "tensorflow", "tensorflow-cpu")


@dataclass(frozen=True, slots=True)
class Machine:
    """What speed and predictions depend on."""

    system: str  # e.g. "Linux x86_64"
    processor: str
    cores: int  # that this process may use
    memory_gib: float  # 0 where unknown
    bfloat16: str  # the instruction set that multiplies bfloat16, empty when there is none
    python: str

    @property
    def feeders(self) -> int:
        """Threads that decode while a network computes on all cores.

        Half as many as cores: 1,000 photographs through EfficientNet-Lite1 on two cores took 6.5 s with one and 7.5 s
        with two, which only compete with the network. With AMX the network is so quick that one thread cannot keep up:
        3,000 took 12.7 s with one and 11.3 s with two.
        """
        return self.cores if self.bfloat16 == "AMX" else max(1, self.cores // 2)

    def __str__(self) -> str:
        cores = plural(self.cores, "core")
        memory = f"{self.memory_gib:.0f} GiB, " if self.memory_gib else ""
        return f"{self.processor}, {cores}, {memory}{self.system}, Python {self.python}"


def this_machine() -> Machine:
    """Describe the machine this process runs on."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()  # oneDNN's own setting, to act as an older processor
    flags = _cpu_flags() if any(name in limit for name in ("ALL", "DEFAULT", "BF16", "FP16", "AMX")) else ()
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor_name(),
        cores=usable_cores(),
        memory_gib=_memory_bytes() / 2**30,
        bfloat16=next((name for flag, name in _BFLOAT16_FLAGS.items() if flag in flags), ""),
        python=platform.python_version(),
    )


def usable_cores() -> int:
    """Return how many processors this process may run on, as set by taskset or a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_folder() -> Path:
    """Return the folder for what can be made again: PAWSIGHT_CACHE, else the platform's cache folder."""
    folder = os.environ.get("PAWSIGHT_CACHE")
    if folder:
        return Path(folder).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("pawsight", appauthor=False)


def versions() -> dict[str, str]:
    """Return the installed versions of the packages that predictions depend on."""
    installed = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _processor_name() -> str:
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown processor"


def _cpu_flags() -> frozenset[str]:
    for line in _cpuinfo():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace").splitlines() if sys.platform == "linux" else []
    except OSError:
        return []


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0
