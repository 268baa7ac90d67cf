"""Answers to requests that fail: problem documents by RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

MEDIA_TYPE = "application/problem+json"
_LONGEST_INSTANCE = 200  # characters of the address in the answer

# code -> (status, title). A program compares codes: they do not change, sentences may.
CODES: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "bad-host": (400, "The Host header is none"),
    "bad-parameter": (400, "A parameter of the address cannot be used"),
    "unknown-class": (400, "The classifier has no such class"),
    "token-wanted": (401, "A token is required"),
    "foreign-origin": (403, "Sent by a page of another site"),
    "not-found": (404, "There is nothing here"),
    "wrong-method": (405, "The method is not allowed here"),
    "too-slow": (408, "The request took too long to arrive"),
    "too-large": (413, "The request is too large"),
    "too-many-pictures": (413, "The request has too many pictures"),
    "wrong-type": (415, "This kind of body cannot be read"),
    "misdirected": (421, "The request is for another host"),
    "unreadable-picture": (422, "The picture cannot be read"),
    "decoder-lost": (422, "The picture was not decoded in time, or its decoder died"),
    "failed": (500, "The service failed"),
    "busy": (503, "The service is busy"),
    "not-ready": (503, "The service is not ready"),
    "deadline": (504, "The answer took too long"),
    "feedback-full": (507, "No more pictures are kept"),
    "not-stored": (507, "The picture could not be kept"),
}


class RequestProblem(Exception):
    """A request that cannot be answered.

    Args:
        code: one of `CODES`.
        detail: one or two sentences for a person: what happened, and what to do instead.
        file: the picture concerned.
        reason: why a picture cannot be read, in a few words.
        headers: more headers for the response.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        file: str | None = None,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code, self.detail, self.file, self.reason = code, detail, file, reason
        self.status, self.title = CODES[code]
        self.headers = dict(headers or {})
        super().__init__(detail)

    def document(self, *, instance: str, request_id: str) -> dict[str, Any]:
        """Return the problem as plain JSON values, without unknown members."""
        members = {
            "type": f"urn:pawsight:problem:{self.code}",  # a name: nothing is fetched to understand it
            "code": self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance[:_LONGEST_INSTANCE],
            "file": self.file,
            "reason": self.reason,
            "request_id": request_id,
        }
        return {name: value for name, value in members.items() if value is not None}

    def body(self, *, instance: str, request_id: str) -> bytes:
        """Return the document as JSON in UTF-8."""
        return json.dumps(self.document(instance=instance, request_id=request_id)).encode()


def busy(detail: str, *, seconds: int) -> RequestProblem:
    """Return the problem of a busy service, with the time after which to try again."""
    return RequestProblem("busy", f"{detail} Ask again in {seconds} s.", headers={"Retry-After": str(seconds)})


def unreadable(file: str, reason: str, *, code: str = "unreadable-picture") -> RequestProblem:
    """Return the problem of one picture that cannot be read."""
    return RequestProblem(code, f"{file} could not be read: {reason}.", file=file, reason=reason)


def of_status(status: int) -> RequestProblem:
    """Return the problem for a status that the router has set."""
    code = {404: "not-found", 405: "wrong-method"}.get(status)
    if code is None:
        return RequestProblem("failed" if status >= 500 else "bad-request", HTTPStatus(status).phrase + ".")
    details = {
        "not-found": "There is no such address; /docs lists the addresses.",
        "wrong-method": "This address does not accept this method; /docs lists the methods.",
    }
    return RequestProblem(code, details[code])
