"""A function over many things: order, bounds, errors, and an interruption at any instant."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from pawsight.core.thread_pool import THREAD_NAME, ordered_map

INTERRUPTED = """
import random, signal, threading
from pawsight.core.thread_pool import THREAD_NAME, ordered_map

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
chance, stopped = random.Random(5), 0
for _ in range(500):
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, 0.002))
        for _ in ordered_map(str, range(5_000), threads=4):
            pass
    except KeyboardInterrupt:
        stopped += 1
assert stopped > 250, stopped  # Python itself drops what comes in a callback of its own: then the round runs to its end
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert threading.active_count() == 1, threading.enumerate()
"""


LEFT_HALFWAY = """
from pawsight.core.thread_pool import ordered_map

results = ordered_map(str, range(1000), threads=2)
print(next(results))
"""


def working_threads() -> int:
    return sum(thread.name == THREAD_NAME for thread in threading.enumerate())


def test_stopping_early_ends_the_threads_and_the_work() -> None:
    done = []

    def slow(number: int) -> int:
        time.sleep(0.02)
        done.append(number)
        return number

    before = working_threads()
    results = ordered_map(slow, range(1000), threads=2)
    assert [next(results), next(results)] == [0, 1]
    results.close()  # type: ignore[attr-defined]
    assert working_threads() == before
    assert len(done) < 20


def test_an_error_in_the_function_comes_out_in_its_place_and_ends_the_threads() -> None:
    before = working_threads()
    results = ordered_map(lambda number: 1 // (3 - number), range(100), threads=2)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert working_threads() == before


def test_an_error_in_the_items_comes_out_and_ends_the_threads() -> None:
    def items() -> Iterator[int]:
        yield from range(30)
        raise OSError("the list broke off")

    before = working_threads()
    with pytest.raises(OSError, match="broke off"):
        list(ordered_map(str, items(), threads=2))
    assert working_threads() == before


def test_work_is_done_by_several_threads_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)
    assert list(ordered_map(lambda _: meeting.wait() >= 0, range(9), threads=3)) == [True] * 9


def test_no_more_is_taken_than_is_worked_on_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = ordered_map(str, items(), threads=2, ahead=3)
    assert (next(results), len(taken)) == ("0", 7)
    assert (next(results), len(taken)) == ("1", 8)
    assert list(results) == [str(number) for number in range(2, 100)]


@pytest.mark.skipif(os.name != "posix", reason="timers and signals as POSIX has them")
def test_an_interruption_at_any_instant_ends_it() -> None:
    """With `ThreadPoolExecutor` in its place this stands still for ever after some hundred interruptions."""
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], check=False, timeout=60, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_results_left_halfway_do_not_hold_up_the_end_of_the_process() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_HALFWAY], check=False, timeout=60, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0\n", "")


def test_without_a_thread_nothing_is_begun() -> None:
    with pytest.raises(ValueError, match="threads is 0"):
        next(ordered_map(str, range(9), threads=0))


def test_an_error_is_not_kept_waiting_by_the_next_item() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(9):
            taken.append(number)
            yield number

    with pytest.raises(ZeroDivisionError):
        next(ordered_map(lambda number: 1 // number, items(), threads=1, ahead=2))
    assert taken == [0, 1]
