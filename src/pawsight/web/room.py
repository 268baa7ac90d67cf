"""The engine room: squares from all requests, handed to one engine together, answered as they are ready.

Enters: decoded squares, from the event loop. Leaves: the graph's outputs, as futures of that loop. Does not know:
HTTP, files, what outputs mean.

One thread keeps the engine's lane full. While the engine computes, newcomers gather, until a batch is full or the
longest wait is over; while it is idle nobody waits. A batch is what is handed over at once and not what is computed
at once: each square goes through alone (engine.py says why), so an answer never depends on its neighbours. What
gathering saves is waking the thread and the event loop for every single picture.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from pawsight.classifier.engine import InferenceQueue, Outputs
from pawsight.images.decode import Pixels

_Answer: TypeAlias = "asyncio.Future[Outputs]"


class EngineRoom:
    """The thread that feeds one engine.

    Args:
        lane: makes a way through the engine, used by this room alone.
        batch: most squares handed over at once.
        wait_ms: longest that a square waits for others while the engine computes.
        gathered: called with the size of each batch, in the room's thread.
    """

    def __init__(
        self,
        lane: Callable[[], InferenceQueue],
        *,
        batch: int,
        wait_ms: float,
        gathered: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._new_lane, self._lane = lane, lane()
        self._batch, self._wait_ms, self._gathered = batch, max(1, int(wait_ms)), gathered
        self._waiting: deque[tuple[_Answer, Pixels]] = deque()
        self._computing: set[_Answer] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="engine-room", daemon=True)
        self._thread.start()

    async def compute(self, pixels: Pixels) -> Outputs:
        """Return the outputs for one square (image_px, image_px, 3) uint8."""
        answer: _Answer = self._loop.create_future()
        with self._changed:
            self._waiting.append((answer, pixels))
            self._changed.notify()
        return await answer

    async def close(self) -> None:
        """Answer what is waiting and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await self._loop.run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            try:
                answers = self._hand_over(batch)
            except Exception as error:  # whatever the runtime raises is told to those whose pictures were under way
                answers = [(answer, error) for answer in self._computing]
                self._lane = self._new_lane()
            if answers:
                self._computing.difference_update(answer for answer, _ in answers)
                self._tell(answers)

    def _next(self) -> list[tuple[_Answer, Pixels]] | None:
        """Return what has gathered: at least one where the engine is idle, maybe none where it computes."""
        with self._changed:
            while not self._waiting and not len(self._lane):
                if self._closed:
                    return None
                self._changed.wait()
            count = min(len(self._waiting), self._batch, self._lane.places)
            return [self._waiting.popleft() for _ in range(count)]

    def _hand_over(self, batch: list[tuple[_Answer, Pixels]]) -> list[tuple[_Answer, Any]]:
        self._computing.update(answer for answer, _ in batch)
        for answer, pixels in batch:
            deque(self._lane.push(answer, pixels), maxlen=0)  # there was a place for it, so nothing comes back yet
        if batch:
            self._gathered(len(batch))
        return list(self._lane.finished(self._wait_ms))

    def _tell(self, answers: list[tuple[_Answer, Any]]) -> None:
        def tell() -> None:
            for answer, outcome in answers:
                if answer.done():  # the request was given up
                    continue
                if isinstance(outcome, Exception):
                    answer.set_exception(outcome)
                else:
                    answer.set_result(outcome)

        self._loop.call_soon_threadsafe(tell)
