"""A `Progress` that passes everything on and remembers the lines, for a run's log.txt.

Enters: lines. Leaves: the same lines to the listener, and all of them as text. Does not know: what they say.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime

from pawsight.core.progress import Progress, Step


class Logged:
    """Listens to a run on behalf of somebody else.

    Args:
        listener: who hears everything at once.
    """

    def __init__(self, listener: Progress) -> None:
        self._listener = listener
        self._lines: list[str] = []

    def stage(self, name: str, total: int | None, unit: str = "") -> AbstractContextManager[Step]:
        """Open a stage with the listener and note that it began."""
        self.note(f"{name}: {total if total is not None else 'some'} {unit}".rstrip())
        return self._listener.stage(name, total, unit)

    def say(self, line: str) -> None:
        """Pass a line on and remember it."""
        self.note(line)
        self._listener.say(line)

    def note(self, line: str) -> None:
        """Remember a line without saying it."""
        self._lines.append(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {line}")

    def text(self) -> str:
        """Return all lines, each with its time in UTC."""
        return "\n".join(self._lines) + "\n"
