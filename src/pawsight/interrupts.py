"""Ctrl-C and the system's request to end, held back for a moment in which nobody could clean up after them.

Enters: nothing. Leaves: a block in which they wait. Does not know: what is done in it.

Python raises KeyboardInterrupt between any two steps of the main thread's code, inside libraries too. Where that would
leave a process without anybody to end it, or a lock that is never given back, they have to wait.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block is left; what came is then heard as if it came there.

    Handlers can be set, and are called, in the main thread alone: in others there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda seen, _: came.append(seen)) for number in _STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if came:
        signal.raise_signal(came[0])
