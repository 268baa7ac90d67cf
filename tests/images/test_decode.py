"""The decoder: every readable type by content, upright, on white; everything else refused with a reason."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from pawsight.core.errors import UnreadablePicture
from pawsight.images import decode as decode_module
from pawsight.images.decode import (
    DECODER_VERSION,
    Decoded,
    DecodeSettings,
    decode,
    is_readable_type,
    name_of_unsupported,
    to_resizable,
    to_rgb,
    to_square,
)

# Pillow warns of broken metadata, and the decoder leaves it to its host whether that is shown.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "error::PIL.Image.DecompressionBombWarning")

PX = 32
SMALL = DecodeSettings(image_px=PX)
FIX = f"Readable types are {decode_module.READABLE_NAMES}."
RED, GREEN, BLUE, YELLOW, WHITE = (220, 30, 30), (30, 180, 40), (30, 40, 210), (230, 220, 20), (255, 255, 255)
OTHER_REASONS = re.compile(r" is not read$|^nothing but zeros|allowed: --max-megapixels \d+$|\[heif\]|in place of the")
REASONS = ("empty", "not a picture", "too large", "truncated", "unreadable")

# How each readable type is written so that colours stay what they are.
WRITTEN: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {"quality": 95, "subsampling": 0}),
    "progressive JPEG": ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
    "MPO": ("MPO", {"quality": 95, "subsampling": 0, "save_all": True}),
    "PNG": ("PNG", {}),
    "GIF": ("GIF", {}),
    "WEBP": ("WEBP", {"quality": 95}),
    "lossless WEBP": ("WEBP", {"lossless": True}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {}),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "JPEG TIFF": ("TIFF", {"compression": "jpeg", "quality": 95}),
    "AVIF": ("AVIF", {"quality": 95, "subsampling": "4:4:4", "speed": 10}),
}


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 84977953\n"
HEIC = Path(__file__).with_name("files")  # as an iPhone saves them: quarters(64, 48), and the same in P3 to be turned
needs_heif = pytest.mark.skipif(not decode_module.HAS_HEIF, reason="needs pawsight[heif]")


def quarters(width: int = 60, height: int = 40) -> Image.Image:
    """A picture whose quarters are red, green, blue and yellow, read like a page."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(YELLOW, (width // 2, height // 2, width, height))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@cache
def written(how: str) -> bytes:
    kind, options = WRITTEN[how]
    if kind == "MPO":
        options = options | {"append_images": [Image.new("RGB", (60, 40), WHITE)]}
    return encoded(quarters(), kind, **options)


