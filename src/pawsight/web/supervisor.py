"""Several serving processes behind one socket: started, replaced when they die, told what the signals say.

Enters: a listening socket, `Settings` and a number. Leaves: nothing; it returns when all have ended. Does not know:
requests, classifiers.

The processes share the socket and nothing else: each opens the run, has an engine, decoders, limits and counters of
its own, and the system decides which of them gets a connection.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from pawsight.errors import PawsightError
from pawsight.web.logs import Log
from pawsight.web.server import Settings, serve_here

_LOOK_SECONDS = 0.2
_REST_SECONDS = 1.0  # before a process that died is replaced


def serve_many(listener: socket.socket, settings: Settings) -> None:
    """Serve in `settings.processes` processes until a signal says stop.

    Raises:
        PawsightError: one of them could not open the classifier when it began.
    """
    herd = _Herd(listener, settings)
    before = {number: signal.signal(number, herd.hear) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        herd.tend()
    finally:
        herd.end()
        listener.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    if herd.failure is not None:
        raise herd.failure


@dataclass(slots=True)
class _One:
    process: Any  # of the context "spawn", whose type has no public name
    news: Connection
    opened: bool = False


class _Herd:
    def __init__(self, listener: socket.socket, settings: Settings) -> None:
        self._listener, self._settings = listener, settings
        self._log = Log(quiet=settings.quiet)
        self._context = multiprocessing.get_context("spawn")
        self._stopping = False
        self.failure: PawsightError | None = None
        self._all = [self._start() for _ in range(settings.processes)]

    def hear(self, number: int, _: object) -> None:
        if number != signal.SIGHUP:
            self._stopping = True
        self._pass_on(signal.SIGHUP if number == signal.SIGHUP else signal.SIGTERM)

    def tend(self) -> None:
        """Look after all of them until it is time to stop."""
        while not self._stopping:
            time.sleep(_LOOK_SECONDS)
            for place, one in enumerate(self._all):
                self._read_news(one)
                if one.process.is_alive() or self._stopping:
                    continue
                if not one.opened:
                    self.failure = self.failure or _never_opened(one.process.exitcode)
                    return
                self._log.write("process", said="A serving process died and is replaced.", status=one.process.exitcode)
                time.sleep(_REST_SECONDS)
                self._all[place] = self._start()
                self._all[place].opened = True  # the first of its place did open: a later failure is tried again

    def end(self) -> None:
        """Tell all to stop, wait as long as they may take, and end those that do not."""
        self._pass_on(signal.SIGTERM)
        last = time.monotonic() + self._settings.limits.drain_seconds
        for one in self._all:
            one.process.join(max(0.1, last - time.monotonic()))
            if one.process.is_alive():
                one.process.kill()
                one.process.join()

    def _start(self) -> _One:
        news, told = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_serve, args=(self._listener, self._settings, told))
        process.start()
        told.close()
        return _One(process, news)

    def _read_news(self, one: _One) -> None:
        try:
            while one.news.poll():
                news = one.news.recv()
                one.opened = one.opened or news is None
                self.failure = self.failure or (news if not one.opened else None)
        except (EOFError, OSError):
            return

    def _pass_on(self, number: int) -> None:
        for one in self._all:
            if one.process.is_alive():
                with suppress(ProcessLookupError):
                    os.kill(one.process.pid, number)


def _serve(listener: socket.socket, settings: Settings, told: Connection) -> None:
    parent = multiprocessing.parent_process()
    try:
        serve_here(
            listener, settings, opened=lambda: told.send(None), parent=parent.sentinel if parent is not None else None
        )
    except PawsightError as error:
        told.send(error)
        raise SystemExit(error.exit_status) from None


def _never_opened(status: int | None) -> PawsightError:
    return PawsightError("A serving process ended before it could answer.", f"Its exit status was {status}.")
