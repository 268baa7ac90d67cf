"""One serving process: a listening socket in, requests answered until a signal says stop.

Enters: a socket that listens already and `Settings`. Leaves: nothing; it returns when all is answered, and the signal
handlers are those from before. Does not know: how the socket was bound, where the log goes.

    SIGTERM, SIGINT   not ready at once, what is under way is answered, then the end
    SIGHUP            the run is opened again beside the old one and takes over if it passes its exam
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
from pawsight.web.protocol import guarded
from pawsight.web.service import Service

_log = logging.getLogger("pawsight.serve")
_STOP = (signal.SIGTERM, signal.SIGINT)
_TIDYING_SECONDS = 3  # of the time to stop, for what comes after the last answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a service is told."""

    run: str  # run or bundle folder, resolved anew at every opening
    limits: Limits
    token: str = ""  # empty: none is demanded
    hosts: tuple[str, ...] = ()  # names it answers to; empty: all


def open_run(settings: Settings) -> Predictor:
    """Open the run as it is now, and let it sit its exam.

    Raises:
        BundleRefused: it is broken, altered or answers otherwise than when it was made.
    """
    place = Path(settings.run).expanduser().resolve()  # once: `latest` may move while its files are read
    return Predictor(read_bundle(place))


def serve_here(listener: socket.socket, settings: Settings) -> None:
    """Serve in this process, from its main thread, until a signal says stop.

    Args:
        listener: bound and listening; closed at the end.
        settings: what to serve, and within which limits.

    Raises:
        PawsightError: the classifier or its decoders cannot be had.
    """
    before = {number: signal.getsignal(number) for number in (*_STOP, signal.SIGHUP)}
    try:
        asyncio.run(_serve(listener, settings))
    finally:  # asyncio leaves the system's own handlers
        for number, handler in before.items():
            if handler is not None:  # None was not set by Python, which cannot set it again
                signal.signal(number, handler)


async def _serve(listener: socket.socket, settings: Settings) -> None:
    service = Service(lambda: open_run(settings), limits=settings.limits)
    server = _Server(_config(service, settings))
    opening = asyncio.create_task(_open(service, server))
    _listen_to_signals(service, server)
    await server.serve(sockets=[listener])
    await opening
    await service.stop()  # again, for what was opened when the end had begun
    if service.failure is not None:
        raise service.failure


async def _open(service: Service, server: uvicorn.Server) -> None:
    try:
        await service.start()
    except PawsightError:
        server.should_exit = True


def _listen_to_signals(service: Service, server: uvicorn.Server) -> None:
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


def _config(service: Service, settings: Settings) -> uvicorn.Config:
    limits = settings.limits
    return uvicorn.Config(
        create_app(service, token=settings.token, hosts=settings.hosts, start=False),
        http=guarded(limits),
        ws="none",
        loop="asyncio",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=int(limits.drain_seconds) - _TIDYING_SECONDS,
        h11_max_incomplete_event_size=limits.head_bytes,
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to `_listen_to_signals`: uvicorn's own way ends with the signal's exit status."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
