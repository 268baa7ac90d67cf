"""Row 13: thousands of predictions in one process, a tenth of them hostile: no more memory, no more open files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 10
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "steadiness.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and open files are read from /proc")


@pytest.mark.parametrize(
    ("predictions", "a_round"), [(1_000, 100), pytest.param(10_000, 1_000, marks=pytest.mark.slow)]
)
def test_memory_and_open_files_stay_what_they_were(predictions, a_round, colour_bundle, drawings, light, tmp_path):
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    refused = [item.name for item in light[1] if item.refused]
    for name in refused:
        (hostile / name).symlink_to(light[0] / name)
    sizes = ["--predictions", str(predictions), "--round", str(a_round), "--warm-up", "1000"]
    command = [sys.executable, SCRIPT, colour_bundle, drawings, hostile, *sizes]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    *rounds, summary = map(json.loads, done.stdout.splitlines())
    assert summary["predictions"] == predictions
    assert summary["hostile"] == predictions // 10
    assert {item["refused"] for item in rounds} == {a_round // 10}
    assert summary["growth_mib"] < MIB, rounds
    assert len(summary["files"]) == 1, rounds
    assert "Traceback" not in done.stderr
