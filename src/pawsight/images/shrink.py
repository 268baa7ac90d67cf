"""From a picture of any size and mode to a small square, in little more memory than the picture itself.

Enters: a loaded Pillow image. Leaves: a square in L, RGB or RGBA. Does not know: files, orientation.

Pillow would convert the whole picture before it shrinks it, which at 50 megapixels is 200 MB more, and gigabytes where
numbers are scaled in floating point. So a large picture is converted and reduced a band of rows at a time. Reducing by
whole factors looks at blocks of pixels, and each band is a whole number of blocks: the result is Pillow's to the bit.
"""

from __future__ import annotations

from PIL import Image

from pawsight.images.colour import is_see_through, to_resizable, wide_span

BAND_PIXELS = 4_000_000
_GAP = 2.0  # how much larger than the square a picture may remain before the antialiasing filter


def to_square(image: Image.Image, side: int) -> Image.Image:
    """Stretch to (side, side) with an antialiasing bilinear filter."""
    width, height = image.size
    factors = (int(width / side / _GAP) or 1, int(height / side / _GAP) or 1)
    span = wide_span(image)
    if width * height <= BAND_PIXELS or factors == (1, 1) or is_see_through(image) or image.mode in ("L", "RGB"):
        return to_resizable(image, span).resize((side, side), Image.Resampling.BILINEAR, reducing_gap=_GAP)
    box = (0, 0, width / factors[0], height / factors[1])
    return _reduced(image, factors, span).resize((side, side), Image.Resampling.BILINEAR, box=box)


def _reduced(image: Image.Image, factors: tuple[int, int], span: tuple[float, float]) -> Image.Image:
    """Convert and reduce by whole factors, band by band; what is over at the right and below makes a block too."""
    width, height = image.size
    across, down = factors
    rows = max(1, BAND_PIXELS // width // down) * down
    size = (-(-width // across), -(-height // down))
    whole: Image.Image | None = None
    for top in range(0, height, rows):
        band = to_resizable(image.crop((0, top, width, min(top + rows, height))), span).reduce(factors)
        whole = whole or Image.new(band.mode, size)
        whole.paste(band, (0, top // down))
    return whole or image
