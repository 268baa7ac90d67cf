"""What a file may claim: each limit at its edge."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from pawsight.images import header_limits
from pawsight.images.header_limits import (
    FrameLimitedGif,
    ReadLimitedFile,
    TooLarge,
    exceeds_header_limits,
    heif_items_are_named,
    memory_needed,
    webp_size,
)


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (40, 30)).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF"])
def test_an_honest_file_claims_nothing_too_much(kind: str) -> None:
    data = encoded(kind)
    assert not exceeds_header_limits(data)
    with Image.open(io.BytesIO(data)) as image:
        assert memory_needed(image, len(data)) < header_limits.MAX_DECODE_MIB * 2**20
    for end in range(0, len(data), 7):
        exceeds_header_limits(data[:end])  # cut anywhere it says something


@pytest.mark.parametrize(
    ("segments", "too_much"), [(header_limits.MAX_SEGMENTS - 10, False), (header_limits.MAX_SEGMENTS, True)]
)
def test_segments_of_a_jpeg_are_counted(segments: int, too_much: bool) -> None:
    data = encoded("JPEG")
    assert exceeds_header_limits(data[:2] + b"\xff\xfe\0\2" * segments + data[2:]) is too_much


def test_exif_of_a_jpeg_is_weighed() -> None:
    data, block = encoded("JPEG"), b"\xff\xe1\xff\xff" + bytes(65_533)
    fits = header_limits.MAX_EXIF_BYTES // 65_535
    assert not exceeds_header_limits(data[:2] + block * fits + data[2:])
    assert exceeds_header_limits(data[:2] + block * (fits + 1) + data[2:])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("strips", "too_much"), [(header_limits.MAX_STRIPS, False), (header_limits.MAX_STRIPS + 1, True)]
)
def test_strips_of_a_tiff_are_counted(order: str, wide: bool, strips: int, too_much: bool) -> None:
    mark = b"II" if order == "<" else b"MM"
    if wide:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, 16)
        data = head + struct.pack(order + "QHHQQ", 1, 273, 4, strips, 0)
    else:
        data = mark + struct.pack(order + "HI", 42, 8) + struct.pack(order + "HHHII", 1, 273, 4, strips, 0)
    assert exceeds_header_limits(data) is too_much


@pytest.mark.parametrize(("width", "too_much"), [(8000, False), (8001, True)])
@pytest.mark.parametrize("packing", [1, 2])
def test_a_bmp_in_runs_is_small(width: int, packing: int, too_much: bool) -> None:
    head = b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, width, -1000, 1, 8, packing)
    assert exceeds_header_limits(head) is too_much


def test_a_file_is_read_so_often_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadLimitedFile, "_left", 3)
    file = ReadLimitedFile(b"abcdef")
    assert [file.read(1), file.read(2), file.read()] == [b"a", b"bc", b"def"]
    with pytest.raises(TooLarge):
        file.read(0)


@pytest.mark.parametrize("side", [16_383, 7_000])
@pytest.mark.parametrize("lossless", [True, False])
def test_the_size_of_a_webp_is_known_before_it_is_opened(side: int, lossless: bool) -> None:
    data = bytearray(encoded("WEBP", lossless=lossless))
    assert webp_size(bytes(data)) == (40, 30)
    if lossless:
        data[21:25] = (side - 1 | side - 1 << 14).to_bytes(4, "little")
    else:
        data[26:30] = side.to_bytes(2, "little") * 2
    assert webp_size(bytes(data)) == (side, side)
    assert webp_size(encoded("PNG")) == (0, 0)


@pytest.mark.parametrize("label", [b"\xf9\x04\x08\0\0\0\0", b"\xf9\0\x04\x08\0\0\0\0"])
def test_a_gif_gets_no_room_for_a_frame_larger_than_any_picture(label: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(side: int) -> FrameLimitedGif:
        frame = struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02\x4c\x01\0;"
        head = struct.pack("<6sHHBBB", b"GIF89a", 9, 9, 0, 0, 0)
        return FrameLimitedGif(io.BytesIO(head + b"!\xf9\x04\x08\0\0\0\0!" + label + b"," + frame))

    made = []
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(Image.core, "fill", lambda mode, size, colour: made.append(size))
    assert opened(11_000).size == (11_000, 11_000)
    with pytest.raises(TooLarge):
        opened(65_535)
    assert made == [(11_000, 11_000)]


@pytest.mark.parametrize(
    ("kind", "mode", "side", "too_much"),
    [
        ("PNG", "RGB", 7071, False),
        ("PNG", "RGBA", 7071, False),
        ("WEBP", "RGB", 5500, False),
        ("WEBP", "RGB", 5600, True),
    ],
)
def test_memory_is_reckoned_before_it_is_taken(kind: str, mode: str, side: int, too_much: bool) -> None:
    image = Image.new(mode, (1, 1))
    image.format, image._size = kind, (side, side)
    assert (memory_needed(image, 1000) > header_limits.MAX_DECODE_MIB * 2**20) is too_much


@pytest.mark.parametrize(("items", "named"), [(header_limits.MAX_ITEMS, True), (header_limits.MAX_ITEMS + 1, False)])
def test_a_heif_of_more_items_than_any_picture_has_is_refused(items: int, named: bool) -> None:
    assert heif_items_are_named(b"\0\0\0\x18ftypheic" + items * b"\0\0\0\x15infe\2\0\0\0\0\1\0\0hvc1\0") == named
