"""The classifier behind the routes: opened, checked by its self-test, replaced while running, used within limits."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from pawsight.classifier.predictor import Prediction, Predictor
from pawsight.core.errors import PawsightError, UnreadablePicture, WrongUsage
from pawsight.core.machine import usable_cores
from pawsight.evaluation.deployment import Deployment, Window
from pawsight.explanation.heatmap import Explainer
from pawsight.explanation.overlay import LARGEST_PX, overlay, plain_jpeg
from pawsight.images.decode import DecodeSettings
from pawsight.web.batcher import Batcher
from pawsight.web.decoders import DecoderLost, Decoders, finished
from pawsight.web.feedback import Feedback
from pawsight.web.limits import Limits
from pawsight.web.problems import RequestProblem, unreadable
from pawsight.web.quotas import Quota
from pawsight.web.uploads import RequestBody, Upload

_log = logging.getLogger("pawsight.serve")
_Result = TypeVar("_Result")
_NAMED, _LONGEST_LABEL = 20, 100  # classes, and characters of one, in a refusal
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # of a request, in the histogram
_WINDOW = {  # gauges of the latest pictures, pawsight_window_...
    "pictures": "Latest pictures that the other figures of the window are of, unfamiliar ones included.",
    "expected_accuracy": "Share of them whose likeliest class is right, as far as the confidences tell.",
    "expected_accuracy_low": "Lower end of its 95 % interval.",
    "expected_accuracy_high": "Upper end of its 95 % interval.",
    "p_value": "That they are like the validation pictures.",
    "alarm": "1 when they differ from the validation pictures; a false alarm in 1 % of windows.",
}


class ServiceMetrics:
    """Counters and durations of one process for Prometheus, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("pawsight_requests", "Requests answered.", ("route", "status"), registry=registry)
        self.seconds = Histogram(
            "pawsight_request_seconds", "From head to answer.", ("route",), buckets=_SECONDS, registry=registry
        )
        self.pictures = Counter("pawsight_pictures", "Pictures answered or refused.", ("outcome",), registry=registry)
        self.batch = Histogram(
            "pawsight_batch_pictures", "Pictures handed to the engine at once.", buckets=(1, 2, 4, 8), registry=registry
        )
        self.swaps = Counter("pawsight_swaps", "Bundles opened on a signal.", ("outcome",), registry=registry)
        self.ready = Gauge("pawsight_ready", "1 when /readyz says ready.", registry=registry)
        self._window = {
            name: Gauge(f"pawsight_window_{name}", description, registry=registry)
            for name, description in _WINDOW.items()
        }
        self.show(None)

    def show(self, found: Deployment | None) -> None:
        """Set the gauges of the latest pictures; what is not known is NaN."""
        ends = (math.nan, math.nan) if found is None else found.interval.as_list()
        p_value = None if found is None else found.p_value
        values = {
            "pictures": 0 if found is None else found.pictures,
            "expected_accuracy": math.nan if found is None else found.accuracy,
            "expected_accuracy_low": ends[0],
            "expected_accuracy_high": ends[1],
            "p_value": math.nan if p_value is None else p_value,
            "alarm": found is not None and found.is_alarm,
        }
        for name, value in values.items():
            self._window[name].set(value)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge whose value is computed when it is read."""
        Gauge(name, description, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """Return all values in Prometheus's text format."""
        return generate_latest(self.registry)


@dataclass(slots=True)
class Served:
    """A predictor with its batcher, and the number of requests that use them."""

    predictor: Predictor
    batcher: Batcher
    settings: DecodeSettings  # the bundle's, with the megapixels that the service allows at most
    explainer: Explainer
    window: Window | None  # of the latest pictures; None where the bundle has nothing to compare them with
    users: int = 0
    retired: bool = False


