"""The decoder: training, evaluation, command line and server all call `decode`, and nothing else opens a picture.

The steps, in order: recognise by content, refuse what is too large (header_limits.py) or has too many scans, decode
(JPEG reduced while decoding when the target is small), bring from an embedded profile to sRGB (colour.py), resize to a
square, bring to RGB on white, set upright. Turning comes last because stretching to a square and turning by quarters
commute, and a small square turns faster.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import (  # the plugins enter their readers in Image.OPEN
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,
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
from pawsight.images.colour import Conversion, srgb_conversion, without_profile
from pawsight.images.dicom import GREY_RANGE, HAS_DICOM, UnsupportedDicom, is_dicom, open_dicom
from pawsight.images.header_limits import (
    MAX_DECODE_MIB,
    FrameLimitedGif,
    ReadLimitedFile,
    TooLarge,
    exceeds_header_limits,
    heif_items_are_named,
    memory_needed,
    webp_size,
)

# Part of every cache key: raised when the same bytes decode to other pixels. A bundle is answered with the version that
# it was trained with. Version 2 passes colour profiles over.
DECODER_VERSION, OLDEST_DECODER = 3, 2
READABLE = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF")  # Pillow opens MPO as JPEG, then calls it MPO
HAS_HEIF = find_spec("pi_heif") is not None  # the extra [heif]
READABLE_NAMES = f"AVIF, BMP, {'DICOM, ' if HAS_DICOM else ''}GIF, {'HEIC, ' if HAS_HEIF else ''}JPEG, PNG, TIFF, WEBP"
MOST_MEGAPIXELS = 1_000  # that can be allowed: a file of more is no picture
_DEFAULT_MEGAPIXELS = 50

# Every scan of a progressive JPEG passes over the whole picture, and an empty one is short: 400 of them over
# 49 megapixels kept a core busy for 17 s. Files as cameras and programs make them have about ten, which for the largest
# picture allowed is half of this limit; libjpeg-turbo, too, advises programs to set one.
MAX_SCANNED_MEGAPIXELS = 1_000  # width x height x scans, in millions, where 50 megapixels are allowed
_SCAN, _END = 0xDA, 0xD9
# The markers at which libjpeg stops to read. What it passes by in a scan is left out: FF 00, restarts, all below C0.
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
_EXIF_MAKE, _EXIF_MODEL, _EXIF_ORIENTATION = 0x010F, 0x0110, 0x0112
# When the shutter opened, and fractions of that second. 0x0132 is no substitute: programs set it when they save a file.
_EXIF_DETAILS, _EXIF_TAKEN, _EXIF_FRACTION = 0x8769, 0x9003, 0x9291
_CAMERA_LETTERS = 80  # of a name; longer text is cut
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
GreyRange = tuple[float, float]  # the values that become black and white
Result = TypeVar("Result")

BAND_PIXELS = 4_000_000  # converted and reduced at a time
_REDUCING_GAP = 2.0  # how much larger than the square a picture may remain before the antialiasing filter
_WHITE = (255, 255, 255)
_FLOAT_BAND_PIXELS = 250_000  # as many as stay in a processor's cache in float64
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}

# Signatures: ISO/IEC 14496-12 (`ftyp` brands), and the magic numbers of the formats' own specifications.
_READ_BRANDS = (b"avif", b"avis")
_PNG = b"\x89PNG\r\n\x1a\n"
_ENDINGS = {  # of files whose first bytes are these
    b"\xff\xd8\xff": ".jpg",
    _PNG: ".png",
    b"GIF87a": ".gif",
    b"GIF89a": ".gif",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}
_READ_STARTS = tuple(_ENDINGS)
_OTHER_BRANDS = {
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"mif1": "HEIC",
    b"msf1": "HEIC",
    b"crx ": "Canon raw (CR3)",
}
_LOOKED_AT, _LEAST_FILE = 1 << 16, 128  # bytes
NOT_DOWNLOADED = "an iCloud placeholder in place of the picture: download it in the Finder or in Files"
WEB_PAGE = "a web page in place of the picture, such as an error or a login: download the picture again"
_PLACEHOLDERS = (
    (b"version https://git-lfs", "a Git LFS pointer in place of the picture: git lfs pull"),
    (b"bplist00", NOT_DOWNLOADED),
)
_OTHER_STARTS = (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeSettings:
    """Everything that decides which pixels a file becomes; stored in every bundle."""

    image_px: int = 224  # side of the square the network sees
    # Width x height of the file, in millions; more is refused before decoding. Limits of memory and scans grow with it.
    max_megapixels: int = _DEFAULT_MEGAPIXELS
    version: int = DECODER_VERSION  # from OLDEST_DECODER on
    # The values that become black and white where a file has more than 8 bits of grey, one scale for a whole data set
    # (grey_range.py); None: the range of the file's type. A picture of fractions from 0 to 1 keeps that range.
    grey_range: GreyRange | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """One picture, ready for a network."""

    pixels: Pixels  # (image_px, image_px, 3) uint8 RGB
    width: int  # of the file as shown upright, in pixels
    height: int
    format: str  # Pillow's name of the file format, by content
    orientation: int  # EXIF orientation that was applied, 1 when none; TIFF is turned by Pillow and says 1
    camera: str = ""  # maker and model by EXIF
    taken: float | None = None  # when, by EXIF: seconds since 1970 by the clock of the camera


def decode(data: bytes, settings: DecodeSettings, *, name: str) -> Decoded:
    """Decode one file to a square of uint8 RGB.

    Args:
        data: the whole file.
        settings: side of the square and limits.
        name: what to call the file in an error.

    Returns:
        pixels (image_px, image_px, 3) uint8 in 0..255, stretched to the square with an antialiasing bilinear filter;
        transparency shown on white; first frame of an animation; colours in sRGB; EXIF orientation applied.

    Raises:
        UnreadablePicture: nothing else, whatever the bytes are.
    """
    return _read(data, name, lambda content: _decode(content, settings, name))


def wide_values(data: bytes, settings: DecodeSettings, *, name: str) -> NDArray[Any] | None:
    """Return the greys (H, W) of a picture that has more than 8 bits of them, as the file has them; None for others.

    Raises:
        UnreadablePicture: nothing else, whatever the bytes are.
    """

    def values(content: bytes) -> NDArray[Any] | None:
        with _opened_within_limits(content, settings, name) as image:
            return np.asarray(image) if is_wide(image) else None

    return _read(data, name, values)


def _read(data: bytes, name: str, read: Callable[[bytes], Result]) -> Result:
    """Return what `read` makes of a file; all that it raises becomes UnreadablePicture."""
    if not data:
        raise _unreadable(name, "empty")
    try:
        return read(data)
    except UnreadablePicture:
        raise
    except Exception as error:  # Pillow's parsers raise whatever they trip over: hostile bytes reach most built-ins
        if data.startswith(_PNG) and (bare := without_profile(data)) is not data:
            with suppress(Exception):
                return read(bare)
        raise _unreadable(name, _reason(data, error)) from error


def _decode(data: bytes, settings: DecodeSettings, name: str) -> Decoded:
    with _opened_within_limits(data, settings, name) as image:
        width, height = image.size
        kind = "DICOM" if is_dicom(data) else image.format or "unknown"
        image.draft("RGB", (settings.image_px, settings.image_px))
        image.load()
        exif = _read_exif(image)
        vars(image).pop("_decoder", None)  # of a WEBP: two canvases as large as the picture, needed no more
        return _upright_square(image, (width, height), kind, exif, settings)


def decode_image(image: Image.Image, settings: DecodeSettings, *, name: str) -> Decoded:
    """Bring a picture that is in memory to a square of uint8 RGB, as `decode` does with a file from its pixels on.

    Args:
        image: of any mode, opened from a file or made from an array; it is loaded and otherwise left as it is. Its
            orientation tag and colour profile, where it has them, count as those of a file do.
        settings: side of the square and limits.
        name: what to call the picture in an error.

    Raises:
        UnreadablePicture: it has no pixels, is too large, or its file breaks off.
    """
    if not all(image.size):
        raise _unreadable(name, "empty")
    check_megapixels(*image.size, settings, name=name)
    try:
        image.load()
        return _upright_square(image, image.size, image.format or "", _read_exif(image), settings)
    except Exception as error:  # as in `decode`: the file behind it may be hostile
        raise _unreadable(name, _reason(b"", error)) from error


def _upright_square(
    image: Image.Image, size: tuple[int, int], kind: str, exif: tuple[int, str, float | None], settings: DecodeSettings
) -> Decoded:
    """Resize a loaded picture, bring it to sRGB and turn it; its file had `size`, perhaps before it was reduced."""
    orientation, camera, taken = exif
    conversion = srgb_conversion(image) if settings.version > OLDEST_DECODER else None
    square = to_rgb(to_square(image, settings.image_px, conversion, settings.grey_range))
    if orientation in _UPRIGHT:
        square = square.transpose(_UPRIGHT[orientation])
    width, height = size[::-1] if orientation >= 5 else size
    return Decoded(np.asarray(square, dtype=np.uint8), width, height, kind, orientation, camera, taken)


def _opened_within_limits(data: bytes, settings: DecodeSettings, name: str) -> Image.Image:
    """Open a picture, without decoding it where its type allows, and refuse what is too large."""
    generous = max(1.0, settings.max_megapixels / _DEFAULT_MEGAPIXELS)

    def check(width: int, height: int, needed: float) -> None:
        check_megapixels(width, height, settings, name=name)
        needed, allowed = needed / 2**20, MAX_DECODE_MIB * generous
        if needed > allowed:
            text = f"takes {needed:,.0f} MiB of memory to decode, {allowed:,.0f} allowed"
            raise _unreadable(name, _with_option(text, _DEFAULT_MEGAPIXELS * needed / MAX_DECODE_MIB))

    check_megapixels(*webp_size(data), settings, name=name)
    if HAS_DICOM and is_dicom(data):
        frame = open_dicom(data, check)
        if isinstance(frame, Image.Image):
            return frame
        data = frame
    if exceeds_header_limits(data):
        raise _unreadable(name, "too large")
    image = _opened(data)
    try:
        check(*image.size, memory_needed(image, len(data)))
        scans = int(generous * MAX_SCANNED_MEGAPIXELS * 1_000_000) // (image.width * image.height)
        if image.format in ("JPEG", "MPO") and _has_more_scans(data, scans):
            raise _unreadable(name, "too large")
    except BaseException:
        image.close()
        raise
    return image


def check_megapixels(width: int, height: int, settings: DecodeSettings, *, name: str) -> None:
    """Refuse a picture with more pixels than are allowed.

    Raises:
        UnreadablePicture: with the option that allows it, where any does.
    """
    megapixels = width * height / 1e6
    if megapixels > settings.max_megapixels:
        text = f"{math.ceil(10 * megapixels) / 10:,.1f} megapixels, {settings.max_megapixels:,} allowed"
        raise _unreadable(name, _with_option(text, megapixels))


def _with_option(text: str, megapixels: float) -> str:
    """Return a reason with the option that lifts it; that of a file which no option admits is the short one."""
    option = 10 * math.ceil(megapixels / 10)
    return f"{text}: --max-megapixels {option}" if option <= MOST_MEGAPIXELS else "too large"


def _opened(data: bytes) -> ImageFile.ImageFile:
    """Open a picture as `Image.open` does, without its look at the size.

    That look warns from 89 megapixels on, through filters and a limit that belong to the whole process and so to the
    program that uses Pawsight. `_decode` has a lower limit, and nothing is decoded before it is checked.
    """
    file, start = ReadLimitedFile(data), data[:16]
    readers = [Image.OPEN[kind][0] for kind in READABLE if (accepts := Image.OPEN[kind][1]) and accepts(start) is True]
    is_heif = data[4:8] == b"ftyp" and _OTHER_BRANDS.get(data[8:12]) == "HEIC"
    if HAS_HEIF and is_heif and heif_items_are_named(data):
        from pi_heif import HeifImageFile  # opened directly: to register it would change Pillow for the host

        readers.append(HeifImageFile)
    fault: Exception | None = None
    for reader in readers:
        file.seek(0)
        try:
            return FrameLimitedGif(file) if reader is GifImagePlugin.GifImageFile else reader(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:  # as Pillow's readers say "not mine"
            fault = error
    raise UnidentifiedImageError(str(fault)) from fault


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


def _read_exif(image: Image.Image) -> tuple[int, str, float | None]:
    """Return orientation, camera and time; 1 and nothing where there are none or the EXIF block is broken."""
    try:
        exif = image.getexif()
        value, names = exif.get(_EXIF_ORIENTATION, 1), [exif.get(_EXIF_MAKE), exif.get(_EXIF_MODEL)]
        details = exif.get_ifd(_EXIF_DETAILS) if _EXIF_DETAILS in exif else {}
        taken = _time(details.get(_EXIF_TAKEN), details.get(_EXIF_FRACTION))
    except Exception:  # the EXIF block is broken, but the pixels did decode
        return 1, "", None
    return value if isinstance(value, int) and value in _UPRIGHT else 1, _camera(names), taken


def _time(text: object, fraction: object) -> float | None:
    """Return seconds since 1970 of an EXIF time such as "2026:11:29 19:05:00"; None where it is none."""
    try:
        whole = datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    digits = str(fraction).strip("\0 ")
    return whole + (float(f"0.{digits}") if digits.isdecimal() and digits.isascii() else 0.0)


def _camera(names: list[object]) -> str:
    """Return maker and model on one line, the maker once: many models repeat it."""
    make, model = (" ".join(printable(name, instead=" ").split()) if isinstance(name, str) else "" for name in names)
    camera = model if model.casefold().startswith(make.casefold()) and model else f"{make} {model}"
    return camera.strip()[:_CAMERA_LETTERS]


def _reason(data: bytes, error: Exception) -> str:
    if isinstance(error, UnsupportedDicom):
        return str(error)
    if isinstance(error, TooLarge | Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too large"
    if isinstance(error, UnidentifiedImageError):
        return (
            "unreadable"
            if is_readable_type(data)
            else _placeholder(data) or name_of_unsupported(data) or "not a picture"
        )
    text = str(error).lower()
    return "truncated" if "truncated" in text or "ended prematurely" in text else "unreadable"


def _unreadable(name: str, reason: str) -> UnreadablePicture:
    return UnreadablePicture(f"Could not read {name} as a picture.", reason, f"Readable types are {READABLE_NAMES}.")


def to_square(
    image: Image.Image,
    side: int,
    conversion: Conversion | None = None,
    grey_range: GreyRange | None = None,
) -> Image.Image:
    """Stretch to (side, side) with an antialiasing bilinear filter, in little more memory than the picture itself.

    Pillow would convert the whole picture before it shrinks it, which at 50 megapixels is 200 MB more, and gigabytes
    where numbers are scaled in floating point. So a large picture is converted and reduced a band of rows at a time.
    Reducing by whole factors averages blocks of pixels, and each band is a whole number of blocks: the result is
    Pillow's to the bit. Colours are converted before the resizing, as in a browser; of a large picture only the square
    is, which differs by a step or two of 255 at the edges of strong colours.
    """
    width, height = image.size
    factors = (int(width / side / _REDUCING_GAP) or 1, int(height / side / _REDUCING_GAP) or 1)
    span = wide_span(image, grey_range)
    if width * height <= BAND_PIXELS or factors == (1, 1) or is_see_through(image) or image.mode in ("L", "RGB"):
        plain = to_resizable(image, span)
        if conversion is not None and width * height <= BAND_PIXELS:
            plain, conversion = conversion(plain), None
        square = plain.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    else:
        box = (0, 0, width / factors[0], height / factors[1])
        square = _reduced(image, factors, span).resize((side, side), Image.Resampling.BILINEAR, box=box)
    return conversion(square) if conversion else square


def _reduced(image: Image.Image, factors: tuple[int, int], span: tuple[float, float]) -> Image.Image:
    """Convert and reduce by whole factors, band by band; a remainder at the right or below makes a block too."""
    width, height = image.size
    across, down = factors
    rows = max(1, BAND_PIXELS // width // down) * down
    size = (-(-width // across), -(-height // down))
    whole: Image.Image | None = None
    for top in range(0, height, rows):
        band = to_resizable(image.crop((0, top, width, min(top + rows, height))), span).reduce(factors)
        whole = whole or Image.new(band.mode, size)
        whole.paste(band, (0, top // down))
    return whole or image


def is_see_through(image: Image.Image) -> bool:
    """Say whether a picture has transparency of any kind."""
    return image.has_transparency_data or image.mode in _PREMULTIPLIED or "transparency" in image.info


def to_resizable(image: Image.Image, span: tuple[float, float] | None = None) -> Image.Image:
    """Return the image in a mode that Pillow resizes with antialiasing: L, RGB or RGBA.

    Transparent pictures stay RGBA: Pillow premultiplies while it resizes, so the colour hidden under full
    transparency does not bleed into the edges.

    Args:
        image: a picture, or a band of one.
        span: what `wide_span` says of the whole picture, where this is a band.
    """
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return _from_wide(image, span or wide_span(image))
    if image.has_transparency_data or image.mode in _PREMULTIPLIED:
        plain = image.convert(_PREMULTIPLIED[image.mode]) if image.mode in _PREMULTIPLIED else image
        return plain if plain.mode == "RGBA" else plain.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "LAB":
        return _from_lab(image)
    return image.convert("RGB")


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB, transparency shown on white."""
    if image.mode == "RGB":
        return image
    if image.mode == "RGBA":
        page = Image.new("RGB", image.size, _WHITE)
        page.paste(image, mask=image.getchannel("A"))
        return page
    return image.convert("RGB")


