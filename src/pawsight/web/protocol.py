"""uvicorn's HTTP/1.1 protocol with three limits that it lacks: connections, time for a head, time to be read.

Enters: bytes of one connection. Leaves: requests, or an ended connection. Does not know: what is asked.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pawsight.web.limits import Limits


def guarded(limits: Limits) -> type[H11Protocol]:
    """Return the protocol that keeps these limits."""
    return type("Guarded", (_Guarded,), {"limits": limits})


class _Guarded(H11Protocol):
    limits: ClassVar[Limits]
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        connection = transport.get_extra_info("socket")
        _send_at_once(connection)
        _end_when_nobody_reads(connection, self.limits.request_seconds)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:  # not a whole head yet
            self._await_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.limits.head_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _send_at_once(connection: socket.socket) -> None:
    """Send a body without waiting for word that its head arrived, which takes 40 ms.

    asyncio sees to it for sockets that know their protocol number; one that was accepted from ours does not.
    """
    with suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _end_when_nobody_reads(connection: socket.socket, seconds: float) -> None:
    """Let the system end a connection whose other side takes nothing, where it can (Linux, RFC 5482)."""
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * seconds))
