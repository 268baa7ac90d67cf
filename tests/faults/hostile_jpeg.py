"""Hostile JPEGs: headers that lie, segments that flood, scans without end, EXIF that leads in circles.

Enters: nothing. Leaves: `Hostile` pictures. Does not know: Pawsight.
Markers and layouts: ITU-T T.81, EXIF 2.32, CIPA DC-007 (MPO), ICC.1 annex B.4.
"""

from __future__ import annotations

import struct

from hostile_tools import QUARTERS, Hostile, Pictures, cuts, directory, encoded, exif, flips, long, quarters, short
from hostile_tools import tiff_head as head_of_tiff
from PIL import Image

MEGABYTE = 10**6
PLAIN = encoded(quarters(), "JPEG", quality=95, subsampling=0)
PROGRESSIVE = encoded(quarters(), "JPEG", quality=95, subsampling=0, progressive=True)
UPRIGHT = (2, 3, 4, 5, 6, 7, 8)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def segment(marker: int, content: bytes, *, length: int | None = None) -> bytes:
    """Return a marker segment, whose length may be a lie."""
    return bytes((0xFF, marker)) + struct.pack("!H", len(content) + 2 if length is None else length) + content


def with_segments(*segments: bytes, data: bytes = PLAIN) -> bytes:
    """Put segments at the start."""
    return data[:2] + b"".join(segments) + data[2:]


def with_frame(start: int, content: bytes, data: bytes = PLAIN) -> bytes:
    """Write over the frame header, `start` bytes behind its length."""
    place = data.index(b"\xff\xc0") + 4 + start
    return data[:place] + content + data[place + len(content) :]


def without(marker: bytes, data: bytes = PLAIN) -> bytes:
    """Leave out the first segment of a kind."""
    place = data.index(marker)
    return data[:place] + data[place + 2 + int.from_bytes(data[place + 2 : place + 4]) :]


def jpegs() -> Pictures:
    """Yield all of them."""
    for more in (_cut, _frames, _tables, _scans, _floods, _orientations, _exifs, _profiles, _colours, _mpos, _tails):
        yield from more()


def _cut() -> Pictures:
    yield from cuts("jpeg", "jpg", PLAIN, 16)
    yield from cuts("jpeg-progressive", "jpg", PROGRESSIVE, 8)
    yield from flips("jpeg", "jpg", PLAIN, 12)
    yield from flips("jpeg-progressive", "jpg", PROGRESSIVE, 6)


def _frames() -> Pictures:
    for width, height in ((0, 40), (60, 0), (0, 0)):
        yield Hostile(f"jpeg-of-{width}-by-{height}.jpg", with_frame(1, struct.pack("!HH", height, width)), refused=".")
    yield Hostile("jpeg-of-65535-by-65535.jpg", with_frame(1, b"\xff" * 4), refused="too large")
    yield Hostile("jpeg-of-1-by-65535.jpg", with_frame(1, b"\xff\xff\0\1"))
    yield Hostile("jpeg-of-7000-by-7000-without-pixels.jpg", with_frame(1, struct.pack("!HH", 7000, 7000)), heavy=True)
    for bits in (0, 1, 12, 16, 255):
        yield Hostile(f"jpeg-of-{bits}-bits.jpg", with_frame(0, bytes([bits])), refused=".")
    for count in (0, 2, 4, 5, 255):
        yield Hostile(f"jpeg-of-{count}-components.jpg", with_frame(5, bytes([count])))
    for factors in (0x00, 0x0F, 0xF0, 0xFF, 0x44):
        yield Hostile(f"jpeg-sampled-{factors:02x}.jpg", with_frame(7, bytes([factors])))
    yield Hostile("jpeg-table-9.jpg", with_frame(8, b"\x09"))
    yield Hostile("jpeg-three-of-one-component.jpg", with_frame(6, b"\x01\x11\0\x01\x11\0\x01\x11\0"))
    place = PLAIN.index(b"\xff\xc0") + 1
    for kind in (1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15):
        yield Hostile(f"jpeg-frame-of-kind-{kind}.jpg", PLAIN[:place] + bytes([0xC0 + kind]) + PLAIN[place + 1 :])


