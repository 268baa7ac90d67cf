"""An address as a QR code: for the page, and for a terminal."""

from __future__ import annotations

import io

import segno


def svg_of(address: str) -> bytes:
    """Return the code as an SVG, dark on light whatever the colours around it."""
    file = io.BytesIO()
    segno.make(address, micro=False).save(file, kind="svg", scale=8, border=4, dark="#000", light="#fff", xmldecl=False)
    return file.getvalue()


def lines_of(address: str) -> list[str]:
    """Return the code in lines of block characters, light on dark as terminals are."""
    file = io.StringIO()
    segno.make(address, micro=False).terminal(file, border=2, compact=True)
    return file.getvalue().splitlines()
