"""Tells broken pictures from files of well-known other types, so that a refusal can say what the file is.

Enters: the first bytes of a file. Leaves: yes or no, a name or nothing. Does not know: Pillow.

Signatures: ISO/IEC 14496-12 (`ftyp` brands), and the magic numbers of the formats' own specifications.
"""

from __future__ import annotations

_BRANDS = {
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"mif1": "HEIC",
    b"msf1": "HEIC",
    b"crx ": "Canon raw (CR3)",
}
_READ_BRANDS = (b"avif", b"avis")
_READ_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
_STARTS = (
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a rar archive"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"\x1a\x45\xdf\xa3", "a video (Matroska)"),
    (b"FUJIFILMCCD-RAW", "Fujifilm raw (RAF)"),
)


def is_readable_type(data: bytes) -> bool:
    """Say whether the bytes start like a JPEG, PNG, GIF, WEBP, TIFF or AVIF, whatever follows."""
    if data[4:8] == b"ftyp":
        return data[8:12] in _READ_BRANDS
    return data.startswith(_READ_STARTS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def name_of_unsupported(data: bytes) -> str | None:
    """Return `"<type> is not read"` for a well-known type, None for bytes that nobody knows."""
    name = _name(data)
    return f"{name} is not read" if name else None


def _name(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "a video (MP4)")
    for start, name in _STARTS:
        if data.startswith(start):
            return name
    head = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return "SVG"
    return "a web page" if head.startswith((b"<!doctype html", b"<html")) else None
