"""Colour modes: everything that the eye sees is kept, and nothing that it does not see appears."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from pawsight.images.colour import to_resizable, to_rgb

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