def wide_span(image: Image.Image, grey_range: GreyRange | None = None) -> tuple[float, float]:
    """Return the values that become black and white in a 16-bit, 32-bit or floating-point picture; else zeros.

    A `I;16` picture has the range 0..65535 by definition, one from DICOM that of its bits. `I` and `F` do not say their
    range: the smallest customary range that holds the values is taken (1 for fractions, then 255, 65535), and beyond
    that the picture's own.

    Args:
        image: a picture.
        grey_range: of a data set, which comes before all of these but that of fractions.
    """
    if not is_wide(image):
        return 0.0, 0.0
    if image.mode.startswith("I") and grey_range is not None:
        return grey_range
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    if own := image.info.get(GREY_RANGE):
        return grey_range or own
    ends = [(float(values.min()), float(values.max())) for _, values in _bands(image)]
    low, high = min(0.0, *(least for least, _ in ends)), max(most for _, most in ends)
    if grey_range is not None and not (low == 0.0 and high <= 1.0):
        return grey_range
    if low == 0.0:
        ranges = [1.0, 255.0, 65535.0] if image.mode == "F" else [255.0, 65535.0]
        high = next((top for top in ranges if high <= top), high)
    return low, high


def space_of_greys(grey_range: GreyRange | None) -> str:
    """Return what a range adds to the name of a part of the cache."""
    return "" if grey_range is None else f"/greys{grey_range[0]:g}to{grey_range[1]:g}"


