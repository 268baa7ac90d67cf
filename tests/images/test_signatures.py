"""Names for files that are not read, and the difference between a broken picture and something else."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pawsight.images.signatures import is_readable_type, name_of_unsupported

NAMED = {
    b"\0\0\0\x24ftypheic\0\0\0\0": "HEIC is not read",
    b"\0\0\0\x24ftypheix\0\0\0\0": "HEIC is not read",
    b"\0\0\0\x24ftypmif1\0\0\0\0": "HEIC is not read",
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
    b"  \r\n<!DOCTYPE HTML>": "a web page is not read",
    b"\xef\xbb\xbf<html>": "a web page is not read",
}


@pytest.mark.parametrize("data", NAMED, ids=NAMED.values())
def test_well_known_types_are_named(data: bytes) -> None:
    assert name_of_unsupported(data) == NAMED[data]
    assert not is_readable_type(data)


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
    assert name is None or name.endswith(" is not read")
    assert is_readable_type(data) in (True, False)
