"""One JSON object a line on stderr: what happened, never what was in a picture or what it was called.

Enters: events with plain values. Leaves: lines. Does not know: requests, terminals.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO

_ORDINARY = ("request", "serving", "stopping")


class Log:
    """Writes events as JSON lines; what cannot be written is dropped, since nobody would read of it.

    Args:
        out: where to; stderr when nothing is said.
        quiet: leave out what went as it should.
    """

    def __init__(self, out: IO[str] | None = None, *, quiet: bool = False) -> None:
        self._out, self._left_out = out or sys.stderr, _ORDINARY if quiet else ()

    def write(self, event: str, **values: object) -> None:
        """Write one event. ASCII alone, so that no name can move a cursor or begin a line."""
        if event in self._left_out:
            return
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **values}
        with suppress(OSError, ValueError):
            self._out.write(json.dumps(line) + "\n")
            self._out.flush()


class LibraryLines(logging.Handler):
    """Takes up what the libraries below say by Python's own logging."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a library's warning as an event."""
        said = record.getMessage()
        trouble = f"{record.exc_info[0].__name__}" if record.exc_info and record.exc_info[0] else None
        self._log.write("library", level=record.levelname.lower(), name=record.name, said=said, error=trouble)


def take_up_library_lines(log: Log) -> None:
    """Let uvicorn and asyncio log through `log`, in this process, from warnings upwards."""
    for name in ("uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [LibraryLines(log)], False
        logger.setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what a client sends wrong it is told itself
