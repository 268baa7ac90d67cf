"""The decoder: training, evaluation, command line and server all call `decode`, and nothing else opens a picture.

Enters: the bytes of one file and `DecodeSettings`. Leaves: a `Decoded` square of uint8 RGB, or `UnreadablePicture`.
Does not know: where the bytes came from, labels, models.

The steps, in order: recognise by content, refuse what is too large or has too many scans, decode (JPEG reduced while
decoding when the target is small), resize to a square, bring to RGB on white, set upright. Turning comes last because
stretching to a square and turning by quarters commute, and a small square turns faster.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import (  # the plugins enter their readers in Image.OPEN
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageFile,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from pawsight.core.errors import UnreadablePicture
from pawsight.core.text import printable
from pawsight.images.claims import MeteredFile, TooLarge, WeighedGif, claims_too_much, needs_too_much
from pawsight.images.colour import to_rgb
from pawsight.images.shrink import to_square
from pawsight.images.signatures import is_readable_type, name_of_unsupported

DECODER_VERSION = 2  # part of every cache key: raise it when the same bytes would decode to other pixels
READABLE = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")  # Pillow opens MPO as JPEG, then calls it MPO
READABLE_NAMES = "AVIF, BMP, GIF, JPEG, PNG, TIFF, WEBP"

# Every scan of a progressive JPEG passes over the whole picture, and one that says nothing is short: 400 of them over
# 49 megapixels kept a core busy for 17 s. Files as cameras and programs make them have about ten, which for the largest
# picture allowed is half of this limit; libjpeg-turbo, too, advises programs to set one.
MAX_SCANNED_MEGAPIXELS = 1_000  # width x height x scans, in millions
_SCAN, _END = 0xDA, 0xD9
# The markers at which libjpeg stops to read. What it passes by in a scan is left out: FF 00, restarts, all below C0.
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")

_EXIF_MAKE, _EXIF_MODEL, _EXIF_ORIENTATION = 0x010F, 0x0110, 0x0112
_CAMERA_LETTERS = 80  # of a name; what is longer names no camera
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeSettings:
    """All that decides which pixels a file becomes; stored in every bundle."""

    image_px: int = 224  # side of the square the network sees
    max_megapixels: int = 50  # width x height of the file, in millions; more is refused unread
    version: int = DECODER_VERSION


@dataclass(frozen=True, slots=True)
class Decoded:
    """One picture, ready for a network."""

    pixels: Pixels  # (image_px, image_px, 3) uint8 RGB
    width: int  # of the file as shown upright, in pixels
    height: int
    format: str  # Pillow's name of the file format, by content
    orientation: int  # EXIF orientation that was applied, 1 when none; TIFF is turned by Pillow and says 1
    camera: str = ""  # maker and model by EXIF


def decode(data: bytes, settings: DecodeSettings, *, name: str) -> Decoded:
    """Decode one file to a square of uint8 RGB.

    Args:
        data: the whole file.
        settings: side of the square and limits.
        name: what to call the file in an error.

    Returns:
        pixels (image_px, image_px, 3) uint8 in 0..255, stretched to the square with an antialiasing bilinear filter;
        transparency shown on white; first frame of an animation; EXIF orientation applied.

    Raises:
        UnreadablePicture: nothing else, whatever the bytes are.
    """
    if not data:
        raise _unreadable(name, "empty")
    try:
        return _decode(data, settings, name)
    except UnreadablePicture:
        raise
    except Exception as error:  # Pillow's parsers raise whatever they trip over: hostile bytes reach most built-ins
        raise _unreadable(name, _reason(data, error)) from error


def _decode(data: bytes, settings: DecodeSettings, name: str) -> Decoded:
    most = settings.max_megapixels * 1_000_000
    if claims_too_much(data, most):
        raise _unreadable(name, "too large")
    with _opened(data) as image:
        width, height = image.size
        if width * height > most or needs_too_much(image, len(data)):
            raise _unreadable(name, "too large")
        kind = image.format or "unknown"
        if kind in ("JPEG", "MPO") and _has_more_scans(data, MAX_SCANNED_MEGAPIXELS * 1_000_000 // (width * height)):
            raise _unreadable(name, "too large")
        side = settings.image_px
        image.draft("RGB", (side, side))
        image.load()
        orientation, camera = _told_by_exif(image)
        vars(image).pop("_decoder", None)  # of a WEBP: two canvases as large as the picture, needed no more
        square = to_square(image, side)
    upright = to_rgb(square)
    if orientation in _UPRIGHT:
        upright = upright.transpose(_UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    return Decoded(np.asarray(upright, dtype=np.uint8), width, height, kind, orientation, camera)


def _opened(data: bytes) -> ImageFile.ImageFile:
    """Open a picture as `Image.open` does, without its look at the size.

    That look warns from 89 megapixels on, through filters and a limit that belong to the whole process and so to the
    program that uses Pawsight. `_decode` has a lower limit, and nothing is decoded before it is checked.
    """
    file, start = MeteredFile(data), data[:16]
    for kind in READABLE:
        factory, accepts = Image.OPEN[kind]
        if accepts is not None and accepts(start) is True:
            file.seek(0)
            try:
                return WeighedGif(file) if kind == "GIF" else factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error) as error:  # as Pillow's readers say "not mine"
                raise UnidentifiedImageError(str(error)) from error
    raise UnidentifiedImageError


def _has_more_scans(data: bytes, allowed: int) -> bool:
    """Say whether a JPEG has more scans than allowed, by ITU-T T.81, B.1.1.

    The quick count is never too low, since a scan begins with FF DA; what follows the picture (a phone's short video)
    and what is embedded in it (a thumbnail) may make it too high, so a picture that fails it is looked through.
    """
    if data.count(b"\xff\xda") <= allowed:
        return False
    scans, place = 0, 2
    while scans <= allowed and (marker := _MARKER.search(data, place)) and marker[1][0] != _END:
        scans += marker[1][0] == _SCAN
        place = marker.end() + max(2, int.from_bytes(data[marker.end() : marker.end() + 2]))
    return scans > allowed


def _told_by_exif(image: Image.Image) -> tuple[int, str]:
    """Return orientation and camera; 1 and nothing where there are none or the EXIF block is broken."""
    try:
        exif = image.getexif()
        value, names = exif.get(_EXIF_ORIENTATION, 1), [exif.get(_EXIF_MAKE), exif.get(_EXIF_MODEL)]
    except Exception:  # a broken EXIF block says nothing of the pixels, which did decode
        return 1, ""
    return value if isinstance(value, int) and value in _UPRIGHT else 1, _camera(names)


def _camera(names: list[object]) -> str:
    """Return maker and model on one line, the maker once: many models repeat it."""
    make, model = (" ".join(printable(name, instead=" ").split()) if isinstance(name, str) else "" for name in names)
    told = model if model.casefold().startswith(make.casefold()) and model else f"{make} {model}"
    return told.strip()[:_CAMERA_LETTERS]


def _reason(data: bytes, error: Exception) -> str:
    if isinstance(error, TooLarge | Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too large"
    if isinstance(error, UnidentifiedImageError):
        return "unreadable" if is_readable_type(data) else name_of_unsupported(data) or "not a picture"
    text = str(error).lower()
    return "truncated" if "truncated" in text or "ended prematurely" in text else "unreadable"


def _unreadable(name: str, reason: str) -> UnreadablePicture:
    return UnreadablePicture(f"Could not read {name} as a picture.", reason, f"Readable types are {READABLE_NAMES}.")