def _tables() -> Pictures:
    frame = PLAIN[PLAIN.index(b"\xff\xc0") :][:19]
    quantiser = PLAIN[PLAIN.index(b"\xff\xdb") :][:69]
    codes = segment(0xC4, b"\0" + bytes(16))
    yield Hostile("jpeg-frame-behind-the-scan.jpg", without(b"\xff\xc0")[:-2] + frame + b"\xff\xd9", refused=".")
    yield Hostile("jpeg-two-frames.jpg", with_segments(frame))
    yield Hostile("jpeg-without-frame.jpg", without(b"\xff\xc0"), refused=".")
    yield Hostile("jpeg-without-codes.jpg", PLAIN.replace(b"\xff\xc4", b"\xff\xe9"))
    yield Hostile("jpeg-without-quantisers.jpg", PLAIN.replace(b"\xff\xdb", b"\xff\xe9"))
    yield Hostile("jpeg-a-thousand-code-tables.jpg", with_segments(codes * 1000))
    yield Hostile("jpeg-a-thousand-quantisers.jpg", with_segments(quantiser * 1000))
    yield Hostile("jpeg-codes-beyond-256.jpg", with_segments(segment(0xC4, b"\0" + b"\xff" * 16)))
    yield Hostile("jpeg-codes-too-short.jpg", with_segments(segment(0xC4, b"\0")))
    yield Hostile("jpeg-quantiser-of-16-bits.jpg", with_segments(segment(0xDB, b"\x10" + b"\xff\xff" * 64)))
    yield Hostile("jpeg-quantiser-of-zeros.jpg", PLAIN.replace(quantiser, quantiser[:5] + bytes(64)))
    for length in (0, 1, 2, 65535):
        yield Hostile(f"jpeg-segment-of-length-{length}.jpg", with_segments(segment(0xE5, b"", length=length)))
    yield Hostile("jpeg-restarts-that-never-come.jpg", with_segments(segment(0xDD, b"\0\1")))
    restarted = encoded(quarters(400, 400), "JPEG", restart_marker_rows=1)
    yield Hostile("jpeg-restarts-out-of-order.jpg", restarted.replace(b"\xff\xd1", b"\xff\xd6"))
    yield Hostile("jpeg-restarts-missing.jpg", restarted.replace(b"\xff\xd2", b""))
    yield Hostile("jpeg-restarts-without-end.jpg", PLAIN[:-2] + b"\xff\xd0\xff\xd1" * 500_000)
    yield Hostile("jpeg-ff-a-million-times.jpg", PLAIN[:2] + b"\xff" * MEGABYTE + PLAIN[2:])
    yield Hostile("jpeg-zeros-between-segments.jpg", PLAIN[:2] + bytes(1000) + PLAIN[2:])
    yield Hostile("jpeg-tables-only.jpg", b"\xff\xd8" + quantiser + b"\xff\xd9", refused=".")
    yield Hostile("jpeg-begins-twice.jpg", b"\xff\xd8" + PLAIN)


def _scanned(scans: int, width: int = 400, height: int = 200) -> bytes:
    whole = encoded(quarters(width, height), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * (scans - whole.count(b"\xff\xda")) + whole[-2:]


def _scans() -> Pictures:
    yield Hostile("jpeg-of-300-scans.jpg", _scanned(300), shows=QUARTERS)
    yield Hostile("jpeg-of-30000-scans.jpg", _scanned(30_000), refused="too large")
    yield Hostile(
        "jpeg-of-400-scans-7000-by-7000.jpg", lambda: _scanned(400, 7000, 7000), refused="too large", heavy=True
    )
    yield Hostile("jpeg-of-20-scans-7000-by-7000.jpg", lambda: _scanned(20, 7000, 7000), shows=QUARTERS, heavy=True)
    place = PROGRESSIVE.index(b"\xff\xda")
    for name, spectrum in (("backwards", b"\x3f\0\0"), ("beyond", b"\0\xff\0"), ("refined-first", b"\0\0\x21")):
        start = place + 4 + 1 + 2 * PROGRESSIVE[place + 4]
        yield Hostile(f"jpeg-scan-{name}.jpg", PROGRESSIVE[:start] + spectrum + PROGRESSIVE[start + 3 :])
    yield Hostile("jpeg-scan-of-9-components.jpg", PLAIN.replace(b"\xff\xda\0\x0c\3", b"\xff\xda\0\x0c\x09"))


def _floods() -> Pictures:
    yield Hostile("jpeg-comments-of-nothing.jpg", with_segments(segment(0xFE, b"") * 500_000))
    yield Hostile("jpeg-comments-of-a-letter.jpg", with_segments(segment(0xFE, b"x") * 300_000))
    for marker in (0xE0, 0xE3, 0xEE, 0xED):
        yield Hostile(f"jpeg-flood-of-{marker:02x}.jpg", with_segments(segment(marker, b"") * 300_000))
    crumbs = segment(0xE1, b"Exif\0\0") + segment(0xE1, b"Exif\0\0x") * 800_000
    yield Hostile("jpeg-exif-in-crumbs.jpg", with_segments(crumbs))
    profile = segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(60_000)) * 150
    yield Hostile("jpeg-profiles-of-9-megabytes.jpg", with_segments(profile), shows=QUARTERS)
    photoshop = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + b"\xff\xff\xff\xff"
    yield Hostile("jpeg-photoshop-block-too-long.jpg", with_segments(segment(0xED, photoshop)), shows=QUARTERS)
    yield Hostile("jpeg-xmp-of-60000-brackets.jpg", with_segments(segment(0xE1, _XMP + b"<a>" * 20_000)))
    yield Hostile("jpeg-jfif-thumbnail-too-large.jpg", with_segments(segment(0xE0, b"JFIF\0\1\1\1\0\1\0\1\xff\xff")))
    yield Hostile("jpeg-jfif-without-density.jpg", with_segments(segment(0xE0, b"JFIF\0\1\1\1\0\0\0\0\0\0")))


