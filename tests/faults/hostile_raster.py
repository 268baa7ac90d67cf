"""Hostile BMPs and TIFFs: offsets that lead nowhere, strips that overlap, directories in circles, depths nobody uses.

Enters: nothing. Leaves: `Hostile` pictures. Does not know: Pawsight.
Layouts: BITMAPINFOHEADER as Microsoft documents it; TIFF 6.0, sections 2, 7, 8, 15 and 22; BigTIFF as libtiff has it.
"""

from __future__ import annotations

import struct
from functools import partial

import numpy as np
from hostile_tools import (
    QUARTERS,
    Hostile,
    Pictures,
    Tag,
    cuts,
    directory,
    encoded,
    flips,
    long,
    noise,
    quarters,
    short,
    tiff,
    tiff_head,
)
from PIL import Image

BMP = encoded(quarters(), "BMP")
PIXELS = quarters().tobytes()
GREY = (120, 120, 120)


def bmp(
    width: int,
    height: int,
    bits: int,
    rows: bytes,
    *,
    packing: int = 0,
    colours: bytes = b"",
    used: int | None = None,
    start: int | None = None,
    header: int = 40,
) -> bytes:
    """Return a BMP of which every number may be a lie."""
    count = len(colours) // 4 if used is None else used
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, packing, len(rows), 0, 0, count & 0xFFFFFFFF, 0)
    offset = 14 + len(info) + len(colours) if start is None else start
    return b"BM" + struct.pack("<IHHI", 14 + len(info) + len(colours) + len(rows), 0, 0, offset) + info + colours + rows


