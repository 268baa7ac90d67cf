"""A page that one person of this machine works on: its server, and the pictures that it shows by number.

No request names a file: pictures have numbers. Any site may make a browser send requests to 127.0.0.1, and a name it
owns may point there (DNS rebinding). So addresses begin with a secret, the Host header must be that of the page, and a
request that writes must come from the page (Origin). What the page is for is in review_page.py and label_page.py.
"""

from __future__ import annotations

import io
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pawsight.core.errors import PawsightError, UnreadablePicture, WrongUsage
from pawsight.core.storage import sha256_of
from pawsight.data.label_patch import Decision
from pawsight.images.decode import MOST_MEGAPIXELS, DecodeSettings, GreyRange, decode
from pawsight.images.loader import read_regular_file

FULL = "full"  # the picture in its own size, not enlarged
SIDES = {"small": 224, "large": 960, FULL: 4096}  # pixels of the longer side of a thumbnail; FULL at most that
_QUALITY = {"small": 80, "large": 86, FULL: 90}  # of the JPEG, 1-95
_CACHED = 400  # small thumbnails in memory, 20 kB each
_STATIC = Path(__file__).with_name("static")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HOST = "127.0.0.1"
_HOST_NAMES = (HOST, "localhost")
_TOKEN_BYTES = 24
_SHUTDOWN_SECONDS = 1  # that open connections have at the end
_SAFE = ("GET", "HEAD")
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


File = tuple[Path, str, str]  # path, SHA-256, name below the root of the data
UNDO = "undo"  # takes a decision back; the other actions are those of a label patch
_ICON = "review.svg"


class Superseded(Exception):
    """What a page wants to undo no longer stands; `stands` does, None where there is nothing."""

    def __init__(self, stands: dict[str, str] | None) -> None:
        super().__init__("another session has changed the decision about this picture since; it is left so")
        self.stands = stands


class Thumbnails:
    """Pictures as JPEG, by number.

    Args:
        files: number -> (path, SHA-256, name).
        longest: says how many pixels the longer side of a picture has.
        grey_range: that 16-bit pictures are decoded with.
    """

    def __init__(
        self, files: Mapping[int, File], longest: Callable[[int], int], grey_range: GreyRange | None = None
    ) -> None:
        self._files, self._longest, self._grey_range = files, longest, grey_range
        self._small = lru_cache(_CACHED)(self._made)

    def __call__(self, number: int, size: str) -> bytes | None:
        """Return a picture as JPEG with its own proportions, None where there is none or the file has changed."""
        if number not in self._files or size not in SIDES:
            return None
        return self._small(number, size) if size == "small" else self._made(number, size)

    def _made(self, number: int, size: str) -> bytes | None:
        path, sha256, name = self._files[number]
        side = min(SIDES[size], self._longest(number)) if size == FULL else SIDES[size]
        try:
            data = read_regular_file(path)
            if sha256_of(data) != sha256:
                return None
            settings = DecodeSettings(image_px=side, max_megapixels=MOST_MEGAPIXELS, grey_range=self._grey_range)
            decoded = decode(data, settings, name=name)
        except UnreadablePicture:
            return None
        scale = side / max(decoded.width, decoded.height)
        shape = (max(1, round(decoded.width * scale)), max(1, round(decoded.height * scale)))
        buffer = io.BytesIO()
        Image.fromarray(decoded.pixels).resize(shape).save(buffer, "JPEG", quality=_QUALITY[size])
        return buffer.getvalue()


def decision_json(decision: Decision) -> dict[str, str]:
    """Return what a page knows of a decision, as JSON values."""
    return {"action": decision.action, "label": decision.label, "when": decision.when}