def is_wide(image: Image.Image) -> bool:
    """Say whether a picture has greys of more than 8 bits."""
    return image.mode.startswith(("I", "F"))


def _from_wide(image: Image.Image, span: tuple[float, float]) -> Image.Image:
    """Scale 16-bit, 32-bit and floating-point greys to 8 bits instead of clipping them to white."""
    low, high = span
    grey = np.empty((image.height, image.width), np.uint8)
    for top, values in _bands(image):
        scaled = (values - low) * (255.0 / ((high - low) or 1.0))
        grey[top : top + len(values)] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    plain = Image.fromarray(grey)
    key = image.info.get("transparency")
    if isinstance(key, int):  # one grey, in the numbers of the file, stands for nothing
        for top, values in _bands(image):
            grey[top : top + len(values)] = np.where(values == key, 0, 255)
        plain = Image.merge("LA", (plain, Image.fromarray(grey))).convert("RGBA")
    return plain


def _bands(image: Image.Image) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield rows of a wide picture as finite numbers, with the number of the first: float64 for all is too much."""
    rows = max(1, _FLOAT_BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        yield top, np.nan_to_num(np.asarray(band, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms  # rare, and slow to load

    to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    converted = ImageCms.applyTransform(image, to_srgb)
    if converted is None:
        raise ValueError("LAB colour could not be converted")
    return converted


def _placeholder(data: bytes) -> str:
    """Name what a program has put in the place of a picture, with what to do; empty where it is nothing of the kind."""
    if len(data) >= _LEAST_FILE and not data[:_LOOKED_AT].strip(b"\0"):
        return "nothing but zeros: a placeholder of a cloud drive to be downloaded, or a damaged copy"
    head = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return WEB_PAGE
    if head.startswith(b"<?xml") and b"<error>" in head:
        return "the refusal of a web server in place of the picture: download the picture again"
    return next((text for start, text in _PLACEHOLDERS if data.startswith(start)), "")


def is_readable_type(data: bytes) -> bool:
    """Say whether the bytes start like a picture of a type that is read here, whatever follows."""
    if HAS_DICOM and is_dicom(data):
        return True
    if data[4:8] == b"ftyp":
        return data[8:12] in _READ_BRANDS or (HAS_HEIF and _OTHER_BRANDS.get(data[8:12]) == "HEIC")
    return data.startswith(_READ_STARTS) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def ending_of(data: bytes) -> str:
    """Return the ending that a picture's file has by its content, e.g. `.jpg`."""
    if data[4:8] == b"ftyp":
        return ".avif" if data[8:12] in _READ_BRANDS else ".heic"
    if data[:4] == b"RIFF":
        return ".webp"
    if is_dicom(data):
        return ".dcm"
    return next((ending for start, ending in _ENDINGS.items() if data.startswith(start)), ".bmp")


def name_of_unsupported(data: bytes) -> str | None:
    """Return `"<type> is not read"` for a well-known type, None for unknown bytes."""
    name = _type_of(data)
    if name in ("HEIC", "DICOM"):
        extra = "heif" if name == "HEIC" else "dicom"
        return f'{name} is read with the extra [{extra}]: pip install "pawsight[{extra}]"'
    return f"{name} is not read" if name else None


def _type_of(data: bytes) -> str | None:
    if is_dicom(data):
        return "DICOM"
    if data[4:8] == b"ftyp":
        return _OTHER_BRANDS.get(data[8:12], "a video (MP4)")
    for start, name in _OTHER_STARTS:
        if data.startswith(start):
            return name
    head = data[:512].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return "SVG"
    return None
