"""The log of `pawsight serve`: one JSON object a line on stderr. Used from Python, the host's configuration applies."""

from __future__ import annotations

import logging
import time
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter


def log_json_lines(level: int, out: TextIO | None = None) -> None:
    """Write the service's events from `level` on, and warnings of all libraries; for a process that is the service's.

    ASCII alone, so that no text can move a cursor or begin a line. A line that cannot be written is dropped.
    """
    handler = logging.StreamHandler(out)
    names = {"asctime": "time", "levelname": "level", "message": "event", "exc_info": "error"}
    handler.setFormatter(_Lines(("asctime", "levelname", "name", "message"), rename_fields=names))
    logging.getLogger().addHandler(handler)
    logging.getLogger("pawsight.serve").setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what a client sends wrong it is told itself
    logging.raiseExceptions = False


class _Lines(JsonFormatter):
    converter = staticmethod(time.gmtime)
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03d+00:00"

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Name an exception's type alone: its text may be a client's."""
        return str(ei[0].__name__)
