"""What is said about the machine, and where the cache is."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pawsight.core import machine
from pawsight.core.machine import Machine, cache_folder, this_machine, usable_cores, versions

MADE_UP = Machine(
    system="Linux x86_64", processor="Abacus 9", cores=2, memory_gib=15.6, bfloat16="AMX", python="3.11.7"
)


def test_a_machine_reads_as_one_line() -> None:
    assert str(MADE_UP).split(", ") == ["Abacus 9", "2 cores", "16 GiB", "Linux x86_64", "Python 3.11.7"]


def test_one_core_is_singular_and_unknown_memory_is_left_out() -> None:
    told = str(replace(MADE_UP, cores=1, memory_gib=0.0))
    assert told.split(", ") == ["Abacus 9", "1 core", "Linux x86_64", "Python 3.11.7"]


def test_this_machine_is_described() -> None:
    found = this_machine()
    assert found.python == platform.python_version()
    assert found.system == f"{platform.system()} {platform.machine()}"
    assert found.processor
    assert found.cores == usable_cores() >= 1
    assert found.bfloat16 in ("", "AMX", "AVX-512")
    assert this_machine() == found


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="memory is asked for by sysconf")
def test_memory_is_that_of_the_machine() -> None:
    assert 0.1 < this_machine().memory_gib < 100_000


@pytest.mark.parametrize(
    ("flags", "name"),
    [("fpu sse2", ""), ("fpu avx512_bf16", "AVX-512"), ("fpu amx_bf16 avx512_bf16", "AMX"), ("", "")],
)
def test_the_best_bfloat16_instructions_are_named(flags: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cpuinfo", lambda: ["model name\t: Abacus 9", f"flags\t\t: {flags}"])
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    found = this_machine()
    assert (found.bfloat16, found.processor) == (name, "Abacus 9")
    for limit, best in (("AVX2", ""), ("SSE41", ""), ("ALL", name), ("AVX512_CORE_AMX", name)):
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
        assert this_machine().bfloat16 == best


@pytest.mark.parametrize(
    ("cores", "bfloat16", "feeders"), [(1, "", 1), (2, "AVX-512", 1), (8, "", 4), (2, "AMX", 2), (1, "AMX", 1)]
)
def test_a_quick_network_is_fed_by_more_threads(cores: int, bfloat16: str, feeders: int) -> None:
    assert replace(this_machine(), cores=cores, bfloat16=bfloat16).feeders == feeders


def test_a_machine_that_says_nothing_of_itself_still_has_a_description(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cpuinfo", list)
    monkeypatch.setattr(machine, "_memory_bytes", lambda: 0)
    found = this_machine()
    assert (found.bfloat16, found.memory_gib) == ("", 0.0)
    assert found.processor
    assert "GiB" not in str(found)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no processor affinity")
def test_cores_are_those_this_process_may_use() -> None:
    one = next(iter(os.sched_getaffinity(0)))
    code = f"import os; os.sched_setaffinity(0, {{{one}}}); from pawsight.core.machine import *; print(usable_cores())"
    environment = os.environ | {"PYTHONPATH": str(Path(machine.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_where_a_process_may_run_on_any_core_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for count, cores in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert usable_cores() == cores


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PAWSIGHT_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    assert not (tmp_path / "mine").exists()


def test_a_relative_cache_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAWSIGHT_CACHE", "mine")
    assert cache_folder() == tmp_path / "mine"


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("PAWSIGHT_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"


@pytest.mark.parametrize("value", [None, ""])
def test_otherwise_the_cache_is_where_the_platform_keeps_caches(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv("PAWSIGHT_CACHE")
    else:
        monkeypatch.setenv("PAWSIGHT_CACHE", value)
    assert cache_folder().is_absolute()
    assert "pawsight" in cache_folder().parts[-2:]


def test_versions_name_what_answers_depend_on() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert {"numpy", "pillow", "openvino", "scipy"} <= found.keys()
    assert all(re.match(r"\d+\.", version) for version in found.values())
