"""How work reports how far it is: the protocol, a silent listener, a stopwatch, and what shows it to people.

Terminals and notebooks show nothing for work that ends within two seconds; Rich is loaded only after that. In a
notebook the bar is an element of the page, since Rich's needs ipywidgets there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from html import escape
from math import inf
from threading import Lock, Timer
from time import monotonic, perf_counter
from typing import Any, Protocol

from pawsight.core.errors import WrongUsage
from pawsight.core.text import terminal_text

PATIENCE_S = 2.0  # work shorter than this shows no bar
ESTIMATE_AFTER_S = 3.0  # work that has run shorter has no time left to tell: the first steps are the slowest
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


# What a caller of the Python API says about progress; see `progress_of`.
ProgressLike = Progress | Callable[[str, int, int | None], object] | bool | None


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


def progress_of(progress: ProgressLike) -> Progress:
    """Return the listener that a caller of the Python API means.

    Args:
        progress: None shows it in notebooks and terminals and nowhere else, True everywhere, False nowhere; a function
            is called with the name of the stage, the steps that are done and their number (None: not known); a
            `Progress` is returned as it is.

    Raises:
        WrongUsage: it is none of these.
    """
    if progress is None or progress is True:
        if _in_notebook():
            return Notebook()
        return Terminal() if progress or sys.stderr.isatty() else SILENT
    if progress is False:
        return SILENT
    if callable(progress):
        return _Called(progress)
    if not hasattr(progress, "stage"):
        raise WrongUsage(
            f"progress cannot be {progress!r}.", "It is True, False, None or a function.", "Type progress=False"
        )
    return progress


def _in_notebook() -> bool:
    """Say whether this is a kernel of Jupyter, without importing IPython."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


class _Called(Silent):
    """Passes each step on to a function of the user's."""

    def __init__(self, function: Callable[[str, int, int | None], object]) -> None:
        self._function = function

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "") -> Iterator[Step]:
        """Open a stage that calls the function at its beginning and after each step."""
        self._function(name, 0, total)
        yield _CalledStep(self._function, name, total)


class _CalledStep(_SilentStep):
    def __init__(self, function: Callable[[str, int, int | None], object], name: str, total: int | None) -> None:
        self._function, self._name, self._total, self._done = function, name, total, 0

    def advance(self, steps: int = 1) -> None:
        """Call the function."""
        self._done += steps
        self._function(self._name, self._done, self._total)


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


class Notebook:
    """A `Progress` for a cell of a notebook: one bar, which goes when the work is done, and lines below."""

    def __init__(self) -> None:
        self._place: Any = None  # in the page; made by the caller's thread, or it would be another cell's

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "") -> Iterator[Step]:
        """Show a bar while the stage lasts."""
        from IPython.display import HTML, display

        if self._place is None:
            self._place = display(HTML(""), display_id=True)
        bar = _PageBar(name, total, unit, PLAIN_EVERY_S / 10, self._place)
        try:
            yield bar
        finally:
            bar.close()

    def say(self, line: str) -> None:
        """Print a line, where warnings and remarks are; what the command line says of itself is left out."""
        if line.startswith(("WARNING", "Note")):
            print(terminal_text(line), flush=True)


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
        left = ""
        if self.total and self.done and elapsed >= ESTIMATE_AFTER_S:
            left = f"{elapsed * (self.total - self.done) / self.done:.0f} s left"
        self._print(", ".join(filter(None, (count, left, self.text))))

    def end(self, elapsed: float) -> None:
        if elapsed >= PATIENCE_S:
            self._print(f"{self.done:,} {self.unit} in {elapsed:.1f} s" if self.unit else f"{elapsed:.1f} s")

    def _print(self, text: str) -> None:
        print(terminal_text(f"{self.name}: {text}"), file=sys.stderr, flush=True)


class _PageBar(_Display):
    def __init__(self, name: str, total: int | None, unit: str, every: float, place: Any) -> None:
        self._place, self._is_shown = place, False
        super().__init__(name, total, unit, every)

    def show(self, elapsed: float) -> None:
        from IPython.display import HTML

        self._is_shown = True
        share = f' value="{self.done}" max="{self.total}"' if self.total else ""
        count = f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,}"
        text = escape(f"{self.name}: {count} {self.unit} {self.text}".rstrip())
        self._place.update(HTML(f"<progress{share}></progress> {text}"))

    def end(self, elapsed: float) -> None:
        from IPython.display import HTML

        if self._is_shown:
            self._place.update(HTML(""))


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
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        def render(self, task: Any) -> Text:
            return super().render(task) if (task.elapsed or 0.0) >= ESTIMATE_AFTER_S else Text()

    count = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        count,
        TextColumn(unit if unit != "bytes" else "", markup=False),
        TimeLeft(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
