"""A command run quietly in a process of its own, which never outlives the wait for it.

Enters: a command, its environment, how long it may take. Leaves: its exit status and the last line of what went wrong.
Does not know: what the command does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from pawsight.core.interrupts import held_back

QUIET_SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # errors only
    "KERAS_BACKEND": "tensorflow",
    "CI": "true",  # OpenVINO's converter and NNCF report their use to Google Analytics otherwise
    "NNCF_CI": "1",
}
TIMED_OUT = -1


def run_quietly(words: Sequence[str], *, more: Mapping[str, str], seconds: float) -> tuple[int, str]:
    """Run this Python with some words, quietly and without a GPU.

    Args:
        words: what to type after `python`.
        more: variables of the environment besides ours.
        seconds: how long to wait before it is ended.

    Returns:
        its exit status and "", or the last line of its complaint; `TIMED_OUT` where it took too long.
    """
    settings = {**os.environ, **QUIET_SETTINGS, "CUDA_VISIBLE_DEVICES": "-1", **more}
    with ExitStack() as held:
        held.enter_context(held_back())  # between its fork and the moment when somebody can kill it
        with _started([sys.executable, *words], settings) as process:
            try:
                held.close()
                _, said = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return TIMED_OUT, f"nothing for {seconds:.0f} seconds."
            except BaseException:  # Ctrl-C: leaving the block would not wait until it is gone
                process.kill()
                process.wait()
                raise
    if process.returncode == 0:
        return 0, ""
    return process.returncode, (said.strip().splitlines() or [f"only exit status {process.returncode}."])[-1]


def _started(command: Sequence[str], settings: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    )
