"""Keeps other sites away from a page that is meant for this machine's browser alone.

Enters: requests. Leaves: those that come from the page itself, and headers on every response. Does not know: what is
asked for.

Any site may make a browser send requests to 127.0.0.1, and a name it owns may point there (DNS rebinding). So the Host
header must be one of ours, whoever writes must come from the page (Origin), and addresses begin with a secret.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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


def guarded(application: Application, hosts: frozenset[str]) -> Application:
    """Return an application that answers the page's own requests and refuses all others with 403.

    Args:
        application: ASGI.
        hosts: the values of Host that are ours, e.g. 127.0.0.1:8000.
    """

    async def guard(
        scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await application(scope, receive, send)
            return
        if _is_welcome(scope, hosts):
            await application(scope, receive, send_guarded)
        else:
            start = {"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]}
            await send_guarded(start)
            await send({"type": "http.response.body", "body": b"This page answers its own browser tab alone.\n"})

    return guard


def _is_welcome(scope: Scope, hosts: frozenset[str]) -> bool:
    said = {name: [value for key, value in scope["headers"] if key == name] for name in (b"host", b"origin")}
    if len(said[b"host"]) != 1 or said[b"host"][0].decode("latin-1").lower() not in hosts:
        return False
    if scope["method"] in _SAFE and not said[b"origin"]:
        return True
    return [value.decode("latin-1") for value in said[b"origin"]] in [[f"http://{host}"] for host in hosts]
