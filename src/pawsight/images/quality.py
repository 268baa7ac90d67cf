"""Image statistics: light, contrast, sharpness, colour and camera; what counts as too dark or blurred is in data.

The figures are of the square of `HASHED_PX`, so that they do not depend on how many pixels a file has. Every second
row, and for light and colour every second column, is enough. Sums are of whole numbers below 2**53, so they are the
same on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pawsight.images.decode import Pixels
from pawsight.images.fingerprint import grey_of

_DIGITS = 4  # kept after the point
_GRAIN = 4.0  # variance of luma that counts as noise: a plain surface is not sharp because of its grain


@dataclass(frozen=True, slots=True)
class ImageStatistics:
    """Figures of a picture, whatever it shows."""

    brightness: float  # mean luma (ITU-R BT.601), 0 black to 255 white
    contrast: float  # standard deviation of the most varied of red, green and blue, 0 (one colour) to 127.5
    sharpness: float  # variance of the Laplacian over the variance of luma, 0 to 20; photographs 0.02 to 0.6
    chroma: float  # mean distance between the strongest and the weakest of red, green and blue, 0 (grey) to 255
    camera: str  # maker and model by EXIF, empty where it does not say
    file_bytes: int  # size of the file
    taken: float | None = None  # when, by EXIF: seconds since 1970 by the clock of the camera


def image_statistics(
    pixels: Pixels,
    *,
    grey: Image.Image | None = None,
    camera: str = "",
    file_bytes: int = 0,
    taken: float | None = None,
) -> ImageStatistics:
    """Measure a decoded picture (H, W, 3) uint8; what the file says is passed on, and its grey where it is at hand.

    Sharpness is the variance of the Laplacian (J. L. Pech-Pacheco and others, "Diatom autofocusing in brightfield
    microscopy: a comparative study", ICPR 2000) over the variance of luma, so that fog is not called blur. Contrast is
    of the channels and not of luma, which hides that red and green of one brightness are two colours.
    """
    luma = np.asarray(grey or grey_of(pixels))
    # Every second pixel is enough for light and colour. The transpose comes before the copy: the other way takes three
    # times as long.
    colours = np.ascontiguousarray(pixels[::2, ::2].transpose(2, 0, 1)).reshape(3, -1)
    means, variances = _moments(np.concatenate([luma[::2, ::2].reshape(1, -1), colours]))
    contrast = float(variances[1:].max()) ** 0.5
    sharpness = _laplacian_variance(luma) / (float(variances[0]) + _GRAIN)
    chroma = float((colours.max(axis=0) - colours.min(axis=0)).mean())
    brightness, contrast, sharpness, chroma = (
        round(figure, _DIGITS) for figure in (float(means[0]), contrast, sharpness, chroma)
    )
    return ImageStatistics(brightness, contrast, sharpness, chroma, camera, file_bytes, taken)


def _moments(rows: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance of each row."""
    wide, count = rows.astype(np.float64), rows.shape[1]
    # Not BLAS products: they would wake a thread on each core while decoders hold them.
    firsts, seconds = wide.sum(axis=1), np.einsum("ij,ij->i", wide, wide)
    return firsts / count, (count * seconds - firsts * firsts) / count**2


def _laplacian_variance(luma: NDArray[np.uint8]) -> float:
    """Return the variance, over every second row, of how much a pixel differs from its four neighbours."""
    if min(luma.shape) < 3:
        return 0.0
    wide = luma.astype(np.int16)
    middle = wide[1:-1:2]
    laplacian = wide[:-2:2, 1:-1] + wide[2::2, 1:-1][: len(middle)]
    laplacian += middle[:, :-2]
    laplacian += middle[:, 2:]
    laplacian -= 4 * middle[:, 1:-1]
    _, variances = _moments(laplacian.reshape(1, -1))
    return float(variances[0])
