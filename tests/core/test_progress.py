"""Progress that nobody hears, and the stopwatch."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time

import pytest

from pawsight.core import progress
from pawsight.core.progress import SILENT, Progress, Silent, Stopwatch, Terminal


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


@pytest.fixture
def hasty(monkeypatch):
    """Patience for 0.05 s, a plain line every 0.05 s and time left after 0.1 s, instead of 2, 10 and 3."""
    monkeypatch.setattr(progress, "PATIENCE_S", 0.05)
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.05)
    monkeypatch.setattr(progress, "ESTIMATE_AFTER_S", 0.1)


def lines_of(capsys):
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_fast_work_is_silent(capsys):
    with Terminal().stage("Reading pictures", 3, "pictures") as step:
        for _ in range(3):
            step.advance()
    assert lines_of(capsys) == []


def test_slow_work_without_a_terminal_tells_share_time_left_and_note_in_plain_lines(capsys, hasty):
    with Terminal().stage("Reading pictures", 4_000, "pictures") as step:
        step.note("cats first")
        time.sleep(0.15)
        step.advance(1_000)
    *under_way, last = lines_of(capsys)
    told = [line.removeprefix("Reading pictures: ").split(", ") for line in under_way]
    assert any(
        parts[0] == "1,000 of 4,000 (25 %) pictures" and parts[1].endswith(" s left") and parts[2] == "cats first"
        for parts in told
        if len(parts) == 3
    )
    assert last.startswith("Reading pictures: 1,000 pictures in 0.")


def test_plain_lines_come_now_and_then_not_at_every_step(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_S", 0.01)
    with Terminal().stage("Reading pictures", 1_000, "pictures") as step:
        time.sleep(0.02)
        for _ in range(1_000):
            step.advance()
    assert len(lines_of(capsys)) == 2


def test_work_that_takes_one_long_step_is_shown_too(capsys, hasty):
    with Terminal().stage("preparing the backbone, once", None) as step:
        time.sleep(0.15)
        step.advance()
    lines = lines_of(capsys)
    assert lines[0] == "preparing the backbone, once: under way"
    assert re.fullmatch(r"preparing the backbone, once: 0\.\d s", lines[-1])


def test_quiet_means_nothing_at_all(capsys, hasty):
    listener = Terminal(quiet=True)
    listener.say("Machine  a fast one")
    with listener.stage("Reading pictures", 2, "pictures") as step:
        time.sleep(0.1)
        step.advance()
        step.note("half")
    assert lines_of(capsys) == []


def test_a_stage_that_fails_is_taken_away_and_the_failure_goes_on(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE_S", 1.0)
    with pytest.raises(ValueError, match="cats"), Terminal().stage("Reading", 2, "pictures"):
        raise ValueError("cats")
    time.sleep(1.1)
    assert lines_of(capsys) == []


def test_lines_are_said_on_stderr_with_controls_escaped(capsys):
    Terminal().say("Data     \x1b[2Jphotos")
    assert lines_of(capsys) == ["Data     \\x1b[2Jphotos"]


BAR = """
import time
from pawsight.core import progress
progress.PATIENCE_S, progress.ESTIMATE_AFTER_S = 0.2, 0.1
screen = progress.Terminal()
with screen.stage("Reading pictures", 40, "pictures") as step:
    for _ in range(40):
        step.advance()
        step.note("cats first")
        time.sleep(0.02)
screen.say("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pty")
def test_on_a_terminal_there_is_a_bar_with_time_left_that_goes_away():
    import pty

    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-c", BAR], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    screen = _everything_on(ours, seconds=30)
    assert process.wait(10) == 0
    assert process.stdout.read() == b""
    process.stdout.close()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)
    assert re.search(r"━ +\d+/40 pictures 0:00:0\d cats first", plain)
    assert "Reading pictures ━" in plain
    assert "\x1b[2K" in screen  # erases the line it stood on
    assert plain.rstrip().endswith("done")


def _everything_on(terminal_end, *, seconds):
    seen = b""
    while select.select([terminal_end], [], [], seconds)[0]:
        try:
            read = os.read(terminal_end, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not read:
            break
        seen += read
    os.close(terminal_end)
    return seen.decode(errors="replace")


def test_a_bar_that_was_never_shown_has_nothing_to_take_away(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.Terminal().stage("Reading pictures", 3, "pictures"):
        pass
    assert capsys.readouterr() == ("", "")


# What a caller of the Python API may say


def test_progress_is_silent_where_there_is_no_terminal_and_no_notebook(monkeypatch):
    assert progress.progress_of(None) is SILENT
    assert progress.progress_of(False) is SILENT
    assert isinstance(progress.progress_of(True), Terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(progress.progress_of(None), Terminal)
    own = Silent()
    assert progress.progress_of(own) is own


def test_a_function_hears_each_step():
    heard = []
    listener = progress.progress_of(lambda *step: heard.append(step))
    with listener.stage("Reading", 3, "pictures") as step:
        step.advance()
        step.note("half way")
        step.advance(2)
    with listener.stage("Waiting", None) as step:
        step.advance()
    listener.say("done")
    assert heard == [
        ("Reading", 0, 3),
        ("Reading", 1, 3),
        ("Reading", 3, 3),
        ("Waiting", 0, None),
        ("Waiting", 1, None),
    ]


class Place:
    """An output of a notebook's cell that can be changed."""

    def __init__(self):
        self.shown = []

    def update(self, thing):
        self.shown.append(thing.data)


@pytest.fixture
def cell(monkeypatch):
    """What a kernel of Jupyter has: a shell with a kernel, and a place for outputs."""
    IPython = pytest.importorskip("IPython")
    place, shell = Place(), type("Shell", (), {"kernel": object()})()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr("IPython.display.display", lambda thing, display_id: place)
    return place


def test_a_notebook_shows_a_bar_that_goes_and_prints_warnings_alone(cell, monkeypatch, capfd):
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)  # every step is shown
    listener = progress.progress_of(None)
    assert isinstance(listener, progress.Notebook)
    with listener.stage("Reading <b>", 3, "pictures") as step:
        step.advance(2)
    assert any(
        '<progress value="2" max="3"></progress> Reading &lt;b&gt;: 2 of 3 pictures' in text for text in cell.shown
    )
    assert cell.shown[-1] == ""
    listener.say("Machine  2 cores")
    listener.say("WARNING  9 of 61 pictures cannot be read")
    assert capfd.readouterr() == ("WARNING  9 of 61 pictures cannot be read\n", "")


def test_a_notebook_shows_nothing_for_what_is_quick(cell):
    with progress.progress_of(None).stage("Reading", 3, "pictures") as step:
        step.advance(3)
    assert cell.shown == []
