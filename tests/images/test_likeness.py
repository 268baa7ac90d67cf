"""How alike two thumbnails are: nothing remains of one picture, much of two, whatever their light."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pawsight.images.fingerprint import thumbnail
from pawsight.images.likeness import differences


def scene(number: int) -> np.ndarray:
    """Soft patches of colour (240, 240, 3) unlike those of other numbers."""
    rough = np.random.default_rng(number).integers(0, 200, (7, 7, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(rough).resize((240, 240), Image.Resampling.BICUBIC))


def compared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Edges, colour and patch of two pictures; the same both ways round."""
    both = np.stack([thumbnail(np.ascontiguousarray(first)), thumbnail(np.ascontiguousarray(second))])
    there, back = differences(both, np.array([[0, 1], [1, 0]]))
    assert there[0] == pytest.approx(back[0], abs=0.1)
    return there


CHANGES = {
    "nothing": lambda pixels: pixels,
    "noise": lambda pixels: pixels + np.random.default_rng(0).normal(0, 8, pixels.shape),
    "light": lambda pixels: pixels * 1.2,
    "shade": lambda pixels: pixels * 0.8 + 10,
    "crop": lambda pixels: pixels[:228, 12:],
    "middle": lambda pixels: pixels[6:234, 6:234],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("number", range(3))
def test_one_picture_changed_a_little_leaves_hardly_an_edge(number, change):
    edges, colour, patch = compared(scene(number), np.clip(CHANGES[change](scene(number)), 0, 255).astype(np.uint8))
    assert edges < 0.1
    assert colour < 4
    assert patch < 8


def test_two_pictures_leave_their_edges():
    assert compared(scene(1), scene(2))[0] > 0.5


def test_the_same_shapes_in_another_colour_differ_in_colour():
    pixels = scene(3) // 2 + 40
    assert compared(pixels, pixels[:, :, [1, 0, 2]])[1] > 12


def test_a_patch_that_shows_something_else_is_found():
    changed = scene(4).copy()
    changed[100:130, 60:90] = 255 - changed[100:130, 60:90]
    assert compared(scene(4), changed)[2] > 16


def test_what_moved_without_being_cropped_is_another_picture():
    pixels = scene(5)
    assert compared(pixels, np.roll(pixels, 20, axis=1))[0] > 0.3


def test_flat_pictures_cannot_be_compared():
    flat = np.full((240, 240, 3), 128, np.uint8)
    assert np.isinf(compared(flat, flat)).all()


def test_no_pairs_are_no_rows():
    assert differences(np.zeros((2, 32, 32, 3), np.uint8), np.empty((0, 2), np.int64)).shape == (0, 3)
