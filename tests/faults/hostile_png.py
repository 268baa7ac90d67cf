"""Hostile PNGs and GIFs: bombs, lies about size, palettes that are not there, frames that lie outside.

Enters: nothing. Leaves: `Hostile` pictures. Does not know: Pawsight.
Chunks: PNG specification, third edition. Blocks: GIF89a.
"""

from __future__ import annotations

import struct
import zlib
from functools import partial

import numpy as np
from hostile_tools import (
    QUARTERS,
    WHITE,
    Hostile,
    Pictures,
    chunk,
    cuts,
    directory,
    encoded,
    flips,
    noise,
    png,
    quarters,
    short,
    tiff_head,
)
from PIL import Image

GREY = (120, 120, 120)
PLAIN = encoded(quarters(), "PNG")
GIF = encoded(quarters(), "GIF")
FRAMES = [Image.new("RGB", (60, 40), WHITE)] * 3
_ALLOWED = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def pngs() -> Pictures:
    """Yield all PNGs."""
    for more in (_cut, _headers, _depths, _chunks, _texts, _transparent, _bombs, _animated):
        yield from more()


def gifs() -> Pictures:
    """Yield all GIFs."""
    yield from cuts("gif", "gif", GIF, 8)
    yield from flips("gif", "gif", GIF, 6)
    for more in (_screens, _blocks, _gif_frames):
        yield from more()


def _cut() -> Pictures:
    yield from cuts("png", "png", PLAIN, 10)
    yield from cuts("png-interlaced", "png", png(60, 40, 8, 2, bytes(8000), interlace=1), 4)
    yield from flips("png", "png", PLAIN, 8)


def _headers() -> Pictures:
    for width, height in ((0, 1), (1, 0), (2**31, 1), (2**32 - 1, 2**32 - 1), (2**31 - 1, 2**31 - 1)):
        yield Hostile(f"png-of-{width}-by-{height}.png", png(width, height, 8, 2, b""), refused=".")
    yield Hostile("png-of-50000001-by-1.png", png(50_000_001, 1, 8, 0, b""), refused="50.1 megapixels, 50 allowed")
    yield Hostile("png-of-7000-by-7000-without-pixels.png", png(7000, 7000, 8, 2, b""), refused=".")
    for bits, colour in ((3, 0), (0, 0), (16, 3), (8, 1), (8, 5), (8, 7), (32, 2), (255, 255)):
        yield Hostile(f"png-{bits}-bits-colour-{colour}.png", png(8, 8, bits, colour, bytes(2000)), refused=".")
    yield Hostile("png-interlaced-as-no-one-does.png", png(8, 8, 8, 0, bytes(72), interlace=7))
    head = chunk(b"IHDR", struct.pack("!IIBBBBB", 60, 40, 8, 2, 0, 0, 0))
    start = PLAIN[:8]
    yield Hostile("png-header-twice.png", start + head + PLAIN[8:])
    yield Hostile("png-header-missing.png", start + PLAIN[33:], refused=".")
    yield Hostile("png-header-too-short.png", start + chunk(b"IHDR", bytes(4)) + PLAIN[33:], refused=".")
    yield Hostile("png-header-broken-sum.png", start + chunk(b"IHDR", head[8:21], crc=1) + PLAIN[33:], refused=".")
    yield Hostile("png-nothing-behind-its-signature.png", start, refused=".")