def corners(pixels: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters, read like a page."""
    low, high = PX // 4, PX - PX // 4
    return [tuple(pixels[row, column].tolist()) for row in (low, high) for column in (low, high)]


def assert_corners(pixels: NDArray[np.uint8], *colours: tuple[int, int, int]) -> None:
    assert np.abs(np.array(corners(pixels)) - np.array(colours)).max() <= 8, corners(pixels)


def assert_square(decoded: Decoded, px: int = PX) -> None:
    assert decoded.pixels.shape == (px, px, 3)
    assert decoded.pixels.dtype == np.uint8


def reason_of(data: bytes, settings: DecodeSettings = SMALL) -> str:
    with pytest.raises(UnreadablePicture) as caught:
        decode(data, settings, name="it.jpg")
    assert str(caught.value) == f"Could not read it.jpg as a picture.\n{caught.value.why}\n{FIX}"
    return caught.value.why


def decoded_or_reason(data: bytes, settings: DecodeSettings = SMALL) -> Decoded | str:
    try:
        return decode(data, settings, name="x")
    except UnreadablePicture as error:
        return error.why


def is_refused_by_size(reason: str) -> bool:
    return reason == "too large" or "allowed: --max-megapixels " in reason


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("name", ["cat.jpg", "notes.txt", "", "what.heic"])
def test_a_type_is_known_by_its_content_whatever_the_name(how: str, name: str) -> None:
    decoded = decode(written(how), SMALL, name=name)
    assert_square(decoded)
    assert_corners(decoded.pixels, RED, GREEN, BLUE, YELLOW)
    assert (decoded.width, decoded.height, decoded.orientation) == (60, 40, 1)
    assert decoded.format == WRITTEN[how][0]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    others = [Image.new("RGB", (60, 40), colour) for colour in (WHITE, BLUE)]
    data = encoded(quarters(), kind, save_all=True, append_images=others)
    with Image.open(io.BytesIO(data)) as image:
        assert getattr(image, "n_frames", 1) == 3
    assert_corners(decode(data, SMALL, name="x").pixels, RED, GREEN, BLUE, YELLOW)


@pytest.mark.parametrize("px", [1, 31, 96, 224])
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (7, 300)])
def test_any_shape_is_stretched_to_the_square(px: int, size: tuple[int, int]) -> None:
    decoded = decode(encoded(quarters(*size), "PNG"), DecodeSettings(image_px=px), name="x")
    assert_square(decoded, px)
    assert (decoded.width, decoded.height) == size


def test_the_same_bytes_give_the_same_pixels() -> None:
    first, second = (decode(written("JPEG"), SMALL, name=name) for name in "ab")
    assert np.array_equal(first.pixels, second.pixels)


def test_settings_cannot_be_changed_and_carry_the_version() -> None:
    assert DecodeSettings() == DecodeSettings(image_px=224, max_megapixels=50, version=DECODER_VERSION)
    with pytest.raises(FrozenInstanceError):
        SMALL.image_px = 5  # type: ignore[misc]


# Where the corners come to lie when the file says that the camera was held so; EXIF 2.3, tag 0x0112.
UPRIGHT = {
    1: (RED, GREEN, BLUE, YELLOW),
    2: (GREEN, RED, YELLOW, BLUE),
    3: (YELLOW, BLUE, GREEN, RED),
    4: (BLUE, YELLOW, RED, GREEN),
    5: (RED, BLUE, GREEN, YELLOW),
    6: (BLUE, RED, YELLOW, GREEN),
    7: (YELLOW, GREEN, BLUE, RED),
    8: (GREEN, YELLOW, RED, BLUE),
}


def turned(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = WRITTEN[kind][1] | ({"append_images": [quarters()]} if kind == "MPO" else {})
    return encoded(quarters(), kind, exif=exif, **options)


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_orientation_stands_upright(kind: str, orientation: int) -> None:
    decoded = decode(turned(kind, orientation), SMALL, name="x")
    assert_corners(decoded.pixels, *UPRIGHT[orientation])
    assert (decoded.width, decoded.height) == ((60, 40) if orientation < 5 else (40, 60))
    assert decoded.orientation == (1 if kind == "TIFF" else orientation)


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    decoded = decode(turned("JPEG", orientation), SMALL, name="x")
    assert_corners(decoded.pixels, *UPRIGHT[1])
    assert decoded.orientation == 1


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0\0\0\0\0",
        b"Exif\0\0rubbish",
    ],
)
def test_broken_exif_does_not_spoil_a_picture(exif: bytes) -> None:
    decoded = decode(encoded(quarters(), "JPEG", quality=95, subsampling=0, exif=exif), SMALL, name="x")
    assert_corners(decoded.pixels, *UPRIGHT[1])
    assert decoded.orientation == 1


def with_alpha(mode: str, kind: str, **options: object) -> bytes:
    """Quarters of which the upper two are wholly transparent, with colour hidden under it."""
    image = quarters().convert("L" if mode == "LA" else "RGB")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 60, 20))
    image.putalpha(alpha)
    return encoded(image, kind, **options)


@pytest.mark.parametrize(
    "data",
    [
        with_alpha("RGBA", "PNG"),
        with_alpha("RGBA", "WEBP", lossless=True, exact=True),
        with_alpha("RGBA", "TIFF"),
        with_alpha("RGBA", "AVIF", quality=95, subsampling="4:4:4", speed=10),
        with_alpha("RGBA", "GIF"),
    ],
    ids=["PNG", "WEBP", "TIFF", "AVIF", "GIF"],
)
def test_what_is_transparent_is_white_whatever_colour_hides_there(data: bytes) -> None:
    assert_corners(decode(data, SMALL, name="x").pixels, WHITE, WHITE, BLUE, YELLOW)


def test_transparent_greys_are_on_white_too() -> None:
    upper, _, lower, _ = corners(decode(with_alpha("LA", "PNG"), SMALL, name="x").pixels)
    assert upper == WHITE
    assert lower == (56, 56, 56)


def test_half_transparent_is_half_white() -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 200, 128))
    assert corners(decode(encoded(image, "PNG"), SMALL, name="x").pixels)[0] == pytest.approx((127, 127, 227), abs=1)


def test_colour_hidden_under_transparency_does_not_bleed_over_the_edge() -> None:
    image = Image.new("RGBA", (301, 301), (255, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 150, 301))
    pixels = decode(encoded(image, "PNG"), SMALL, name="x").pixels.astype(int)
    assert np.abs(pixels - pixels.mean(axis=2, keepdims=True)).max() <= 1


@pytest.mark.parametrize("form", [bytes, lambda alphas: alphas.index(0)], ids=["an alpha each", "one index"])
def test_a_palette_with_transparency_is_on_white(form: Callable[[bytes], object]) -> None:
    image = quarters().quantize(4)
    hidden = image.getpixel((5, 5))
    alphas = bytes(0 if index == hidden else 255 for index in range(4))
    data = encoded(image, "PNG", transparency=form(alphas))
    assert_corners(decode(data, SMALL, name="x").pixels, WHITE, GREEN, BLUE, YELLOW)


def test_a_palette_without_transparency_keeps_its_colours() -> None:
    data = encoded(quarters().quantize(4), "PNG")
    assert_corners(decode(data, SMALL, name="x").pixels, RED, GREEN, BLUE, YELLOW)


def test_one_colour_named_transparent_is_white() -> None:
    data = encoded(quarters(), "PNG", transparency=RED)
    assert_corners(decode(data, SMALL, name="x").pixels, WHITE, GREEN, BLUE, YELLOW)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind: str) -> None:
    data = encoded(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), kind, quality=95)
    assert_corners(decode(data, SMALL, name="x").pixels, *[(255, 0, 0)] * 4)


def test_black_and_white_becomes_rgb_with_greys_between() -> None:
    image = Image.new("1", (640, 64))
    image.paste(1, (320, 0, 640, 64))
    pixels = decode(encoded(image, "PNG"), DecodeSettings(image_px=5), name="x").pixels
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 4].tolist() == [255, 255, 255]
    assert 64 < pixels[0, 2, 0] < 192


def ramp(high: float, dtype: str) -> Image.Image:
    """Greys from 0 on the left to `high` on the right."""
    return Image.fromarray(np.tile(np.linspace(0, high, 256), (64, 1)).astype(dtype))


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (ramp(65535, "<u2"), "PNG"),
        (ramp(65535, "<u2"), "TIFF"),
        (ramp(65535, ">u2"), "TIFF"),
        (ramp(65535, "<i4"), "TIFF"),
        (ramp(1.0, "<f4"), "TIFF"),
        (ramp(255.0, "<f4"), "TIFF"),
        (ramp(255, "u1"), "TIFF"),
    ],
    ids=["16-bit PNG", "16-bit TIFF", "16-bit TIFF, big end first", "32-bit TIFF", "0..1 TIFF", "0..255 TIFF", "8-bit"],
)
def test_wide_greys_are_scaled_and_not_clipped_to_white(image: Image.Image, kind: str) -> None:
    row = decode(encoded(image, kind), SMALL, name="x").pixels[PX // 2].astype(int)
    assert np.abs(row - np.linspace(3.5, 251.5, PX)[:, None]).max() <= 2


def png(width: int, height: int, rows: bytes, *, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG by hand: the real one, or one that lies about its size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_16_bits_a_channel_become_8() -> None:
    row = b"\0" + struct.pack(">HHH", 65535, 32768, 257) * 4
    pixels = decode(png(4, 4, row * 4, bits=16), SMALL, name="x").pixels
    assert corners(pixels) == [(255, 128, 1)] * 4


def test_lab_becomes_rgb() -> None:
    white = decode(encoded(Image.new("LAB", (40, 40), (255, 128, 128)), "TIFF"), SMALL, name="x").pixels
    grey = decode(encoded(Image.new("LAB", (40, 40), (137, 128, 128)), "TIFF"), SMALL, name="x").pixels
    assert white.min() >= 250
    assert grey.reshape(-1, 3).mean(axis=0) == pytest.approx([128, 128, 128], abs=6)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\0", "not a picture"),
        (b"My cat's name is Tom.\n" * 50, "not a picture"),
        (b"\xef\xbb\xbf  \n<!DOCTYPE html><html><body>404</body></html>", decode_module.WEB_PAGE),
        (b"<html><img></html>", decode_module.WEB_PAGE),
        (b"\0\0\0\x18ftypcrx \0\0\0\0" + bytes(400), "Canon raw (CR3) is not read"),
        (LFS, "a Git LFS pointer in place of the picture: git lfs pull"),
        (bytes(5000), "nothing but zeros: a placeholder of a cloud drive to be downloaded, or a damaged copy"),
        (b"bplist00\xd4" + bytes(90), decode_module.NOT_DOWNLOADED),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG is not read"),
        (b"%PDF-1.7\n", "PDF is not read"),
        (b"\xff\xd8\xff" + bytes(100), "unreadable"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(400), "unreadable"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


def test_a_refusal_names_the_file_the_reason_and_what_can_be_read() -> None:
    with pytest.raises(UnreadablePicture) as caught:
        decode(b"%PDF-1.7", SMALL, name="holiday/IMG_0001.HEIC")
    assert "holiday/IMG_0001.HEIC" in caught.value.what
    assert caught.value.why == "PDF is not read"
    assert all(kind in caught.value.fix for kind in decode_module.READABLE)


@pytest.mark.parametrize("how", WRITTEN)
def test_a_file_cut_anywhere_is_refused_or_lost_nothing(how: str) -> None:
    whole = written(how)
    expected = decode(whole, SMALL, name="x").pixels
    answers = {
        int(length): decoded_or_reason(whole[:length]) for length in np.linspace(1, len(whole) - 1, 60).astype(int)
    }
    reasons = {length: answer for length, answer in answers.items() if isinstance(answer, str)}
    assert len(reasons) >= (30 if how == "MPO" else 50)  # the second picture of an MPO is not missed
    assert {reason for length, reason in reasons.items() if length >= 16} <= {"truncated", "unreadable"}
    for answer in answers.values():
        assert isinstance(answer, str) or np.array_equal(answer.pixels, expected)


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (10_000, 5_001, "50.1 megapixels, 50 allowed: --max-megapixels 60"),
        (50_000_001, 1, "50.1 megapixels, 50 allowed: --max-megapixels 60"),
        (12_000, 9_000, "108.0 megapixels, 50 allowed: --max-megapixels 110"),
        (20_000, 20_000, "400.0 megapixels, 50 allowed: --max-megapixels 400"),
        (100_000, 10_000, "1,000.0 megapixels, 50 allowed: --max-megapixels 1000"),
        (65_000, 65_000, "too large"),
    ],
)
def test_more_than_50_million_pixels_are_refused_unread(width: int, height: int, reason: str) -> None:
    assert reason_of(png(width, height, b"there are no pixels in here")) == reason


@pytest.mark.parametrize(("kind", "width", "height"), [("JPEG", 9504, 6336), ("PNG", 8000, 7000), ("WEBP", 7100, 7100)])
def test_the_option_that_a_refusal_names_reads_the_picture(kind: str, width: int, height: int) -> None:
    data = encoded(Image.new("RGB", (width, height), RED), kind)
    megapixels = int(reason_of(data).rpartition(" ")[2])
    while True:  # a WEBP also takes more memory than is allowed
        settings = DecodeSettings(image_px=PX, max_megapixels=megapixels)
        answer = decoded_or_reason(data, settings)
        if isinstance(answer, Decoded):
            break
        assert int(answer.rpartition(" ")[2]) > megapixels, answer
        megapixels = int(answer.rpartition(" ")[2])
    assert (answer.width, answer.height) == (width, height)


def test_more_memory_is_named_with_the_option_that_allows_it() -> None:
    data = encoded(Image.new("RGB", (6000, 6000), RED), "WEBP")
    assert reason_of(data) == "takes 549 MiB of memory to decode, 470 allowed: --max-megapixels 60"
    assert_square(decode(data, DecodeSettings(image_px=PX, max_megapixels=60), name="x"))


def test_more_scans_are_allowed_where_more_pixels_are() -> None:
    data = scanned(2000, 1000, 501)
    assert reason_of(data) == "too large"
    assert_square(decode(data, DecodeSettings(image_px=PX, max_megapixels=100), name="x"))


def test_nothing_is_decoded_of_what_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise AssertionError

    data = encoded(Image.new("L", (1001, 1000)), "JPEG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", explode)
    assert reason_of(data, DecodeSettings(image_px=PX, max_megapixels=1)) == (
        "1.1 megapixels, 1 allowed: --max-megapixels 10"
    )


def scanned(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan stands in it so often that there are `scans`."""
    whole = encoded(quarters(width, height), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    more = scans - whole.count(b"\xff\xda")
    return whole[:-2] + last * more + whole[-2:]


def never_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", explode)


@pytest.mark.parametrize(("width", "height", "scans"), [(7000, 7000, 400), (2000, 1000, 501), (1000, 1000, 1001)])
def test_a_progressive_jpeg_of_too_many_scans_is_refused_undecoded(
    width: int, height: int, scans: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = scanned(width, height, scans)
    never_loaded(monkeypatch)
    assert reason_of(bomb) == "too large"


def test_scans_are_counted_in_an_mpo_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "MAX_SCANNED_MEGAPIXELS", 0)
    never_loaded(monkeypatch)
    assert reason_of(written("MPO")) == "too large"


def test_as_many_scans_as_are_allowed_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "MAX_SCANNED_MEGAPIXELS", 2)
    decoded = decode(scanned(400, 200, 25), SMALL, name="x")
    assert_corners(decoded.pixels, RED, GREEN, BLUE, YELLOW)
    assert reason_of(scanned(400, 200, 26)) == "too large"


def test_a_large_progressive_jpeg_is_decoded() -> None:
    data = encoded(photograph_like(8000, 6000), "JPEG", progressive=True)
    assert data.count(b"\xff\xda") == 10
    assert_square(decode(data, SMALL, name="x"))


@pytest.mark.parametrize("restarts", [0, 1])
def test_what_looks_like_a_scan_in_a_thumbnail_or_behind_the_picture_is_none(
    restarts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_module, "MAX_SCANNED_MEGAPIXELS", 1)
    image, many = quarters(1000, 1000), b"\xff\xda\0\x02" * 99
    data = encoded(image, "JPEG", quality=95, comment=many, restart_marker_rows=restarts) + many
    assert_corners(decode(data, SMALL, name="x").pixels, RED, GREEN, BLUE, YELLOW)


def test_nothing_between_the_scans_hides_them(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = scanned(2000, 1000, 501)
    place = bomb.rindex(b"\xff\xda")
    never_loaded(monkeypatch)
    for between in (b"\xff\x02\xff\xff", b"\xff\xd0", b"\xff\xff", b"\xff\0\xff\xff", b"\xff\xfe\0\x04\xff\xd9"):
        assert reason_of(bomb[:place] + between + bomb[place:]) == "too large", between


def test_the_limit_itself_is_allowed() -> None:
    data = encoded(Image.new("L", (1000, 1000)), "PNG")
    assert_square(decode(data, DecodeSettings(image_px=PX, max_megapixels=1), name="x"))


def photograph_like(width: int, height: int) -> Image.Image:
    """Soft shapes, as photographs have them, from a seed."""
    random = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(random).resize((width, height), Image.Resampling.BICUBIC)


def test_a_large_jpeg_is_reduced_while_decoding_and_looks_the_same() -> None:
    image = photograph_like(2400, 1800)
    reduced = decode(encoded(image, "JPEG", quality=95), DecodeSettings(image_px=96), name="x")
    full = decode(encoded(image, "BMP"), DecodeSettings(image_px=96), name="x")
    difference = np.abs(reduced.pixels.astype(int) - full.pixels)
    assert (reduced.width, reduced.height) == (2400, 1800)
    assert difference.mean() < 1.5
    assert difference.max() < 24


def test_a_large_jpeg_is_never_decoded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def watching(image: Image.Image, span: tuple[float, float] | None = None) -> Image.Image:
        seen.append(image.size)
        return to_resizable(image, span)

    monkeypatch.setattr("pawsight.images.decode.to_resizable", watching)
    decode(encoded(photograph_like(1600, 1200), "JPEG"), DecodeSettings(image_px=96), name="x")
    assert seen == [(200, 150)]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=600))
