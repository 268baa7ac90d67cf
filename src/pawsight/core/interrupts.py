"""Ctrl-C and the system's request to end, held back for a moment in which nobody could clean up after them.

Enters: nothing. Leaves: a block in which they wait. Does not know: what is done in it.

Python raises KeyboardInterrupt between any two steps of the main thread's code, inside libraries too. Where that would
leave a process without anybody to end it, or a lock that is never given back, it has to wait.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block is left; whatever came is then heard, as if it came there.

    Only what Python code handles can be held back, and it is called in the main thread alone: elsewhere, and where the
    system itself ends or spares the process, nothing is changed.
    """
    came: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        came.append(number)

    heard = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _STOPS if heard}
    with ExitStack() as after:
        after.callback(_raise_all, came)
        for number, handler in handlers.items():
            if callable(handler):
                after.callback(signal.signal, number, handler)  # before it is set: what comes between is heard as ever
                signal.signal(number, hear)
        yield


def _raise_all(came: list[int]) -> None:
    for number in came:
        signal.raise_signal(number)
