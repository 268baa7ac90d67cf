"""One serving process: answers requests on a listening socket until a signal stops it.

SIGTERM, SIGINT   not ready at once; requests that have begun are answered, then the process ends
SIGHUP            the run is opened again, and replaces the present classifier if it passes its self-test
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import Predictor
from pawsight.core.errors import PawsightError
from pawsight.web.app import create_app
from pawsight.web.limits import Limits
from pawsight.web.protocol import limited_protocol
from pawsight.web.service import Service

_log = logging.getLogger("pawsight.serve")
_STOP = (signal.SIGTERM, signal.SIGINT)
_CLEANUP_SECONDS = 3  # of the time to stop, kept for what follows the last answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What to serve, and how."""

    run: str  # run or bundle folder, resolved at every opening
    limits: Limits
    token: str = ""  # empty: none is required
    hosts: tuple[str, ...] = ()  # names of the service; empty: all


def open_run(settings: ServiceSettings) -> Predictor:
    """Open the run as it is now, and run its self-test.

    Raises:
        BundleRefused: it is damaged, changed, or answers differently from when it was made.
    """
    folder = Path(settings.run).expanduser().resolve()  # once: `latest` may move while its files are read
    return Predictor(read_bundle(folder))


def serve_here(listener: socket.socket, settings: ServiceSettings) -> None:
    """Serve in this process, from its main thread, until a signal stops it.

    Args:
        listener: bound and listening; closed at the end.
        settings: what to serve, and how.

    Raises:
        PawsightError: the classifier is refused, or a decoder does not start.
    """
    before = {number: signal.getsignal(number) for number in (*_STOP, signal.SIGHUP)}
    try:
        asyncio.run(_serve(listener, settings))
    finally:  # asyncio leaves the default handlers
        for number, handler in before.items():
            if handler is not None:  # None was not set from Python, which cannot set it again
                signal.signal(number, handler)


async def _serve(listener: socket.socket, settings: ServiceSettings) -> None:
    service = Service(lambda: open_run(settings), limits=settings.limits)
    server = _Server(_config(service, settings))
    opening = asyncio.create_task(_open(service, server))
    _handle_signals(service, server)
    await server.serve(sockets=[listener])
    await opening
    await service.stop()  # again, for a classifier that was opened after the end had begun
    if service.failure is not None:
        raise service.failure


async def _open(service: Service, server: uvicorn.Server) -> None:
    try:
        await service.start()
    except PawsightError:
        server.should_exit = True


def _handle_signals(service: Service, server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    swaps: set[asyncio.Task[bool]] = set()

    def stop(cause: str) -> None:
        if service.draining:
            server.force_exit = cause == "SIGINT"
            return
        service.drain()
        _log.info("stopping", extra={"cause": cause, "pictures": service.inside})
        server.should_exit = True

    def swap() -> None:
        task = loop.create_task(service.swap())
        swaps.add(task)
        task.add_done_callback(swaps.discard)

    for number in _STOP:
        loop.add_signal_handler(number, stop, number.name)
    loop.add_signal_handler(signal.SIGHUP, swap)


def _config(service: Service, settings: ServiceSettings) -> uvicorn.Config:
    limits = settings.limits
    return uvicorn.Config(
        create_app(service, token=settings.token, hosts=settings.hosts, start=False),
        http=limited_protocol(limits),
        ws="none",
        loop="asyncio",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=int(limits.drain_seconds) - _CLEANUP_SECONDS,
        h11_max_incomplete_event_size=limits.head_bytes,
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to `_handle_signals`; uvicorn's handlers end with the signal's exit status."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
