"""Whole processes and what they cost: seconds, processor seconds, peak memory.

Enters: a command and a cache folder. Leaves: a `Ran`. Does not know: what is compared with what.

The process that calls this should itself be small: Linux counts the memory of whoever starts a process, up to the
moment it becomes another program, as that process's own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAWSIGHT = Path(sys.executable).parent / "pawsight"


@dataclass(frozen=True, slots=True)
class Ran:
    """What one process cost and said."""

    seconds: float
    cpu: float  # seconds of the processor, user and system
    peak_mib: float
    out: str


def run(command: Sequence[str | Path], cache: Path | None = None, folder: Path | None = None) -> Ran:
    """Run a process to its end.

    Args:
        command: the program and its arguments.
        cache: becomes PAWSIGHT_CACHE.
        folder: where it runs.

    Raises:
        SystemExit: it failed; the last lines it wrote to standard error are told.
    """
    environment = os.environ | ({"PAWSIGHT_CACHE": str(cache)} if cache else {})
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        start = time.perf_counter()
        process = subprocess.Popen([str(one) for one in command], stdout=out, stderr=error, env=environment, cwd=folder)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # whoever is interrupted must not leave a process that eats the next measurement
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        error.seek(0)
        if process.returncode:
            told = "\n".join(error.read().splitlines()[-5:])
            raise SystemExit(f"{' '.join(map(str, command))[:200]} ended with {process.returncode}:\n{told}")
        return Ran(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read())


def python(code: str) -> list[str]:
    """Return the command that runs a line of Python."""
    return [sys.executable, "-c", code]
