"""Hands decoded squares of all requests to one engine in batches, and returns each result to its request.

One thread keeps the engine busy. While the engine computes, squares are collected, until a batch is full or the longest
wait is over; while it is idle no square waits. A batch is handed over together but not computed together: each square
is inferred alone (engine.py says why), so an answer never depends on the other squares. Batches save waking the thread
and the event loop for every single picture.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from pawsight.classifier.engine import InferenceQueue, Outputs
from pawsight.images.decode import Pixels

_Result: TypeAlias = "asyncio.Future[Outputs]"


class Batcher:
    """The thread that feeds one engine.

    Args:
        lane: opens a queue of the engine, which only this batcher uses.
        batch: most squares handed over at once.
        wait_ms: longest that a square waits for others while the engine computes.
        on_batch: called with the size of each batch, in the thread.
    """

    def __init__(
        self,
        lane: Callable[[], InferenceQueue],
        *,
        batch: int,
        wait_ms: float,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._new_lane, self._lane = lane, lane()
        self._batch, self._wait_ms, self._on_batch = batch, max(1, int(wait_ms)), on_batch
        self._waiting: deque[tuple[_Result, Pixels]] = deque()
        self._computing: set[_Result] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    async def compute(self, pixels: Pixels) -> Outputs:
        """Return the outputs for one square (image_px, image_px, 3) uint8."""
        result: _Result = self._loop.create_future()
        with self._changed:
            self._waiting.append((result, pixels))
            self._changed.notify()
        return await result

    async def close(self) -> None:
        """Answer the squares that wait, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            try:
                results = self._compute(batch)
            except Exception as error:  # any error of the runtime, for all squares being computed
                results = [(result, error) for result in self._computing]
                self._lane = self._new_lane()
            if results:
                self._computing.difference_update(result for result, _ in results)
                self._resolve(results)

    def _next(self) -> list[tuple[_Result, Pixels]] | None:
        """Return the next batch: at least one square where the engine is idle, maybe none while it computes."""
        with self._changed:
            while not self._waiting and not len(self._lane):
                if self._closed:
                    return None
                self._changed.wait()
            batch: list[tuple[_Result, Pixels]] = []
            while self._waiting and len(batch) < min(self._batch, self._lane.places):
                result, pixels = self._waiting.popleft()
                if not result.done():  # else its request was cancelled
                    batch.append((result, pixels))
            return batch

    def _compute(self, batch: list[tuple[_Result, Pixels]]) -> list[tuple[_Result, Any]]:
        self._computing.update(result for result, _ in batch)
        for result, pixels in batch:
            deque(self._lane.push(result, pixels), maxlen=0)  # it had a free place, so nothing is returned yet
        if batch:
            self._on_batch(len(batch))
        return list(self._lane.finished(self._wait_ms))

    def _resolve(self, results: list[tuple[_Result, Any]]) -> None:
        def resolve() -> None:
            for result, outcome in results:
                if result.done():  # the request was cancelled
                    continue
                if isinstance(outcome, Exception):
                    result.set_exception(outcome)
                else:
                    result.set_result(outcome)

        self._loop.call_soon_threadsafe(resolve)
