"""EfficientNet-Lite in Keras, for `finetune`, which trains its upper part; the table is in efficientnet_lite.py."""

from __future__ import annotations

import math
from typing import Any

import keras

from pawsight.models.backbones import Backbone, check_image_px
from pawsight.models.efficientnet_lite import PIXEL_MEAN, PIXEL_SPAN, RELU_LIMIT, Convolution, Weights, convolutions


def build(backbone: Backbone, image_px: int, weights: Weights, *, after: str = "") -> keras.Model:
    """Build a backbone, or its upper part, with given weights.

    Args:
        backbone: which network.
        image_px: side of the square pictures, 32 to 1024.
        weights: of each convolution.
        after: the convolution after which the upper part begins; "" builds the whole network.

    Returns:
        A functional model to features (N, 1280) float32: from RGB pictures (N, image_px, image_px, 3) uint8, or with
        `after` from the maps (N, height, width, channels) that leave that convolution. A convolution's layer is called
        by its name in the table and `_conv`.

    Raises:
        WrongUsage: the backbone takes no pictures of that size.
    """
    check_image_px(image_px)
    side, outputs = image_px, {}
    if not after:
        inputs = keras.Input((image_px, image_px, 3), dtype="uint8", name="pictures")
        x = keras.layers.Rescaling(1 / PIXEL_SPAN, -PIXEL_MEAN / PIXEL_SPAN, name="scale")(inputs)
    is_lower = bool(after)
    for row in convolutions(backbone):
        side = math.ceil(side / row.stride)
        if is_lower:
            if row.name == after:
                inputs = x = outputs[row.name] = keras.Input((side, side, row.channels), name="maps")
                is_lower = False
            continue
        x = _layer(row)(x)
        if row.relu:
            x = keras.layers.ReLU(RELU_LIMIT, name=f"{row.name}_relu")(x)
        if row.shortcut:
            x = keras.layers.Add(name=f"{row.name}_add")([outputs[row.shortcut], x])
        outputs[row.name] = x
    features = keras.layers.GlobalAveragePooling2D(name="features", dtype="float32")(x)
    model = keras.Model(inputs, features, name=backbone.name)
    for row, layer in _convolution_layers(backbone, model):
        kernel, bias = weights[row.name]
        layer.set_weights([kernel.transpose((2, 3, 0, 1) if row.depthwise else (2, 3, 1, 0)), bias])
    return model


def weights_of(backbone: Backbone, model: keras.Model) -> Weights:
    """Return the weights of the convolutions that a model holds, as `build` takes them."""
    weights = {}
    for row, layer in _convolution_layers(backbone, model):
        kernel, bias = layer.get_weights()
        weights[row.name] = kernel.transpose((2, 3, 0, 1) if row.depthwise else (3, 2, 0, 1)), bias
    return weights


def _layer(row: Convolution) -> keras.layers.Layer:
    if row.depthwise:
        return keras.layers.DepthwiseConv2D(row.kernel, row.stride, "same", name=f"{row.name}_conv")
    return keras.layers.Conv2D(row.channels, row.kernel, row.stride, "same", name=f"{row.name}_conv")


def _convolution_layers(backbone: Backbone, model: keras.Model) -> list[tuple[Convolution, Any]]:
    layers = {layer.name: layer for layer in model.layers}
    return [(row, layers[f"{row.name}_conv"]) for row in convolutions(backbone) if f"{row.name}_conv" in layers]
