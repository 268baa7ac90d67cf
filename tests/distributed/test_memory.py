"""Ten times as many pictures take the same memory: a process of its own for each list, and the most it ever had."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

ROWS, GROWTH = (300, 3_000), 1.05  # were the files' bytes kept, 2,700 more of 48 KB would make it 1.7


@pytest.fixture
def photographs(tmp_path):
    """Twelve files of some 48 KB each."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 126, 126, 3), dtype=np.uint8)
    for index, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{index:02d}.bmp")
    return sorted(tmp_path.glob("*.bmp"))


def test_the_memory_of_a_long_list_is_that_of_a_short_one(colour_bundle, photographs, tmp_path):
    peaks = []
    for count in ROWS:
        names = [photographs[at % len(photographs)].name for at in range(count)]
        (tmp_path / "list.csv").write_text("\n".join(["path", *names]))
        words = [colour_bundle, tmp_path / "list.csv", "--out", tmp_path / f"out-{count}", "--shard", "100", "--json"]
        process = subprocess.Popen(
            [sys.executable, "-m", "pawsight", "predict", *map(str, words), "--quiet"], stdout=subprocess.PIPE
        )
        with process.stdout:
            told = json.loads(process.stdout.read())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert (process.returncode, told["pictures"], told["errors"]) == (0, count, 0)
        peaks.append(used.ru_maxrss)
    assert peaks[1] <= GROWTH * peaks[0]
