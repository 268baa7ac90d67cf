"""Shrinking in bands: the same bits as Pillow's own way, in a fraction of the memory."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pawsight.images import shrink
from pawsight.images.colour import to_resizable
from pawsight.images.shrink import to_square


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
    monkeypatch.setattr(shrink, "BAND_PIXELS", 2000)
    bands = to_square(image, 16)
    assert bands.mode == whole.mode
    assert np.array_equal(np.asarray(bands), np.asarray(whole))
