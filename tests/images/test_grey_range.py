"""The part of their range that 16-bit pictures use: found over a data set, and the same for what is decoded later."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pawsight.images.decode import DecodeSettings, decode, wide_values
from pawsight.images.grey_range import MOST_MEASURED, grey_range

SETTINGS = DecodeSettings(image_px=16)


def saved(values: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, kind)
    return file.getvalue()


def ramp(top: float, low: float = 0.0, dtype: str = "<u2") -> np.ndarray:
    return np.linspace(low, top, 1024).reshape(32, 32).astype(dtype)


def found(folder: Path, *pictures: np.ndarray, kind: str = "PNG") -> tuple[float, float] | None:
    paths = []
    for number, values in enumerate(pictures):
        paths.append(folder / f"{number}.{'png' if kind == 'PNG' else 'tif'}")
        paths[-1].write_bytes(saved(values, kind))
    return grey_range(paths, SETTINGS, threads=2)


@pytest.mark.parametrize(
    ("tops", "expected"),
    [
        ([4095, 3000], (0, 4095)),
        ([3987], (0, 4095)),
        ([900, 20], (0, 1023)),
        ([200], (0, 255)),
        ([16000, 4095], (0, 16383)),
        ([65535, 900], None),
        ([40000], None),
    ],
)
def test_the_range_is_of_as_many_bits_as_the_brightest_picture_takes(tmp_path, tops, expected):
    assert found(tmp_path, *map(ramp, tops)) == expected


def test_a_narrow_range_far_from_zero_is_taken_by_itself(tmp_path):
    low, high = found(tmp_path, ramp(34000, 32768), ramp(33500, 32900))
    assert 32000 < low < 32768
    assert 34000 < high < 35000


def test_signed_and_floating_point_numbers_have_their_own_range(tmp_path):
    low, high = found(tmp_path, ramp(1000, -1000, "<i4"), kind="TIFF")
    assert (low, high) == (-1250.0, 1250.0)
    assert found(tmp_path, ramp(4000, 0, "<f4"), kind="TIFF") == (0.0, 4095.0)


def test_fractions_and_8_bits_have_their_range_already(tmp_path):
    assert found(tmp_path, ramp(1, 0, "<f4"), kind="TIFF") is None
    assert found(tmp_path, ramp(255, 0, "u1")) is None
    assert grey_range([], SETTINGS, threads=1) is None


def test_a_few_defective_pixels_and_broken_files_change_nothing(tmp_path):
    values = np.tile(ramp(4000), (4, 4))
    values[5, 5] = 65535
    (tmp_path / "broken.png").write_bytes(saved(values)[:90])
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "good.png").write_bytes(saved(values))
    assert grey_range(sorted(tmp_path.iterdir()), SETTINGS, threads=2) == (0, 4095)


def test_no_more_files_are_read_than_it_takes(tmp_path, monkeypatch):
    read = []

    def remember(path):
        read.append(path)
        return saved(ramp(4095))

    monkeypatch.setattr("pawsight.images.grey_range.read_regular_file", remember)
    assert grey_range([Path(f"{number}.png") for number in range(1000)], SETTINGS, threads=2) == (0, 4095)
    assert MOST_MEASURED / 2 < len(read) <= MOST_MEASURED
    assert grey_range([Path(f"{number}.jpg") for number in range(1000)], SETTINGS, threads=2) is None
    assert len(read) <= MOST_MEASURED


@given(st.integers(8, 15), st.integers(0, 2**32 - 1))
def test_pictures_of_fewer_bits_are_decoded_as_those_of_the_full_range_are(bits, seed):
    wide = np.random.default_rng(seed).integers(0, 2**16, (24, 24), np.uint16)
    narrow = (wide >> (16 - bits)).astype(np.uint16)
    scaled = replace(SETTINGS, grey_range=(0.0, 2.0**bits - 1))
    full = decode(saved(wide), SETTINGS, name="x").pixels.astype(int)
    # Both are rounded to 8 bits before they are resized; cutting bits off moves a value by less than one of them.
    assert np.abs(decode(saved(narrow), scaled, name="x").pixels - full).max() <= 2 ** max(0, 8 - bits) + 1


def test_the_range_is_of_wide_pictures_alone():
    scaled = replace(SETTINGS, grey_range=(0.0, 1023.0))
    plain, fractions = saved(ramp(255, 0, "u1")), saved(ramp(1, 0, "<f4"), "TIFF")
    for data in (plain, fractions):
        assert np.array_equal(decode(data, scaled, name="x").pixels, decode(data, SETTINGS, name="x").pixels)
    assert wide_values(plain, SETTINGS, name="x") is None
    assert decode(saved(ramp(2000)), scaled, name="x").pixels.max() == 255
