"""One GET request that ends in time.

Enters: a URL, headers, a deadline. Leaves: an `Answer` and its bytes as they come, or `FetchFailed` with the reason
and whether another try may help. Does not know: files, retries, what the bytes are.

urllib is the client, for it honours the proxies that the system is set to, its `read1` gives bytes as soon as they
arrive, and it leaves the redirects to us. Certificates are checked against the system's roots, where companies add
their own, and against certifi's, for some Pythons on macOS come with none.

A server can hold a connection for ever without ever being silent: one byte of a header every few seconds will do. So
the conversation runs in a thread of its own, and whoever waits for it looks at the clock and leaves.
"""

from __future__ import annotations

import functools
import http.client
import queue
import re
import socket
import ssl
import string
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

_PIECE_BYTES = 2**18
_PIECES_AHEAD = 8
_MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GOOD = frozenset({200, 206})
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # statuses that another try may not meet


class FetchFailed(Exception):
    """A request that did not end well.

    Args:
        why: a sentence for the user.
        again: whether another try may help.
        wait: seconds the server asked us to wait, if it did.
        status: what the server answered, 0 where it did not.
    """

    def __init__(self, why: str, *, again: bool, wait: float = 0.0, status: int = 0) -> None:
        super().__init__(why)
        self.why, self.again, self.wait, self.status = why, again, wait, status


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of a good answer: 200, or 206 where a part was asked for."""

    status: int
    headers: Mapping[str, str]  # names in lower case

    @property
    def length(self) -> int | None:
        """Bytes of content to come, None where the server does not say."""
        said = self.headers.get("content-length", "")
        return int(said) if re.fullmatch(r"[0-9]{1,18}", said) else None


_Item = Answer | bytes | Exception


@contextmanager
def fetch(
    url: str, headers: Mapping[str, str], *, silence: float, deadline: float
) -> Iterator[tuple[Answer, Iterator[bytes]]]:
    """Ask for `url` and yield the answer with the pieces of its content.

    Args:
        silence: seconds without a byte after which the server is given up.
        deadline: the time.monotonic() at which everything ends.

    Raises:
        FetchFailed: no good answer, or the content stopped coming; also while the pieces are taken.
    """
    box: queue.Queue[_Item] = queue.Queue(_PIECES_AHEAD)
    gone = threading.Event()
    talk = threading.Thread(target=_talk, args=(url, dict(headers), silence, _putter(box, gone)), daemon=True)
    talk.start()
    try:
        answer = _take(box, deadline, silence)
        if not isinstance(answer, Answer):
            raise TypeError("the content came before its headers")
        yield answer, _pieces(box, deadline, silence, answer.length)
    finally:
        gone.set()


def checked_url(url: str, *, coming_from: str = "") -> str:
    """Return `url`, escaped where needed, when it is one to follow: http or https, never from https back to http.

    Raises:
        FetchFailed: it is not.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise FetchFailed(f"{url} is not a URL: {error}.", again=False) from error
    sent = f"The server sends us on to {url}" if coming_from else f"{url} cannot be fetched"
    if parts.scheme not in ("http", "https"):
        raise FetchFailed(f"{sent}: only http and https are followed.", again=False)
    if not parts.hostname:
        raise FetchFailed(f"{sent}: no server is named in it.", again=False)
    if parts.username is not None:
        raise FetchFailed(f"{sent}: a user name in a URL is not supported.", again=False)
    if urllib.parse.urlsplit(coming_from).scheme == "https" and parts.scheme == "http":
        raise FetchFailed(f"{sent}: from https to http, where anybody could change the file.", again=False)
    return parts._replace(path=_quoted(parts.path), query=_quoted(parts.query), fragment="").geturl()


def _quoted(text: str) -> str:
    """Return `text` with what may not stand in a URL escaped, what is escaped already left alone."""
    return urllib.parse.quote(text, safe=string.punctuation)


