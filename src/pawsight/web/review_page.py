"""The review page: one person decides about pictures in a browser of this machine; each decision is saved at once.

No request names a file: pictures have numbers on the board. Any site may make a browser send requests to 127.0.0.1, and
a name it owns may point there (DNS rebinding). So addresses begin with a secret, the Host header must be that of the
page, and a request that writes must come from the page (Origin).
"""

from __future__ import annotations

import io
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pawsight.core.errors import PawsightError, UnreadablePicture, WrongUsage
from pawsight.core.storage import sha256_of, turn_to_rewrite
from pawsight.data.label_patch import ACTIONS, RELABEL, Decision, newest, read_patch, write_patch
from pawsight.images.decode import MOST_MEGAPIXELS, DecodeSettings, GreyRange, decode
from pawsight.images.loader import read_regular_file

UNDO = "undo"
FULL = "full"  # the picture in its own size, not enlarged
SIDES = {"small": 224, "large": 960, FULL: 4096}  # pixels of the longer side of a thumbnail; FULL at most that
_QUALITY = {"small": 80, "large": 86, FULL: 90}  # of the JPEG, 1-95
_CACHED = 400  # small thumbnails in memory, 20 kB each
_MOST_BYTES = 4096  # of a request with a decision
_STATIC = Path(__file__).with_name("static")
_PAGE = {
    "": ("review.html", "text/html; charset=utf-8"),
    "tokens.css": ("tokens.css", "text/css; charset=utf-8"),
    "base.css": ("base.css", "text/css; charset=utf-8"),
    "review.css": ("review.css", "text/css; charset=utf-8"),
    **{
        name: (name, "text/javascript; charset=utf-8")
        for name in ("dom.js", "words.js", "review.js", "review_grid.js", "review_zoom.js")
    },
    "icon.svg": ("review.svg", "image/svg+xml"),
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


class Superseded(Exception):
    """What a page wants to undo no longer stands; `decision` does, None where there is none."""

    def __init__(self, decision: dict[str, str] | None) -> None:
        super().__init__("another session has changed the decision about this picture since; it is left so")
        self.decision = decision


class ReviewSession:
    """The pictures to decide about, and the decisions.

    Args:
        board: what the page shows, as JSON values; `classes` are the labels.
        files: number on the board -> (path, SHA-256, name below the root of the data).
        patch: the file that decisions are written to. Other sessions may write to it too.
        decisions: earlier ones, which stand until that file is written; a new one about the same picture replaces them.
        grey_range: that the run decodes 16-bit pictures with.
    """

    def __init__(
        self,
        board: Mapping[str, Any],
        files: Mapping[int, tuple[Path, str, str]],
        patch: Path,
        decisions: tuple[Decision, ...] = (),
        *,
        grey_range: GreyRange | None = None,
    ) -> None:
        self._grey_range = grey_range
        self.board, self._files, self._patch = board, files, patch
        self._classes = frozenset(board["classes"])
        self._earlier = decisions
        self._lock = Lock()
        self._small = lru_cache(_CACHED)(self._thumbnail)

    def decisions(self) -> tuple[Decision, ...]:
        """Return the last decision about each picture, those of other sessions included.

        Raises:
            StorageError, DataError: the file cannot be read.
        """
        return read_patch(self._patch).decisions if self._patch.exists() else self._earlier

    def decided(self) -> dict[int, dict[str, str]]:
        """Return number on the board -> its decision."""
        known = {(decision.sha256, decision.path): decision for decision in self.decisions()}
        found = {number: known.get((sha256, name)) for number, (_, sha256, name) in self._files.items()}
        return {number: _values(last) for number, last in found.items() if last}

    def decide(
        self, number: object, action: object, label: object = "", undone: object = None
    ) -> tuple[int, dict[str, str]]:
        """Save one decision on disk, beside those that other sessions have saved meanwhile.

        Args:
            number: of the picture on the board.
            action: keep, relabel, drop, or undo, which removes the decision about the picture.
            label: of a class where the action is relabel, else empty.
            undone: the decision, as `decided` gives it, that this one takes back; needed for undo.

        Returns:
            how many pictures are decided about, and the decision as `decided` gives it.

        Raises:
            ValueError: picture, action or label is unknown, or it is not said what is undone.
            Superseded: there is another decision than `undone`; it is left as it is.
            StorageError: the file cannot be written.
            DataError: it was edited and cannot be read; it is left as it is.
        """
        if not isinstance(number, int) or isinstance(number, bool) or number not in self._files:
            raise ValueError("there is no picture with this number")
        if action not in (*ACTIONS, UNDO) or not isinstance(action, str):
            raise ValueError(f"the action must be one of {', '.join((*ACTIONS, UNDO))}")
        if not isinstance(label, str) or (label not in self._classes if action == RELABEL else label != ""):
            raise ValueError("the label must be that of a class, and is given with relabel alone")
        if undone is None and action == UNDO:
            raise ValueError("undo names the decision that is undone")
        _, sha256, name = self._files[number]
        decision = Decision(name, sha256, action, label, datetime.now(UTC).isoformat(timespec="seconds"))
        with self._lock, turn_to_rewrite(self._patch):
            before = self.decided().get(number)
            if undone is not None and before != undone:
                raise Superseded(before)
            others = tuple(old for old in self.decisions() if (old.sha256, old.path) != (sha256, name))
            decisions = others if action == UNDO else newest((*others, decision))
            write_patch(self._patch, [replace(decision, line=0) for decision in decisions])
        return len(decisions), _values(decision)

    def thumbnail(self, number: int, size: str) -> bytes | None:
        """Return a picture as JPEG with its own proportions, None where there is none or the file has changed."""
        if number not in self._files or size not in SIDES:
            return None
        return self._small(number, size) if size == "small" else self._thumbnail(number, size)

    def _thumbnail(self, number: int, size: str) -> bytes | None:
        path, sha256, name = self._files[number]
        side = SIDES[size]
        if size == FULL:
            facts = self.board["pictures"][number]
            side = min(side, max(facts["width"], facts["height"]))
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


def _values(decision: Decision) -> dict[str, str]:
    return {"action": decision.action, "label": decision.label, "when": decision.when}


def review_app(session: ReviewSession, *, token: str, hosts: frozenset[str]) -> Callable[..., Awaitable[None]]:
    """Return the page as an ASGI application.

    Args:
        session: the pictures and decisions.
        token: secret that every address begins with.
        hosts: values of the Host header of the page, e.g. 127.0.0.1:8000.
    """

    async def page(_: Request, *, file: str) -> Response:
        name, kind = _PAGE[file]
        return Response((_STATIC / name).read_bytes(), media_type=kind)

    async def state(request: Request) -> Response:
        decided = await run_in_threadpool(session.decided)
        return JSONResponse({"board": session.board, "decided": decided, "classes": session.board["classes"]})

    async def picture(request: Request) -> Response:
        made = await run_in_threadpool(session.thumbnail, request.path_params["number"], request.path_params["size"])
        return Response(made, media_type="image/jpeg") if made is not None else Response(status_code=404)

    async def decision(request: Request) -> Response:
        try:
            values = json.loads(await _small_body(request))
            if not isinstance(values, dict):
                raise ValueError("a decision is a JSON object")
            count, made = await run_in_threadpool(
                session.decide,
                values.get("picture"),
                values.get("action"),
                values.get("label", ""),
                values.get("undone"),
            )
        except (ValueError, RecursionError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"decided": count, "decision": made})

    async def refused(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=500)  # the page shows that nothing was read or saved

    base = f"/{token}"
    routes = [
        *(Route(f"{base}/{file}", partial(page, file=file)) for file in _PAGE),
        Route(f"{base}/state", state),
        Route(f"{base}/picture/{{number:int}}/{{size}}", picture),
        Route(f"{base}/decision", decision, methods=["POST"]),
    ]
    return own_page_only(
        Starlette(routes=routes, exception_handlers={PawsightError: refused, Superseded: _superseded}), hosts
    )


async def _superseded(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error), "decision": getattr(error, "decision", None)}, status_code=409)


async def _small_body(request: Request) -> bytes:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ValueError(f"a decision has {_MOST_BYTES:,} bytes at most")
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


def serve_review(session: ReviewSession, *, port: int, ready: Callable[[str], None], stop: Event | None = None) -> None:
    """Serve the page on 127.0.0.1, under a secret address, until Ctrl-C or until `stop` is set.

    Args:
        session: the pictures and decisions.
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
            review_app(session, token=token, hosts=frozenset(f"{name}:{number}" for name in _HOST_NAMES)),
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
