"""Receives uploads within limits: a request's body is counted while it streams, and its pictures stay in memory.

limits.py has the limits and their defaults. Nothing is written to disk, and a `Budget` bounds the bytes that all
requests hold together. decoders.py decodes what is received.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from pawsight.core.text import printable
from pawsight.web.limits import Limits
from pawsight.web.problems import RequestProblem, busy

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LONGEST_NAME = 255  # characters of a file's name in an answer
_MOST_PART_HEADERS = 8


@dataclass(slots=True)
class Upload:
    """One file as it was sent."""

    name: str
    data: bytearray = field(default_factory=bytearray)


class Budget:
    """Bytes that all requests hold together.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self._most, self.held = most, 0

    def add(self, count: int) -> bool:
        """Add bytes; return whether they fit."""
        self.held += count
        return self.held <= self._most

    def release(self, count: int) -> None:
        """Remove bytes."""
        self.held -= count


class RequestBody:
    """The body of one request, counted while it streams.

    Use it as a context manager for as long as its bytes are needed.
    """

    def __init__(self, request: Request, limits: Limits, budget: Budget) -> None:
        self._request, self._limits, self._budget = request, limits, budget
        self._taken = 0

    def __enter__(self) -> RequestBody:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.release(self._taken)

    async def uploads(self) -> list[Upload]:
        """Return the files of the body.

        Raises:
            RequestProblem: it is too large, too slow, malformed, or of a kind that holds no pictures.
        """
        kind, options = parse_options_header(self._request.headers.get("content-type"))
        self._check_length()
        try:
            async with asyncio.timeout(self._limits.receive_seconds):
                if kind == b"multipart/form-data":
                    return await self._form(options.get(b"boundary", b""))
                if kind in (b"", b"application/octet-stream") or kind.startswith(b"image/"):
                    return [await self._single()]
        except TimeoutError:
            raise RequestProblem(
                "too-slow",
                f"The body did not arrive within {self._limits.receive_seconds:g} s.",
            ) from None
        except ClientDisconnect:
            raise RequestProblem("bad-request", "The body ended early.") from None
        raise RequestProblem(
            "wrong-type",
            "Send one picture as image/* or application/octet-stream, or several files as multipart/form-data.",
        )

    def _check_length(self) -> None:
        length = self._request.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > self._limits.body_bytes:
            raise self._too_large()

    async def _single(self) -> Upload:
        upload = Upload("picture")
        async for chunk in self._chunks():
            upload.data += chunk
        return upload

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
            self._taken += len(chunk)
            if not self._budget.add(len(chunk)):
                raise busy("Too many bytes are being received at once.", seconds=self._limits.retry_seconds)
            if self._taken > self._limits.body_bytes:
                raise self._too_large()
            yield chunk

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
            raise RequestProblem(
                "too-large",
                f"A request may have {self._limits.files:,} files. Send the others in another request.",
            )
        self.uploads.append(Upload(plain_name(options[b"filename"])))

    def _ends(self) -> None:
        self.whole = True


def plain_name(name: bytes) -> str:
    """Return a file's name as safe text: unprintable characters are replaced, a long name is cut."""
    text = name.decode("utf-8", "replace")[:_LONGEST_NAME]
    return printable(text) or "picture"


def _malformed(detail: str) -> RequestProblem:
    return RequestProblem("bad-request", f"{detail}.")
