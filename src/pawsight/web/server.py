"""One serving process: a listening socket in, requests answered until a signal says stop.

Enters: a socket that listens already and `Settings`. Leaves: nothing; it returns when all is answered. Does not know:
how the socket was bound, whether there are other processes.

    SIGTERM, SIGINT   not ready at once, what is under way is answered, then the end
    SIGHUP            the run is opened again beside the old one and takes over if it passes its exam
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from pawsight.bundle import read_bundle
from pawsight.errors import PawsightError
from pawsight.inference import Predictor
from pawsight.machine import this_machine
from pawsight.web.app import create_app
from pawsight.web.limits import Limits
from pawsight.web.logs import Log, take_up_library_lines
from pawsight.web.protocol import guarded
from pawsight.web.service import Service

_TIDYING_SECONDS = 3  # of the time to stop, for what comes after the last answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a serving process is told; may be sent to another process."""

    run: str  # run or bundle folder, resolved anew at every opening
    limits: Limits
    token: str = ""  # empty: none is demanded
    hosts: tuple[str, ...] = ()  # names it answers to; empty: all
    processes: int = 1  # that share the machine's cores
    quiet: bool = False  # log what goes wrong alone


def open_run(settings: Settings) -> Predictor:
    """Open the run as it is now, and let it sit its exam.

    Raises:
        BundleRefused: it is broken, altered or answers otherwise than when it was made.
    """
    machine = this_machine()
    share = max(1, machine.cores // settings.processes)
    place = Path(settings.run).expanduser().resolve()  # once: `latest` may move while its files are read
    return Predictor(read_bundle(place), machine=replace(machine, cores=share))


def serve_here(
    listener: socket.socket, settings: Settings, *, opened: Callable[[], None] = lambda: None, parent: int | None = None
) -> None:
    """Serve in this process, from its main thread, until a signal says stop.

    Args:
        listener: bound and listening; closed at the end.
        settings: what to serve, and within which limits.
        opened: called when the classifier has passed its exam.
        parent: a file descriptor that becomes readable when the process that started this one is gone.

    Raises:
        PawsightError: the classifier or its decoders cannot be had.
    """
    asyncio.run(_serve(listener, settings, opened, parent))


async def _serve(listener: socket.socket, settings: Settings, opened: Callable[[], None], parent: int | None) -> None:
    log = Log(quiet=settings.quiet)
    take_up_library_lines(log)
    service = Service(lambda: open_run(settings), limits=settings.limits, log=log)
    server = _Server(_config(service, settings))
    opening = asyncio.create_task(_open(service, server, opened))
    _listen_to_signals(service, server, parent)
    await server.serve(sockets=[listener])
    await opening
    await service.stop()  # again, for what was opened when the end had begun
    if service.failure is not None:
        raise service.failure


async def _open(service: Service, server: uvicorn.Server, opened: Callable[[], None]) -> None:
    try:
        await service.start()
    except PawsightError:
        server.should_exit = True
    else:
        opened()


def _listen_to_signals(service: Service, server: uvicorn.Server, parent: int | None) -> None:
    loop = asyncio.get_running_loop()
    swaps: set[asyncio.Task[bool]] = set()

    def stop(cause: str) -> None:
        if service.draining:
            server.force_exit = cause == "SIGINT"
            return
        service.drain()
        service.log.write("stopping", cause=cause, pictures=service.inside)
        server.should_exit = True

    def swap() -> None:
        task = loop.create_task(service.swap())
        swaps.add(task)
        task.add_done_callback(swaps.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number.name)
    loop.add_signal_handler(signal.SIGHUP, swap)
    if parent is not None:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # typed at a terminal, it reaches all; the parent says what to do
        watched = parent

        def orphaned() -> None:
            loop.remove_reader(watched)
            stop("parent gone")

        loop.add_reader(watched, orphaned)


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
