"""Fixtures for the tests of sources: a web server on this machine and a recorder of progress."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pawsight.core.progress import Step


def _http_server() -> Any:
    name = "pawsight_tests_http_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("http_server.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running `Site`, reached directly whatever proxy this machine is set to."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    with _http_server().running_site() as running:
        yield running


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
