"""The verb `serve`: a run behind a web page and a REST service, until it is stopped.

The service itself is in web/.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pawsight.classifier.bundle import find_bundle
from pawsight.core.errors import PawsightError, WrongUsage, require_extra
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import regular_file
from pawsight.web.limits import Limits

_NEEDED = ("starlette", "uvicorn", "python_multipart", "prometheus_client", "pythonjsonlogger")
_LEAST_TOKEN = 16  # characters; less can be guessed
_BACKLOG = 256  # connections that the system keeps while the process is busy


def serve(
    run: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token_file: Path | None = None,
    allow_host: Sequence[str] = (),
    limits: Limits | None = None,
    progress: Progress = SILENT,
    ready: Callable[[dict[str, Any]], None] = lambda serving: None,
) -> None:
    """Serve a run over HTTP until SIGTERM or SIGINT; call it from the main thread.

    Handlers of SIGTERM, SIGINT and SIGHUP are restored at the end. Events go to the logger `pawsight.serve`.

    Args:
        run: a run or bundle folder; loaded again on SIGHUP.
        host: address to listen on.
        port: to listen on; 0 is any free one.
        token_file: a file with the token that every request to /api/ and /metrics must send.
        allow_host: more names that the service answers to.
        limits: of requests, queues and processes.
        progress: hears where it listens, and warnings.
        ready: called once the socket listens, with run, url, host, port, pid, and whether a token is required, as
            `serve --json` prints them; the classifier is loaded after it.

    Raises:
        PawsightError: the run has no bundle that can be trusted, or the address cannot be used.
    """
    check_installed()
    find_bundle(Path(run).expanduser())
    token = _read_token(token_file, progress) if token_file is not None else ""
    listener = _listen(host, port)
    from pawsight.web.server import serve_here

    port = listener.getsockname()[1]
    serving = {
        "run": os.fspath(run),
        "url": f"http://{f'[{host}]' if ':' in host else host}:{port}/",
        "host": host,
        "port": port,
        "pid": os.getpid(),
        "token": bool(token),
    }
    progress.say(f"Serving {run} at {serving['url']} (stop: Ctrl-C; load the run again: kill -HUP {os.getpid()})")
    if not _is_loopback(host):
        who = "Clients with the token" if token else "All clients that can reach it"
        progress.say(f"It listens on {host}, not on this machine alone. {who} may send requests.")
        if not token:
            progress.say("There is no token. Set one with --token-file, or let only your proxy reach this port.")
    ready(serving)
    serve_here(listener, run, limits=limits or Limits(), token=token, hosts=_hosts(host, allow_host))


def check_installed() -> None:
    """Raise where `serve` cannot run.

    Raises:
        MissingExtra: packages are missing.
        PawsightError: this is Windows.
    """
    require_extra("serve", *_NEEDED, needed_by="pawsight serve")
    if sys.platform == "win32":
        raise PawsightError(
            "pawsight serve does not run on Windows.",
            "It limits the memory of its decoding processes in a way that Windows does not have.",
            "Use the Windows Subsystem for Linux, or the container (docs/serving.md).",
        )


def _read_token(path: Path, progress: Progress) -> str:
    try:
        with open(path.expanduser(), encoding="ascii", opener=regular_file) as file:
            token = file.read().strip()
        readable = path.expanduser().stat().st_mode & stat.S_IROTH
    except (OSError, ValueError) as error:
        raise PawsightError(
            f"The token cannot be read from {path}.",
            f"Reading it failed: {getattr(error, 'strerror', None) or 'it is not ASCII text'}.",
        ) from error
    if len(token) < _LEAST_TOKEN or not token.isprintable() or " " in token:
        raise WrongUsage(
            f"The token in {path} cannot be used.",
            f"It must be one word of {_LEAST_TOKEN} characters or more.",
            f"Type: python -c 'import secrets; print(secrets.token_urlsafe())' > {path}",
        )
    if readable:
        progress.say(f"Every user of this machine can read {path}; type: chmod 600 {path}")
    return token


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]  # what follows repeats the address
        fix = f"If another service uses that port, choose another: --port {port + 1 if port < 65535 else 8001}"
        raise PawsightError(f"Cannot listen on {host}, port {port}.", f"The system says: {reason}.", fix) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hosts(host: str, allowed: Sequence[str]) -> tuple[str, ...]:
    from pawsight.web.middleware import LOOPBACK_NAMES

    named = {name.lower() for name in allowed}
    return tuple(sorted({host, *LOOPBACK_NAMES, *named} if _is_loopback(host) else named))
