"""How work reports how far it is: the protocol, a silent listener, a stopwatch, and bars or lines on a terminal.

The terminal shows nothing for work that ends within two seconds, and loads Rich only after that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import inf
from threading import Lock, Timer
from time import monotonic, perf_counter
from typing import Any, Protocol

from pawsight.core.text import terminal_text

PATIENCE_S = 2.0  # work shorter than this shows no bar
PLAIN_EVERY_S = 10.0  # seconds between plain lines where there is no terminal
_REDRAW_S = 0.1


class Step(Protocol):
    """One stage under way."""

    def advance(self, steps: int = 1) -> None:
        """Report that `steps` more units are done."""

    def note(self, text: str) -> None:
        """Replace the short text shown beside the bar, e.g. the current loss."""


class Progress(Protocol):
    """A listener to stages of work: the command line shows bars, Python callers usually pass `SILENT`."""

    def stage(self, name: str, total: int | None, unit: str = "") -> AbstractContextManager[Step]:
        """Open a stage of `total` units (None: unknown) for the length of a `with` block."""

    def say(self, line: str) -> None:
        """Pass on a line that a person should read."""


class _SilentStep:
    def advance(self, steps: int = 1) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class Silent:
    """A `Progress` that shows nothing."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "") -> Iterator[Step]:
        """Open a stage that shows nothing."""
        yield _SilentStep()

    def say(self, line: str) -> None:
        """Do nothing."""


SILENT = Silent()


class Stopwatch:
    """Seconds spent in each named stage, in the order in which they were entered."""

    def __init__(self) -> None:
        self._start = perf_counter()
        self.stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage."""
        start = perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """Return the total so far and each stage, rounded to milliseconds."""
        total = {"total": perf_counter() - self._start}
        return {name: round(value, 3) for name, value in (total | self.stages).items()}


class Terminal:
    """A `Progress` for people.

    Args:
        quiet: show nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._is_terminal = sys.stderr.isatty()

    @property
    def quiet(self) -> bool:
        """Whether nothing is shown."""
        return self._quiet

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "") -> Iterator[Step]:
        """Show a bar, or plain lines, while the stage lasts."""
        if self._quiet:
            with SILENT.stage(name, total, unit) as step:
                yield step
            return
        display = _Bar(name, total, unit, _REDRAW_S) if self._is_terminal else _Lines(name, total, unit, PLAIN_EVERY_S)
        try:
            yield display
        finally:
            display.close()

    def say(self, line: str) -> None:
        """Print a line on stderr."""
        if not self._quiet:
            print(terminal_text(line), file=sys.stderr, flush=True)


class _Display:
    """Counts steps and decides when to show them; `every` is the seconds between two updates."""

    def __init__(self, name: str, total: int | None, unit: str, every: float) -> None:
        self.name, self.total, self.unit, self.every = name, total, unit, every
        self.done, self.text = 0, ""
        self.start = monotonic()
        self._next = self.start + PATIENCE_S
        self._lock = Lock()
        self._patience = Timer(PATIENCE_S, self._tick)  # for work that takes no steps for long, or only one
        self._patience.daemon = True
        self._patience.start()

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        self._tick()

    def note(self, text: str) -> None:
        self.text = text
        self._tick()

    def close(self) -> None:
        """Take the display away."""
        self._patience.cancel()
        with self._lock:
            self._next = inf
            self.end(monotonic() - self.start)

    def _tick(self) -> None:
        with self._lock:
            now = monotonic()
            if now >= self._next:
                self._next = now + self.every
                self.show(now - self.start)

    def show(self, elapsed: float) -> None:
        """Show how far it is."""

    def end(self, elapsed: float) -> None:
        """Show that it is over."""


class _Lines(_Display):
    def show(self, elapsed: float) -> None:
        share = f" of {self.total:,} ({100 * self.done // self.total} %)" if self.total else ""
        count = f"{self.done:,}{share} {self.unit}".rstrip() if self.total or self.done else "under way"
        left = f"{elapsed * (self.total - self.done) / self.done:.0f} s left" if self.total and self.done else ""
        self._print(", ".join(filter(None, (count, left, self.text))))

    def end(self, elapsed: float) -> None:
        if elapsed >= PATIENCE_S:
            self._print(f"{self.done:,} {self.unit} in {elapsed:.1f} s" if self.unit else f"{elapsed:.1f} s")

    def _print(self, text: str) -> None:
        print(terminal_text(f"{self.name}: {text}"), file=sys.stderr, flush=True)


class _Bar(_Display):
    _bar: Any = None
    _task: Any = None

    def show(self, elapsed: float) -> None:
        if self._bar is None:
            self._bar = _rich_bar(self.unit)
            self._task = self._bar.add_task(self.name, total=self.total, note="")
            self._bar.start()
        self._bar.update(self._task, completed=self.done, note=self.text)

    def end(self, elapsed: float) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done)
            self._bar.stop()


def _rich_bar(unit: str) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    count = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        count,
        TextColumn(unit if unit != "bytes" else "", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