@example(b"\0")
def test_random_bytes_end_in_a_refusal_or_an_array(data: bytes) -> None:
    check_any(data)


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(sorted(WRITTEN)), st.data())
def test_mutated_files_end_in_a_refusal_or_an_array(how: str, data: st.DataObject) -> None:
    mutated = bytearray(written(how))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        if data.draw(st.booleans()):
            mutated[place] = data.draw(st.integers(0, 255))
        else:
            mutated[place : place + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
            mutated = mutated or bytearray(b"\0")
    check_any(bytes(mutated))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(WRITTEN)), st.sampled_from(sorted(WRITTEN)), st.data())
def test_files_glued_together_end_in_a_refusal_or_an_array(head: str, tail: str, data: st.DataObject) -> None:
    first, second = written(head), written(tail)
    cut, rest = data.draw(st.integers(0, len(first))), data.draw(st.integers(0, len(second)))
    check_any(first[:cut] + second[rest:])


def check_any(data: bytes) -> None:
    """Nothing but an array of the promised form or `UnreadablePicture` comes of any bytes."""
    answer = decoded_or_reason(data)
    if isinstance(answer, str):
        assert answer in REASONS or OTHER_REASONS.search(answer), answer
    else:
        assert_square(answer)
        assert min(answer.width, answer.height) >= 1
        assert answer.format in (*decode_module.READABLE, "MPO", "HEIF")


