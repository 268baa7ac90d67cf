"""The picture with its map: shape, size, colours, and the same bytes every time."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pawsight.explanation.heatmap import HeatMap
from pawsight.explanation.overlay import LARGEST_PX, colours_of, drawn_size, overlay


def heat_of(values, size=(500, 300)):
    return HeatMap("cats", np.asarray(values, np.float32), 0.0, "cam", size)


def opened(png):
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return image, np.asarray(image.convert("RGB"), np.int64)


GREY = np.full((640, 640, 3), 128, np.uint8)
CORNER = np.eye(1, 9, dtype=np.float32).reshape(3, 3)


def test_the_heat_is_where_the_map_says_and_the_picture_keeps_its_shape():
    image, pixels = opened(overlay(GREY, heat_of(CORNER)))
    assert image.size == (500, 300)
    colourful = np.ptp(pixels, axis=2)
    assert colourful[:90, :150].mean() > 60
    assert colourful[150:, 250:].max() == 0


def test_nothing_is_painted_where_nothing_speaks_for_the_class():
    _, pixels = opened(overlay(GREY, heat_of(-np.ones((3, 3)))))
    assert np.ptp(pixels, axis=2).max() == 0
    assert np.ptp(pixels) == 0


def test_colours_grow_lighter_with_the_heat_so_that_they_read_in_grey_too():
    colours = colours_of(np.linspace(0, 1, 101, dtype=np.float32)[None])[0]
    luminance = colours @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > 0).all()


def test_the_same_picture_and_map_give_the_same_bytes():
    picture = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)
    assert overlay(picture, heat_of(CORNER)) == overlay(picture, heat_of(CORNER))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_no_side_is_longer_than_allowed_or_nothing(wide, high):
    drawn = drawn_size((wide, high))
    assert max(drawn) <= LARGEST_PX
    assert min(drawn) >= 1
    if min(drawn) > 20:
        assert drawn[0] / drawn[1] == pytest.approx(wide / high, rel=0.06)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_pictures_of_any_shape_are_drawn(size):
    image, _ = opened(overlay(GREY[:8, :8], heat_of(CORNER, size)))
    assert image.size == drawn_size(size)
