"""Receives uploads within limits: a request's body is counted while it streams, and its pictures stay in memory.

limits.py has the limits and their defaults. Nothing is written to disk, and a `Quota` bounds the bytes that all
requests hold together. decoders.py decodes what is received.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from pawsight.core.text import printable
from pawsight.web.limits import Limits
from pawsight.web.problems import RequestProblem
from pawsight.web.quotas import Quota

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LONGEST_NAME = 255  # characters of a file's name in an answer
_MOST_PART_HEADERS = 8
_MOST_MARKS = 16  # commas and brackets of JSON for each picture
_GRACE_SECONDS = 3.0  # of a body, before its rate counts
_YOUNG_SECONDS = 1.0  # of a body, before it can be called slow


@dataclass(slots=True)
class Upload:
    """One file as it was sent."""

    name: str
    data: bytearray = field(default_factory=bytearray)


class RequestBody:
    """The body of one request, counted while it streams.

    Use it as a context manager for as long as its bytes are needed.

    Args:
        request: whose body it is.
        limits: of size and time.
        held: the bytes that all requests hold.
        arriving: the bodies that are being received; the slowest is given up where another needs its room.
        address: whose share of the bytes it takes, as `share_of` gives it.
    """

    def __init__(
        self, request: Request, limits: Limits, held: Quota, arriving: set[RequestBody], *, address: str = ""
    ) -> None:
        self._request, self._limits, self._held, self._arriving = request, limits, held, arriving
        self._address = address
        self._received = self._kept = 0  # bytes
        self._start = asyncio.get_running_loop().time()
        self._deadline = asyncio.timeout(limits.receive_seconds)
        self._is_evicted = False

    def __enter__(self) -> RequestBody:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    async def uploads(self, key: str = "pictures") -> list[Upload]:
        """Return the files of the body.

        Args:
            key: of the list of pictures, where the body is JSON.

        Raises:
            RequestProblem: it is too large, too slow, malformed, or of a kind that holds no pictures.
            ClientDisconnect: the client closed the connection.
        """
        kind, options = parse_options_header(self._request.headers.get("content-type"))
        self._check_length()
        self._arriving.add(self)
        try:
            async with self._deadline:
                self._set_deadline()
                if kind == b"multipart/form-data":
                    return await self._form(options.get(b"boundary", b""))
                if kind == b"application/json":
                    return pictures_of_json(await self._whole(), key, self._limits)
                if kind in (b"", b"application/octet-stream") or kind.startswith(b"image/"):
                    return [Upload("picture", await self._whole())]
        except TimeoutError:
            raise RequestProblem("too-slow", self._why_late()) from None
        finally:
            self._arriving.discard(self)
        raise RequestProblem(
            "wrong-type",
            "Send one picture as image/* or application/octet-stream, several files as multipart/form-data, or base64 "
            "as application/json.",
        )

    def evict(self) -> None:
        """Give the bytes back and refuse the request: others need the room."""
        self._arriving.discard(self)
        self._is_evicted = True
        self._release()
        if not self._deadline.expired():
            self._deadline.reschedule(self._start)

    def _check_length(self) -> None:
        length = self._request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > self._limits.body_bytes:
            raise self._too_large()

    async def _whole(self) -> bytearray:
        data = bytearray()
        async for chunk in self._chunks():
            data += chunk
        return data

    async def _form(self, boundary: bytes) -> list[Upload]:
        if not boundary:
            raise RequestProblem("bad-request", "The Content-Type of the form names no boundary.")
        form = _Form(self._limits)
        try:
            parser = MultipartParser(
                boundary,
                form.callbacks(),
                max_header_count=_MOST_PART_HEADERS,
                max_header_size=self._limits.part_header_bytes,
            )
            async for chunk in self._chunks():
                parser.write(chunk)
            parser.finalize()
        except FormParserError:
            raise _malformed("The form is not written as multipart/form-data (RFC 7578) demands") from None
        if not form.whole:
            raise _malformed("The form ends before its last boundary")
        if not form.uploads:
            raise _malformed("The form holds no file")
        return form.uploads

    async def _chunks(self) -> AsyncIterator[bytes]:
        async for chunk in self._request.stream():
            self._received += len(chunk)
            if self._received > self._limits.body_bytes:
                raise self._too_large()
            self._keep(len(chunk))
            self._set_deadline()
            yield chunk

    def _keep(self, count: int) -> None:
        self._held.check_share(count, self._address)  # before another body ends for it
        now = asyncio.get_running_loop().time()
        while not self._held.fits(count):
            slow = [body for body in self._arriving if body is not self and now - body._start > _YOUNG_SECONDS]
            if not slow:
                break
            min(slow, key=lambda body: body._received / (now - body._start)).evict()
        self._held.take(count, self._address)
        self._kept += count

    def _release(self) -> None:
        self._held.release(self._kept, self._address)
        self._kept = 0

    def _set_deadline(self) -> None:
        if not self._is_evicted:
            rate = self._received / (1024 * self._limits.receive_kib)
            self._deadline.reschedule(self._start + min(self._limits.receive_seconds, _GRACE_SECONDS + rate))

    def _why_late(self) -> str:
        limits, seconds = self._limits, asyncio.get_running_loop().time() - self._start
        if self._is_evicted:
            return f"Faster bodies needed the room: this one had {self._received:,} bytes after {seconds:.1f} s."
        if seconds < limits.receive_seconds:
            return (
                f"The body came with {self._received / 1024 / seconds:.2g} KiB/s, {limits.receive_kib:g} are asked for."
            )
        return f"The body did not arrive within {limits.receive_seconds:g} s."

    def _too_large(self) -> RequestProblem:
        return RequestProblem(
            "too-large",
            f"A body may have {self._limits.body_mib:g} MiB. Send fewer pictures at once, or smaller ones.",
        )


class _Form:
    """The files that a multipart parser has found; it calls the callbacks synchronously."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.uploads: list[Upload] = []
        self.whole = False
        self._name, self._value = bytearray(), bytearray()
        self._disposition = b""

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._part_begins,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_finished,
            "on_part_data": lambda data, start, end: self.uploads[-1].data.extend(data[start:end]),
            "on_end": self._ends,
        }

    def _part_begins(self) -> None:
        self._disposition = b""

    def _header_ends(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"filename" not in options:
            raise _malformed("A part of the form is no file: each needs a filename in its Content-Disposition")
        if len(self.uploads) >= self._limits.files:
            raise _too_many(self._limits)
        self.uploads.append(Upload(plain_name(options[b"filename"])))

    def _ends(self) -> None:
        self.whole = True


def pictures_of_json(body: bytearray, key: str, limits: Limits) -> list[Upload]:
    """Return the pictures of a JSON body: {"pictures": [...]}, each in base64, in a data: address, or in an object.

    An object has `data` or `b64` and perhaps `name`; {"NAME": {"b64": ...}} is how TensorFlow Serving names an input.

    Args:
        body: JSON.
        key: of the list.
        limits: the most pictures.

    Raises:
        RequestProblem: it is not written like that.
    """
    if sum(body.count(mark) for mark in b"[{,") > _MOST_MARKS * (limits.files + 1):  # before it takes memory and time
        raise _too_many(limits)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise _malformed("The body is not JSON") from None
    pictures = document.get(key) if isinstance(document, dict) else None
    if not pictures or not isinstance(pictures, list) or set(document) - {key, "signature_name"}:
        raise _malformed(f'The body is not written as {{"{key}": [PICTURE, ...]}}')
    if len(pictures) > limits.files:
        raise _too_many(limits)
    return [_picture_of_json(picture, place) for place, picture in enumerate(pictures)]


def _picture_of_json(picture: Any, place: int) -> Upload:
    if isinstance(picture, dict) and len(picture) == 1 and isinstance(value := next(iter(picture.values())), dict):
        picture = value
    name = f"[{place}]"
    if isinstance(picture, dict):
        name, picture = picture.get("name", name), picture.get("data", picture.get("b64"))
    try:
        head, _, text = picture.partition(",") if picture.startswith("data:") else (";base64", "", picture)
        if head.endswith(";base64"):
            data = base64.b64decode("".join(text.split()), validate=True)
            return Upload(plain_name(name.encode()), bytearray(data))
    except (AttributeError, ValueError):  # no text, or not base64
        pass
    raise _malformed(
        f'Picture {place} is not in base64: send a text, or {{"data": TEXT, "name": TEXT}}. Addresses are not fetched'
    )


def plain_name(name: bytes) -> str:
    """Return a file's name as safe text: unprintable characters are replaced, a long name is cut."""
    text = name.decode("utf-8", "replace")[:_LONGEST_NAME]
    return printable(text) or "picture"


def _too_many(limits: Limits) -> RequestProblem:
    detail = f"A request may have {limits.files:,} files. Send the others in another request."
    return RequestProblem("too-many-pictures", detail)


def _malformed(detail: str) -> RequestProblem:
    return RequestProblem("bad-request", f"{detail}.")
