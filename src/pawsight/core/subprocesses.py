"""Commands run quietly in a process of their own, and a block in which Ctrl-C waits.

Python raises KeyboardInterrupt between any two steps of the main thread's code, inside libraries too. Where that would
leave a process that nothing ends, or a lock that is never released, it has to wait: `held_back`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

QUIET_SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # errors only
    "KERAS_BACKEND": "tensorflow",
    "CI": "true",  # OpenVINO's converter and NNCF report their use to Google Analytics otherwise
    "NNCF_CI": "1",
}
TIMED_OUT = -1
_STOPS = (signal.SIGINT, signal.SIGTERM)


def run_quietly(words: Sequence[str], *, more: Mapping[str, str], seconds: float) -> tuple[int, str]:
    """Run this Python with arguments, quietly and without a GPU; the process never outlives the wait for it.

    Args:
        words: the arguments after `python`.
        more: variables of the environment besides ours.
        seconds: how long to wait before it is ended.

    Returns:
        The exit status and "", or the last line of stderr; `TIMED_OUT` where it took too long.
    """
    settings = {**os.environ, **QUIET_SETTINGS, "CUDA_VISIBLE_DEVICES": "-1", **more}
    with ExitStack() as held:
        held.enter_context(held_back())  # from its fork until the handlers below can kill it
        command = [sys.executable, *words]
        with subprocess.Popen(
            command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            try:
                held.close()
                _, complaint = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return TIMED_OUT, f"nothing for {seconds:.0f} seconds."
            except BaseException:  # Ctrl-C: leaving the block would not wait until it is gone
                process.kill()
                process.wait()
                raise
    if process.returncode == 0:
        return 0, ""
    return process.returncode, (complaint.strip().splitlines() or [f"only exit status {process.returncode}."])[-1]


@contextmanager
def held_back() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block is left; what came is raised then.

    Only signals with a handler in Python can be held back, and those run in the main thread alone. Other threads, and
    signals that the system itself handles or ignores, are left as they are.
    """
    came: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        came.append(number)

    heard = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _STOPS if heard}
    with ExitStack() as after:
        after.callback(_raise_all, came)
        for number, handler in handlers.items():
            if callable(handler):
                after.callback(signal.signal, number, handler)  # before it is set: what comes between is heard as ever
                signal.signal(number, hear)
        yield


def _raise_all(came: list[int]) -> None:
    for number in came:
        signal.raise_signal(number)
