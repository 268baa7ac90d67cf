"""Signals that wait for the end of a block."""

from __future__ import annotations

import signal
import threading

import pytest

from pawsight.core.interrupts import held_back


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
