"""Refuses decompression bombs by what a file's header says: how many parts, how many pixels, how much memory.

Pillow reads headers in Python, a part at a time, and limits no number of parts: ten megabytes of empty chunks, comments
or strips keep it busy for seconds, half a gigabyte for minutes. Ordinary files have some dozens; a PNG of 50 megapixels
in chunks of 8 KiB, the largest that libpng writes, has 20,000.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import Any

from PIL import GifImagePlugin, Image

MAX_READS = 500_000  # of a file while it is opened and decoded: a second's worth at most
MAX_SEGMENTS = 5_000  # of a JPEG before its first scan
MAX_EXIF_BYTES = 4 * 2**20  # of a JPEG, all its segments together: Pillow joins them one by one
MAX_STRIPS = 100_000  # or tiles of a TIFF
MAX_ITEMS = 10_000  # of a HEIF; 50 megapixels in tiles of 512 x 512 are 200
MAX_ITEM_NAME = 4_096  # bytes of the names of a HEIF's item that are looked at
MAX_RUN_MEGAPIXELS = 8  # of a BMP in runs, which Pillow unpacks pixel by pixel
MAX_DECODE_MIB = 470  # of memory for a file and its pixels on their way, beside the interpreter's 30, by default

# Bytes for each pixel where they are most. Pillow keeps 4 of any colour picture and copies one with transparency before
# it shrinks it; libwebp holds two canvases besides, and the codecs of AVIF their planes.
_PEAK_BYTES = {"RGBA": 8, "PA": 12, "LA": 12, "La": 16, "RGBa": 12, "P": 9, "F": 5, "I": 5}
_PEAK_OF_WEBP, _PEAK_OF_AVIF, _PEAK_OF_HEIF = 16, 10, 14
_STRIP_TAGS = (273, 324)  # offsets of strips, offsets of tiles
_SCAN, _EXIF = 0xDA, 0xE1


class TooLarge(Exception):
    """A file was read more often than any picture needs, or asked for more room."""


class ReadLimitedFile(io.BytesIO):
    """Bytes as a file that may be read `MAX_READS` times."""

    _left = MAX_READS

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes.

        Raises:
            TooLarge: it was read too often.
        """
        self._left -= 1
        if self._left < 0:
            raise TooLarge
        return super().read(size)


class FrameLimitedGif(GifImagePlugin.GifImageFile):
    """A GIF that is refused if its first frame asks for more room than a picture may take.

    Pillow fills the place of a frame that is to be cleared while it opens the file, as large as the frame says it is.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "dispose_extent" and value:
            left, top, right, bottom = value
            if 4 * (right - left) * (bottom - top) > MAX_DECODE_MIB * 2**20:
                raise TooLarge
        super().__setattr__(name, value)


def exceeds_header_limits(data: bytes) -> bool:
    """Say whether a file, by its header alone, has more parts than any picture."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg_exceeds_limits(data)
    if data.startswith((b"II", b"MM")):
        return any(count > MAX_STRIPS for tag, count in _tags(data) if tag in _STRIP_TAGS)
    if data.startswith(b"BM") and len(data) >= 34:
        width, height, _, _, packing = struct.unpack_from("<iiHHI", data, 18)
        return packing in (1, 2) and abs(width * height) > MAX_RUN_MEGAPIXELS * 1_000_000
    return False


def memory_needed(image: Image.Image, size: int) -> float:
    """Return the bytes of memory that it takes to decode an opened picture out of a file of `size` bytes."""
    per_pixel = float(_PEAK_BYTES.get(image.mode, 4))
    if image.format == "WEBP":
        per_pixel = max(per_pixel, _PEAK_OF_WEBP)
    elif image.format == "AVIF":
        per_pixel = _PEAK_OF_AVIF + 2 * (image.mode == "RGBA")
    elif image.format == "HEIF":
        per_pixel = _PEAK_OF_HEIF
    elif image.format == "TIFF" and image.info.get("compression", "raw") != "raw":
        per_pixel += _strip_bytes(image)
    if image.mode.startswith("I;16") and "transparency" in image.info:
        per_pixel = 12
    return image.width * image.height * per_pixel + size


