"""Image statistics: figures that say how light, varied, sharp and coloured a picture is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from pawsight.images.quality import image_statistics

SIDE = 240


def plain(colour):
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def squares(size=20, low=(40, 60, 80), high=(200, 180, 160)):
    """A chessboard: all its detail is edges."""
    rows, columns = np.indices((SIDE, SIDE)) // size
    return np.where(((rows + columns) % 2)[..., None], np.uint8(low), np.uint8(high))


def blurred(pixels, radius):
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


@pytest.mark.parametrize(("colour", "brightness"), [((0, 0, 0), 0), ((255, 255, 255), 255), ((90, 90, 90), 90)])
def test_brightness_of_a_plain_grey_is_its_value_and_nothing_varies(colour, brightness):
    looks = image_statistics(plain(colour))
    assert (looks.brightness, looks.contrast, looks.sharpness, looks.chroma) == (brightness, 0, 0, 0)


def test_brightness_is_luma_which_takes_green_for_brighter_than_blue():
    assert image_statistics(plain((0, 255, 0))).brightness == pytest.approx(0.587 * 255, abs=1)
    assert image_statistics(plain((0, 0, 255))).brightness == pytest.approx(0.114 * 255, abs=1)


def test_chroma_is_the_distance_between_strongest_and_weakest_channel():
    assert image_statistics(plain((200, 50, 120))).chroma == 150
    assert image_statistics(squares(low=(7, 7, 7), high=(99, 99, 99))).chroma == 0


def test_contrast_sees_two_colours_of_one_brightness():
    """Red and green of equal luma: a picture of two colours, though black and white film would not show it."""
    both = squares(low=(255, 0, 0), high=(0, 130, 0))
    assert image_statistics(both).contrast == pytest.approx(127.5)
    assert np.asarray(Image.fromarray(both).convert("L")).std() < 1


def test_blur_takes_sharpness_and_leaves_brightness():
    radii = [0, 1, 2, 4, 8]
    looks = [image_statistics(blurred(squares(60), radius)) for radius in radii]
    sharpness = [look.sharpness for look in looks]
    assert sharpness[0] > sharpness[1] > max(sharpness[2:])
    assert sharpness[0] > 10 * max(sharpness[1:])
    assert all(look.brightness == pytest.approx(looks[0].brightness, abs=1) for look in looks)


def test_fog_is_not_blur():
    """A tenth of the contrast: the variance of the Laplacian alone would fall to a hundredth."""
    foggy = (squares().astype(float) * 0.1 + 150).astype(np.uint8)
    assert image_statistics(foggy).sharpness > 0.7 * image_statistics(squares()).sharpness


def test_grain_on_a_plain_surface_has_an_end():
    """The four neighbours' weights are 20 in squares: nothing is sharper than noise."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    assert 19 < image_statistics(noise).sharpness < 21


def test_camera_and_size_are_passed_on():
    looks = image_statistics(plain((1, 2, 3)), camera="Leica M3", file_bytes=77)
    assert (looks.camera, looks.file_bytes) == ("Leica M3", 77)


@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3))))
@settings(max_examples=60, deadline=None)
def test_any_pixels_give_finite_figures_within_their_range(pixels):
    looks = image_statistics(pixels)
    figures = (looks.brightness, looks.contrast, looks.sharpness, looks.chroma)
    assert all(math.isfinite(figure) and figure >= 0 for figure in figures)
    assert looks.brightness <= 255
    assert looks.contrast <= 127.5
    assert looks.chroma <= 255


@given(arrays(np.uint8, (17, 17, 3)))
@settings(max_examples=40, deadline=None)
def test_mirroring_changes_nothing(pixels):
    assert image_statistics(np.ascontiguousarray(pixels[:, ::-1])) == image_statistics(pixels)
