"""A command run apart: its status, its last words, and never left running."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from pawsight.models.process import TIMED_OUT, run_quietly


def run(code: str, *, seconds: float = 60, **more: str) -> tuple[int, str]:
    return run_quietly(["-c", code], more=more, seconds=seconds)


def test_what_goes_well_says_nothing():
    assert run("print('chatter'); import sys; print('more', file=sys.stderr)") == (0, "")


def test_what_fails_says_its_last_line():
    assert run("raise RuntimeError('no room')") == (1, "RuntimeError: no room")
    assert run("import sys; sys.stderr.buffer.write(b'caf\\xe9'); sys.exit(3)") == (3, "caf\ufffd")
    assert run("import sys; sys.exit(74)") == (74, "only exit status 74.")


def test_it_has_the_environment_that_is_asked_for():
    assert run("import os, sys; sys.exit(os.environ['MINE'] + os.environ['CUDA_VISIBLE_DEVICES'])", MINE="yes") == (
        1,
        "yes-1",
    )


def test_what_takes_too_long_is_ended():
    assert run("import time; time.sleep(60)", seconds=0.2) == (TIMED_OUT, "nothing for 0 seconds.")


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_ends_it_before_it_goes_on(tmp_path):
    code = f"import os, signal, time; signal.signal(2, signal.SIG_IGN); open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def interrupt() -> None:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(code)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_while_it_starts_leaves_nothing_running(monkeypatch):
    begun = []

    class Interrupted(subprocess.Popen):
        def __init__(self, *words, **more):
            super().__init__(*words, **more)
            begun.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run("import time; time.sleep(60)")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert [process.returncode for process in begun] == [-signal.SIGKILL]
