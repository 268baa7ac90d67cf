"""One serving process: it answers requests on a listening socket until a signal stops it, and logs JSON lines.

SIGTERM, SIGINT   not ready at once; requests that have begun are answered, then the process ends
SIGHUP            the run is opened again, and replaces the present classifier if it passes its self-test

The protocol is uvicorn's HTTP/1.1, with limits on connections, request heads, chunks, and time to send and to read. It
is subclassed, so pyproject.toml keeps uvicorn and h11 below their next minor versions (docs/decisions/0032).
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import signal
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, ClassVar, TextIO, cast

import h11
import uvicorn
from pythonjsonlogger.json import JsonFormatter
from uvicorn.protocols.http.h11_impl import H11Protocol

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import Predictor
from pawsight.core.errors import PawsightError
from pawsight.core.machine import CPU, Device
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import as_path
from pawsight.core.text import plural, printable
from pawsight.web.app import create_app
from pawsight.web.feedback import Feedback, check_one_class
from pawsight.web.limits import Limits
from pawsight.web.problems import MEDIA_TYPE, RequestProblem
from pawsight.web.quotas import share_of
from pawsight.web.service import Service

_log = logging.getLogger("pawsight.serve")
_STOP = (signal.SIGTERM, signal.SIGINT)
_CLEANUP_SECONDS = 3  # of the time to stop, kept for what follows the last answer
_READ_BYTES = 2**15  # read from one connection at a time; asyncio's default is eight times that
_SMALL_CHUNKS, _CHUNK_BYTES = 256, 128  # chunks of any size; least mean of all further ones
_UNREAD_BYTES = 16 * 2**20  # discarded after a refusal
_YOUNG_SECONDS = 1.0  # of a body, before it can be called slow
_FOLDED = re.compile(rb"\n[ \t]")  # a header line that continues the one before


def serve_here(
    listener: socket.socket,
    run: str | os.PathLike[str],
    *,
    limits: Limits,
    token: str = "",
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
    proxies: Sequence[str] = (),
    with_report: bool = False,
    feedback: Feedback | None = None,
    title: str = "",
    share: str = "",
    answer_all: bool = False,
    device: Device = CPU,
    progress: Progress = SILENT,
) -> None:
    """Serve in this process, from its main thread, until a signal stops it.

    Args:
        listener: bound and listening; closed at the end.
        run: run or bundle folder, resolved at every opening.
        limits: of requests, queues and processes.
        token: required by /api/ and /metrics; empty for none.
        hosts: names of the service; empty allows all.
        origins: of other sites whose pages may use the service.
        proxies: addresses and networks whose X-Forwarded-For is believed.
        with_report: show the run's report.
        feedback: keeps the pictures that users label.
        title: the question of the page; empty: the classes make it.
        share: the page's address for other devices, which it shows as a QR code; empty: it shows none.
        answer_all: call no picture unsure or unfamiliar.
        device: what computes.
        progress: hears where that is not what was asked for.

    Raises:
        PawsightError: the classifier is refused, or a decoder does not start.
    """

    def open_run() -> Predictor:
        bundle = read_bundle(
            as_path(run).resolve(), answer_all=answer_all
        )  # once: `latest` may move while files are read
        if feedback is not None:
            check_one_class(bundle.card, run)
        return Predictor(bundle, device=device, progress=progress)

    async def serve() -> None:
        service = Service(open_run, limits=limits, feedback=feedback)
        server = _Server(
            uvicorn.Config(
                create_app(
                    service,
                    token=token,
                    hosts=hosts,
                    origins=origins,
                    with_report=with_report,
                    title=title,
                    share=share,
                    start=False,
                ),
                http=limited_protocol(limits, proxies),
                ws="none",
                loop="asyncio",
                lifespan="on",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=list(proxies),
                timeout_keep_alive=int(limits.idle_seconds),
                timeout_graceful_shutdown=int(limits.drain_seconds) - _CLEANUP_SECONDS,
                h11_max_incomplete_event_size=limits.head_bytes,
            )
        )
        opening = asyncio.create_task(_open(service, server))
        _handle_signals(service, server)
        await server.serve(sockets=[listener])
        await opening
        await service.stop()  # again, for a classifier that was opened after the end had begun
        if service.failure is not None:
            raise service.failure

    before = {number: signal.getsignal(number) for number in (*_STOP, signal.SIGHUP)}
    try:
        asyncio.run(serve())
    finally:  # asyncio leaves the default handlers
        for number, handler in before.items():
            if handler is not None:  # None was not set from Python, which cannot set it again
                signal.signal(number, handler)


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
        _log.info("stopping", extra={"cause": cause, "pictures": service.pictures.held})
        server.should_exit = True

    def swap() -> None:
        task = loop.create_task(service.swap())
        swaps.add(task)
        task.add_done_callback(swaps.discard)

    for number in _STOP:
        loop.add_signal_handler(number, stop, number.name)
    loop.add_signal_handler(signal.SIGHUP, swap)


class _Server(uvicorn.Server):
    """A server that leaves signals to `_handle_signals`; uvicorn's handlers end with the signal's exit status."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def limited_protocol(limits: Limits, proxies: Sequence[str] = ()) -> type[H11Protocol]:
    """Return the protocol class with these limits, for one server.

    Args:
        limits: of connections, heads and time.
        proxies: addresses and networks whose connections are those of many clients, and count for no address.
    """
    networks = [ip_network(proxy) for proxy in proxies]
    return type("LimitedProtocol", (_LimitedProtocol,), {"limits": limits, "proxies": networks, "unused": {}})


