"""What the signals make of several serving processes; with real ones in test_server.py."""

from __future__ import annotations

import signal
from multiprocessing import Pipe

import pytest

from pawsight.web import supervisor
from pawsight.web.limits import Limits
from pawsight.web.server import Settings


class Process:
    """A process that ends when it is told to, or does not."""

    pid = 0

    def __init__(self, *, stubborn):
        self.stubborn, self.alive, self.killed = stubborn, True, False

    def is_alive(self):
        return self.alive

    def join(self, seconds=None):
        self.alive = self.alive and self.stubborn and not self.killed

    def kill(self):
        self.killed = True


@pytest.fixture
def herd(monkeypatch):
    """Two processes, the second of which hears nothing, and the signals that were passed on."""
    started = iter([Process(stubborn=False), Process(stubborn=True)])
    monkeypatch.setattr(
        supervisor._Herd, "_start", lambda self: supervisor._One(next(started), Pipe(duplex=False)[0], opened=True)
    )
    herd = supervisor._Herd(None, Settings(run="run", limits=Limits(), processes=2))
    passed_on = []
    monkeypatch.setattr(herd, "_pass_on", passed_on.append)
    return herd, passed_on


def test_a_hangup_is_passed_on_and_stops_nothing(herd):
    one, passed_on = herd
    one.hear(signal.SIGHUP, None)
    assert passed_on == [signal.SIGHUP]
    assert not one._stopping


def test_an_interruption_is_passed_on_as_a_request_to_stop(herd):
    one, passed_on = herd
    one.hear(signal.SIGINT, None)
    assert passed_on == [signal.SIGTERM]
    one.tend()  # returns at once
    assert one.failure is None


def test_a_process_that_does_not_end_in_time_is_killed_and_no_other(herd):
    one, _ = herd
    one.end()
    assert [each.process.killed for each in one._all] == [False, True]
    assert not any(each.process.is_alive() for each in one._all)
