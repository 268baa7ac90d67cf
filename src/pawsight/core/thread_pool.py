"""One function over many things, in threads, in order and in constant memory.

Enters: a function and things for it. Leaves: its results, in the order of the things. Does not know: what they are.

Not `concurrent.futures`: its locks are taken in Python code, where Ctrl-C can come between the taking and whoever would
give them back. One of some hundred interrupted predictions then waited for its threads for ever. A `SimpleQueue` takes
and gives back its lock in C (https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put), and waiting for a
thread's end can be interrupted without harm.
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
_AHEAD = 8  # things under way for each thread: enough to even out large and small ones


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int = _AHEAD
) -> Iterator[Result]:
    """Apply `function` in threads and yield results in the order of the items, `ahead x threads` ahead at most.

    What the function raises comes out in the place of its result. Left early, it waits for what is being worked on and
    for nothing else.

    Raises:
        ValueError: there would be no thread.
    """
    if threads < 1:
        raise ValueError(f"{threads} threads do nothing")
    remaining = iter(items)
    crew: _Crew[Item, Result] = _Crew(function, threads)
    try:
        under_way = deque(crew.begin(item) for item in islice(remaining, ahead * threads))
        while under_way:
            result = under_way.popleft().get()
            if isinstance(result, _Raised):
                result.come_out()
            under_way.extend(crew.begin(item) for item in islice(remaining, 1))
            yield result
    finally:
        crew.dismiss()


class _Raised:
    """What the function raised, on its way to whoever waits for its result."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def come_out(self) -> NoReturn:
        """Raise it; afterwards nothing here holds it, nor through it the frames that it passes."""
        try:
            raise self._error
        finally:
            del self._error


class _Crew(Generic[Item, Result]):
    """Threads that take things from a queue; each thing has a queue of its own for its result."""

    def __init__(self, function: Callable[[Item], Result], most: int) -> None:
        self._function, self._most = function, most
        self._threads: list[threading.Thread] = []
        self._things: SimpleQueue[tuple[Item, SimpleQueue[Result | _Raised]] | None] = SimpleQueue()

    def begin(self, item: Item) -> SimpleQueue[Result | _Raised]:
        """Have one thing worked on and return where its result will be."""
        place: SimpleQueue[Result | _Raised] = SimpleQueue()
        self._things.put((item, place))
        if len(self._threads) < self._most:
            with held_back():  # to start a thread takes locks in Python code
                thread = threading.Thread(target=self._work, name=THREAD_NAME, daemon=True)
                thread.start()
                self._threads.append(thread)
        return place

    def dismiss(self) -> None:
        """Forget what nobody has begun, and wait until every thread is gone."""
        with held_back():
            with suppress(Empty):
                while True:
                    self._things.get_nowait()
            for _ in self._threads:
                self._things.put(None)
        if sys.is_finalizing():  # Python itself is ending: threads stand still, and nobody may wait for them
            return
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (thing := self._things.get()) is not None:
            item, place = thing
            try:
                place.put(self._function(item))
            except BaseException as error:  # whoever waits for the result is told, not this thread's stderr
                place.put(_Raised(error))
            del thing, item, place  # nothing is held while waiting for the next