class _StrictParser(h11.Connection):
    """h11's parser, which also refuses long heads in one piece, folded headers, two lengths of a body, and tiny chunks.

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
        before = self.trailing_data[0] if self.their_state is h11.IDLE else b""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._check_head(event, before[: len(before) - len(self.trailing_data[0])])
        elif isinstance(event, h11.Data):
            self._check_chunk(event)
        return event

    def _check_head(self, head: h11.Request, written: bytes) -> None:
        self._chunks = self._bytes = 0
        if len(written) > self._head_bytes:
            self._refuse(f"The head of a request may have {self._head_bytes:,} bytes.")
        if _FOLDED.search(written):
            self._refuse("A header is one line; one that goes on in the next is not read (RFC 9112, 5.2).")
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
    proxies: ClassVar[Sequence[IPv4Network | IPv6Network]]
    unused: ClassVar[dict[_LimitedProtocol, None]]  # idle connections, the longest idle first
    _late: asyncio.TimerHandle | None = None
    _unread = 0  # discarded bytes
    _address = ""  # of the client, as its share is counted
    _begun = 0.0  # when the present request began
    _received = 0  # bytes of it, with its head

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn: _StrictParser = _StrictParser(self.limits.head_bytes)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        host = self.client[0] if self.client else None
        self._address = "" if host is None or self._is_proxy(host) else share_of(host)
        if not self._is_admitted():
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
        self._received += len(data)
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:  # not a whole head yet
            self._await_head()
        else:
            self._stop_waiting()

    def handle_events(self) -> None:
        super().handle_events()
        if self.conn.their_state is not h11.IDLE and self in self.unused:
            del self.unused[self]
            self._begun = self.loop.time()

    def on_response_complete(self) -> None:
        if not self.transport.is_closing():
            self.unused[self] = None
            self._received = 0
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be parsed, and end the connection."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # an answer has begun and cannot be changed
            self.transport.abort()
            return
        if self.cycle is not None:
            self.cycle.disconnected = True  # no client reads what the application answers
            self.cycle.message_event.set()
        problem = RequestProblem("bad-request", self.conn.why or "The request is not written as RFC 9112 demands.")
        body = problem.body(instance="", request_id=secrets.token_hex(8))
        headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), ("Connection", "close")]
        answer = h11.Response(status_code=problem.status, headers=headers, reason=b"Bad Request")
        for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.unused.pop(self, None)
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_proxy(self, host: str) -> bool:
        return any(ip_address(host) in network for network in self.proxies)

    def _is_admitted(self) -> bool:
        """Whether there is room for this connection, in all and in its address's share; another may end for it."""
        limits, connections = self.limits, cast("set[_LimitedProtocol]", self.connections)
        same = {connection for connection in connections if connection._address == self._address}
        if self._address and len(same) > limits.share(limits.connections):
            return self._make_room(same)
        return len(connections) <= limits.connections or self._make_room(connections)

    def _make_room(self, connections: Collection[_LimitedProtocol]) -> bool:
        """End the one of these that has been idle for longest, else that with the slowest body; False where none is."""
        end = next((connection for connection in self.unused if connection in connections), None)
        if end is None:
            now = self.loop.time()
            slow = [
                connection
                for connection in connections
                if connection.conn.their_state is h11.SEND_BODY and now - connection._begun > _YOUNG_SECONDS
            ]
            end = min(slow, key=lambda connection: connection._received / (now - connection._begun), default=None)
        if end is None:
            return False
        self.unused.pop(end, None)
        end.transport.abort()
        return True

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


def log_json_lines(level: int, out: TextIO | None = None) -> None:
    """Log the service's events from `level` on, and warnings of all libraries, in a process that only serves.

    Lines are ASCII, so that no text moves the cursor or begins a line. A line that cannot be written is dropped.
    """
    names = {"asctime": "time", "levelname": "level", "message": "event", "exc_info": "error"}
    _start_log(level, _JsonLines(("asctime", "levelname", "name", "message"), rename_fields=names), out)


def log_plain_lines(level: int, out: TextIO | None = None) -> None:
    """Log the same events for a person at a terminal: time, event, and what belongs to it."""
    _start_log(level, _PlainLines("%(asctime)s %(message)s", "%H:%M:%S"), out)


def _start_log(level: int, formatter: logging.Formatter, out: TextIO | None) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    logging.getLogger("pawsight.serve").setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a malformed form is answered to the client
    logging.raiseExceptions = False


class _PlainLines(logging.Formatter):
    """`20:30:54 POST /api/v1/predict 200, 4 pictures, 672 ms`; other events are followed by their values."""

    _given = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "id"}

    def format(self, record: logging.LogRecord) -> str:
        """Return one printable line."""
        values = {name: value for name, value in vars(record).items() if name not in self._given}
        if record.getMessage() == "request" and values.keys() >= {"method", "route", "status", "pictures", "ms"}:
            parts = [f"{values['method']} {values['route']} {values['status']}"]
            parts += [plural(values["pictures"], "picture")] if values["pictures"] else []
            text = ", ".join([*parts, f"{values['ms']:.0f} ms"])
        else:
            text = " ".join([record.getMessage(), *(f"{name}={value}" for name, value in values.items())])
        error = "" if record.exc_info is None or record.exc_info[0] is None else f" ({record.exc_info[0].__name__})"
        return printable(f"{self.formatTime(record, self.datefmt)} {text}{error}")


class _JsonLines(JsonFormatter):
    converter = staticmethod(time.gmtime)
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03d+00:00"

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return an exception's type only: its text may come from a client."""
        return str(ei[0].__name__)