def bombs() -> dict[str, bytes]:
    """Files that say they are larger than 50 megapixels, below and above the sizes at which Pillow warns and refuses."""
    extended = b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + (16_000).to_bytes(3, "little") * 2
    frame = struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x4c\x01\0;"
    cleared = struct.pack("<6sHHBBB", b"GIF89a", 9, 9, 0, 0, 0) + b"!\xf9\x04\x08\0\0\0\0," + frame
    lossy = bytearray(encoded(quarters(), "WEBP"))
    lossy[26:30] = b"\xff\x3f" * 2
    return {
        "PNG that Pillow warns of": png(11_000, 11_000, b""),
        "PNG that Pillow refuses": png(65_000, 65_000, b""),
        "WEBP": b"RIFF\x1a\0\0\0" + extended,
        "lossy WEBP": bytes(lossy),
        "GIF with a frame to be cleared": cleared,
    }


@pytest.mark.parametrize("limit", [None, 1_000, 10**12])
@pytest.mark.parametrize("what", bombs())
def test_bombs_are_refused_whatever_the_host_allows(
    what: str, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    never_loaded(monkeypatch)
    assert is_refused_by_size(reason_of(bombs()[what]))


@pytest.mark.parametrize("action", ["default", "error"])
def test_great_size_is_refused_without_a_word_whatever_the_host_makes_of_warnings(action: str) -> None:
    code = (
        "import sys\nfrom pawsight.core.errors import UnreadablePicture\n"
        "from pawsight.images.decode import DecodeSettings, decode\n"
        "for line in sys.stdin:\n"
        "    try: decode(bytes.fromhex(line), DecodeSettings(image_px=32), name='x')\n"
        "    except UnreadablePicture as error: print(error.why)\n"
    )
    given = [*bombs().values(), written("TIFF")[: len(written("TIFF")) // 2]]
    environment = os.environ | {"PYTHONPATH": str(Path(decode_module.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-W", f"{action}::UserWarning", "-W", f"{action}::RuntimeWarning", "-c", code],
        input="\n".join(data.hex() for data in given),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    *reasons, last, end = done.stdout.split("\n")
    assert len(reasons) == len(bombs())
    assert all(map(is_refused_by_size, reasons))
    assert (last, end, done.stderr) == ("truncated", "", "")


def picture(mode: str, width: int, height: int) -> Image.Image:
    random = np.random.default_rng(width * height)
    if mode == "I;16":
        return Image.fromarray(random.integers(0, 65536, (height, width), np.uint16))
    if mode == "I":
        return Image.fromarray(random.integers(-9000, 90_000, (height, width), np.int32))
    if mode == "F":
        return Image.fromarray(random.random((height, width), np.float32) * 300)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).convert(mode)


@pytest.mark.parametrize("size", [(301, 257), (64, 999), (999, 64), (40, 40), (65, 400)])
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "CMYK", "LAB", "YCbCr", "HSV", "I;16", "I", "F", "RGBA", "LA"])
def test_a_picture_in_bands_is_what_pillow_makes_of_the_whole(mode: str, size: tuple[int, int], monkeypatch) -> None:
    image = picture(mode if mode != "LAB" else "RGB", *size)
    if mode == "LAB":
        image = Image.merge("LAB", image.split())
    whole = to_resizable(image).resize((16, 16), Image.Resampling.BILINEAR, reducing_gap=2.0)
    monkeypatch.setattr(decode_module, "BAND_PIXELS", 2000)
    bands = to_square(image, 16)
    assert bands.mode == whole.mode
    assert np.array_equal(np.asarray(bands), np.asarray(whole))


MODES = [
    "1",
    "L",
    "P",
    "RGB",
    "RGBA",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "LA",
    "PA",
    "RGBX",
    "La",
    "RGBa",
    "I;16",
]


def rgb(image: Image.Image) -> np.ndarray:
    return np.asarray(to_rgb(to_resizable(image)))


def greys(values: object, dtype: str) -> Image.Image:
    return Image.fromarray(np.atleast_2d(np.array(values, dtype=dtype)))


def first(image: Image.Image) -> tuple[int, ...]:
    return tuple(rgb(image)[0, 0].tolist())


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_one_that_resizes_well_and_then_rgb(mode: str) -> None:
    image = Image.new(mode, (8, 6))
    resizable = to_resizable(image)
    assert resizable.mode in ("L", "RGB", "RGBA")
    assert to_rgb(resizable).mode == "RGB"
    assert to_rgb(resizable).size == (8, 6)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_what_needs_no_change_is_not_copied(mode: str) -> None:
    image = Image.new(mode, (4, 4))
    assert to_resizable(image) is image


def test_rgb_needs_no_change_at_the_end_either() -> None:
    image = Image.new("RGB", (4, 4))
    assert to_rgb(image) is image


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("1", 0, (0, 0, 0)),
        ("L", 77, (77, 77, 77)),
        ("RGB", (1, 2, 3), (1, 2, 3)),
        ("RGBX", (1, 2, 3, 9), (1, 2, 3)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("CMYK", (0, 0, 0, 0), (255, 255, 255)),
        ("YCbCr", (76, 85, 255), (254, 0, 0)),
        ("RGBA", (9, 9, 9, 0), (255, 255, 255)),
        ("RGBA", (9, 9, 9, 255), (9, 9, 9)),
        ("LA", (9, 0), (255, 255, 255)),
        ("LA", (9, 255), (9, 9, 9)),
    ],
)
def test_colours_are_what_they_look_like(mode: str, colour: object, expected: tuple[int, ...]) -> None:
    assert first(Image.new(mode, (4, 4), colour)) == expected  # type: ignore[arg-type]


def test_premultiplied_colour_is_shown_on_white() -> None:
    image = Image.new("RGBA", (2, 2), (200, 100, 0, 128)).convert("RGBa")
    assert first(image) == pytest.approx((227, 177, 127), abs=2)


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.uint8, (4, 4, 4)))
def test_any_transparent_picture_is_itself_over_white(pixels: np.ndarray) -> None:
    alpha = pixels[..., 3:].astype(float) / 255
    expected = pixels[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(rgb(Image.fromarray(pixels)) - expected).max() <= 1


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bit_greys_have_the_range_0_to_65535(dtype: str) -> None:
    shown = rgb(greys([0, 257, 32768, 65535], dtype))[0, :, 0]
    assert shown.tolist() == [0, 1, 128, 255]


def test_a_dark_16_bit_grey_stays_dark() -> None:
    assert first(greys([100, 200], "<u2")) == (0, 0, 0)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 128, 255], "<i4", [0, 128, 255]),  # a customary range of 8 bits
        ([0, 40], "<i4", [0, 40]),
        ([0, 32768, 65535], "<i4", [0, 128, 255]),  # of 16
        ([0, 500_000, 1_000_000], "<i4", [0, 128, 255]),  # the picture's own
        ([-100, 0, 100], "<i4", [0, 128, 255]),
        ([0.0, 0.5, 1.0], "<f4", [0, 128, 255]),  # fractions
        ([0.0, 0.25], "<f4", [0, 64]),
        ([0.0, 128.0, 255.0], "<f4", [0, 128, 255]),
        ([0.0, 1e30], "<f4", [0, 255]),
        ([7.0, 7.0], "<f4", [7, 7]),
        ([0.0, 0.0], "<f4", [0, 0]),
        ([-5.0, -5.0], "<f4", [0, 0]),
    ],
)
def test_wide_greys_take_the_smallest_customary_range(values: list[float], dtype: str, expected: list[int]) -> None:
    assert rgb(greys(values, dtype))[0, :, 0].tolist() == pytest.approx(expected, abs=1)


