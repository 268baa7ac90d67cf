"""What the generators of hostile pictures share: an honest picture, and ways to spoil it.

Enters: nothing. Leaves: `Hostile` pictures, bytes of chunks, segments and directories. Does not know: Pawsight.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

RED, GREEN, BLUE, YELLOW, WHITE = (220, 30, 30), (30, 180, 40), (30, 40, 210), (230, 220, 20), (255, 255, 255)
QUARTERS = (RED, GREEN, BLUE, YELLOW)
Colours = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Hostile:
    """One file, and what must come of it where that is certain."""

    name: str  # with an ending, as the file is called in a folder
    data: bytes | Callable[[], bytes]  # made when it is wanted, where making it takes long
    shows: Colours | None = None  # colours in the middle of the four quarters, read like a page
    refused: str | None = None  # a regular expression that the reason for the refusal matches
    heavy: bool = False  # takes more than half a second or 200 MiB

    def content(self) -> bytes:
        """Return the bytes of the file."""
        return self.data if isinstance(self.data, bytes) else self.data()


Pictures = Iterator[Hostile]


def quarters(width: int = 60, height: int = 40) -> Image.Image:
    """A picture whose quarters are red, green, blue and yellow, read like a page."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(YELLOW, (width // 2, height // 2, width, height))
    return image


def noise(width: int, height: int, channels: int = 3, *, kind: str = "uint8", seed: int = 8) -> np.ndarray:
    """Return what compresses worst, (height, width, channels)."""
    top = np.iinfo(kind).max
    return np.random.default_rng(seed).integers(0, top, (height, width, channels), kind, endpoint=True)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def cuts(name: str, ending: str, data: bytes, count: int) -> Pictures:
    """Cut a file at `count` places, the first and the last byte among them."""
    for place in np.linspace(1, len(data) - 1, count).astype(int).tolist():
        yield Hostile(f"{name}-cut-at-{place}.{ending}", data[:place])


def flips(name: str, ending: str, data: bytes, count: int) -> Pictures:
    """Change a byte in twenty places of the file at once, `count` times."""
    random = np.random.default_rng(len(data))
    for number in range(count):
        spoiled = bytearray(data)
        for place in random.integers(0, len(data), 20):
            spoiled[place] = random.integers(0, 256)
        yield Hostile(f"{name}-spoiled-{number}.{ending}", bytes(spoiled))


def chunk(kind: bytes, data: bytes, *, crc: int | None = None) -> bytes:
    """Return a chunk of a PNG."""
    check = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", check)


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *before: bytes, interlace: int = 0) -> bytes:
    """Return a PNG: `rows` are packed, `before` are chunks between its header and its pixels."""
    head = struct.pack("!IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    chunks = [chunk(b"IHDR", head), *before, chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
Tag = tuple[int, int, int, bytes]  # tag, type, how many it says there are, the content


def directory(tags: list[Tag], *, start: int, following: int = 0, order: str = "<") -> bytes:
    """Return a TIFF directory that will lie at `start`, its long values behind it."""
    body, tail = b"", b""
    end = start + 2 + 12 * len(tags) + 4
    for tag, kind, count, content in tags:
        if len(content) > 4:
            value = struct.pack(order + "I", end + len(tail))
            tail += content
        else:
            value = content.ljust(4, b"\0")
        body += struct.pack(order + "HHI", tag, kind, count) + value
    return struct.pack(order + "H", len(tags)) + body + struct.pack(order + "I", following) + tail


def short(tag: int, *values: int) -> Tag:
    """Return a tag of 16-bit numbers."""
    return tag, 3, len(values), struct.pack(f"<{len(values)}H", *values)


def long(tag: int, *values: int) -> Tag:
    """Return a tag of 32-bit numbers."""
    return tag, 4, len(values), struct.pack(f"<{len(values)}I", *values)


def exif(*tags: Tag, following: int = 0) -> bytes:
    """Return an EXIF block as it stands in a JPEG."""
    return b"Exif\0\0" + tiff_head() + directory(list(tags), start=8, following=following)


def tiff_head(first: int = 8) -> bytes:
    """Return the first eight bytes of a TIFF."""
    return b"II*\0" + struct.pack("<I", first)


def tiff(pixels: bytes, width: int, height: int, *more: Tag, bits: tuple[int, ...] = (8, 8, 8), kind: int = 2) -> bytes:
    """Return an uncompressed TIFF in one strip; tags in `more` take the place of those of the same number."""
    plain = [
        long(256, width),
        long(257, height),
        short(258, *bits),
        short(259, 1),
        short(262, kind),
        long(273, 8),
        short(277, len(bits)),
        long(278, height),
        long(279, len(pixels)),
    ]
    tags = {tag[0]: tag for tag in (*plain, *more)}
    start = 8 + len(pixels)
    return tiff_head(start) + pixels + directory(sorted(tags.values()), start=start)
