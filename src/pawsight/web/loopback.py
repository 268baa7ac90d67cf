"""Serves an application to this machine alone, under an address nobody can guess, until it is stopped.

Enters: a maker of applications. Leaves: the address. Does not know: what is served.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from pawsight.core.errors import WrongUsage

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
_TOKEN_BYTES = 24
_GOODBYE_S = 1  # seconds that open connections are given when it is stopped


def serve_on_loopback(
    make: Callable[[str, frozenset[str]], Callable[..., Awaitable[None]]],
    *,
    port: int,
    ready: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve until Ctrl-C, or until `stop` is set.

    Args:
        make: called with the secret that addresses begin with and the values of Host that are meant; returns ASGI.
        port: 0 takes a free one.
        ready: called with the address once it can be opened.
        stop: ends it from another thread.

    Raises:
        WrongUsage: the port cannot be had.
    """
    import uvicorn

    token = secrets.token_urlsafe(_TOKEN_BYTES)
    with _listening(port) as listener:
        number = listener.getsockname()[1]
        hosts = frozenset(f"{name}:{number}" for name in _NAMES)
        config = uvicorn.Config(
            make(token, hosts),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=_GOODBYE_S,
        )
        server = uvicorn.Server(config)
        address = f"http://{HOST}:{number}/{token}/"
        threading.Thread(target=_tell, args=(server, ready, address, stop), daemon=True).start()
        with suppress(KeyboardInterrupt):  # that is how one stops it
            server.run(sockets=[listener])


def _tell(server: Any, ready: Callable[[str], None], address: str, stop: threading.Event | None) -> None:
    """Say the address once the server has started, and end it when it is asked to."""
    waiting = threading.Event()
    while not server.started:
        if server.should_exit:
            return
        waiting.wait(0.01)
    ready(address)
    if stop is not None:
        stop.wait()
        server.should_exit = True


def _listening(port: int) -> socket.socket:
    # The protocol is named so that asyncio sees a TCP socket and sends answers at once instead of gathering them.
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
            "Leave --port out to take a free one.",
        ) from error
    return listener
