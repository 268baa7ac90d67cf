"""A recorder of progress for the tests of sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pawsight.core.progress import Step


class Listener:
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None, str]] = []
        self.steps: list[int] = []
        self.lines: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str = "") -> Iterator[Step]:
        self.stages.append((name, total, unit))
        yield self

    def advance(self, steps: int = 1) -> None:
        self.steps.append(steps)

    def note(self, text: str) -> None:
        self.lines.append(text)

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def listener() -> Listener:
    """Somebody who listens to progress and remembers it."""
    return Listener()