def _depths() -> Pictures:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    palette = chunk(b"PLTE", bytes(range(256)) * 3)
    for colour, depths in _ALLOWED.items():
        for bits in depths:
            row = b"\0" + b"\x55" * ((16 * bits * channels[colour] + 7) // 8)
            before = [palette[:0] + chunk(b"PLTE", bytes(range(3 * 2**bits)))] if colour == 3 and bits < 8 else []
            before = before or ([palette] if colour == 3 else [])
            yield Hostile(f"png-colour-{colour}-of-{bits}-bits.png", png(16, 16, bits, colour, row * 16, *before))
            passes = b"\0" + b"\x55" * 4000
            name = f"png-colour-{colour}-of-{bits}-bits-interlaced.png"
            yield Hostile(name, png(16, 16, bits, colour, passes, *before, interlace=1))
    wide = np.asarray(quarters()).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    yield Hostile("png-16-bits-in-colour.png", png(60, 40, 16, 2, rows), shows=QUARTERS)
    grey = np.full((40, 60), 120 * 257, ">u2")
    yield Hostile(
        "png-16-bits-in-grey.png",
        png(60, 40, 16, 0, b"".join(b"\0" + row.tobytes() for row in grey)),
        shows=(GREY,) * 4,
    )
    dark = np.full((40, 60), 200, ">u2")
    yield Hostile(
        "png-16-bits-nearly-black.png",
        png(60, 40, 16, 0, b"".join(b"\0" + row.tobytes() for row in dark)),
        shows=((1, 1, 1),) * 4,
    )


def _chunks() -> Pictures:
    rows = (b"\0" + b"\1" * 8) * 8
    yield Hostile("png-palette-missing.png", png(8, 8, 8, 3, rows))
    yield Hostile("png-palette-of-257.png", png(8, 8, 8, 3, rows, chunk(b"PLTE", bytes(771))))
    yield Hostile("png-palette-of-a-third.png", png(8, 8, 8, 3, rows, chunk(b"PLTE", b"\1")))
    yield Hostile("png-palette-empty.png", png(8, 8, 8, 3, rows, chunk(b"PLTE", b"")))
    for size in (0, 1, 5, 300):
        name = f"png-transparency-of-{size}-bytes"
        yield Hostile(f"{name}.png", png(8, 8, 8, 2, (b"\0" + b"\1" * 24) * 8, chunk(b"tRNS", bytes(size))))
        palette = chunk(b"PLTE", bytes(30))
        yield Hostile(f"{name}-palette.png", png(8, 8, 8, 3, rows, palette, chunk(b"tRNS", bytes(size))))
        yield Hostile(f"{name}-grey.png", png(8, 8, 8, 0, rows, chunk(b"tRNS", bytes(size))))
    yield Hostile("png-broken-sum.png", PLAIN[:-20] + bytes([PLAIN[-20] ^ 1]) + PLAIN[-19:])
    yield Hostile("png-chunk-of-2147483647.png", PLAIN[:33] + b"\x7f\xff\xff\xffabCd" + PLAIN[33:])
    yield Hostile("png-chunk-of-4294967295.png", PLAIN[:33] + b"\xff\xff\xff\xffabCd" + PLAIN[33:])
    empty = chunk(b"abCd", b"")
    yield Hostile("png-a-hundred-thousand-chunks.png", PLAIN[:33] + empty * 100_000 + PLAIN[33:])
    yield Hostile("png-nine-hundred-thousand-chunks.png", PLAIN[:33] + empty * 900_000 + PLAIN[33:])
    behind = PLAIN[:-12] + empty * 900_000 + PLAIN[-12:]
    yield Hostile("png-nine-hundred-thousand-chunks-behind.png", behind)
    yield Hostile("png-pixels-in-a-million-chunks.png", PLAIN[:33] + chunk(b"IDAT", b"") * 900_000 + PLAIN[33:])
    yield Hostile("png-critical-chunk-of-no-one.png", PLAIN[:33] + chunk(b"ABCD", b"x") + PLAIN[33:])
    for kind, content in ((b"gAMA", bytes(4)), (b"cHRM", b""), (b"pHYs", bytes(9)), (b"sRGB", b""), (b"pHYs", b"")):
        yield Hostile(
            f"png-{kind.decode()}-of-{len(content)}-bytes.png", PLAIN[:33] + chunk(kind, content) + PLAIN[33:]
        )
    yield Hostile("png-turned-6.png", _with_exif(short(0x0112, 6)))
    yield Hostile("png-orientation-65535.png", _with_exif(short(0x0112, 65535)), shows=QUARTERS)
    claims = tiff_head() + struct.pack("<H", 2000)
    claims += b"".join(struct.pack("<HHII", 1000 + n, 1, 4_000_000, 0) for n in range(2000)) + bytes(4)
    large = PLAIN[:33] + chunk(b"eXIf", claims.ljust(4_100_000, b"\0")) + PLAIN[33:]
    yield Hostile("png-exif-four-megabytes-2000-times.png", large, shows=QUARTERS)


def _with_exif(*tags: tuple[int, int, int, bytes]) -> bytes:
    return PLAIN[:33] + chunk(b"eXIf", tiff_head() + directory(list(tags), start=8)) + PLAIN[33:]


def _texts() -> Pictures:
    bomb = zlib.compress(bytes(60_000_000), 9)
    for name, value in {
        "text": chunk(b"tEXt", b"x\0" + b"y" * 100_000),
        "text-without-key": chunk(b"tEXt", b""),
        "packed-bomb": chunk(b"zTXt", b"x\0\0" + bomb),
        "packed-in-another-way": chunk(b"zTXt", b"x\0\x09abc"),
        "packed-and-broken": chunk(b"zTXt", b"x\0\0abc"),
        "international-bomb": chunk(b"iTXt", b"x\0\1\0\0\0" + bomb),
        "international-cut": chunk(b"iTXt", b"x\0\1"),
        "profile-bomb": chunk(b"iCCP", b"x\0\0" + bomb),
        "profile-broken": chunk(b"iCCP", b"x\0\0abc"),
        "profile-without-name": chunk(b"iCCP", b""),
        "exif-as-text": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n4\nzzzz"),
        "exif-as-text-bomb": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\n\n\n" + b"00" * 500_000)),
        "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation='99999999999999999999'/>"),
    }.items():
        yield Hostile(f"png-{name}.png", PLAIN[:33] + value + PLAIN[33:])
    many = b"".join(chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(900_000), 9)) for n in range(200))
    yield Hostile("png-200-packed-bombs.png", PLAIN[:33] + many + PLAIN[33:])


