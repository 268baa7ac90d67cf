"""What notebooks show of pictures: small HTML with thumbnails, every name escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape

import numpy as np
from PIL import Image

from pawsight.core.text import visible
from pawsight.images.decode import Decoded, Pixels

THUMBNAIL_PX = 72  # longer side
_QUALITY = 70
_CARD = "display:inline-block;vertical-align:top;width:7em;margin:0 .5em .5em 0;overflow-wrap:anywhere"


def thumbnail(decoded: Decoded) -> Pixels:
    """Return a decoded picture in its own proportions: (h, w, 3) uint8, the longer side 72 pixels at most."""
    longest = max(decoded.width, decoded.height)
    size = tuple(max(1, round(THUMBNAIL_PX * side / longest)) for side in (decoded.width, decoded.height))
    return np.asarray(Image.fromarray(decoded.pixels).resize((size[0], size[1]), Image.Resampling.BILINEAR))


def as_html(text: object) -> str:
    """Return text as HTML shows it: escaped, and without characters that break or reverse a line."""
    return escape(visible(text))


def picture_cards(cards: Iterable[tuple[Pixels | None, str, str]]) -> str:
    """Return pictures side by side as HTML.

    Args:
        cards: thumbnail or None, the line below it, and the text that is shown when the mouse stands on it.
    """
    return "".join(
        f'<span style="{_CARD}" title="{as_html(title)}">{_image(pixels)}<br>{as_html(line)}</span>'
        for pixels, line, title in cards
    )


def _image(pixels: Pixels | None) -> str:
    if pixels is None:
        return "(no picture)"
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode("ascii")}">'
