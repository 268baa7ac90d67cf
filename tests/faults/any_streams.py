"""A process in which `pawsight` is typed with streams that are full, closed or of few letters, each time in a fork.

Enters: lines of JSON with what to type, the environment, and what the two streams are: "full", "closed", or an
encoding whose letters are written to a file. Leaves: for each a line with the exit status; the files hold what was
printed. Everything slow is imported before the forks (full_disk.py).
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import full_disk


def stream(kind: str, number: int, file: Path) -> io.TextIOWrapper | None:
    """Set a descriptor up, and return what Python makes of it when it starts."""
    if kind == "closed":
        os.close(number)
        return None
    opened = os.open("/dev/full" if kind == "full" else file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(opened, number)
    os.close(opened)
    raw = io.FileIO(number, "w", closefd=False)
    encoding, errors = ("utf-8", "strict") if kind == "full" else (kind, "strict")
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors)


def run(job: dict[str, Any]) -> None:
    """Type `pawsight` here, and never return."""
    os.environ.update(job["environment"])
    os.chdir(job["place"])
    tempfile.tempdir = None
    files = [Path(job["place"]) / name for name in ("stdout", "stderr")]
    accidents = io.StringIO()
    sys.stdout, sys.stderr = (stream(job["streams"], number, files[number - 1]) for number in (1, 2))
    sys.argv = ["pawsight", *job["typed"]]
    status = 70
    try:
        from pawsight.cli import main

        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc(file=accidents)
    finally:
        Path(job["place"], "accidents").write_text(accidents.getvalue())
        try:
            for left in (sys.stdout, sys.stderr):  # as Python does when it ends
                if left is not None:
                    left.flush()
        except OSError:
            status = 120
        os._exit(status)


if __name__ == "__main__":
    full_disk.preload()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
