"""Finds the part of their range that a data set's 16-bit pictures use: many cameras and microscopes give 10 or 12 bits.

Shown by the range of the file's type, such pictures are nearly black. One scale for the whole data set keeps what is
brighter in one picture than in another; it is part of the bundle, so that later pictures are shown alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pawsight.core.errors import UnreadablePicture
from pawsight.core.thread_pool import ordered_map
from pawsight.images.decode import DecodeSettings, GreyRange, wide_values
from pawsight.images.loader import ReadAhead, read_regular_file

MOST_MEASURED = 256  # pictures, evenly spaced
_ENDINGS = (".png", ".tif", ".tiff", ".dcm", ".dicom", "")  # of types that can have more than 8 bits of grey
_PASSED_OVER = 1e-4  # share of a picture's pixels at either end: defective pixels
_USED = 0.25  # least share of the range from 0 that is used; a narrower one far from 0 is taken by itself
_MARGIN = 0.125  # of such a range, on either side, for pictures that were not measured


def grey_range(paths: Sequence[Path], settings: DecodeSettings, *, threads: int) -> GreyRange | None:
    """Return the values that become black and white in the 16-bit and floating-point pictures of a data set.

    Args:
        paths: pictures to train on; of those that may have more than 8 bits, 256 evenly spaced ones are read.
        settings: the limits of a picture.
        threads: files read at once.

    Returns:
        0 and the greatest number of as many bits as the values take, e.g. (0, 4095); of signed values and of a narrow
        range far from 0, that range itself and an eighth more on either side. None: they use the range of their type,
        or there are none.
    """
    wide = [path for path in paths if path.suffix.lower() in _ENDINGS]
    step = max(1, -(-len(wide) // MOST_MEASURED))

    ahead = ReadAhead(threads, read_regular_file)

    def measure(path: Path) -> tuple[float, float, bool] | None:
        try:
            data = ahead.read(path)
            with ahead.computing():
                values = wide_values(data, settings, name=path.name)
        except UnreadablePicture:
            return None
        if values is None or not values.size or (values.min() >= 0.0 and values.max() <= 1.0):  # none, or fractions
            return None
        low, high = np.quantile(values, (_PASSED_OVER, 1.0 - _PASSED_OVER), method="nearest")
        return float(low), float(high), values.dtype == np.uint16

    measured = [ends for ends in ordered_map(measure, wide[::step], threads=ahead.threads) if ends is not None]
    if not measured:
        return None
    low, high = min(least for least, _, _ in measured), max(most for _, most, _ in measured)
    if low < 0 or high - low < _USED * high:
        margin = _MARGIN * (high - low)
        return low - margin, high + margin
    top = 2.0 ** max(8, math.ceil(high).bit_length()) - 1.0
    return None if top == 65535.0 and all(is_16_bit for _, _, is_16_bit in measured) else (0.0, top)
