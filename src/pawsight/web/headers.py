"""The headers that every page and answer carries, and whose requests are turned away for where they come from.

Enters: headers of a request. Leaves: headers of the response, or why a request is refused. Does not know: routes.

Cross-origin requests are not answered at all (no CORS headers, and a foreign Origin is refused), and on a loopback
address only loopback names are: otherwise a page elsewhere could point its own name at 127.0.0.1 and ask in our name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

CONTENT_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# A report is one file with its styles and pictures inside it. It runs nothing and reaches nothing of ours.
REPORT_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "img-src data:",
            "font-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "sandbox",
        ]
    )
}
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def wrong_host(headers: Mapping[str, str], allowed: Collection[str]) -> str | None:
    """Say why a request is meant for another host; None where it is ours, or where every host is.

    Args:
        headers: of the request, looked up by lower-case name.
        allowed: names without ports; empty allows all.
    """
    if not allowed:
        return None
    host = _name(f"//{headers.get('host', '')}")
    if host in allowed:
        return None
    return f"This service answers to {', '.join(sorted(allowed))}. Allow another name with --allow-host."


def foreign_origin(headers: Mapping[str, str]) -> str | None:
    """Say why a request comes from a page of another site; None where it comes from none, or from ours."""
    origin = headers.get("origin")
    if origin is None or _place(origin) == _place(f"//{headers.get('host', '')}"):
        return None
    return (
        "A page of another site may not use this service (there is no CORS). Ask from a page of its own or a program."
    )


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _place(address: str) -> str:
    """Return host and port as written, in lower case: an Origin leaves out what the Host header leaves out."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return "\N{REPLACEMENT CHARACTER}"
