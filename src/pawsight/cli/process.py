"""What the command line does to its own process, and the library never does to its host's."""

from __future__ import annotations

import errno
import gc
import io
import logging
import os
import re
import select
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO

from pawsight.core.subprocesses import QUIET_SETTINGS

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGE_BLOCK = 1 << 20  # bytes
_NOTE = re.compile(rb"WARNING: All log messages before absl::|[IW]\d{4} \d\d:\d\d:|\[[-\d]+ [:,\d]+ I ")  # of C++


class Terminated(KeyboardInterrupt):
    """SIGTERM: everything is put in order as after Ctrl-C."""


@contextmanager
def own_process() -> Iterator[None]:
    """Set this process up for one command, and let it end quickly after it.

    A command whose answer did not reach standard output ends with status 1, although its work is done.
    """
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = sheltered(sys.stdout, whole=True), sheltered(sys.stderr)
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
    except SystemExit as end:
        error = refusal_of(sys.stdout)
        if error is None or end.code:
            raise
        if error.errno != errno.EPIPE:
            reason = error.strerror or str(error)
            print(f"pawsight: the answer could not be written to standard output: {reason}.", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        sys.stdout, sys.stderr = before
        gc.freeze()  # Python would look for garbage in all that was loaded before it ends: a tenth of a second


def _open_closed_descriptors() -> None:
    """Open what the caller closed (`>&-`), or the next file to be opened would be taken for standard output."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)  # as 0, 1 and 2 are: workers would start with theirs closed


class _Sheltered(io.RawIOBase):
    """The bytes of a stream. What cannot be written is dropped, and where it must be whole all that follows."""

    def __init__(self, stream: TextIO, *, whole: bool) -> None:
        self._stream = stream  # closes its descriptor when nothing holds it
        buffer: Any = stream.buffer
        self._raw = getattr(buffer, "raw", buffer)
        self._whole = whole
        self._counts: list[int | None] = []  # bytes that went out in a write that an interruption kept from returning
        self.error: OSError | None = None  # of the last write that failed

    def write(self, data: Any) -> int:
        try:
            while self._counts in ([], [None]) and (self.error is None or not self._whole):
                if self._counts:
                    self._counts = []
                    select.select([], [self._raw], [])  # a pipe that is full and does not block
                # One call that writes and notes the count: after an interruption the buffer gives the same bytes again.
                self._counts.extend(map(self._raw.write, (data,)))
        except OSError as error:
            self.error = error
        count = self._counts[0] if self._counts else None
        self._counts = []
        return len(data) if count is None else count

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return bool(self._raw.isatty())

    def fileno(self) -> int:
        return int(self._raw.fileno())


def sheltered(stream: TextIO | None, *, whole: bool = False) -> TextIO:
    """Return a stream that writes to another one and never fails.

    Letters that it cannot carry are escaped: a pipe on Windows has those of one country alone. What cannot be written,
    because the disk is full or the reader is gone, is dropped.

    Args:
        stream: text on bytes; None, which is what Python has for a closed descriptor, drops everything.
        whole: drop everything after a write that failed, so that the answer has no hole; a log goes on.
    """
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8", errors="backslashreplace")
    return io.TextIOWrapper(
        io.BufferedWriter(_Sheltered(stream, whole=whole)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


def refusal_of(stream: TextIO) -> OSError | None:
    """Return why a sheltered stream drops what it is given; None where it does not, and for other streams."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, _Sheltered) else None


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


def _descriptor_of(stream: TextIO) -> int:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # it is no file
        return -1


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
        real = after.enter_context(os.fdopen(os.dup(2), "w"))
        after.enter_context(redirect_stdout(after.enter_context(Path(os.devnull).open("w", encoding="utf-8"))))
        if _descriptor_of(sys.stderr) == 2:
            after.enter_context(redirect_stderr(sheltered(real)))
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real.fileno(), 2)
            held.seek(0)
            with suppress(OSError):
                os.write(2, b"".join(line for line in held if not _NOTE.match(line)))
