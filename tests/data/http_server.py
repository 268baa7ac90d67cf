"""A web server on this machine that misbehaves on request: paths, each with a function that answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Talk:
    """One request being answered."""

    handler: BaseHTTPRequestHandler
    turn: int  # how often this path was asked for before
    held: threading.Event

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.handler.headers.items()}

    def start(self, status: int, **headers: object) -> None:
        """Send the head; `content_length=3` becomes `Content-Length: 3`."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-").title(), str(value))
        self.handler.end_headers()

    def write(self, data: bytes) -> None:
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def send(self, body: bytes, status: int = 200, **headers: object) -> None:
        """Send everything, with its length."""
        self.start(status, content_length=len(body), **headers)
        self.write(body)

    def serve(self, body: bytes, *, etag: str = "", stop_after: int | None = None, **headers: object) -> None:
        """Answer as a good server does, honouring Range and If-Range; `stop_after` cuts the connection."""
        tags = {"etag": etag} if etag else {}
        asked, condition = self.headers.get("range"), self.headers.get("if-range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and condition == etag else 0
        if start >= len(body):
            self.send(b"", 416)
            return
        rest = body[start:]
        span = {"content_range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
        self.start(206 if start else 200, content_length=len(rest), **tags, **span, **headers)
        self.write(rest[:stop_after])

    def stall(self) -> None:
        """Say nothing until the test is over."""
        self.held.wait(20)

    def drip(self, piece: bytes) -> None:
        """Say a little, slowly, until the test is over."""
        while not self.held.is_set():
            self.write(piece)
            time.sleep(0.05)


Responder = Callable[[Talk], None]


@dataclass
class Site:
    """What the server answers and what it was asked."""

    address: str
    pages: dict[str, Responder] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def page(self, path: str, responder: Responder) -> str:
        """Let `responder` answer `path`; return the URL."""
        self.pages[path] = responder
        return self.url(path)

    def url(self, path: str) -> str:
        return f"{self.address}{path}"

    def ranges(self) -> list[str | None]:
        """Return the Range header of every request, in order."""
        return [headers.get("range") for _, headers in self.asked]


@contextmanager
def running_site() -> Iterator[Site]:
    held = threading.Event()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            with lock:
                turn = sum(1 for known, _ in site.asked if known == path)
                site.asked.append((path, {name.lower(): value for name, value in self.headers.items()}))
            talk = Talk(self, turn, held)
            site.pages.get(path, lambda talk: talk.send(b"nothing here", 404))(talk)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hung up is what many tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        held.set()
        server.shutdown()
        server.server_close()
        thread.join()
