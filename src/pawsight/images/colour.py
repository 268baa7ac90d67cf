"""Colour profiles: a picture in Display P3, Adobe RGB or ProPhoto becomes sRGB, as it looks on a screen.

A profile says what the numbers of a file mean (ICC.1:2022). Phones save Display P3, cameras Adobe RGB; read as sRGB,
both look pale. A profile that cannot be used is passed over as if there were none: no picture is lost over it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL import ImageCms

Conversion = Callable[[Image.Image], Image.Image]
MAX_PROFILE_BYTES = 2**20  # cameras write 600, printers up to a megabyte; Pillow unpacks no more from a PNG either
_HEADER_BYTES = 128
_CLASSES = (
    b"mntr",
    b"scnr",
    b"prtr",
    b"spac",
)  # of devices and spaces: named colours and links between devices are none
_SPACES = {b"RGB ": "RGB", b"GRAY": "L"}  # ICC's name of what a profile describes -> Pillow's mode
_COLOURED, _GREY = ("RGB", "RGBA", "RGBX", "RGBa", "P", "PA"), ("L", "LA", "La")
_SAME = 2  # of 255: a profile that moves no colour further is that of sRGB, of which there are dozens
_INTEROPERABILITY_POINTER, _INTEROPERABILITY_INDEX = 0xA005, 1  # tags of EXIF


def srgb_conversion(source: Image.Image) -> Conversion | None:
    """Return what brings the numbers of an opened file to sRGB.

    Args:
        source: its mode, profile and EXIF say what its numbers mean.

    Returns:
        a function from a picture in L, RGB or RGBA to one in RGB or RGBA; None where there is no profile, where it is
        that of sRGB, and where it cannot be used.
    """
    profile = source.info.get("icc_profile") or (_adobe_rgb() if _says_adobe_rgb(source) else b"")
    if not isinstance(profile, bytes) or not _HEADER_BYTES < len(profile) <= MAX_PROFILE_BYTES:
        return None
    mode = _SPACES.get(profile[16:20], "")
    if source.mode not in (_GREY if mode == "L" else _COLOURED) or profile[12:16] not in _CLASSES:
        return None
    transform = _transform(profile, mode)
    return partial(_converted, transform, mode) if transform else None


def _converted(transform: ImageCms.ImageCmsTransform, mode: str, image: Image.Image) -> Image.Image:
    try:
        converted = transform.apply(image.getchannel(0) if mode == "L" else image.convert("RGB"))
    except Exception:  # as below
        return image
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    return converted


@lru_cache(maxsize=16)  # a folder's pictures come from a few devices; to make one takes as long as to decode a picture
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB, None where it leads nowhere or changes nothing that can be seen."""
    try:
        from PIL import ImageCms  # slow to load

        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb, mode, "RGB")
        tried = _all_colours() if mode == "RGB" else _all_colours().getchannel(0)
        moved = np.asarray(transform.apply(tried), int) - np.asarray(tried.convert("RGB"), int)
    except Exception:  # LittleCMS refuses what it cannot follow, in several ways; Pillow may be built without it
        return None
    return transform if np.abs(moved).max() > _SAME else None


@lru_cache(maxsize=1)
def _all_colours() -> Image.Image:
    """Return a picture of colours from the whole cube, its greys among the reds."""
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(len(steps), -1, 3))


def _says_adobe_rgb(source: Image.Image) -> bool:
    """Say whether EXIF has the mark "R03", by which cameras name Adobe RGB without a profile (DCF 2.0, section 4.6)."""
    if b"R03" not in (source.info.get("exif") or b""):
        return False
    try:
        pointed = source.getexif().get_ifd(_INTEROPERABILITY_POINTER)
    except Exception:  # the EXIF block is broken, but the pixels did decode
        return False
    return pointed.get(_INTEROPERABILITY_INDEX) == "R03"


def without_profile(png: bytes) -> bytes:
    """Return a PNG without its first chunk iCCP, over which Pillow may refuse it; the same object where it has none."""
    start = png.find(b"iCCP") - 4
    return png if start < 0 else png[:start] + png[start + 12 + int.from_bytes(png[start : start + 4]) :]


@lru_cache(maxsize=1)
def _adobe_rgb() -> bytes:
    """Return Adobe RGB (1998) as a profile of three primaries, adapted to D50, and one gamma (ICC.1:2001-04)."""
    primaries = {
        b"r": (0.60974, 0.31111, 0.01947),
        b"g": (0.20528, 0.62567, 0.06087),
        b"b": (0.14919, 0.06322, 0.74457),
    }
    fixed = {channel: struct.pack(">3i", *(round(65_536 * part) for part in xyz)) for channel, xyz in primaries.items()}
    elements = {channel + b"XYZ": b"XYZ \0\0\0\0" + values for channel, values in fixed.items()}
    gamma = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(256 * 563 / 256))
    elements |= {channel + b"TRC": gamma for channel in primaries}
    place, table, content = _HEADER_BYTES + 4 + 12 * len(elements), b"", b""
    for name, element in elements.items():
        table += name + struct.pack(">II", place + len(content), len(element))
        content += element
    white = struct.pack(">3i", 63_190, 65_536, 54_061)  # D50
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x", place + len(content), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp", white
    )
    return head + struct.pack(">I", len(elements)) + table + content