def _transparent() -> Pictures:
    hidden = quarters().convert("RGBA")
    hidden.putalpha(0)
    yield Hostile("png-hidden-colour.png", encoded(hidden, "PNG"), shows=(WHITE,) * 4)
    yield Hostile("webp-hidden-colour.webp", encoded(hidden, "WEBP", lossless=True, exact=True), shows=(WHITE,) * 4)
    yield Hostile("tiff-hidden-colour.tif", encoded(hidden, "TIFF"), shows=(WHITE,) * 4)
    yield Hostile("png-hidden-grey.png", encoded(Image.new("LA", (60, 40), (30, 0)), "PNG"), shows=(WHITE,) * 4)
    indices = np.tile(np.repeat([0, 1], 30), (40, 1)).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    palette = chunk(b"PLTE", bytes((*QUARTERS[0], *QUARTERS[1])))
    see_through = png(60, 40, 8, 3, rows, palette, chunk(b"tRNS", b"\0\xff"))
    yield Hostile("png-hidden-in-a-palette.png", see_through, shows=(WHITE, QUARTERS[1]) * 2)
    wide = noise(60, 40, 4, kind="uint16").astype(">u2")
    wide[..., 3] = 0
    rows = b"".join(b"\0" + row.tobytes() for row in wide)
    yield Hostile("png-hidden-in-16-bits.png", png(60, 40, 16, 6, rows), shows=(WHITE,) * 4)
    grey = np.full((40, 60, 2), 0x1E1E, ">u2")
    grey[..., 1] = 0
    rows = b"".join(b"\0" + row.tobytes() for row in grey)
    yield Hostile("png-hidden-in-16-bit-grey.png", png(60, 40, 16, 4, rows), shows=(WHITE,) * 4)
    one = (b"\0" + struct.pack("!H", 0x7878) * 60) * 40
    key = chunk(b"tRNS", struct.pack("!H", 0x7878))
    yield Hostile("png-hidden-16-bit-key.png", png(60, 40, 16, 0, one, key), shows=(WHITE,) * 4)
    half = bytes(quarters().convert("1").tobytes())
    rows = b"".join(b"\0" + half[at : at + 8] for at in range(0, len(half), 8))
    yield Hostile("png-of-one-bit-with-key.png", png(60, 40, 1, 0, rows, chunk(b"tRNS", b"\0\0")), shows=(WHITE,) * 4)


def _bombs() -> Pictures:
    for bits, colour, side, channels in ((8, 0, 7000, 1), (1, 0, 7000, 0.125), (8, 6, 7000, 4), (16, 0, 7000, 2)):
        make = partial(_black, side, bits, colour, int(side * channels))
        yield Hostile(f"png-bomb-colour-{colour}-{bits}-bits.png", make, heavy=True)
    yield Hostile("png-bomb-64-bits-a-pixel.png", partial(_black, 7000, 16, 6, 7000 * 8), heavy=True)
    palette = (chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes(256)))
    yield Hostile("png-bomb-palette.png", partial(_black, 7000, 8, 3, 7000, *palette), heavy=True)
    yield Hostile("png-bomb-key.png", partial(_black, 7000, 16, 0, 14000, chunk(b"tRNS", b"\0\1")), heavy=True)
    yield Hostile("png-bomb-grey-alpha.png", partial(_black, 7000, 8, 4, 14000), heavy=True)
    interlaced = 7000 * 7000 * 4 + 4 * 7000 * 2
    yield Hostile("png-bomb-interlaced.png", lambda: png(7000, 7000, 8, 6, bytes(interlaced), interlace=1), heavy=True)
    yield Hostile("png-pixels-a-thousand-times-too-many.png", png(60, 40, 8, 2, bytes(60_000_000)))


def _black(side: int, bits: int, colour: int, row_bytes: int, *before: bytes) -> bytes:
    return png(side, side, bits, colour, (b"\0" + bytes(row_bytes)) * side, *before)


