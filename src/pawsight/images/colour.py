"""From any of Pillow's colour modes to RGB on white, losing nothing that the eye would see.

Enters: a loaded Pillow image. Leaves: a Pillow image that resizes well, then one in RGB. Does not know: files, sizes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_WHITE = (255, 255, 255)
_BAND_PIXELS = 250_000  # as many as stay in a processor's cache in float64
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


def is_see_through(image: Image.Image) -> bool:
    """Say whether a picture has transparency of any kind."""
    return image.has_transparency_data or image.mode in _PREMULTIPLIED or "transparency" in image.info


def to_resizable(image: Image.Image, span: tuple[float, float] | None = None) -> Image.Image:
    """Return the image in a mode that Pillow resizes with antialiasing: L, RGB or RGBA.

    Transparent pictures stay RGBA: Pillow premultiplies while it resizes, so the colour hidden under full
    transparency does not bleed into the edges.

    Args:
        image: a picture, or a band of one.
        span: what `wide_span` says of the whole picture, where this is a band.
    """
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return _from_wide(image, span or wide_span(image))
    if image.has_transparency_data or image.mode in _PREMULTIPLIED:
        plain = image.convert(_PREMULTIPLIED[image.mode]) if image.mode in _PREMULTIPLIED else image
        return plain if plain.mode == "RGBA" else plain.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "LAB":
        return _from_lab(image)
    return image.convert("RGB")


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB, transparency shown on white."""
    if image.mode == "RGB":
        return image
    if image.mode == "RGBA":
        page = Image.new("RGB", image.size, _WHITE)
        page.paste(image, mask=image.getchannel("A"))
        return page
    return image.convert("RGB")


def wide_span(image: Image.Image) -> tuple[float, float]:
    """Return the values that become black and white in a 16-bit, 32-bit or floating-point picture; else zeros.

    A `I;16` picture has the range 0..65535 by definition. `I` and `F` do not say their range: the smallest customary
    range that holds the values is taken (1 for fractions, then 255, 65535), and beyond that the picture's own.
    """
    if not image.mode.startswith(("I", "F")):
        return 0.0, 0.0
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    ends = [(float(values.min()), float(values.max())) for _, values in _bands(image)]
    low, high = min(0.0, *(least for least, _ in ends)), max(most for _, most in ends)
    if low == 0.0:
        ranges = [1.0, 255.0, 65535.0] if image.mode == "F" else [255.0, 65535.0]
        high = next((top for top in ranges if high <= top), high)
    return low, high


def _from_wide(image: Image.Image, span: tuple[float, float]) -> Image.Image:
    """Scale 16-bit, 32-bit and floating-point greys to 8 bits instead of clipping them to white."""
    low, high = span
    grey = np.empty((image.height, image.width), np.uint8)
    for top, values in _bands(image):
        scaled = (values - low) * (255.0 / ((high - low) or 1.0))
        grey[top : top + len(values)] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    plain = Image.fromarray(grey)
    key = image.info.get("transparency")
    if isinstance(key, int):  # one grey, in the numbers of the file, stands for nothing
        for top, values in _bands(image):
            grey[top : top + len(values)] = np.where(values == key, 0, 255)
        plain = Image.merge("LA", (plain, Image.fromarray(grey))).convert("RGBA")
    return plain


def _bands(image: Image.Image) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield rows of a wide picture as finite numbers, with the number of the first: float64 for all is too much."""
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        yield top, np.nan_to_num(np.asarray(band, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms  # rare, and slow to load

    to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    converted = ImageCms.applyTransform(image, to_srgb)
    if converted is None:
        raise ValueError("LAB colour could not be converted")
    return converted
