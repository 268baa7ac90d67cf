"""The exercise's frozen MobileNetV2, and where its weights come from.

Enters: a side in pixels, perhaps a file of weights. Leaves: a `keras.Model` from uint8 pictures to maps. Does not know:
classes, training.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import keras

from pawsight.core.errors import WeightsUnavailable
from pawsight.models.networks import scale
from pawsight.models.weights_file import OTHERWISE, check_weights


def build_mobilenet(*, image_px: int, weights: Path | None) -> keras.Model:
    """Build MobileNetV2 without its top, scaling included.

    Args:
        image_px: side of the pictures; a multiple of 32.
        weights: a Keras weights file (.h5) for `include_top=False`; None: Keras downloads its own.

    Returns:
        uint8 (N, image_px, image_px, 3) -> maps float32 (N, image_px/32, image_px/32, 1280), not trainable.

    Raises:
        WeightsUnavailable: the file does not fit, or the download cannot be had.

    Source: M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018; `keras.applications`.
    """
    shape = (image_px, image_px, 3)
    if weights is not None:
        check_weights(weights)
    try:
        given = "imagenet" if weights is None else str(weights)
        with contextlib.redirect_stdout(io.StringIO()):  # Keras tells of its download on stdout, where answers go
            base = keras.applications.MobileNetV2(input_shape=shape, include_top=False, weights=given)
    except Exception as error:  # Keras wraps whatever its download or h5py raised
        raise _unavailable(weights, error) from error
    base.trainable = False
    pictures = keras.Input(shape, dtype="uint8", name="pictures")
    return keras.Model(pictures, base(scale(pictures, "signed"), training=False), name="frozen")


def _unavailable(weights: Path | None, error: Exception) -> WeightsUnavailable:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if weights is None:
        return WeightsUnavailable("MobileNetV2's weights could not be downloaded.", f"Keras says: {why}", OTHERWISE)
    return WeightsUnavailable(f"{weights} does not hold MobileNetV2's weights.", f"Keras says: {why}", OTHERWISE)