def test_what_is_no_number_is_black() -> None:
    assert rgb(greys([np.nan, np.inf, -np.inf, 1.0], "<f4"))[0, :, 0].tolist() == [0, 0, 0, 255]


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.float32, (3, 3), elements=st.floats(width=32)))
def test_any_floating_point_picture_can_be_shown_and_keeps_its_order(values: np.ndarray) -> None:
    shown = rgb(Image.fromarray(values))[..., 0].astype(int)
    known = np.nan_to_num(values.astype(float), nan=0.0, posinf=0.0, neginf=0.0)
    order = np.argsort(known, axis=None, kind="stable")
    assert (np.diff(shown.flatten()[order]) >= 0).all()


def test_lab_is_colour_managed() -> None:
    red = Image.new("LAB", (2, 2), (138, 209, 198))  # L 54.3, a 80.8, b 69.9 under D50: the red of sRGB
    assert first(red) == pytest.approx((255, 0, 0), abs=10)


@needs_heif
def test_a_heic_is_read_like_any_other() -> None:
    decoded = decode((HEIC / "quarters.heic").read_bytes(), SMALL, name="x")
    assert (decoded.width, decoded.height, decoded.format, decoded.orientation) == (64, 48, "HEIF", 1)
    assert_corners(decoded.pixels, RED, GREEN, BLUE, YELLOW)


