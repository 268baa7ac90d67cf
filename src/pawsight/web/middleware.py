"""Middleware around every request: host, origin, token, deadline and security headers, one log line and one count.

Requests of pages of other sites are refused (403), but for the origins that the service was started with. Only IP
addresses and known names are accepted as host (else 421): a page of another site could point its own name at this
machine, and its requests would then count as those of our own page.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pawsight.web import problems
from pawsight.web.problems import RequestProblem
from pawsight.web.quotas import share_of
from pawsight.web.service import Service

_log = logging.getLogger("pawsight.serve")
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._~!$&'()*+,;=%-]*)(:[0-9]*)?")  # RFC 9110, 7.2: no user
_CLIENT_GONE = 499  # in log and metrics alone, as nginx has it
_PROTECTED = ("/api/", "/v1/", "/metrics")  # paths that need the token; all others are the same in every installation
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 16 * 2**20

CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# A report is one file that contains its styles and pictures. It runs no script and sends no request.
REPORT_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "img-src data:",
            "font-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "sandbox",
        ]
    )
}
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(slots=True)
class RequestState:
    """One request while it is processed."""

    id: str
    headers: Headers
    address: str = ""  # of the client, as its share is counted
    start: float = field(default_factory=time.perf_counter)
    read: bool = False  # whether the body was read to its end
    status: int = 0  # of the answer, 0 before it has begun
    route: str = "other"  # as declared, never the client's text
    pictures: int = 0

    @property
    def has_body(self) -> bool:
        """Whether the head announces a body."""
        return self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers


class ServiceMiddleware:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        service: its limits and metrics are used.
        token: required by /api/ and /metrics; empty for none.
        hosts: names of the service; empty allows all.
        origins: of other sites whose pages may use the service, as scheme://host:port.
    """

    def __init__(
        self, app: ASGIApp, *, service: Service, token: str, hosts: Collection[str], origins: Collection[str] = ()
    ) -> None:
        self._app, self._service, self._hosts, self._origins = app, service, hosts, origins
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Process one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = RequestState(_request_id(headers), headers, share_of((scope.get("client") or ("",))[0]))
        channel = _Channel(state, receive, send)
        try:
            async with asyncio.timeout(self._service.limits.request_seconds):
                await self._process(scope, channel)
        except TimeoutError:
            await self._refuse_late(scope, channel)
        finally:
            self._record(scope, state)

    async def _process(self, scope: Scope, channel: _Channel) -> None:
        try:
            scope = with_own_target(scope)
            self._check(scope["path"], Headers(scope=scope))
            await self._app({**scope, "pawsight.request": channel.state}, channel.receive, channel.send)
        except ClientDisconnect:
            channel.state.status = channel.state.status or _CLIENT_GONE
        except RequestProblem as problem:
            await channel.refuse(problem, scope)
        except Exception as error:  # an unexpected error is still answered
            _log.error(
                "failed",
                extra={"id": channel.state.id, "error": type(error).__name__, "said": str(error)[:500]},
            )
            await channel.refuse(RequestProblem("failed", "The log has the error under this request's id."), scope)

    def _check(self, path: str, headers: Mapping[str, str]) -> None:
        if not _HOST.fullmatch(headers.get("host", "")):
            raise RequestProblem("bad-host", "Host has a name or an address, and perhaps a port (RFC 9112, 3.2).")
        if path in ("/livez", "/readyz"):
            return
        if detail := wrong_host(headers, self._hosts):
            raise RequestProblem("misdirected", detail)
        if detail := foreign_origin(headers, self._origins):
            raise RequestProblem("foreign-origin", detail)
        if self._token and path.startswith(_PROTECTED) and not self._has_token(headers):
            raise RequestProblem(
                "token-wanted",
                "Send the header Authorization: Bearer TOKEN, with the token that the service was started with.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._token)

    async def _refuse_late(self, scope: Scope, channel: _Channel) -> None:
        seconds = self._service.limits.request_seconds
        problem = RequestProblem("deadline", f"There was no answer within {seconds:g} s. Send fewer pictures at once.")
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await channel.refuse(problem, scope)

    def _record(self, scope: Scope, state: RequestState) -> None:
        seconds = time.perf_counter() - state.start
        metrics = self._service.metrics
        metrics.requests.labels(state.route, state.status).inc()
        metrics.seconds.labels(state.route).observe(seconds)
        _log.info(
            "request",
            extra={
                "id": state.id,
                "method": scope["method"][:16],
                "route": state.route,
                "status": state.status,
                "pictures": state.pictures,
                "ms": round(1000 * seconds, 1),
            },
        )


class _Channel:
    """Messages between server and application, observed in both directions."""

    def __init__(self, state: RequestState, receive: Receive, send: Send) -> None:
        self.state, self._receive, self._send = state, receive, send

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.state.read = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.state.status = message["status"]
            self._set_headers(MutableHeaders(scope=message))
        elif not message.get("more_body", False) and self.state.has_body and not self.state.read:
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def refuse(self, problem: RequestProblem, scope: Scope) -> None:
        """Answer with a problem document, unless an answer has begun."""
        if self.state.status:
            return
        body = problem.body(instance=scope["path"], request_id=self.state.id)
        headers = {"Content-Type": problems.MEDIA_TYPE, "Content-Length": str(len(body)), **problem.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": raw})
        await self.send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _set_headers(self, headers: MutableHeaders) -> None:
        for name, value in SECURITY.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Request-ID"] = self.state.id
        if self.state.has_body and not self.state.read:
            headers["Connection"] = "close"

    async def _linger(self) -> None:
        """Keep reading for a moment after a refusal, so that a client that still sends can read it."""
        left = _LINGER_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self.state.read and left > 0:
                    left -= len((await self.receive()).get("body", b""))


def with_own_target(scope: Scope) -> Scope:
    """Return a request for a whole address as one for its path; the address's host replaces Host (RFC 9112, 3.2.2).

    Raises:
        RequestProblem: the target is neither a path nor an address.
    """
    target = scope["path"]
    if target.startswith("/") or target == "*":
        return scope
    scheme, _, rest = scope["raw_path"].partition(b"://")
    authority, slash, path = rest.partition(b"/")
    if scheme.lower() not in (b"http", b"https") or not authority:
        raise RequestProblem("bad-request", "The target of a request is a path or an http address (RFC 9112, 3.2).")
    raw_path = slash + path or b"/"
    headers = [(b"host", authority), *(header for header in scope["headers"] if header[0] != b"host")]
    return {**scope, "path": unquote(raw_path.decode("ascii")), "raw_path": raw_path, "headers": headers}


def _request_id(headers: Mapping[str, str]) -> str:
    proposed = headers.get("x-request-id", "")
    return proposed if _SAFE_ID.fullmatch(proposed) else secrets.token_hex(8)


def wrong_host(headers: Mapping[str, str], allowed: Collection[str]) -> str | None:
    """Return why a request is for another host; None where the host is allowed.

    Args:
        headers: of the request, by lower-case name.
        allowed: names without ports; empty allows all. IP addresses are always allowed: DNS cannot redirect them.
    """
    host = _hostname(f"//{headers.get('host', '')}")
    if not allowed or host in allowed or (host is not None and is_ip_address(host)):
        return None
    names = ", ".join(sorted(allowed))
    return f"This service answers to {names} and to IP addresses. Allow another name with --allow-host."


def foreign_origin(headers: Mapping[str, str], allowed: Collection[str] = ()) -> str | None:
    """Return why a request of a page of another site is refused; None for other requests, and for allowed origins."""
    origin = headers.get("origin")
    if origin is None or origin in allowed or _netloc(origin) == _netloc(f"//{headers.get('host', '')}"):
        return None
    return "A page of another site may not use this service. Allow it with --allow-origin, or use a program."


def is_ip_address(host: str) -> bool:
    """Say whether a host is an address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _hostname(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _netloc(address: str) -> str:
    """Return host and port as written, in lower case: an Origin leaves out what the Host header leaves out."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return "\N{REPLACEMENT CHARACTER}"