def bmps() -> Pictures:
    """Yield all BMPs."""
    yield from cuts("bmp", "bmp", BMP, 6)
    yield from flips("bmp", "bmp", BMP, 4)
    yield Hostile("bmp.bmp", BMP, shows=QUARTERS)
    upside = b"".join(
        bytes(Image.frombytes("RGB", (60, 1), PIXELS[at : at + 180]).tobytes("raw", "BGR"))
        for at in range(0, 7200, 180)
    )
    yield Hostile("bmp-from-the-top.bmp", bmp(60, -40, 24, upside), shows=QUARTERS)
    for width, height in ((0, 4), (4, 0), (-4, 4), (2**31 - 1, 2**31 - 1), (1, -(2**31)), (65535, 65535)):
        yield Hostile(f"bmp-of-{width}-by-{height}.bmp", bmp(width, height, 24, bytes(64)), refused=".")
    grey = b"".join(bytes((n, n, n, 0)) for n in range(256))
    for bits in (0, 1, 2, 4, 8, 16, 24, 32, 64):
        colours = grey[: 4 * 2**bits] if 0 < bits <= 8 else b""
        yield Hostile(f"bmp-of-{bits}-bits.bmp", bmp(8, 8, bits, b"\x55" * 600, colours=colours))
    for packing in (1, 2, 3, 4, 5, 6, 11, 99):
        for bits in (4, 8, 16, 24, 32):
            rows = b"\x08\x11\0\0" * 8 + b"\0\1"
            yield Hostile(
                f"bmp-packing-{packing}-of-{bits}-bits.bmp", bmp(8, 8, bits, rows, packing=packing, colours=grey[:64])
            )
    yield Hostile("bmp-pixels-far-away.bmp", bmp(8, 8, 24, bytes(200), start=2**32 - 1))
    yield Hostile("bmp-pixels-in-the-header.bmp", bmp(8, 8, 24, bytes(200), start=0))
    yield Hostile("bmp-of-4294967295-colours.bmp", bmp(8, 8, 8, bytes(64), used=2**32 - 1))
    for header in (0, 12, 16, 64, 108, 124, 2**32 - 1):
        yield Hostile(f"bmp-header-of-{header}.bmp", bmp(8, 8, 24, bytes(400), header=header))
    yield Hostile("bmp-of-7000-by-7000-without-pixels.bmp", bmp(7000, 7000, 24, b""), refused=".")
    yield Hostile(
        "bmp-runs-a-wide-line.bmp", lambda: bmp(49_000_000, 1, 8, b"\1\1\0\0\0\1", packing=1, colours=grey), heavy=True
    )
    runs = b"\xff\x12" * (49_000_000 // 255)
    yield Hostile(
        "bmp-runs-of-four-bits.bmp", lambda: bmp(255, 192_000, 4, runs, packing=2, colours=grey[:64]), heavy=True
    )
    yield Hostile(
        "bmp-runs-of-one.bmp", lambda: bmp(7000, 700, 8, b"\1\5" * 4_900_000, packing=1, colours=grey), heavy=True
    )
    yield Hostile("bmp-runs-of-nothing.bmp", bmp(60, 40, 8, b"\0\2\0\0" * 2_000_000, packing=1, colours=grey))
    yield Hostile("bmp-runs-backwards.bmp", bmp(60, 40, 8, b"\0\2\xff\xff" * 99, packing=1, colours=grey))
    clear = bytes((0, 0, 255, 0)) * 2400
    yield Hostile("bmp-all-clear.bmp", bmp(60, 40, 32, clear))


def tiffs() -> Pictures:
    """Yield all TIFFs."""
    for more in (_plain, _directories, _strips, _tiles, _depths, _packed, _claims):
        yield from more()


def _plain() -> Pictures:
    whole = encoded(quarters(), "TIFF")
    yield Hostile("tiff.tif", tiff(PIXELS, 60, 40), shows=QUARTERS)
    yield from cuts("tiff", "tif", whole, 8)
    yield from cuts("tiff-lzw", "tif", encoded(quarters(), "TIFF", compression="tiff_lzw"), 5)
    yield from flips("tiff", "tif", tiff(PIXELS, 60, 40), 8)
    yield from flips("tiff-jpeg", "tif", encoded(quarters(), "TIFF", compression="jpeg"), 6)
    for width, height in ((0, 40), (60, 0), (2**31, 2**31), (2**32 - 1, 2**32 - 1), (65535, 65535)):
        yield Hostile(f"tiff-of-{width}-by-{height}.tif", tiff(PIXELS, width, height), refused=".")


def _directories() -> Pictures:
    plain = tiff(PIXELS, 60, 40)
    start = 8 + len(PIXELS)
    yield Hostile("tiff-directory-leads-to-itself.tif", plain[:-4] + struct.pack("<I", start), shows=None)
    looped = bytearray(plain)
    looped[start + 2 + 12 * 9 : start + 6 + 12 * 9] = struct.pack("<I", start)
    yield Hostile("tiff-pages-in-a-circle.tif", bytes(looped), shows=QUARTERS)
    yield Hostile("tiff-directory-far-away.tif", tiff_head(2**32 - 1) + bytes(100), refused=".")
    yield Hostile("tiff-directory-in-its-own-head.tif", tiff_head(0) + bytes(100), refused=".")
    yield Hostile("tiff-directory-of-nothing.tif", tiff_head() + bytes(6), refused=".")
    yield Hostile("tiff-directory-of-65535-tags.tif", tiff_head() + b"\xff\xff" + bytes(65535 * 12), refused=".")
    yield Hostile("tiff-head-alone.tif", tiff_head(), refused=".")
    yield Hostile("tiff-of-version-43-cut.tif", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0", refused=".")
    big = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + struct.pack("<Q", 2**63) + bytes(200)
    yield Hostile("tiff-wide-of-2-to-the-63-tags.tif", big, refused=".")
    pages = encoded(quarters(), "TIFF", save_all=True, append_images=[Image.new("RGB", (6, 4))] * 200)
    yield Hostile("tiff-of-201-pages.tif", pages, shows=QUARTERS)
    yield Hostile("tiff-sub-directory-to-itself.tif", tiff(PIXELS, 60, 40, long(330, start), long(34665, start)))
    yield Hostile("tiff-tag-twice.tif", tiff_head() + directory([long(256, 60), long(256, 70)], start=8), refused=".")


def _strips() -> Pictures:
    for name, more in {
        "offset-far-away": [long(273, 2**32 - 1)],
        "offset-of-zero": [long(273, 0)],
        "no-bytes": [long(279, 0)],
        "bytes-beyond": [long(279, 2**32 - 1)],
        "no-rows": [long(278, 0)],
        "rows-beyond": [long(278, 2**32 - 1)],
        "a-row-each-and-one-offset": [long(278, 1)],
        "offsets-as-text": [(273, 2, 4, b"abc\0")],
        "offsets-as-fractions": [(273, 5, 1, struct.pack("<II", 1, 0))],
        "offset-missing": [(273, 4, 0, b"")],
        "forty-rows-one-strip": [long(278, 1), long(273, *[8] * 40), long(279, *[180] * 40)],
        "planes-apart": [short(284, 2)],
        "planes-of-99": [short(284, 99)],
        "bits-backwards": [short(266, 2)],
        "turned-99": [short(274, 99)],
        "turned-6": [short(274, 6)],
        "samples-of-0": [short(277, 0)],
        "samples-of-65535": [short(277, 65535)],
        "extra-of-255": [short(338, *[255] * 60)],
        "predictor-of-99": [short(317, 99), short(259, 5)],
        "units-of-nothing": [short(296, 2), (282, 5, 1, bytes(8))],
        "profile-broken": [(34675, 7, 20, b"x" * 20)],
        "xmp-broken": [(700, 1, 20, b"tiff:Orientation=99;"[:20])],
    }.items():
        yield Hostile(f"tiff-{name}.tif", tiff(PIXELS, 60, 40, *more))


def _tiles() -> Pictures:
    for name, more in {
        "of-nothing": [short(322, 0), short(323, 0), long(324, 8), long(325, 100)],
        "of-65535": [short(322, 65535), short(323, 65535), long(324, 8), long(325, 100)],
        "too-few": [short(322, 16), short(323, 16), long(324, 8), long(325, 768)],
        "of-one": [short(322, 1), short(323, 1), long(324, *[8] * 2400), long(325, *[3] * 2400)],
        "packed-of-17": [short(259, 5), short(322, 17), short(323, 17), long(324, 8), long(325, 768)],
    }.items():
        yield Hostile(f"tiff-tiles-{name}.tif", tiff(PIXELS, 60, 40, *more))


def _grey(kind: str, value: float) -> bytes:
    return np.full((40, 60), value, kind).tobytes()


def _depths() -> Pictures:
    grey = (GREY,) * 4
    formats = (("16", "<u2", 120 * 257, 1, 16), ("32", "<u4", 120 * 257, 1, 32), ("float", "<f4", 120 / 255, 3, 32))
    for name, kind, value, sample, bits in formats:
        more = (short(339, sample),)
        data = tiff(_grey(kind, value), 60, 40, *more, bits=(bits,), kind=1)
        yield Hostile(f"tiff-grey-of-{name}.tif", data, shows=grey)
    for value in (float("nan"), float("inf"), -1e38, 3e38):
        data = tiff(_grey("<f4", value), 60, 40, short(339, 3), bits=(32,), kind=1)
        yield Hostile(f"tiff-float-{value:g}.tif", data)
    yield Hostile("tiff-double.tif", tiff(_grey("<f8", 0.5), 60, 40, short(339, 3), bits=(64,), kind=1))
    yield Hostile("tiff-signed.tif", tiff(_grey("<i2", -5), 60, 40, short(339, 2), bits=(16,), kind=1))
    wide = (np.asarray(quarters()).astype("<u2") * 257).tobytes()
    yield Hostile("tiff-colour-of-16.tif", tiff(wide, 60, 40, bits=(16, 16, 16)), shows=QUARTERS)
    yield Hostile("tiff-white-is-zero.tif", tiff(_grey("u1", 135), 60, 40, bits=(8,), kind=0), shows=grey)
    for bits in (1, 2, 4, 7, 12, 128):
        yield Hostile(f"tiff-of-{bits}-bits.tif", tiff(bytes(9000), 60, 40, bits=(bits,), kind=1))
    for kind in (3, 4, 5, 6, 8, 9, 10, 32803, 34892, 65535):
        yield Hostile(f"tiff-colours-of-kind-{kind}.tif", tiff(bytes(9600), 60, 40, kind=kind))
    palette = short(320, *range(0, 65536, 86))
    yield Hostile("tiff-palette.tif", tiff(bytes(2400), 60, 40, palette, bits=(8,), kind=3))
    yield Hostile("tiff-palette-too-short.tif", tiff(bytes(2400), 60, 40, short(320, 1, 2, 3), bits=(8,), kind=3))
    cmyk = quarters().convert("CMYK").tobytes()
    yield Hostile("tiff-cmyk.tif", tiff(cmyk, 60, 40, bits=(8, 8, 8, 8), kind=5), shows=QUARTERS)
    yield Hostile("tiff-16-bits-of-49-megapixels.tif", _wide, heavy=True)
    large = {
        "floats": (4, (32,), 1, (short(339, 3),)),
        "lab": (3, (8, 8, 8), 8, ()),
        "premultiplied": (4, (8, 8, 8, 8), 2, (short(338, 1),)),
        "cmyk": (4, (8, 8, 8, 8), 5, ()),
    }
    for name, (width, bits, kind, more) in large.items():
        yield Hostile(f"tiff-{name}-of-49-megapixels.tif", partial(_black, width, bits, kind, *more), heavy=True)


def _black(width: int, bits: tuple[int, ...], kind: int, *more: Tag) -> bytes:
    return tiff(bytes(7000 * 7000 * width), 7000, 7000, *more, bits=bits, kind=kind)


def _wide() -> bytes:
    return tiff(bytes(7000 * 7000 * 2), 7000, 7000, bits=(16,), kind=1)


def _packed() -> Pictures:
    for packing in (2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34712, 34887, 34925, 50000, 50001, 65535):
        yield Hostile(f"tiff-packed-by-{packing}-in-name-only.tif", tiff(PIXELS, 60, 40, short(259, packing)))
    for how in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        for mode in ("RGB", "RGBA", "CMYK", "L", "1", "I;16", "F"):
            if (how == "jpeg") <= (mode in ("RGB", "CMYK", "L")):
                yield Hostile(f"tiff-bomb-{how}-{mode}.tif", partial(_packed_black, how, mode), heavy=True)
    yield Hostile("tiff-jpeg-of-900-scans.tif", _scanned, heavy=True)


def _packed_black(how: str, mode: str) -> bytes:
    return encoded(Image.new(mode, (7000, 7000)), "TIFF", compression=how)


def _scanned() -> bytes:
    scans = encoded(quarters(2000, 2000), "JPEG", progressive=True)
    last = scans[scans.rindex(b"\xff\xda") : -2]
    return tiff(scans[:-2] + last * 900 + scans[-2:], 2000, 2000, short(259, 7), short(262, 6))


def _claims() -> Pictures:
    page = b"x" * 4_000_000
    tags: list[Tag] = [(number, 1, 4_000_000, struct.pack("<I", 8)) for number in range(40_000, 42_000)]
    yield Hostile("tiff-one-page-2000-times.tif", tiff(page, 60, 40, *tags))
    yield Hostile("tiff-tag-of-4294967295.tif", tiff(PIXELS, 60, 40, (700, 1, 2**32 - 1, b"")))
    yield Hostile(
        "tiff-of-a-million-strips.tif", tiff(b"", 1, 1_000_000, long(278, 1), _many(273), _many(279), bits=(8,), kind=1)
    )
    again = noise(1, 4_000_000, 1).tobytes()
    ones = tiff(
        again,
        500,
        20_000,
        long(278, 1),
        (273, 4, 20_000, struct.pack("<I", 8) * 20_000),
        (279, 4, 20_000, struct.pack("<I", 4_000_000) * 20_000),
        short(259, 8),
        short(266, 2),
        bits=(8,),
        kind=1,
    )
    yield Hostile("tiff-one-strip-20000-times.tif", ones)


def _many(tag: int) -> Tag:
    return tag, 4, 1_000_000, struct.pack("<I", 8) * 1_000_000