_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def _orientations() -> Pictures:
    for number in UPRIGHT:
        turned = encoded(quarters().transpose(_TURNS[number]), "JPEG", quality=95, subsampling=0)
        block = segment(0xE1, exif(short(0x0112, number)))
        yield Hostile(f"jpeg-turned-{number}.jpg", with_segments(block, data=turned), shows=QUARTERS)
    odd = {
        "0": short(0x0112, 0),
        "9": short(0x0112, 9),
        "255": short(0x0112, 255),
        "65535": short(0x0112, 65535),
        "text": (0x0112, 2, 2, b"6\0"),
        "signed": (0x0112, 9, 1, struct.pack("<i", -6)),
        "fraction": (0x0112, 5, 1, struct.pack("<II", 6, 0)),
        "float": (0x0112, 11, 1, struct.pack("<f", float("nan"))),
        "many": (0x0112, 3, 60_000, b"\6\0\6\0" * 9),
        "none": (0x0112, 3, 0, b""),
        "2147483647": (0x0112, 3, 2**31 - 1, b"\6\0"),
        "type-99": (0x0112, 99, 1, b"\6\0"),
    }
    for name, tag in odd.items():
        yield Hostile(f"jpeg-orientation-{name}.jpg", with_segments(segment(0xE1, exif(tag))), shows=QUARTERS)


def _exifs() -> Pictures:
    itself = exif(short(0x0112, 1), following=8)
    blocks = {
        "leads-to-itself": itself,
        "sub-leads-to-itself": exif(long(0x8769, 8), long(0x8825, 8), long(0xA005, 8)),
        "behind-its-end": b"Exif\0\0" + head_of_tiff(2**31),
        "of-nothing": b"Exif\0\0",
        "cut": itself[:20],
        "no-byte-order": b"Exif\0\0XX*\0\x08\0\0\0",
        "many-tags": b"Exif\0\0" + head_of_tiff() + struct.pack("<H", 65535) + bytes(60_000),
        "thumbnail-too-large": exif(long(0x0201, 8), long(0x0202, 2**31)),
        "long-maker": exif((0x010F, 2, 50_000, b"A" * 50_000)),
        "terminal-maker": exif((0x010F, 2, 12, b"\x1b[2J\x07\r\n<b>x"), (0x0110, 2, 6, b"=1+1\t\0")),
        "dpi-by-nothing": exif(short(0x0128, 2), (0x011A, 5, 1, struct.pack("<II", 1, 0))),
        "words-by-the-thousand": exif(*(long(number, 8) for number in range(1000, 6000))),
    }
    for name, block in blocks.items():
        yield Hostile(f"jpeg-exif-{name}.jpg", with_segments(segment(0xE1, block[:65_000])), shows=QUARTERS)
    claims = head_of_tiff() + struct.pack("<H", 5000)
    claims += b"".join(struct.pack("<HHII", 1000 + n, 1, 60_000, 0) for n in range(5000))
    wide = segment(0xE1, b"Exif\0\0" + (claims + bytes(4)).ljust(65_000, b"\0"))
    yield Hostile("jpeg-exif-one-page-5000-times.jpg", with_segments(wide), shows=QUARTERS)
    large = head_of_tiff() + struct.pack("<H", 4000)
    large += b"".join(struct.pack("<HHII", 1000 + n, 1, 8_000_000, 0) for n in range(4000)) + bytes(4)
    large = large.ljust(8_100_000, b"\0")
    parts = [segment(0xE1, b"Exif\0\0" + large[at : at + 65_000]) for at in range(0, len(large), 65_000)]
    yield Hostile("jpeg-exif-eight-megabytes-4000-times.jpg", with_segments(*parts))