@needs_heif
def test_a_heic_is_set_upright_and_brought_to_srgb() -> None:
    data = (HEIC / "turned-p3.heic").read_bytes()
    decoded = decode(data, SMALL, name="x")
    assert (decoded.width, decoded.height) == (48, 64)
    assert np.abs(np.array(corners(decoded.pixels)[1]) - (242, 0, 12)).max() <= 16  # red 220 of Display P3
    assert_corners(decode(data, DecodeSettings(image_px=PX, version=2), name="x").pixels, BLUE, RED, YELLOW, GREEN)


@needs_heif
def test_a_heic_cut_anywhere_or_too_large_is_refused() -> None:
    whole = (HEIC / "quarters.heic").read_bytes()
    expected = decode(whole, SMALL, name="x").pixels
    for length in range(16, len(whole), 7):
        answer = decoded_or_reason(whole[:length])
        assert answer in ("truncated", "unreadable") if isinstance(answer, str) else (answer.pixels == expected).all()
    size = whole.index(b"ispe") + 8
    huge = whole[:size] + struct.pack(">II", 12_000, 12_000) + whole[size + 8 :]
    assert reason_of(huge) in ("unreadable", "144.0 megapixels, 50 allowed: --max-megapixels 150")


@needs_heif
@pytest.mark.parametrize("name", ["quarters.heic", "turned-p3.heic"])
@pytest.mark.parametrize("place", [4, 10, 12, 13, 14, 15, 16])
def test_an_item_of_a_heic_that_has_no_name_ends_in_a_refusal_or_an_array(name: str, place: int) -> None:
    data = bytearray((HEIC / name).read_bytes())
    for infe in [found.start() for found in re.finditer(b"infe", data)]:
        data[infe + place] = 0xFF  # pi_heif by itself ends the process here
        check_any(bytes(data))