class Service:
    """The classifier in one process.

    Args:
        opener: opens the bundle and runs its self-test; called in a thread, again at every swap.
        limits: what it accepts.
        feedback: keeps pictures that users label; None keeps none.
    """

    def __init__(self, opener: Callable[[], Predictor], *, limits: Limits, feedback: Feedback | None = None) -> None:
        self.limits, self.metrics, self._feedback = limits, ServiceMetrics(), feedback
        retry, share = limits.retry_seconds, limits.share
        self.requests = Quota(
            "requests are being answered", limits.requests, each=share(limits.requests), retry_seconds=retry
        )
        self.pictures = Quota(
            "pictures are waiting", limits.queue, each=share(limits.queue, limits.files), retry_seconds=retry
        )
        self.heat_maps = Quota(
            "heat maps are waiting", limits.heat_maps, each=share(limits.heat_maps), retry_seconds=retry
        )
        self.body_bytes = Quota(
            "bytes of bodies are held",
            limits.buffer_bytes,
            each=share(limits.buffer_bytes, limits.body_bytes),
            retry_seconds=retry,
        )
        self.arriving: set[RequestBody] = set()
        self.draining = False
        self.failure: PawsightError | None = None  # why no classifier could be opened
        self._opener = opener
        self._served: Served | None = None
        self._swapping = asyncio.Lock()
        self._explaining = asyncio.Semaphore(1)  # a heat map may take a hundred predictions, so one at a time
        self._drawing: set[asyncio.Task[bytes]] = set()
        self._keeping = asyncio.Lock()  # one write at a time, so that they do not take all threads
        self._kept: set[asyncio.Task[Any]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self.decoders = Decoders(
            limits.decoders or usable_cores(),
            seconds=limits.decode_seconds,
            memory_bytes=limits.decode_bytes,
            on_lost=lambda line: _log.warning("decoder", extra={"said": line}),
        )
        self.metrics.watch(
            "pawsight_queue_pictures", "Pictures taken in and not yet answered.", lambda: self.pictures.held
        )
        self.metrics.watch("pawsight_queue_heat_maps", "Heat maps drawn or waiting.", lambda: self.heat_maps.held)
        self.metrics.watch("pawsight_held_bytes", "Bytes of bodies held.", lambda: self.body_bytes.held)
        if feedback is not None:
            self.metrics.watch("pawsight_feedback_pictures", "Labelled pictures kept.", lambda: feedback.pictures)
        self.metrics.watch("pawsight_decoders_lost", "Decoders that were killed or died.", lambda: self.decoders.lost)

    async def start(self) -> None:
        """Start the decoders and open the bundle; the service is ready afterwards.

        Raises:
            PawsightError: the bundle is refused, or a decoder does not start.
        """
        try:
            await self.decoders.start()
            self._serve(await asyncio.to_thread(self._opener))
        except PawsightError as error:
            self.failure = error
            await self.decoders.stop()
            raise

    async def swap(self) -> bool:
        """Open the bundle again; serve it if it passes its self-test, otherwise keep the present one."""
        async with self._swapping:
            try:
                predictor = await asyncio.to_thread(self._opener)
            except Exception as error:  # a bundle may be broken in any way: the present one is kept
                self.metrics.swaps.labels("refused").inc()
                message = str(error) if isinstance(error, PawsightError) else repr(error)
                _log.warning("swap-refused", extra={"said": message})
                return False
            self._serve(predictor)
            self.metrics.swaps.labels("done").inc()
            return True

    async def stop(self) -> None:
        """End the batcher and the decoders."""
        self.drain()
        if self._served is not None:
            self._retire(self._served)
            self._served = None
        await asyncio.gather(*self._background)
        await self.decoders.stop()

    def drain(self) -> None:
        """Accept no new requests; those that have begun are still answered."""
        self.draining = True
        self.metrics.ready.set(0)

    @property
    def ready(self) -> bool:
        """Whether requests can be answered now."""
        return self._served is not None and not self.draining

    @contextmanager
    def served(self) -> Iterator[Served]:
        """Hold the present predictor while a request is answered.

        Raises:
            RequestProblem: no classifier is open yet, or the service is stopping.
        """
        served = self._served
        if served is None or self.draining:
            detail = "The service is stopping." if self.draining else "The classifier is still being opened."
            raise RequestProblem("not-ready", detail, headers={"Retry-After": str(self.limits.retry_seconds)})
        served.users += 1
        try:
            yield served
        finally:
            served.users -= 1
            self._close_when_unused(served)

    async def predict(
        self, served: Served, uploads: list[Upload], *, address: str = "", is_watched: bool = True
    ) -> list[Prediction | RequestProblem]:
        """Predict every upload, in order; one that cannot be read is a problem.

        Args:
            served: held by the request since it came, so that a swap or the end does not change its answer.
            uploads: the files of one request.
            address: whose share of the queue they take, as `share_of` gives it.
            is_watched: whether they count among the latest pictures; frames of one scene would fill the window.

        Raises:
            RequestProblem: the queue has no room for all of them.
        """
        with self.pictures.hold(len(uploads), address):
            if len(uploads) == 1:
                return [await self._answer(served, uploads[0], is_watched)]
            async with asyncio.TaskGroup() as group:
                answers = [group.create_task(self._answer(served, upload, is_watched)) for upload in uploads]
            return [answer.result() for answer in answers]

    async def deployment(self) -> Deployment | None:
        """Return what the latest pictures say about the classifier, and put it into the metrics.

        None where no picture was answered, or the bundle has nothing to compare them with.
        """
        window = self._served.window if self._served is not None else None
        found = None if window is None else await asyncio.to_thread(window.deployment)
        self.metrics.show(found)
        return found

    async def explain(self, served: Served, upload: Upload, label: str, *, address: str = "") -> bytes:
        """Return a PNG with the heat map of one picture, for the likeliest class where none is named.

        Heat maps have a queue of their own, so that they keep no prediction waiting.

        Raises:
            RequestProblem: there is no such class, the picture cannot be read, or the queue is full.
        """
        with self.heat_maps.hold(1, address):
            try:
                served.explainer.check(label, "auto")
            except WrongUsage as error:
                raise RequestProblem("unknown-class", f"{error.what} {error.why}") from None
            await self._explaining.acquire()
            return await finished(self._draw(served, upload, label), self._drawing)

    async def thumbnail(self, served: Served, upload: Upload, *, address: str = "") -> bytes:
        """Return a picture as a JPEG that browsers can show, with its own proportions.

        Raises:
            RequestProblem: the picture cannot be read, or the queue is full.
        """
        with self.pictures.hold(1, address):
            try:
                settings = replace(served.settings, image_px=LARGEST_PX)
                square, size = await self.decoders.decode_sized(upload.data, settings)
            except UnreadablePicture as error:
                raise self._refused(upload, error) from None
            return await asyncio.to_thread(plain_jpeg, square, size)

    @property
    def keeps_feedback(self) -> bool:
        """Whether pictures are kept that users label."""
        return self._feedback is not None

    async def keep(self, served: Served, upload: Upload, label: str | None, *, address: str = "") -> str:
        """Keep a picture with the label that a user gave; return its SHA-256.

        Args:
            served: held by the request.
            upload: the picture.
            label: its class; None for none of the classes.
            address: whose share it takes, as `share_of` gives it.

        Raises:
            RequestProblem: there is no such class, the picture cannot be read, or it cannot be kept.
        """
        feedback = self._wanted_feedback()
        if label is not None and label not in (classes := served.predictor.bundle.card.classes):
            named = ", ".join(map(repr, classes[:_NAMED])) + (" and more" if len(classes) > _NAMED else "")
            raise RequestProblem("unknown-class", f"There is no class {label[:_LONGEST_LABEL]!r}; there are {named}.")
        with self.pictures.hold(1, address):
            try:
                await self.decoders.decode(upload.data, served.settings)
            except UnreadablePicture as error:
                raise self._refused(upload, error) from None
        data = bytes(upload.data)
        return await self._in_turn(lambda: feedback.keep(data, label, address=address))

    async def withdraw(self, sha256: str) -> None:
        """Remove a picture that is kept.

        Raises:
            RequestProblem: it is not kept, or cannot be removed.
        """
        feedback = self._wanted_feedback()
        if not await self._in_turn(lambda: feedback.withdraw(sha256)):
            raise RequestProblem("not-found", "This service keeps no such picture.")

    def _wanted_feedback(self) -> Feedback:
        if self._feedback is None:
            raise RequestProblem("not-found", "This service keeps no pictures: it was started without --feedback.")
        return self._feedback

    async def _in_turn(self, change: Callable[[], _Result]) -> _Result:
        """Make one change of what is kept; one that waits ends with its request, and one that has begun is finished."""

        async def changed() -> _Result:
            try:
                return await asyncio.to_thread(change)
            finally:
                self._keeping.release()

        await self._keeping.acquire()
        try:
            return await finished(changed(), self._kept)
        except PawsightError as error:
            _log.warning("not-stored", extra={"said": str(error)})
            raise RequestProblem("not-stored", "The log of the service says why.") from None

    async def _draw(self, served: Served, upload: Upload, label: str) -> bytes:
        try:
            square, size = await self.decoders.decode_sized(upload.data, served.settings)
            large = await self.decoders.decode(upload.data, replace(served.settings, image_px=LARGEST_PX))
            heat = await asyncio.to_thread(served.explainer.explain, square, size=size, label=label)
            return await asyncio.to_thread(overlay, large, heat)
        except UnreadablePicture as error:
            raise self._refused(upload, error) from None
        finally:
            self._explaining.release()

    async def _answer(self, served: Served, upload: Upload, is_watched: bool) -> Prediction | RequestProblem:
        try:
            pixels = await self.decoders.decode(upload.data, served.settings)
        except UnreadablePicture as error:
            return self._refused(upload, error)
        outputs = await served.batcher.compute(pixels)
        self.metrics.pictures.labels("answered").inc()
        if served.window is not None and is_watched:
            served.window.add(outputs)
        return served.predictor.prediction(upload.name, outputs)

    def _refused(self, upload: Upload, error: UnreadablePicture) -> RequestProblem:
        self.metrics.pictures.labels("refused").inc()
        code = "decoder-lost" if isinstance(error, DecoderLost) else "unreadable-picture"
        return unreadable(upload.name, error.why, code=code)

    def _serve(self, predictor: Predictor) -> None:
        decode = predictor.bundle.card.decode
        batcher = Batcher(
            predictor.queue,
            batch=self.limits.batch,
            wait_ms=self.limits.batch_wait_ms,
            on_batch=self.metrics.batch.observe,
        )
        settings = replace(decode, max_megapixels=min(decode.max_megapixels, self.limits.megapixels))
        reference = predictor.bundle.reference
        window = None if reference is None else Window(reference, most=self.limits.window)
        old, self._served = self._served, Served(predictor, batcher, settings, Explainer(predictor), window)
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
            task = asyncio.get_running_loop().create_task(served.batcher.close())
            self._background.add(task)
            task.add_done_callback(self._background.discard)