def _strip_bytes(image: Image.Image) -> float:
    """Return how many bytes a pixel of a packed TIFF adds, since libtiff unpacks a whole strip at a time."""
    tags = getattr(image, "tag_v2", {})
    bits, rows = tags.get(258, (8,)), tags.get(278, image.height)
    share = min(1.0, rows / image.height) if isinstance(rows, int) and image.height else 1.0
    return share * sum(bits if isinstance(bits, tuple) else (8,)) / 8


def _jpeg_exceeds_limits(data: bytes) -> bool:
    """Walk the segments before the first scan; libjpeg handles what is no segment."""
    place, exif = 2, 0
    for _ in range(MAX_SEGMENTS):
        place = data.find(b"\xff", place)
        while place >= 0 and data[place + 1 : place + 2] in (b"\xff", b"\0"):
            place += 1
            if data[place] != 0xFF:
                place = data.find(b"\xff", place)
        if place < 0 or place + 4 > len(data) or data[place + 1] == _SCAN:
            return False
        size = int.from_bytes(data[place + 2 : place + 4])
        exif += size if data[place + 1] == _EXIF else 0
        if exif > MAX_EXIF_BYTES:
            return True
        place += 2 + size
    return True


def webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a WebP by its first chunk (RFC 9649, sections 2.5 to 2.7); zeros for other files.

    They are asked before the file is opened: libwebp makes room then.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return 0, 0
    bits = int.from_bytes(data[21:25] if data[12:16] == b"VP8L" else data[24:30], "little")
    if data[12:16] == b"VP8X":
        return (bits & 0xFFFFFF) + 1, (bits >> 24) + 1
    if data[12:16] == b"VP8L":
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return bits >> 16 & 0x3FFF, bits >> 32 & 0x3FFF


def heif_items_are_named(data: bytes) -> bool:
    """Say whether a HEIF has no more items than any picture, and their types and names are text.

    An item is a box `infe` (ISO/IEC 14496-12, 8.11.6). pi_heif 1.4 makes strings of its type and name without a look,
    which ends the process where they are none.
    """
    for number, found in enumerate(re.finditer(b"infe", data)):
        if number == MAX_ITEMS:
            return False
        start, end = found.start(), found.start() - 4 + int.from_bytes(data[max(0, found.start() - 4) : found.start()])
        kind = start + (
            14 if data[start + 4 : start + 5] == b"\3" else 12
        )  # behind version, flags, item and protection
        try:
            data[kind : kind + 4].decode("ascii")
            data[kind + 4 : min(end, kind + MAX_ITEM_NAME)].decode("utf-8")
        except UnicodeDecodeError:
            return False
    return True


def _tags(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield tag and number of values of a TIFF's first directory (TIFF 6.0, section 2, and libtiff's BigTIFF)."""
    order = "<" if data[:2] == b"II" else ">"
    wide = data[2:4] in (b"+\0", b"\0+")
    number, entry = (struct.Struct(order + "Q"), struct.Struct(order + "HHQ8x")) if wide else (
        struct.Struct(order + "H"),
        struct.Struct(order + "HHI4x"),
    )  # fmt: skip
    pointer, at = struct.Struct(order + ("Q" if wide else "I")), 8 if wide else 4
    if len(data) < at + pointer.size:
        return
    place = pointer.unpack_from(data, at)[0]
    if place + number.size > len(data):
        return
    count = number.unpack_from(data, place)[0]
    place += number.size
    for start in range(place, min(place + count * entry.size, len(data) - entry.size + 1), entry.size):
        tag, _, values = entry.unpack_from(data, start)
        yield tag, values
