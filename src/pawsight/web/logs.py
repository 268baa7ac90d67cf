"""The log of `pawsight serve`: one JSON object a line on stderr. From Python, the host's configuration applies."""

from __future__ import annotations

import logging
import time
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter


def log_json_lines(level: int, out: TextIO | None = None) -> None:
    """Log the service's events from `level` on, and warnings of all libraries, in a process that only serves.

    Lines are ASCII, so that no text moves the cursor or begins a line. A line that cannot be written is dropped.
    """
    handler = logging.StreamHandler(out)
    names = {"asctime": "time", "levelname": "level", "message": "event", "exc_info": "error"}
    handler.setFormatter(_JsonLines(("asctime", "levelname", "name", "message"), rename_fields=names))
    logging.getLogger().addHandler(handler)
    logging.getLogger("pawsight.serve").setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a malformed form is answered to the client
    logging.raiseExceptions = False


class _JsonLines(JsonFormatter):
    converter = staticmethod(time.gmtime)
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03d+00:00"

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return an exception's type only: its text may come from a client."""
        return str(ei[0].__name__)
