"""The pictures of a bundle's exam: drawings, so that nobody's photographs travel with a bundle.

Enters: a side in pixels. Leaves: uint8 squares. Does not know: the model that will be examined.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from pawsight.data.sample import draw
from pawsight.images.decode import Pixels

_SEED = 20261122
_QUESTIONS = (("cats", 0), ("cats", 1), ("cats", 2), ("dogs", 0), ("dogs", 1), ("dogs", 2), ("other", 0), ("other", 1))


def exam_pictures(image_px: int) -> Pixels:
    """Return drawn pictures (8, image_px, image_px, 3) uint8, the same at every call."""
    side = (image_px, image_px)
    drawings = [draw(kind, seed=_SEED, index=index) for kind, index in _QUESTIONS]
    return np.stack([np.asarray(one.resize(side, Image.Resampling.BILINEAR), dtype=np.uint8) for one in drawings])
