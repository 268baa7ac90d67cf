"""The verb `serve`: a run in, a service until somebody stops it.

Enters: a run, an address, limits. Leaves: nothing; `Serving` is told once the socket listens. Does not know: terminals.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True, slots=True)
class Serving:
    """Where a service can be reached."""

    run: str
    url: str
    host: str
    port: int
    pid: int
    token: bool  # whether one is demanded

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `serve --json` prints them."""
        return asdict(self)


def serve(
    run: str | os.PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token_file: Path | None = None,
    allow_host: Sequence[str] = (),
    limits: Limits | None = None,
    progress: Progress = SILENT,
    told: Callable[[Serving], None] = lambda serving: None,
) -> None:
    """Serve a run over HTTP until SIGTERM or SIGINT; call it from the main thread.

    Handlers of SIGTERM, SIGINT and SIGHUP are put back at the end. Events go to the logger `pawsight.serve`.

    Args:
        run: run or bundle folder; resolved anew on SIGHUP.
        host, port: where to listen; port 0 takes a free one.
        token_file: a file whose text every request to /api/ and /metrics must show.
        allow_host: more names that the service answers to.
        limits: what it takes upon itself.
        progress: hears where it listens and what to think of.
        told: called once the socket listens; the classifier is opened then.

    Raises:
        PawsightError: the run has no bundle that can be trusted, or the address cannot be had.
    """
    check_installed()
    find_bundle(Path(run).expanduser())
    token = _read_token(token_file, progress) if token_file is not None else ""
    listener = _listen(host, port)
    from pawsight.web.server import ServiceSettings, serve_here

    settings = ServiceSettings(
        run=os.fspath(run),
        limits=limits or Limits(),
        token=token,
        hosts=_hosts(host, allow_host),
    )
    serving = _serving(run, listener, host, token=bool(token))
    _introduce(serving, progress)
    told(serving)
    serve_here(listener, settings)


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
            "It keeps hostile pictures at bay with limits that Windows has under other names.",
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
            f"The system says: {getattr(error, 'strerror', None) or 'it holds more than ASCII'}.",
        ) from error
    if len(token) < _LEAST_TOKEN or not token.isprintable() or " " in token:
        raise WrongUsage(
            f"The token in {path} cannot be used.",
            f"It must be one word of {_LEAST_TOKEN} characters or more.",
            f"Type: python -c 'import secrets; print(secrets.token_urlsafe())' > {path}",
        )
    if readable:
        progress.say(f"{path} can be read by everybody on this machine; type: chmod 600 {path}")
    return token


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        taken = f"Is another service there already? Take another port: --port {port + 1 if port < 65535 else 8001}"
        said = (error.strerror or str(error)).partition(" (while")[0]  # what follows repeats the address
        raise PawsightError(f"Cannot listen on {host}, port {port}.", f"The system says: {said}.", taken) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hosts(host: str, allowed: Sequence[str]) -> tuple[str, ...]:
    from pawsight.web.middleware import LOOPBACK_NAMES

    named = {name.lower() for name in allowed}
    return tuple(sorted({host, *LOOPBACK_NAMES, *named} if _is_loopback(host) else named))


def _serving(run: str | os.PathLike[str], listener: socket.socket, host: str, *, token: bool) -> Serving:
    port = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    return Serving(os.fspath(run), f"http://{shown}:{port}/", host, port, os.getpid(), token)


def _introduce(serving: Serving, progress: Progress) -> None:
    progress.say(f"Serving {serving.run} at {serving.url} (stop: Ctrl-C; open the run again: kill -HUP {serving.pid})")
    if _is_loopback(serving.host):
        return
    who = "who knows the token" if serving.token else "at all"
    progress.say(f"It listens on {serving.host}: not this machine alone, anybody who can reach it {who} may ask.")
    if not serving.token:
        progress.say("There is no token; give one with --token-file, or let nobody reach this port but your proxy.")
