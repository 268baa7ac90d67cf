"""From any of Pillow's colour modes to RGB on white, losing nothing that the eye would see.

Enters: a loaded Pillow image. Leaves: a Pillow image that resizes well, then one in RGB. Does not know: files, sizes.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

_WHITE = (255, 255, 255)
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}


def to_resizable(image: Image.Image) -> Image.Image:
    """Return the image in a mode that Pillow resizes with antialiasing: L, RGB or RGBA.

    Transparent pictures stay RGBA: Pillow premultiplies while it resizes, so the colour hidden under full
    transparency does not bleed into the edges.
    """
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return _from_wide(image)
    if image.has_transparency_data or image.mode in _PREMULTIPLIED:
        return image.convert(_PREMULTIPLIED.get(image.mode, image.mode)).convert("RGBA")
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


def _from_wide(image: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and floating-point greys to 8 bits instead of clipping them to white.

    A `I;16` picture has the range 0..65535 by definition. `I` and `F` do not say their range: the smallest customary
    range that holds the values is taken (1 for fractions, then 255, 65535), and beyond that the picture's own.
    """
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = min(0.0, float(values.min())), float(values.max())
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    elif low == 0.0:
        ranges = [1.0, 255.0, 65535.0] if image.mode == "F" else [255.0, 65535.0]
        high = next((top for top in ranges if high <= top), high)
    scaled = (values - low) * (255.0 / ((high - low) or 1.0))
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms  # rare, and slow to load

    to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    converted = ImageCms.applyTransform(image, to_srgb)
    if converted is None:
        raise ValueError("LAB colour could not be converted")
    return converted
