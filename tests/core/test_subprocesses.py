"""A command run apart: its status, its last words, and never left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from pawsight.core.subprocesses import TIMED_OUT, held_back, run_quietly


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


# What is typed at a test run is for that alone: processes of their own are interrupted, not the one that runs the tests.
WAITING = """
import os, signal, sys, threading, time
from pathlib import Path
from pawsight.core.subprocesses import run_quietly

def interrupt():
    while not (pid.exists() and pid.read_text()):
        time.sleep(0.01)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

pid = Path(sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=interrupt, daemon=True).start()
stubborn = f"import os, signal, time; signal.signal(2, signal.SIG_IGN); open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
try:
    run_quietly(["-c", stubborn], more={}, seconds=60)
except KeyboardInterrupt:
    print("interrupted", Path(f"/proc/{pid.read_text()}").exists())
"""
STARTING = """
import signal, subprocess
from pawsight.core.subprocesses import run_quietly

class Interrupted(subprocess.Popen):
    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        begun.append(self)
        signal.raise_signal(signal.SIGINT)

begun, subprocess.Popen = [], Interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    run_quietly(["-c", "import time; time.sleep(60)"], more={}, seconds=60)
except KeyboardInterrupt:
    restored = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    print("interrupted", [process.returncode for process in begun], restored)
"""


def told(code: str, *words: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], check=False, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_ends_it_before_it_goes_on(tmp_path):
    assert told(WAITING, str(tmp_path / "pid")) == "interrupted False\n"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_while_it_starts_leaves_nothing_running():
    assert told(STARTING) == f"interrupted [-{int(signal.SIGKILL)}] True\n"


class Came(Exception):
    """A signal was heard."""


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def number(request):
    def hear(seen, _):
        raise Came(seen)

    before = signal.signal(request.param, hear)
    yield request.param
    signal.signal(request.param, before)


def test_what_comes_in_the_block_is_heard_after_it(number):
    done = []

    def interrupted():
        with held_back():
            signal.raise_signal(number)
            done.append(1)

    with pytest.raises(Came) as heard:
        interrupted()
    assert (done, heard.value.args) == ([1], (number,))


def test_what_comes_later_is_heard_at_once(number):
    with held_back():
        pass
    with pytest.raises(Came):
        signal.raise_signal(number)


def test_an_error_in_the_block_comes_out_and_the_handlers_are_back(number):
    before = signal.getsignal(number)
    with pytest.raises(ZeroDivisionError), held_back():
        raise ZeroDivisionError
    assert signal.getsignal(number) is before


def test_other_threads_hold_nothing_back(number):
    handlers = []

    def hold():
        with held_back():
            handlers.append(signal.getsignal(number))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(number)]


def test_what_comes_is_heard_though_the_block_fails(number):
    def fail():
        with held_back():
            signal.raise_signal(number)
            raise ZeroDivisionError

    with pytest.raises(Came):
        fail()


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN], ids=["the system's", "ignored"])
def test_what_no_python_code_handles_is_left_as_it_is(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        with held_back():
            assert signal.getsignal(signal.SIGINT) is handler
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
