"""Reads a request's body: pictures out, in memory, within limits, or a problem that says what is wrong.

Enters: the chunks of a body as they arrive, and its Content-Type. Leaves: `Upload`s, in order. Does not know: what
pictures are, what is answered.

Nothing is written to disk: a body is 10 MiB at most, and a `Budget` bounds what all requests hold together.
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
from pawsight.web.problems import Problem, busy

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_LONGEST_NAME = 255  # characters of a file's name that are repeated
_HEADERS_OF_A_PART = 8


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

    def take(self, count: int) -> bool:
        """Count bytes in; says whether there was room for them."""
        self.held += count
        return self.held <= self._most

    def give(self, count: int) -> None:
        """Count bytes out."""
        self.held -= count


class Body:
    """The body of one request, counted while it streams.

    Use it as a context manager for as long as its bytes are needed.
    """

    def __init__(self, request: Request, limits: Limits, budget: Budget) -> None:
        self._request, self._limits, self._budget = request, limits, budget
        self._taken = 0

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        self._budget.give(self._taken)

    async def uploads(self) -> list[Upload]:
        """Return the files of the body.

        Raises:
            Problem: it is too large, too slow, malformed, or of a kind that holds no pictures.
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
            raise Problem(
                "too-slow",
                f"The body did not arrive within {self._limits.receive_seconds:g} s.",
            ) from None
        except ClientDisconnect:
            raise Problem("bad-request", "The body ended before its end.") from None
        raise Problem(
            "wrong-type",
            "Send one picture as image/* or application/octet-stream, or several files as multipart/form-data.",
        )

    def _check_length(self) -> None:
        said = self._request.headers.get("content-length", "")
        if said.isascii() and said.isdigit() and int(said[:20]) > self._limits.body_bytes:
            raise self._too_large()

    async def _single(self) -> Upload:
        upload = Upload("picture")
        async for chunk in self._chunks():
            upload.data += chunk
        return upload

    async def _form(self, boundary: bytes) -> list[Upload]:
        if not boundary:
            raise Problem("bad-request", "The Content-Type of the form names no boundary.")
        form = _Form(self._limits)
        try:
            parser = MultipartParser(
                boundary,
                form.callbacks(),
                max_header_count=_HEADERS_OF_A_PART,
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
            if not self._budget.take(len(chunk)):
                raise busy("Too many bytes are being received at once.", seconds=self._limits.retry_seconds)
            if self._taken > self._limits.body_bytes:
                raise self._too_large()
            yield chunk

    def _too_large(self) -> Problem:
        return Problem(
            "too-large",
            f"A body may have {self._limits.body_mib:g} MiB. Send fewer pictures at once, or smaller ones.",
        )


class _Form:
    """What a multipart parser found so far; callbacks are called synchronously while it parses."""

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
            raise Problem(
                "too-large",
                f"A request may have {self._limits.files:,} files. Send the others in another request.",
            )
        self.uploads.append(Upload(plain_name(options[b"filename"])))

    def _ends(self) -> None:
        self.whole = True


def plain_name(name: bytes) -> str:
    """Return a file's name as harmless text: what cannot be printed is replaced, what is long is cut."""
    text = name.decode("utf-8", "replace")[:_LONGEST_NAME]
    return printable(text) or "picture"


def _malformed(detail: str) -> Problem:
    return Problem("bad-request", f"{detail}.")
