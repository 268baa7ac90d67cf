"""How long work says how far it is, without knowing who listens.

Enters: names of stages and counts of steps. Leaves: calls on a `Progress`. Does not know: terminals.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import Protocol


class Step(Protocol):
    """One stage under way."""

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more units are done."""

    def note(self, text: str) -> None:
        """Replace the short text shown beside the bar, e.g. the current loss."""


class Progress(Protocol):
    """Somebody who wants to know; `cli` shows bars, tests and Python callers usually listen to nothing."""

    def stage(self, name: str, total: int | None, unit: str = "") -> AbstractContextManager[Step]:
        """Open a stage of `total` units (None: unknown) for the length of a `with` block."""

    def say(self, line: str) -> None:
        """Pass on one line that a person should read."""


class _SilentStep:
    def advance(self, steps: int = 1) -> None:
        """Nobody listens."""

    def note(self, text: str) -> None:
        """Nobody listens."""


class Silent:
    """A `Progress` that nobody listens to."""

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "") -> Iterator[Step]:
        """Open a stage that reports to nobody."""
        yield _SilentStep()

    def say(self, line: str) -> None:
        """Nobody listens."""


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
