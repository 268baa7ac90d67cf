"""The verb `serve`: a run behind a web page and a REST service, until it is stopped.

The service itself is in web/.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.classifier.bundle import find_bundle, read_bundle
from pawsight.classifier.engine import check_device
from pawsight.core.errors import PawsightError, WrongUsage, require_extra
from pawsight.core.machine import CPU, Device
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import as_path, regular_file
from pawsight.web.limits import Limits

if TYPE_CHECKING:
    from pawsight.web.feedback import Feedback

_NEEDED = ("starlette", "uvicorn", "python_multipart", "prometheus_client", "pythonjsonlogger")
_LEAST_TOKEN = 16  # characters; less can be guessed
_PORTS = {"http": 80, "https": 443}  # of the schemes that an origin may have
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/?#@%\[\]\\]+)(?::([0-9]{1,5}))?")  # host, port
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")  # of a name; services in containers may have an underscore
_LONGEST_NAME = 253
_LONGEST_TITLE = 100
_EVERY_ADDRESS = {  # host -> family, an address that documents use (RFC 5737, RFC 3849)
    "0.0.0.0": (socket.AF_INET, "192.0.2.1"),  # noqa: S104
    "::": (socket.AF_INET6, "2001:db8::1"),
}
_BACKLOG = 256  # connections that the system keeps while the process is busy


def serve(
    run: str | os.PathLike[str],
    *,
    host: str | None = None,
    port: int = 8000,
    share: bool = False,
    token_file: Path | None = None,
    allow_host: Sequence[str] = (),
    allow_origin: Sequence[str] = (),
    proxy: Sequence[str] = (),
    with_report: bool = False,
    feedback: str | os.PathLike[str] | None = None,
    title: str = "",
    answer_all: bool = False,
    device: Device = CPU,
    limits: Limits | None = None,
    progress: Progress = SILENT,
    ready: Callable[[dict[str, Any]], None] = lambda serving: None,
) -> None:
    """Serve a run over HTTP until SIGTERM or SIGINT; call it from the main thread.

    Handlers of SIGTERM, SIGINT and SIGHUP are restored at the end. Events go to the logger `pawsight.serve`.

    Args:
        run: a run or bundle folder; loaded again on SIGHUP.
        host: address to listen on; None is this machine alone, or every address where the page is shared.
        port: to listen on; 0 is any free one.
        share: let the page show its address as a QR code, for other devices of the network.
        token_file: a file with the token that every request to /api/ and /metrics must send.
        allow_host: more names that the service answers to, besides IP addresses, localhost and, where it does not
            listen on this machine alone, this machine's name.
        allow_origin: sites of your own whose pages may use the service, e.g. https://cats.example.
        proxy: addresses or networks of proxies of your own, whose X-Forwarded-For says which client asks.
        with_report: show the run's report, which contains training pictures, to all clients.
        feedback: a folder that keeps the pictures that users label on the page; None keeps none.
        title: the question at the top of the page; empty: the classes make it.
        answer_all, device: as for `predict`.
        limits: of requests, queues and processes.
        progress: hears where it listens, and warnings.
        ready: called once the socket listens, with run, url, host, port, pid, whether a token is required, and the
            shared address or None, as `serve --json` prints them; the classifier is loaded after it.

    Raises:
        PawsightError: the run has no bundle that can be trusted, or the address cannot be used.
        WrongUsage: a host, an origin or a proxy is none, the title cannot be shown, or the folder holds other things.
    """
    check_installed()
    origins = [_origin(text) for text in allow_origin]
    allowed = [_allowed_host(text) for text in allow_host]
    networks = [_network(text) for text in proxy]
    find_bundle(as_path(run))
    check_device(device)
    if host is None:
        host = "0.0.0.0" if share else "127.0.0.1"  # noqa: S104  # the user asked for it
    address = _address_of(host) if share else ""
    token = _read_token(token_file, progress) if token_file is not None else ""
    limits = limits or Limits()
    _check_title(title)
    kept = None if feedback is None else _open_feedback(as_path(feedback), run, limits)
    listener = _listen(host, port)
    from pawsight.web.server import serve_here

    port = listener.getsockname()[1]
    serving = {
        "run": os.fspath(run),
        "url": f"http://{_in_brackets(host)}:{port}/",
        "host": host,
        "port": port,
        "pid": os.getpid(),
        "token": bool(token),
        "share": f"http://{_in_brackets(address)}:{port}/" if share else None,
    }
    progress.say(f"Serving {run} at {serving['url']} (stop: Ctrl-C; load the run again: kill -HUP {os.getpid()})")
    if not _is_loopback(host):
        who = "Clients with the token" if token else "All clients that can reach it"
        progress.say(f"It listens on {host}, not on this machine alone. {who} may send requests.")
        if not token:
            progress.say("There is no token. Set one with --token-file, or let only your proxy reach this port.")
    if share:
        progress.say(f"Devices of this network open {serving['share']}; the page shows this address as a QR code.")
    if kept is not None:
        progress.say(f"Pictures that users label are kept in {feedback}; it holds {kept.pictures:,}.")
    ready(serving)
    serve_here(
        listener,
        run,
        limits=limits,
        token=token,
        hosts=_hosts(host, allowed),
        origins=origins,
        proxies=networks,
        with_report=with_report,
        feedback=kept,
        title=title,
        share=str(serving["share"] or ""),
        answer_all=answer_all,
        device=device,
        progress=progress,
    )


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
        with open(as_path(path), encoding="ascii", opener=regular_file) as file:
            token = file.read().strip()
        readable = as_path(path).stat().st_mode & stat.S_IROTH
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


def _check_title(title: str) -> None:
    if len(title) > _LONGEST_TITLE or not title.isprintable():
        raise WrongUsage(
            f"--title {title[:40]!r} cannot be used.",
            f"It is one line of {_LONGEST_TITLE} characters at most.",
            "Type for example: --title 'Ants or bees?'",
        )


def _open_feedback(folder: Path, run: str | os.PathLike[str], limits: Limits) -> Feedback:
    from pawsight.web.feedback import Feedback, check_one_class

    check_one_class(read_bundle(as_path(run)).card, run)  # before the folder is made
    return Feedback(
        folder,
        most=limits.feedback_pictures,
        most_bytes=limits.feedback_bytes,
        each=limits.share(limits.feedback_pictures),
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]  # what follows repeats the address
        fix = f"If another service uses that port, choose another: --port {port + 1 if port < 65535 else 8001}"
        raise PawsightError(f"Cannot listen on {host}, port {port}.", f"The system says: {reason}.", fix) from error


def _address_of(host: str) -> str:
    """Return the address under which other devices of the network reach a service that listens on `host`.

    Raises:
        WrongUsage: only this machine can reach it. PawsightError: this machine is in no network.
    """
    require_extra("serve", "segno", needed_by="pawsight serve --share")
    if _is_loopback(host):
        raise WrongUsage(
            f"--share has no effect with --host {host}.",
            "Only this machine can reach that address.",
            "Leave --host out, or name an address of the network.",
        )
    if host not in _EVERY_ADDRESS:
        return host
    family, target = _EVERY_ADDRESS[host]
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((target, 9))  # sends nothing: the system only chooses the address that it would send from
        if not _is_loopback(address := probe.getsockname()[0]):
            return str(address)
    raise PawsightError(
        "The page cannot be shared.",
        "This machine has no address in a network.",
        "Connect it to one, name its address with --host, or leave --share out.",
    )


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hosts(host: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a service on an address answers to, in lower case."""
    from pawsight.web.middleware import LOOPBACK_NAMES

    names = {host, *LOOPBACK_NAMES, *allowed}
    if not _is_loopback(host):
        own = socket.gethostname()
        names |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}  # the last by multicast DNS
    return tuple(sorted({name.lower() for name in names if name}))