def _profiles() -> Pictures:
    def named(number: int, count: int, content: bytes) -> bytes:
        return segment(0xE2, b"ICC_PROFILE\0" + bytes((number, count)) + content)

    for name, blocks in {
        "part-0-of-0": [named(0, 0, b"x" * 128)],
        "part-1-of-255": [named(1, 255, b"x" * 128)],
        "parts-twice": [named(1, 2, b"a"), named(1, 2, b"b")],
        "of-grey": [named(1, 1, bytes(16) + b"GRAYXYZ " + bytes(104))],
        "too-short": [named(1, 1, b"\xff\xff\xff\xff")],
        "without-name": [segment(0xE2, b"ICC_PROFILE\0")],
    }.items():
        shows = None if name == "without-name" else QUARTERS  # Pillow trips over it
        yield Hostile(f"jpeg-profile-{name}.jpg", with_segments(*blocks), shows=shows)


def _colours() -> Pictures:
    cmyk = encoded(quarters().convert("CMYK"), "JPEG", quality=95, subsampling=0)
    yield Hostile("jpeg-cmyk.jpg", cmyk, shows=QUARTERS)
    place = cmyk.index(b"Adobe\0d") + 11
    for transform in (1, 2, 255):
        yield Hostile(f"jpeg-cmyk-transform-{transform}.jpg", cmyk[:place] + bytes([transform]) + cmyk[place + 1 :])
    yield Hostile("jpeg-cmyk-without-adobe.jpg", without(b"\xff\xee", cmyk))
    for transform in (0, 1, 2, 255):
        adobe = segment(0xEE, b"Adobe\0d\0\0\0\0" + bytes([transform]))
        yield Hostile(f"jpeg-adobe-transform-{transform}.jpg", without(b"\xff\xe0", with_segments(adobe)))
    yield Hostile("jpeg-adobe-too-short.jpg", with_segments(segment(0xEE, b"Adobe")))
    grey = encoded(Image.new("L", (60, 40), 120), "JPEG", icc_profile=bytes(16) + b"GRAYXYZ " + bytes(104))
    yield Hostile("jpeg-grey-with-profile.jpg", grey, shows=((120, 120, 120),) * 4)


def _mpos() -> Pictures:
    mpo = encoded(quarters(), "MPO", save_all=True, append_images=[quarters()], quality=95, subsampling=0)
    yield Hostile("mpo.jpg", mpo, shows=QUARTERS)
    yield Hostile("mpo-cut-in-the-second.jpg", mpo[: len(mpo) - 300], shows=QUARTERS)
    for name, count in (("none", 0), ("2147483647", 2**31 - 1)):
        block = head_of_tiff() + directory(
            [(0xB000, 7, 4, b"0100"), long(0xB001, count), (0xB002, 7, 16, bytes(16))], start=8
        )
        yield Hostile(f"mpo-of-{name}.jpg", with_segments(segment(0xE2, b"MPF\0" + block)), shows=QUARTERS)
    astray = head_of_tiff() + directory(
        [(0xB000, 7, 4, b"0100"), long(0xB001, 2), (0xB002, 7, 32, b"\xff" * 32)], start=8
    )
    yield Hostile("mpo-offsets-astray.jpg", with_segments(segment(0xE2, b"MPF\0" + astray)), shows=QUARTERS)
    claims = head_of_tiff() + struct.pack("<H", 5000)
    claims += b"".join(struct.pack("<HHII", 1000 + n, 1, 60_000, 0) for n in range(5000)) + bytes(4)
    yield Hostile("mpo-one-page-5000-times.jpg", with_segments(segment(0xE2, b"MPF\0" + claims.ljust(65_000, b"\0"))))


def _tails() -> Pictures:
    yield Hostile("jpeg-then-zip.jpg", PLAIN + b"PK\3\4" + bytes(100), shows=QUARTERS)
    yield Hostile("jpeg-then-html.jpg", PLAIN + b"<script>alert(1)</script>", shows=QUARTERS)
    yield Hostile("jpeg-then-jpeg.jpg", PLAIN + PLAIN, shows=QUARTERS)
    yield Hostile("jpeg-then-a-megabyte.jpg", PLAIN + bytes(MEGABYTE), shows=QUARTERS)
    yield Hostile("jpeg-with-script.jpg", with_segments(segment(0xFE, b"*/=1;alert(1)/*")), shows=QUARTERS)
    yield Hostile("jpeg-called-png.png", PLAIN, shows=QUARTERS)
