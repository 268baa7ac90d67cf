"""uvicorn's HTTP/1.1 protocol, with limits on connections, request heads, chunks, and time to send and to read."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pawsight.web.limits import Limits

_READ_BYTES = 2**15  # read from one connection at a time; asyncio's default is eight times that
_SMALL_CHUNKS, _CHUNK_BYTES = 256, 128  # chunks of any size; least mean of all further ones
_UNREAD_BYTES = 16 * 2**20  # discarded after a refusal


def limited_protocol(limits: Limits) -> type[H11Protocol]:
    """Return the protocol class with these limits, for one server."""
    return type("LimitedProtocol", (_LimitedProtocol,), {"limits": limits, "unused": {}})


class _StrictParser(h11.Connection):
    """h11's parser, which also refuses long heads in one piece, two lengths for one body, and tiny chunks.

    Each chunk is parsed on its own, so a body in chunks of one byte would delay all other requests.
    """

    why = ""  # reason of a refusal
    _head_bytes = 0
    _chunks = _bytes = 0  # of the present body

    def __init__(self, head_bytes: int) -> None:
        super().__init__(h11.SERVER, head_bytes)
        self._head_bytes = head_bytes

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event.

        Raises:
            h11.RemoteProtocolError: the bytes are not HTTP, or exceed a limit.
        """
        before = len(self.trailing_data[0]) if self.their_state is h11.IDLE else 0
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._check_head(event, before - len(self.trailing_data[0]))
        elif isinstance(event, h11.Data):
            self._check_chunk(event)
        return event

    def _check_head(self, head: h11.Request, size: int) -> None:
        self._chunks = self._bytes = 0
        if size > self._head_bytes:
            self._refuse(f"The head of a request may have {self._head_bytes:,} bytes.")
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in head.headers}:
            self._refuse("A request has Content-Length or Transfer-Encoding, not both (RFC 9112, 6.1).")

    def _check_chunk(self, data: h11.Data) -> None:
        self._chunks += data.chunk_start
        self._bytes += len(data.data)
        if (self._chunks - _SMALL_CHUNKS) * _CHUNK_BYTES > self._bytes:
            self._refuse(f"The chunks of the body are too small: send {_CHUNK_BYTES} bytes or more in each.")

    def _refuse(self, why: str) -> None:
        self.why = why
        raise h11.RemoteProtocolError(why)


class _LimitedProtocol(H11Protocol):
    limits: ClassVar[Limits]
    unused: ClassVar[dict[_LimitedProtocol, None]]  # idle connections, the longest idle first
    _late: asyncio.TimerHandle | None = None
    _unread = 0  # discarded bytes

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn: _StrictParser = _StrictParser(self.limits.head_bytes)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections and not self._make_room():
            transport.abort()
            return
        transport.max_size = _READ_BYTES
        connection = transport.get_extra_info("socket")
        _send_at_once(connection)
        _end_when_unread(connection, self.limits.request_seconds)
        self.unused[self] = None
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._is_refused_in_chunks():
            self._discard(data)
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:  # not a whole head yet
            self._await_head()
        else:
            self._stop_waiting()

    def handle_events(self) -> None:
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self.unused.pop(self, None)

    def on_response_complete(self) -> None:
        if not self.transport.is_closing():
            self.unused[self] = None
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be parsed, and end the connection."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer has begun and cannot be changed
            self.transport.abort()
            return
        if self.cycle is not None:
            self.cycle.disconnected = True  # no client reads what the application answers
            self.cycle.message_event.set()
        super().send_400_response(self.conn.why or msg)

    def connection_lost(self, exc: Exception | None) -> None:
        self.unused.pop(self, None)
        self._stop_waiting()
        super().connection_lost(exc)

    def _make_room(self) -> bool:
        """End the connection that has been idle for longest; return whether there was one."""
        for longest in self.unused:
            del self.unused[longest]
            longest.transport.abort()
            return True
        return False

    def _is_refused_in_chunks(self) -> bool:
        """Whether the answer has begun while chunks still arrive."""
        return (
            self.cycle is not None
            and self.cycle.response_started
            and self.conn.their_state is h11.SEND_BODY
            and any(name == b"transfer-encoding" for name, _ in self.headers)
        )

    def _discard(self, data: bytes) -> None:
        """Read without parsing, so that a client that sends everything before it reads can read the refusal."""
        self._unread += len(data)
        if self._unread > _UNREAD_BYTES or data.endswith(b"0\r\n\r\n"):
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def _await_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.limits.head_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _send_at_once(connection: socket.socket) -> None:
    """Send a body without waiting for the acknowledgement of its head, which takes 40 ms.

    asyncio does so for sockets with a protocol number, which sockets accepted from ours lack.
    """
    with suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _end_when_unread(connection: socket.socket, seconds: float) -> None:
    """Let the system end a connection whose client does not read (Linux, RFC 5482)."""
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * seconds))