def _allowed_host(text: str) -> str:
    """Return a name as browsers send it in the Host header, without its port."""
    from pawsight.web.middleware import is_ip_address

    host = text if is_ip_address(text) else _authority(text.removesuffix("."))[0].strip("[]")
    if not host:
        raise WrongUsage(
            f"--allow-host {text} is no name.",
            "It is the name in the browser's bar, without scheme and path. Patterns are not read.",
            "Type for example: --allow-host cats.example",
        )
    return host


def _origin(text: str) -> str:
    """Return an origin as browsers send it: scheme, name in lower case, port where it is not the scheme's own."""
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    host, port = _authority(rest.removesuffix("/"))
    if scheme not in _PORTS or not host:
        raise WrongUsage(
            f"--allow-origin {text} is no origin.",
            "An origin is a scheme, a name and perhaps a port. Patterns are not read.",
            "Type for example: --allow-origin https://cats.example",
        )
    return f"{scheme}://{host}" + (f":{port}" if port not in (None, _PORTS[scheme]) else "")


def _network(text: str) -> str:
    """Return an address or a network as it is written in full."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise WrongUsage(
            f"--proxy {text} is no address.",
            f"It is an IP address or a network of them: {error}.",
            "Type for example: --proxy 127.0.0.1",
        ) from error


def _authority(text: str) -> tuple[str, int | None]:
    """Return the host of HOST[:PORT] as browsers write it, and its port; an empty host where it is none."""
    import idna

    if (found := _AUTHORITY.fullmatch(text)) is None:
        return "", None
    host, port = found[1].lower(), int(found[2]) if found[2] else None
    try:
        if host.startswith("["):
            host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
        elif not host.isascii():
            host = idna.encode(host, uts46=True).decode()
        if host.rpartition(".")[2].isdigit():  # browsers read such a name as an address
            host = str(ipaddress.IPv4Address(host))
    except ValueError:
        return "", None
    is_host = host.startswith("[") or (all(map(_LABEL.fullmatch, host.split("."))) and len(host) <= _LONGEST_NAME)
    return (host, port) if is_host and (port or 0) < 2**16 else ("", None)
