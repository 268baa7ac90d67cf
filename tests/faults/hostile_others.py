"""Hostile WEBPs and AVIFs, files of types that are not read, files that are two things at once, and no pictures.

Enters: nothing. Leaves: `Hostile` pictures. Does not know: Pawsight.
Layouts: WebP container specification; ISO/IEC 14496-12 and 23008-12 for AVIF.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from functools import partial

from hostile_tools import QUARTERS, WHITE, Hostile, Pictures, cuts, encoded, flips, noise, quarters
from PIL import Image, features

WEBP = encoded(quarters(), "WEBP", quality=95)
LOSSLESS = encoded(quarters(), "WEBP", lossless=True)
JPEG = encoded(quarters(), "JPEG", quality=95, subsampling=0)


def webps() -> Pictures:
    """Yield all WEBPs."""
    yield from cuts("webp", "webp", WEBP, 8)
    yield from cuts("webp-lossless", "webp", LOSSLESS, 5)
    yield from flips("webp", "webp", WEBP, 6)
    yield from flips("webp-lossless", "webp", LOSSLESS, 6)
    moving = encoded(
        quarters(), "WEBP", save_all=True, append_images=[Image.new("RGB", (60, 40), WHITE)] * 3, quality=95
    )
    yield Hostile("webp-animated.webp", moving, shows=QUARTERS)
    yield from cuts("webp-animated", "webp", moving, 4)
    for width, height in ((1, 1), (16383, 16383), (2**24, 2**24), (65536, 65535), (7000, 7000)):
        canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        for name, whole in (("canvas", _extended(canvas, WEBP[12:])), ("moving", moving[:24] + canvas + moving[30:])):
            large = width * height > 50_000_000
            yield Hostile(
                f"webp-{name}-of-{width}-by-{height}.webp", whole, refused="." if large else None, heavy=width == 7000
            )
    for name, size in (("zero", 0), ("4294967295", 2**32 - 1), ("12", 12)):
        yield Hostile(f"webp-says-it-has-{name}-bytes.webp", WEBP[:4] + struct.pack("<I", size) + WEBP[8:])
    yield Hostile("webp-without-pixels.webp", b"RIFF\x04\0\0\0WEBP", refused=".")
    turned = encoded(quarters(), "WEBP", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    yield Hostile("webp-exif-astray.webp", turned, shows=QUARTERS)
    claims = b"II*\0\x08\0\0\0" + struct.pack("<H", 2000)
    claims += b"".join(struct.pack("<HHII", 1000 + n, 1, 4_000_000, 0) for n in range(2000)) + bytes(4)
    wide = encoded(quarters(), "WEBP", quality=95, exif=claims.ljust(4_100_000, b"\0"))
    yield Hostile("webp-exif-four-megabytes-2000-times.webp", wide, shows=QUARTERS)
    for mode in ("RGB", "RGBA"):
        yield Hostile(f"webp-of-49-megapixels-{mode}.webp", partial(_flat, mode, "WEBP", method=0), heavy=True)
    yield Hostile("webp-noise-of-16-megapixels.webp", _noisy, heavy=True)


def _flat(mode: str, kind: str, **options: int) -> bytes:
    return encoded(Image.new(mode, (7000, 7000)), kind, **options)


def _noisy() -> bytes:
    return encoded(Image.fromarray(noise(4000, 4000, 4)), "WEBP", lossless=True, method=0, quality=0)


def _extended(canvas: bytes, chunks: bytes) -> bytes:
    body = b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + canvas + chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avifs() -> Pictures:
    """Yield all AVIFs, where Pillow writes them."""
    if not features.check("avif"):
        return
    plain = encoded(quarters(), "AVIF", quality=95, subsampling="4:4:4", speed=10)
    yield Hostile("avif.avif", plain, shows=QUARTERS)
    yield from cuts("avif", "avif", plain, 8)
    yield from flips("avif", "avif", plain, 10)
    place = plain.index(b"ispe") + 8
    for width, height in ((0, 0), (65535, 65535), (2**32 - 1, 1), (7000, 7000), (61, 40)):
        size = struct.pack("!II", width, height)
        yield Hostile(
            f"avif-of-{width}-by-{height}.avif", plain[:place] + size + plain[place + 8 :], heavy=width == 7000
        )
    for box in (b"meta", b"iloc", b"iprp", b"mdat", b"pitm"):
        start = plain.index(box) - 4
        for name, size in (("0", 0), ("1", 1), ("4294967295", 2**32 - 1)):
            spoiled = plain[:start] + struct.pack("!I", size) + plain[start + 4 :]
            yield Hostile(f"avif-{box.decode()}-of-{name}-bytes.avif", spoiled)
    grid = plain.replace(b"av01", b"grid", 1)
    yield Hostile("avif-a-grid-in-name-only.avif", grid)
    yield Hostile("avif-boxes-without-end.avif", plain[:32] + struct.pack("!I4s", 8, b"free") * 500_000 + plain[32:])
    hidden = quarters().convert("RGBA")
    hidden.putalpha(0)
    yield Hostile("avif-hidden-colour.avif", encoded(hidden, "AVIF", speed=10), shows=(WHITE,) * 4)
    for mode in ("RGB", "RGBA"):
        yield Hostile(f"avif-of-49-megapixels-{mode}.avif", partial(_flat, mode, "AVIF", speed=10), heavy=True)
    yield Hostile("avif-called-jpeg.jpg", plain, shows=QUARTERS)


def strangers() -> Pictures:
    """Yield what is no readable picture: other types, other files, and files that are two things at once."""
    for kind, ending in (("ICO", "ico"), ("ICNS", "icns"), ("PCX", "pcx"), ("PPM", "ppm"), ("TGA", "tga")):
        yield Hostile(f"type-{ending}.jpg", encoded(quarters(64, 64), kind), refused=".")
    for kind in ("JPEG2000", "SGI", "DDS", "MSP", "SPIDER", "XBM", "PDF", "EPS"):
        mode = {"MSP": "1", "XBM": "1", "SPIDER": "F"}.get(kind, "RGB")
        try:
            data = encoded(quarters(64, 64).convert(mode), kind)
        except (KeyError, OSError):  # a Pillow without it
            continue
        yield Hostile(f"type-{kind.lower()}.jpg", data, refused=".")
    for name, data in _texts().items():
        yield Hostile(name, data, refused=".")
    yield Hostile("empty.jpg", b"", refused="empty")
    for byte in (0x00, 0x42, 0x47, 0x49, 0x89, 0xFF):
        yield Hostile(f"one-byte-{byte:02x}.jpg", bytes([byte]), refused=".")
    for count in (2, 3, 16, 4096):
        yield Hostile(f"zeros-{count}.jpg", bytes(count), refused=".")
        yield Hostile(f"noise-{count}.jpg", noise(1, count, 1).tobytes(), refused=".")
    yield Hostile("ten-megabytes-of-zeros.jpg", bytes(10_000_000), refused=".")
    yield Hostile("pdf-and-jpeg.jpg", b"%PDF-1.4\n" + JPEG, refused="PDF")
    yield Hostile("zip-and-jpeg.jpg", _zipped(JPEG) + JPEG, refused="zip")
    yield Hostile("html-and-jpeg.jpg", b"<html><script>alert(1)</script>" + JPEG, refused="web page")
    yield Hostile("jpeg-and-zip.jpg", JPEG + _zipped(b"x" * 100), shows=QUARTERS)
    yield Hostile("a-jpeg-in-gzip.jpg", gzip.compress(JPEG), refused="gzip")
    yield Hostile("gzip-bomb.png", gzip.compress(bytes(50_000_000)), refused="gzip")


def _texts() -> dict[str, bytes]:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(%pipe%touch canary) (w) file\nshowpage\n%%EOF\n"
    return {
        "eps-that-runs.jpg": eps,
        "eps-that-runs.eps": b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, len(eps), 0, 0, 0, 0) + bytes(4) + eps,
        "text.jpg": b"this is not a picture\n",
        "page.jpg": b"<!DOCTYPE html><title>404</title>",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "entities.svg": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>',
        "script.jpg": b"#!/bin/sh\ntouch canary\n",
        "magick.mvg": b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/x'\npop graphic-context\n",
        "psd.psd": b"8BPS\0\1" + bytes(6) + struct.pack("!HIIHH", 3, 2**31, 2**31, 8, 3) + bytes(20),
        "fits.fits": b"SIMPLE  =                    T".ljust(2880),
        "ppm-of-2-to-the-40.ppm": b"P6 1048576 1048576 255\n",
        "qoi.qoi": b"qoif" + struct.pack("!IIBB", 4, 4, 3, 0) + bytes(40),
        "xpm.xpm": b'/* XPM */ static char *x[] = {"1 1 1 1", "a c #fff", "a"};',
        "wmf.wmf": b"\xd7\xcd\xc6\x9a\0\0" + bytes(40),
        "flic.fli": struct.pack("<IHHHHHH", 128, 0xAF11, 1, 8, 8, 8, 0) + bytes(112),
        "heic.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "mp4.jpg": b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
        "executable.jpg": b"\x7fELF\2\1\1" + bytes(60),
        "pickle.jpg": b"\x80\4\x95\x1c\0\0\0\0\0\0\0\x8c\2os\x94\x8c\6system\x94\x93\x94\x8c\4true\x94\x85\x94R\x94.",
    }


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x", content)
    return file.getvalue()