def _animated() -> Pictures:
    moving = encoded(quarters(), "PNG", save_all=True, append_images=FRAMES)
    yield Hostile("apng.png", moving, shows=QUARTERS)
    yield from cuts("apng", "png", moving, 4)
    place = moving.index(b"fcTL") + 4
    size = 26
    for name, width, height, x, y in (
        ("outside", 60, 40, 50, 30),
        ("of-nothing", 0, 0, 0, 0),
        ("of-2147483647", 2**31 - 1, 2**31 - 1, 0, 0),
        ("far-away", 1, 1, 2**31, 2**31),
    ):
        control = struct.pack("!5I", 0, width, height, x, y) + moving[place + 20 : place + size]
        spoiled = moving[: place - 8] + chunk(b"fcTL", control) + moving[place + size + 4 :]
        yield Hostile(f"apng-frame-{name}.png", spoiled)
    for count in (0, 2**31 - 1):
        control = chunk(b"acTL", struct.pack("!II", count, 0))
        yield Hostile(f"apng-of-{count}-frames.png", PLAIN[:33] + control + PLAIN[33:])
    yield Hostile("apng-without-pixels.png", PLAIN[:33] + chunk(b"acTL", struct.pack("!II", 1, 0)) + PLAIN[-12:])


def _screens() -> Pictures:
    for width, height in ((0, 0), (65535, 65535), (7000, 7000), (1, 1)):
        screen = GIF[:6] + struct.pack("<HH", width, height) + GIF[10:]
        name = f"gif-screen-of-{width}-by-{height}.gif"
        yield Hostile(name, screen, refused="too large" if width == 65535 else None, heavy=width == 7000)
    start = b"GIF89a" + struct.pack("<HHBBB", 60, 40, 0, 0, 0)
    yield Hostile("gif-without-frames.gif", start + b";", refused=".")
    for name, frame in {
        "outside": (50, 30, 60, 40),
        "of-nothing": (0, 0, 0, 0),
        "of-65535": (0, 0, 65535, 65535),
        "far-away": (65535, 65535, 1, 1),
    }.items():
        block = b"," + struct.pack("<4HB", *frame, 0) + b"\x08\x02\x00\x51\0;"
        yield Hostile(f"gif-frame-{name}.gif", start + block)
    for width in (0, 1, 9, 12, 13, 255):
        image = start + b"," + struct.pack("<4HB", 0, 0, 60, 40, 0) + bytes([width]) + b"\x02\x84\x51\0;"
        yield Hostile(f"gif-codes-of-{width}-bits.gif", image)


def _blocks() -> Pictures:
    control = b"!\xf9\x04\x09\0\0\xff\0"
    place = GIF.index(b",")
    if GIF[place - 8 : place - 6] == b"!\xf9":
        place -= 8
    for name, blocks in {
        "comments-of-nothing": b"!\xfe\0" * 1_000_000,
        "comments-of-a-letter": b"!\xfe\1x\0" * 500_000,
        "a-comment-of-nine-megabytes": b"!\xfe" + (b"\xff" + b"x" * 255) * 35_000 + b"\0",
        "controls": control * 300_000,
        "programs": b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0" * 150_000,
        "profile": b"!\xff\x0bICCRGBG1012" + (b"\xff" + b"x" * 255) * 20_000 + b"\0",
        "unknown-blocks": b"!\x99\0" * 500_000,
        "zeros": bytes(1_000_000),
        "block-without-end": b"!\xfe" + b"\xff" * 3000,
        "transparent-255": control,
        "disposed": b"!\xf9\x04\xff\0\0\0\0",
    }.items():
        yield Hostile(f"gif-{name}.gif", GIF[:place] + blocks + GIF[place:])


def _gif_frames() -> Pictures:
    moving = encoded(quarters(), "GIF", save_all=True, append_images=FRAMES)
    yield Hostile("gif-animated.gif", moving, shows=QUARTERS)
    yield Hostile("gif-cut-in-the-second-frame.gif", moving[:-60], shows=QUARTERS)
    yield Hostile("gif-of-7000-by-7000.gif", lambda: encoded(Image.new("P", (7000, 7000)), "GIF"), heavy=True)
    seen = Image.new("P", (60, 40), 0)
    seen.putpalette(bytes((*QUARTERS[0], *QUARTERS[1])))
    yield Hostile("gif-hidden-colour.gif", encoded(seen, "GIF", transparency=0), shows=(WHITE,) * 4)
    hidden = quarters().convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    yield Hostile("gif-interlaced.gif", encoded(hidden, "GIF", interlace=1), shows=QUARTERS)
    yield Hostile("gif-then-script.gif", GIF + b"*/=1;alert(1)//", shows=QUARTERS)
    yield Hostile("gif-and-script.gif", b"GIF89a=1;/*" + bytes(200) + b"*/alert(1)")
