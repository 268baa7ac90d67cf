"""The review page on this machine: one person decides about pictures, and every decision is kept at once.

Enters: a `Desk`, requests from this machine's browser. Leaves: the page, thumbnails, a file of decisions. Does not
know: how suspects were found.

No request names a file: pictures have numbers on the board, and what has no number is not shown.
"""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pawsight.core.errors import PawsightError, UnreadablePicture
from pawsight.core.storage import sha256_of
from pawsight.data.label_patch import ACTIONS, RELABEL, Decision, newest, write_patch
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.loader import read_regular_file
from pawsight.web.loopback import serve_on_loopback
from pawsight.web.review_guard import guarded

UNDO = "undo"
SIDES = {"small": 224, "large": 960}  # pixels of the longer side of a thumbnail
_QUALITY = {"small": 80, "large": 86}  # of the JPEG, 1-95
_KEPT = 400  # small thumbnails held in memory, 20 kB each
_MOST_BYTES = 4096  # of a decision
_STATIC = Path(__file__).with_name("static")
_PAGE = {
    "": ("review.html", "text/html; charset=utf-8"),
    "review.css": ("review.css", "text/css; charset=utf-8"),
    "review.js": ("review.js", "text/javascript; charset=utf-8"),
    "icon.svg": ("review.svg", "image/svg+xml"),
}


class Desk:
    """What is to be decided, and what was.

    Args:
        board: what the page shows, as JSON values; `classes` are its labels.
        files: number on the board -> (path, SHA-256, name below the root of the data).
        patch: the file that decisions are kept in.
        decisions: made before; they stay unless decided anew.
    """

    def __init__(
        self,
        board: Mapping[str, Any],
        files: Mapping[int, tuple[Path, str, str]],
        patch: Path,
        decisions: tuple[Decision, ...] = (),
    ) -> None:
        self.board, self._files, self._patch = board, files, patch
        self._classes = frozenset(board["classes"])
        self._decisions = decisions
        self._lock = Lock()
        self.small = lru_cache(_KEPT)(self._thumbnail)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """All decisions so far, the last about each picture."""
        return self._decisions

    def decided(self) -> dict[int, dict[str, str]]:
        """Return number on the board -> what was decided."""
        known = {(one.sha256, one.path): one for one in self._decisions}
        found = {number: known.get((sha256, name)) for number, (_, sha256, name) in self._files.items()}
        return {number: {"action": one.action, "label": one.label} for number, one in found.items() if one}

    def decide(self, number: object, action: object, label: object = "") -> None:
        """Keep one decision, in memory and on disk.

        Args:
            number: of the picture on the board.
            action: keep, relabel, drop, or undo, which forgets what was decided about the picture.
            label: of a class where the action is relabel, else empty.

        Raises:
            ValueError: the picture, the action or the label is none that is there. StorageError: the disk refused.
        """
        if not isinstance(number, int) or isinstance(number, bool) or number not in self._files:
            raise ValueError("there is no picture with this number")
        if action not in (*ACTIONS, UNDO) or not isinstance(action, str):
            raise ValueError(f"the action must be one of {', '.join((*ACTIONS, UNDO))}")
        if not isinstance(label, str) or (label not in self._classes if action == RELABEL else label != ""):
            raise ValueError("the label must be that of a class, and is given with relabel alone")
        _, sha256, name = self._files[number]
        one = Decision(name, sha256, action, label, datetime.now(UTC).isoformat(timespec="seconds"))
        with self._lock:
            others = tuple(old for old in self._decisions if (old.sha256, old.path) != (sha256, name))
            decisions = others if action == UNDO else newest((*others, one))
            write_patch(self._patch, [replace(one, line=0) for one in decisions])
            self._decisions = decisions

    def thumbnail(self, number: int, size: str) -> bytes | None:
        """Return a picture as JPEG in its own shape, None where there is none or the file changed meanwhile."""
        if number not in self._files or size not in SIDES:
            return None
        return self.small(number, size) if size == "small" else self._thumbnail(number, size)

    def _thumbnail(self, number: int, size: str) -> bytes | None:
        path, sha256, name = self._files[number]
        side = SIDES[size]
        try:
            data = read_regular_file(path)
            if sha256_of(data) != sha256:
                return None
            decoded = decode(data, DecodeSettings(image_px=side), name=name)
        except UnreadablePicture:
            return None
        scale = side / max(decoded.width, decoded.height)
        shape = (max(1, round(decoded.width * scale)), max(1, round(decoded.height * scale)))
        buffer = io.BytesIO()
        Image.fromarray(decoded.pixels).resize(shape).save(buffer, "JPEG", quality=_QUALITY[size])
        return buffer.getvalue()


def review_app(desk: Desk, *, token: str, hosts: frozenset[str]) -> Callable[..., Awaitable[None]]:
    """Return the page as an ASGI application.

    Args:
        desk: what is decided about.
        token: secret that every address begins with.
        hosts: values of the Host header that mean this page, e.g. 127.0.0.1:8000.
    """

    async def page(request: Request) -> Response:
        name, kind = _PAGE[request.path_params.get("file", "")]
        return Response((_STATIC / name).read_bytes(), media_type=kind)

    async def state(request: Request) -> Response:
        return JSONResponse({"board": desk.board, "decided": desk.decided(), "classes": desk.board["classes"]})

    async def picture(request: Request) -> Response:
        made = await run_in_threadpool(desk.thumbnail, request.path_params["number"], request.path_params["size"])
        return Response(made, media_type="image/jpeg") if made is not None else Response(status_code=404)

    async def decision(request: Request) -> Response:
        try:
            said = json.loads(await _small_body(request))
            if not isinstance(said, dict):
                raise ValueError("a decision is a JSON object")
            await run_in_threadpool(desk.decide, said.get("picture"), said.get("action"), said.get("label", ""))
        except (ValueError, RecursionError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        except PawsightError as error:  # the disk refused: the person must know that nothing was kept
            return JSONResponse({"error": str(error)}, status_code=500)
        return JSONResponse({"decided": len(desk.decisions)})

    base = f"/{token}"
    static = [Route(f"{base}/{file}", _of(page, file)) for file in _PAGE if file]
    routes = [
        Route(f"{base}/", page),
        *static,
        Route(f"{base}/state", state),
        Route(f"{base}/picture/{{number:int}}/{{size}}", picture),
        Route(f"{base}/decision", decision, methods=["POST"]),
    ]
    return guarded(Starlette(routes=routes), hosts)


def serve_review(desk: Desk, *, port: int, ready: Callable[[str], None], stop: Event | None = None) -> None:
    """Serve the page on 127.0.0.1 until Ctrl-C.

    Args:
        desk: what is decided about.
        port: 0 takes a free one.
        ready: called with the address once it can be opened.
        stop: ends it from another thread.
    """
    serve_on_loopback(
        lambda token, hosts: review_app(desk, token=token, hosts=hosts), port=port, ready=ready, stop=stop
    )


def _of(page: Callable[[Request], Awaitable[Response]], file: str) -> Callable[[Request], Awaitable[Response]]:
    async def one(request: Request) -> Response:
        request.path_params["file"] = file
        return await page(request)

    return one


async def _small_body(request: Request) -> bytes:
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ValueError(f"a decision has {_MOST_BYTES:,} bytes at most")
    except ClientDisconnect:
        raise ValueError("the decision ended before its end") from None
    return body
