"""Applies one function to many items in threads, in order and in constant memory.

Not `concurrent.futures`: its locks are taken in Python code, where Ctrl-C can come between the taking and the release.
One of some hundred interrupted predictions then waited for its threads for ever. A `SimpleQueue` takes and releases its
lock in C (https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put), and waiting for a thread's end can be
interrupted without harm.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Generic, NoReturn, TypeVar

from pawsight.core.subprocesses import held_back

Item = TypeVar("Item")
Result = TypeVar("Result")

THREAD_NAME = "ordered"
_AHEAD = 8  # items under way for each thread: enough to even out large and small ones


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int | Callable[[], int],
    ahead: int = _AHEAD,
) -> Iterator[Result]:
    """Apply `function` in threads and yield results in the order of the items, `ahead x threads` ahead at most.

    The number of threads may be a function, asked before each result: threads are then added where it has grown.

    What the function raises is raised in the place of its result. An iterator that is closed early waits for the items
    being worked on and for nothing else.

    Raises:
        ValueError: `threads` is below 1.
    """
    most = threads if callable(threads) else lambda: threads
    if most() < 1:
        raise ValueError(f"threads is {most()}, and must be at least 1")
    remaining = iter(items)
    workers: _Workers[Item, Result] = _Workers(function)
    under_way: deque[SimpleQueue[Result | _Raised]] = deque()

    def begin_more() -> None:
        count = most()
        room = max(0, ahead * count - len(under_way))
        under_way.extend(workers.begin(item, count) for item in islice(remaining, room))

    try:
        begin_more()
        while under_way:
            result = under_way.popleft().get()
            if isinstance(result, _Raised):
                result.reraise()
            begin_more()
            yield result
    finally:
        workers.dismiss()


class _Raised:
    """What the function raised, in the place of its result."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def reraise(self) -> NoReturn:
        """Raise it; afterwards nothing here holds it, nor through it the frames that it passes."""
        try:
            raise self._error
        finally:
            del self._error


class _Workers(Generic[Item, Result]):
    """Threads that take items from a queue; each item has a queue of its own for its result."""

    def __init__(self, function: Callable[[Item], Result]) -> None:
        self._function = function
        self._threads: list[threading.Thread] = []
        self._queue: SimpleQueue[tuple[Item, SimpleQueue[Result | _Raised]] | None] = SimpleQueue()

    def begin(self, item: Item, most: int) -> SimpleQueue[Result | _Raised]:
        """Queue an item and return where its result will be; while there are fewer than `most` threads, start one."""
        place: SimpleQueue[Result | _Raised] = SimpleQueue()
        self._queue.put((item, place))
        if len(self._threads) < most:
            with held_back():  # to start a thread takes locks in Python code
                thread = threading.Thread(target=self._work, name=THREAD_NAME, daemon=True)
                thread.start()
                self._threads.append(thread)
        return place

    def dismiss(self) -> None:
        """Drop the items that no thread has begun, and wait until every thread has ended."""
        with held_back():
            with suppress(Empty):
                while True:
                    self._queue.get_nowait()
            for _ in self._threads:
                self._queue.put(None)
        if sys.is_finalizing():  # daemon threads no longer run, and a join would wait for ever
            return
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            item, place = job
            try:
                place.put(self._function(item))
            except BaseException as error:  # for the caller that waits for the result, not for this thread's stderr
                place.put(_Raised(error))
            del job, item, place  # nothing is held while waiting for the next