def _take(box: queue.Queue[_Item], deadline: float, silence: float) -> Answer | bytes:
    try:
        item = box.get(timeout=max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        raise FetchFailed("It took longer than the time allowed for the whole download.", again=False) from None
    if isinstance(item, Exception):
        raise _failure(item, silence) from item
    return item


def _pieces(box: queue.Queue[_Item], deadline: float, silence: float, length: int | None) -> Iterator[bytes]:
    received = 0
    while piece := _take(box, deadline, silence):
        if isinstance(piece, bytes):
            received += len(piece)
            yield piece
    if length is not None and received < length:
        raise FetchFailed(f"The connection ended after {received:,} of {length:,} bytes.", again=True)


def _putter(box: queue.Queue[_Item], gone: threading.Event) -> Callable[[_Item], bool]:
    def put(item: _Item) -> bool:
        """Hand over one item; False when nobody waits for it any more."""
        while not gone.is_set():
            try:
                box.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    return put


def _talk(url: str, headers: dict[str, str], silence: float, put: Callable[[_Item], bool]) -> None:
    """Hold the conversation: an Answer, pieces, b"" at the end; or an exception at any point."""
    try:
        with _follow(url, headers, silence) as response:
            known = {name.lower(): value for name, value in response.headers.items()}
            more = put(Answer(response.status, known))
            while more and (piece := response.read1(_PIECE_BYTES)):
                more = put(piece)
            put(b"")
    except Exception as error:  # whatever it is, the one who waits must hear of it
        put(error)


def _follow(url: str, headers: dict[str, str], silence: float) -> http.client.HTTPResponse:
    for _ in range(_MOST_REDIRECTS + 1):
        request = urllib.request.Request(checked_url(url), headers=headers)  # noqa: S310  # http and https only: checked
        try:
            return _good(_opener().open(request, timeout=silence))
        except urllib.error.HTTPError as error:
            with error:
                place = error.headers.get("Location")
                if error.code not in _REDIRECTS or not place:
                    raise _bad_status(error) from error
            url = checked_url(urllib.parse.urljoin(url, place), coming_from=url)
    raise FetchFailed(f"The server sent us on more than {_MOST_REDIRECTS} times.", again=False)


def _good(response: http.client.HTTPResponse) -> http.client.HTTPResponse:
    if response.status in _GOOD:
        return response
    response.close()
    raise FetchFailed(f"The server answered {response.status} {response.reason}.", again=False)


def _opener() -> urllib.request.OpenerDirector:
    """Return a client for http and https and nothing else: no files, no ftp, no redirects of its own."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_trust()),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


@functools.cache
def _trust() -> ssl.SSLContext:
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _bad_status(error: urllib.error.HTTPError) -> FetchFailed:
    said = error.headers.get("Retry-After") or ""
    wait = float(said) if re.fullmatch(r"[0-9]{1,9}", said) else 0.0
    why = f"The server answered {error.code} {error.reason}."
    return FetchFailed(why, again=error.code in _PASSING, wait=wait, status=error.code)


def _failure(error: Exception, silence: float) -> FetchFailed:
    """Say in one sentence what went wrong; bugs come back as they are."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, FetchFailed):
        return reason
    if isinstance(reason, TimeoutError):
        return FetchFailed(f"The server said nothing for {silence:g} seconds.", again=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return FetchFailed(f"The server's certificate is not to be trusted: {reason.verify_message}.", again=False)
    if isinstance(reason, socket.gaierror):
        again = reason.errno == socket.EAI_AGAIN
        return FetchFailed("Its server cannot be found: no network, or a name misspelt.", again=again)
    if isinstance(reason, http.client.InvalidURL | UnicodeError):
        return FetchFailed(f"It is not a URL that can be asked for: {reason}.", again=False)
    if isinstance(reason, OSError | http.client.HTTPException):
        return FetchFailed(f"The connection failed: {str(reason) or type(reason).__name__}.", again=True)
    raise error
