"""The classifier behind the routes: opened, examined, swapped, and asked for answers within limits.

Enters: uploads. Leaves: one `Prediction` each, in order. Does not know: HTTP, where the bundle came from.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pawsight.classifier.predictor import Prediction, Predictor, unanswered
from pawsight.core.errors import PawsightError, UnreadablePicture, WrongUsage
from pawsight.core.machine import usable_cores
from pawsight.explanation.explainer import Explainer
from pawsight.explanation.overlay import LARGEST_PX, overlay
from pawsight.images.decode import DecodeSettings, Pixels
from pawsight.web.decoding import Decoders
from pawsight.web.limits import Limits
from pawsight.web.metrics import Metrics
from pawsight.web.problems import Problem, busy, unreadable
from pawsight.web.receive import Budget, Upload
from pawsight.web.room import EngineRoom

_log = logging.getLogger("pawsight.serve")


@dataclass(slots=True)
class Served:
    """A predictor with its engine room, and how many requests use them now."""

    predictor: Predictor
    room: EngineRoom
    settings: DecodeSettings  # the bundle's, and never more megapixels than the service allows
    explainer: Explainer
    users: int = 0
    retired: bool = False


class Service:
    """Everything between the routes and the bundle, in one process.

    Args:
        opener: opens the bundle and lets it sit its exam; called in a thread, again at every swap.
        limits: what it takes upon itself.
    """

    def __init__(self, opener: Callable[[], Predictor], *, limits: Limits) -> None:
        self.limits, self.metrics = limits, Metrics()
        self.budget = Budget(limits.buffer_bytes)
        self.draining = False
        self.inside = self.requests = 0  # pictures taken in, requests with pictures under way
        self.failure: PawsightError | None = None  # why there is no classifier at all
        self._opener = opener
        self._served: Served | None = None
        self._swapping = asyncio.Lock()
        self._explaining = asyncio.Semaphore(1)  # a heat map may take a hundred predictions, and they come first
        self._background: set[asyncio.Task[None]] = set()
        self.decoders = Decoders(
            limits.decoders or usable_cores(),
            seconds=limits.decode_seconds,
            memory_bytes=limits.decode_bytes,
            told=lambda line: _log.warning("decoder", extra={"said": line}),
        )
        self.metrics.watch("pawsight_queue_pictures", "Pictures taken in and not yet answered.", lambda: self.inside)
        self.metrics.watch("pawsight_held_bytes", "Bytes of bodies held.", lambda: self.budget.held)
        self.metrics.watch("pawsight_decoders_lost", "Decoders that were killed or died.", lambda: self.decoders.lost)

    async def start(self) -> None:
        """Start the decoders and open the bundle; afterwards the service is ready.

        Raises:
            PawsightError: the bundle is refused, or no decoder starts.
        """
        try:
            await self.decoders.start()
            self._serve(await asyncio.to_thread(self._opener))
        except PawsightError as error:
            self.failure = error
            await self.decoders.stop()
            raise

    async def swap(self) -> bool:
        """Open the bundle again beside the old one; serve it if it passes its exam, else go on with the old one."""
        async with self._swapping:
            try:
                predictor = await asyncio.to_thread(self._opener)
            except Exception as error:  # a bundle may be broken in ways nobody thought of: the old one serves on
                self.metrics.swaps.labels("refused").inc()
                said = str(error) if isinstance(error, PawsightError) else repr(error)
                _log.warning("swap-refused", extra={"said": said})
                return False
            self._serve(predictor)
            self.metrics.swaps.labels("done").inc()
            return True

    async def stop(self) -> None:
        """End the engine room and the decoders."""
        self.drain()
        if self._served is not None:
            self._retire(self._served)
            self._served = None
        await asyncio.gather(*self._background)
        await self.decoders.stop()

    def drain(self) -> None:
        """Take no new requests; those under way are still answered."""
        self.draining = True
        self.metrics.ready.set(0)

    @property
    def ready(self) -> bool:
        """Whether requests can be answered now."""
        return self._served is not None and not self.draining

    @contextmanager
    def served(self) -> Iterator[Served]:
        """Hold the present predictor for the length of a request.

        Raises:
            Problem: there is none yet, or the service is stopping.
        """
        served = self._served
        if served is None or self.draining:
            detail = "It is stopping." if self.draining else "The classifier is still being opened."
            raise Problem("not-ready", detail, headers={"Retry-After": str(self.limits.retry_seconds)})
        served.users += 1
        try:
            yield served
        finally:
            served.users -= 1
            self._close_when_unused(served)

    async def predict(self, served: Served, uploads: list[Upload]) -> list[Prediction]:
        """Answer every upload, in order; one that cannot be read has an `error`.

        Args:
            served: what the request has held since it came, so that it is answered though a swap or the end comes.
            uploads: the files of one request.

        Raises:
            Problem: the queue has no room for all of them.
        """
        if self.inside + len(uploads) > self.limits.queue:
            raise busy(f"{self.inside:,} pictures are waiting already.", seconds=self.limits.retry_seconds)
        self.inside += len(uploads)
        try:
            if len(uploads) == 1:
                return [await self._answer(served, uploads[0])]
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(self._answer(served, upload)) for upload in uploads]
            return [answer.result() for answer in answers]
        finally:
            self.inside -= len(uploads)

    async def explain(self, served: Served, upload: Upload, label: str) -> bytes:
        """Return a PNG of where in one picture a class was seen, the likeliest where none is named.

        Raises:
            Problem: there is no such class, the picture cannot be read, or the queue is full.
        """
        if self.inside >= self.limits.queue:
            raise busy(f"{self.inside:,} pictures are waiting already.", seconds=self.limits.retry_seconds)
        self.inside += 1
        try:
            served.explainer.check(label, "auto")
            async with self._explaining:
                square, size = await self.decoders.decode_sized(upload.data, served.settings)
                large = await self.decoders.decode(upload.data, replace(served.settings, image_px=LARGEST_PX))
                return await asyncio.to_thread(_drawn, served.explainer, square, large, size, label)
        except WrongUsage as error:
            raise Problem("bad-request", f"{error.what} {error.why}") from None
        except UnreadablePicture as error:
            self.metrics.pictures.labels("refused").inc()
            raise unreadable(upload.name, error.why) from None
        finally:
            self.inside -= 1

    async def _answer(self, served: Served, upload: Upload) -> Prediction:
        try:
            pixels = await self.decoders.decode(upload.data, served.settings)
        except UnreadablePicture as error:
            self.metrics.pictures.labels("refused").inc()
            return unanswered(upload.name, error.why)
        outputs = await served.room.compute(pixels)
        self.metrics.pictures.labels("answered").inc()
        return served.predictor.prediction(upload.name, outputs)

    def _serve(self, predictor: Predictor) -> None:
        decode = predictor.bundle.card.decode
        room = EngineRoom(
            predictor.queue,
            batch=self.limits.batch,
            wait_ms=self.limits.batch_wait_ms,
            gathered=self.metrics.batch.observe,
        )
        settings = replace(decode, max_megapixels=min(decode.max_megapixels, self.limits.megapixels))
        old, self._served = self._served, Served(predictor, room, settings, Explainer(predictor))
        if old is not None:
            self._retire(old)
        self.metrics.ready.set(1)
        card = predictor.bundle.card
        _log.info("serving", extra={"split": card.split_digest[:12], "made": card.created})

    def _retire(self, served: Served) -> None:
        served.retired = True
        self._close_when_unused(served)

    def _close_when_unused(self, served: Served) -> None:
        if served.retired and not served.users:
            task = asyncio.get_running_loop().create_task(served.room.close())
            self._background.add(task)
            task.add_done_callback(self._background.discard)


def _drawn(explainer: Explainer, square: Pixels, large: Pixels, size: tuple[int, int], label: str) -> bytes:
    return overlay(large, explainer.explain(square, size=size, label=label))