@needs_heif
@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["quarters.heic", "turned-p3.heic"]), st.data())
def test_a_mutated_heic_ends_in_a_refusal_or_an_array(name: str, data: st.DataObject) -> None:
    mutated = bytearray((HEIC / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        mutated[data.draw(st.integers(12, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    check_any(bytes(mutated))


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_without_the_extra_a_heic_says_what_to_install(brand: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "HAS_HEIF", False)
    data = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(400)
    assert not is_readable_type(data)
    assert reason_of(data) == 'HEIC is read with the extra [heif]: pip install "pawsight[heif]"'


def test_without_the_extra_a_dicom_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "HAS_DICOM", False)
    data = bytes(128) + b"DICM" + bytes(64)
    assert not is_readable_type(data)
    assert reason_of(data) == 'DICOM is read with the extra [dicom]: pip install "pawsight[dicom]"'


NAMED = {
    b"\0\0\0\x24ftypcrx \0\0\0\1": "Canon raw (CR3) is not read",
    b"\0\0\0\x24ftypisom\0\0\2\0": "a video (MP4) is not read",
    b"\0\0\0\x14ftypqt  \0\0\2\0": "a video (MP4) is not read",
    b"%PDF-1.4": "PDF is not read",
    b"8BPS\0\1": "Photoshop (PSD) is not read",
    b"PK\3\4": "a zip archive is not read",
    b"\x1f\x8b\x08": "a gzip archive is not read",
    b"Rar!\x1a\7": "a rar archive is not read",
    b"\xff\x0a\xfa": "JPEG XL is not read",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL is not read",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000 is not read",
    b"\0\0\1\0\1\0": "an icon (ICO) is not read",
    b"\x1a\x45\xdf\xa3": "a video (Matroska) is not read",
    b"FUJIFILMCCD-RAW 0201": "Fujifilm raw (RAF) is not read",
    b"<svg width='1'/>": "SVG is not read",
    b"<?xml version='1.0'?>\n<!-- made --><svg/>": "SVG is not read",
}


@pytest.mark.parametrize("data", NAMED, ids=NAMED.values())
def test_well_known_types_are_named(data: bytes) -> None:
    assert name_of_unsupported(data) == NAMED[data]
    assert not is_readable_type(data)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"  \r\n<!DOCTYPE HTML><title>Log in</title>", "web page"),
        (b"\xef\xbb\xbf<html>", "web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "web server"),
    ],
)
def test_what_a_web_server_sent_instead_is_named_with_what_to_do(data: bytes, kind: str) -> None:
    assert kind in reason_of(data)
    assert reason_of(data).endswith("download the picture again")


@pytest.mark.parametrize("data", [b"", b"\0", b"ftyp", b"My cat.", b"<?xml version='1.0'?><feed/>", bytes(100)])
def test_what_nobody_knows_has_no_name(data: bytes) -> None:
    assert name_of_unsupported(data) is None
    assert not is_readable_type(data)


@pytest.mark.parametrize("kind", ["AVIF", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_a_readable_type_is_known_by_its_first_bytes(kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    assert is_readable_type(file.getvalue())
    assert is_readable_type(file.getvalue()[:16])


@given(st.binary(max_size=64))
def test_no_bytes_break_the_guess(data: bytes) -> None:
    name = name_of_unsupported(data)
    assert name is None or name.endswith(" is not read") or "[heif]" in name
    assert is_readable_type(data) in (True, False)