def local_app(
    page: str,
    files: Sequence[str],
    routes: Sequence[Route],
    thumbnails: Thumbnails,
    *,
    token: str,
    hosts: frozenset[str],
) -> Application:
    """Return a page as an ASGI application.

    Args:
        page: name of its static file.
        files: names of the static files that it loads.
        routes: of the page itself, as if it lay at the root.
        thumbnails: the pictures.
        token: secret that every address begins with.
        hosts: values of the Host header of the page, e.g. 127.0.0.1:8000.
    """

    async def static(_: Request, *, name: str) -> Response:
        return Response((_STATIC / name).read_bytes(), media_type=_KINDS[Path(name).suffix])

    async def picture(request: Request) -> Response:
        made = await run_in_threadpool(thumbnails, request.path_params["number"], request.path_params["size"])
        return Response(made, media_type="image/jpeg") if made is not None else Response(status_code=404)

    base, named = f"/{token}", {"": page, "icon.svg": _ICON, **{name: name for name in files}}
    own: list[BaseRoute] = [
        *(Route(f"{base}/{path}", partial(static, name=name)) for path, name in named.items()),
        Route(f"{base}/picture/{{number:int}}/{{size}}", picture),
        *(Route(f"{base}{route.path}", route.endpoint, methods=list(route.methods or ())) for route in routes),
    ]
    handlers = {PawsightError: _refused, Superseded: _superseded, ValueError: _bad, RecursionError: _bad}
    return own_page_only(Starlette(routes=own, exception_handlers=handlers), hosts)


async def _bad(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=500)  # the page shows that nothing was read or saved


async def _superseded(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error), "decision": getattr(error, "stands", None)}, status_code=409)


async def small_body(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        ValueError: it has more than `most` bytes, or ended early.
    """
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise ValueError(f"a decision has {most:,} bytes at most")
    except ClientDisconnect:
        raise ValueError("the decision ended early") from None
    return body


def own_page_only(application: Application, hosts: frozenset[str]) -> Application:
    """Return an application that answers requests of the page itself and refuses all others with 403.

    Args:
        application: ASGI.
        hosts: values of the Host header of the page, e.g. 127.0.0.1:8000.
    """

    async def checked(
        scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await application(scope, receive, send)
            return
        if _is_own(scope, hosts):
            await application(scope, receive, send_with_headers)
        else:
            start = {"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]}
            await send_with_headers(start)
            await send(
                {"type": "http.response.body", "body": b"This page answers only requests of its own browser tab.\n"}
            )

    return checked


def _is_own(scope: Scope, hosts: frozenset[str]) -> bool:
    values = {name: [value for key, value in scope["headers"] if key == name] for name in (b"host", b"origin")}
    if len(values[b"host"]) != 1 or values[b"host"][0].decode("latin-1").lower() not in hosts:
        return False
    if scope["method"] in _SAFE and not values[b"origin"]:
        return True
    return [value.decode("latin-1") for value in values[b"origin"]] in [[f"http://{host}"] for host in hosts]


def serve_page(
    application: Callable[[str, frozenset[str]], Application],
    *,
    port: int,
    ready: Callable[[str], None],
    stop: Event | None = None,
) -> None:
    """Serve a page on 127.0.0.1, under a secret address, until Ctrl-C or until `stop` is set.

    Args:
        application: makes the page of the secret and the values of its Host header.
        port: 0 takes a free one.
        ready: called with the address once it can be opened.
        stop: ends it from another thread.

    Raises:
        WrongUsage: the port cannot be used.
    """
    import uvicorn

    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with _listening(port) as listener:
        number = listener.getsockname()[1]
        config = uvicorn.Config(
            application(token, frozenset(f"{name}:{number}" for name in _HOST_NAMES)),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        server = uvicorn.Server(config)
        address = f"http://{HOST}:{number}/{token}/"
        Thread(target=announce, args=(server, ready, address, stop), daemon=True).start()
        with suppress(KeyboardInterrupt):  # the user stops it
            server.run(sockets=[listener])


def announce(server: Any, ready: Callable[[str], None], address: str, stop: Event | None) -> None:
    """Call `ready` with the address once the server has started, and end the server when `stop` is set."""
    waiting = Event()
    while not server.started:
        if server.should_exit:
            return
        waiting.wait(0.01)
    ready(address)
    if stop is not None:
        stop.wait()
        server.should_exit = True


def _listening(port: int) -> socket.socket:
    # With the protocol given, asyncio sees a TCP socket and sends answers at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise WrongUsage(
            f"Port {port} of {HOST} cannot be used.",
            f"The system says: {error.strerror or error}.",
            "Leave --port out to use a free one.",
        ) from error
    return listener
