"""Progress that nobody hears, and the stopwatch."""

from __future__ import annotations

import time

import pytest

from pawsight.core.progress import SILENT, Progress, Silent, Stopwatch


def test_silence_takes_everything_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with SILENT.stage("Reading", 3, "pictures") as step:
        step.advance()
        step.advance(2)
        step.note("half way")
    with SILENT.stage("Waiting", None) as step:
        step.advance()
    SILENT.say("done")
    assert capfd.readouterr() == ("", "")


def test_silence_does_not_swallow_errors() -> None:
    with pytest.raises(KeyboardInterrupt), SILENT.stage("Reading", 3):
        raise KeyboardInterrupt


def test_stages_may_lie_in_each_other() -> None:
    listener: Progress = Silent()
    with listener.stage("outer", 1) as outer, listener.stage("inner", None) as inner:
        inner.advance()
        outer.advance()
        assert inner is not outer


def test_a_stopwatch_keeps_stages_in_the_order_in_which_they_were_entered() -> None:
    watch = Stopwatch()
    for name in ("reading", "fitting", "reading", "writing"):
        with watch.stage(name):
            pass
    assert list(watch.seconds()) == ["total", "reading", "fitting", "writing"]


def test_a_stage_entered_twice_adds_up() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("reading"):
            time.sleep(0.02)
    seconds = watch.seconds()
    assert 0.04 <= seconds["reading"] <= seconds["total"]


def test_a_stage_that_fails_is_timed_all_the_same() -> None:
    watch = Stopwatch()

    def fail() -> None:
        time.sleep(0.01)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), watch.stage("reading"):
        fail()
    assert watch.stages["reading"] >= 0.01


def test_seconds_are_rounded_to_milliseconds() -> None:
    watch = Stopwatch()
    with watch.stage("reading"):
        time.sleep(0.003)
    assert all(value == round(value, 3) for value in watch.seconds().values())
