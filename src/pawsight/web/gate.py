"""The gate that every request passes: its id, its right to be here, its deadline, and what is told of it.

Enters: ASGI calls. Leaves: the application's answer with security headers, or a problem document; one line in the
log and a count. Does not know: pictures, models.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pawsight.web import problems
from pawsight.web.headers import SECURITY, foreign_origin, wrong_host
from pawsight.web.problems import Problem
from pawsight.web.service import Service

_log = logging.getLogger("pawsight.serve")
_HARMLESS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_GUARDED = ("/api/", "/metrics")  # what a token guards; all else is the same for everybody who has Pawsight
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 16 * 2**20


@dataclass(slots=True)
class Visit:
    """One request on its way through the gate."""

    id: str
    headers: Headers
    start: float = field(default_factory=time.perf_counter)
    read: bool = False  # whether the body was read to its end
    status: int = 0  # of the answer, 0 before it has begun
    route: str = "other"  # the route's own words, never the client's
    pictures: int = 0

    @property
    def has_body(self) -> bool:
        """Whether the head announces a body."""
        return self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers


class Gate:
    """ASGI middleware around the whole application.

    Args:
        app: what is behind the gate.
        service: whose limits and metrics are used.
        token: that /api/ and /metrics demand; empty when there is none.
        hosts: names that the service answers to; empty allows all.
    """

    def __init__(self, app: ASGIApp, *, service: Service, token: str, hosts: Collection[str]) -> None:
        self._app, self._service, self._hosts = app, service, hosts
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or turn it away."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        visit = Visit(_request_id(headers), headers)
        scope["pawsight.visit"] = visit
        passage = _Passage(visit, receive, send)
        try:
            async with asyncio.timeout(self._service.limits.request_seconds):
                await self._pass(scope, passage)
        except TimeoutError:
            await self._late(scope, passage)
        finally:
            self._tell(scope, visit)

    async def _pass(self, scope: Scope, passage: _Passage) -> None:
        try:
            self._check(scope["path"], passage.visit.headers)
            await self._app(scope, passage.receive, passage.send)
        except Problem as problem:
            await passage.refuse(problem, scope)
        except Exception as error:  # nobody else is left to answer
            _log.error(
                "failed",
                extra={"id": passage.visit.id, "error": type(error).__name__, "said": str(error)[:500]},
            )
            await passage.refuse(Problem("failed", "It is in the log under this request's id."), scope)

    def _check(self, path: str, headers: Mapping[str, str]) -> None:
        if path in ("/livez", "/readyz"):
            return
        if detail := wrong_host(headers, self._hosts):
            raise Problem("misdirected", detail)
        if detail := foreign_origin(headers):
            raise Problem("foreign-origin", detail)
        if self._token and path.startswith(_GUARDED) and not self._knows_token(headers):
            raise Problem(
                "token-wanted",
                "Send the header Authorization: Bearer TOKEN, with the token that the service was started with.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _knows_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._token)

    async def _late(self, scope: Scope, passage: _Passage) -> None:
        seconds = self._service.limits.request_seconds
        problem = Problem("deadline", f"There was no answer within {seconds:g} s. Send fewer pictures at once.")
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await passage.refuse(problem, scope)

    def _tell(self, scope: Scope, visit: Visit) -> None:
        seconds = time.perf_counter() - visit.start
        metrics = self._service.metrics
        metrics.requests.labels(visit.route, visit.status).inc()
        metrics.seconds.labels(visit.route).observe(seconds)
        _log.info(
            "request",
            extra={
                "id": visit.id,
                "method": scope["method"][:16],
                "route": visit.route,
                "status": visit.status,
                "pictures": visit.pictures,
                "ms": round(1000 * seconds, 1),
            },
        )


class _Passage:
    """The two ways between server and application, watched in both directions."""

    def __init__(self, visit: Visit, receive: Receive, send: Send) -> None:
        self.visit, self._receive, self._send = visit, receive, send

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.visit.read = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.visit.status = message["status"]
            self._dress(MutableHeaders(scope=message))
        elif not message.get("more_body", False) and self.visit.has_body and not self.visit.read:
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def refuse(self, problem: Problem, scope: Scope) -> None:
        """Answer with a problem document, unless an answer has begun."""
        if self.visit.status:
            return
        body = problem.body(instance=scope["path"], request_id=self.visit.id)
        headers = {"Content-Type": problems.MEDIA_TYPE, "Content-Length": str(len(body)), **problem.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _dress(self, headers: MutableHeaders) -> None:
        for name, value in SECURITY.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Request-ID"] = self.visit.id
        if self.visit.has_body and not self.visit.read:
            headers["Connection"] = "close"

    async def _linger(self) -> None:
        """Read on for a moment after a refusal, so that a client that is still sending gets to read it."""
        left = _LINGER_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self.visit.read and left > 0:
                    left -= len((await self.receive()).get("body", b""))


def _request_id(headers: Mapping[str, str]) -> str:
    given = headers.get("x-request-id", "")
    return given if _HARMLESS_ID.fullmatch(given) else secrets.token_hex(8)
