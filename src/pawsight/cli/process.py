"""What the command line does to its own process, and the library never does to its host's."""

from __future__ import annotations

import gc
import io
import logging
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from pawsight.core.subprocesses import QUIET_SETTINGS

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGE_BLOCK = 1 << 20  # bytes
_NOTE = re.compile(rb"WARNING: All log messages before absl::|[IW]\d{4} \d\d:\d\d:|\[[-\d]+ [:,\d]+ I ")  # of C++


class Terminated(KeyboardInterrupt):
    """SIGTERM: everything is put in order as after Ctrl-C."""


@contextmanager
def own_process() -> Iterator[None]:
    """Set this process up for one command, and let it end quickly after it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe on Windows has no letters but those of one country
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)  # nothing half-written stays; verbs that serve set their own
    os.environ.update({name: value for name, value in QUIET_SETTINGS.items() if name not in os.environ})
    # Pillow warns of broken metadata, which says nothing of the pixels, and Matplotlib of letters of class names that
    # its font lacks; the browser that shows the SVG has other fonts.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # OpenVINO takes a missing model converter calmly; with it come telemetry and the front end for TensorFlow.
    sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
    return_large_blocks()
    try:
        yield
    finally:
        gc.freeze()  # Python would look for garbage in all that was loaded before it ends: a tenth of a second


def _terminate(*_: object) -> None:
    raise Terminated


def return_large_blocks() -> None:
    """Let this process return large blocks of memory to the system when they are freed, where the C library is glibc.

    By default it returns only the first ones, and learns from each to keep room for the next: a process that classified
    the same thousand files again and again, pictures of 49 megapixels among them, swung between 100 and 287 MiB.
    """
    import ctypes

    settle = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if settle is not None:
        settle(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        settle(_M_TRIM_THRESHOLD, 2 * _LARGE_BLOCK)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the notes of TensorFlow and Ray off the terminal; what else their C++ wrote is passed on at the end.

    Lines such as "oneDNN custom operations are on" come before any setting is read, straight from C++ to file
    descriptor 2, so that waits in a file while Python's own `sys.stderr` goes where it went. Standard output is kept
    for the answer, where a program may read JSON: Ray prints there that a worker died. Where the disk has no room for
    the file, the notes are shown.
    """
    sys.stderr.flush()
    with ExitStack() as after:
        try:
            held = after.enter_context(tempfile.TemporaryFile())
        except OSError:
            yield
            return
        real = after.enter_context(os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace"))
        after.enter_context(redirect_stdout(after.enter_context(Path(os.devnull).open("w", encoding="utf-8"))))
        if sys.stderr is sys.__stderr__:
            after.enter_context(redirect_stderr(real))
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real.fileno(), 2)
            held.seek(0)
            os.write(2, b"".join(line for line in held if not _NOTE.match(line)))
