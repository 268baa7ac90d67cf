"""EfficientNet-Lite in Keras, with its ImageNet weights.

Enters: the name of a backbone and the side of the pictures. Leaves: a `keras.Model` from uint8 pictures to features or
ImageNet logits. Does not know: the user's classes, training, or ONNX. Imports Keras, so nothing light imports it.

The network is EfficientNet (Tan and Le 2019, arXiv:1905.11946) without squeeze-and-excitation, with ReLU6, and with a
stem and a head that do not grow, as Google published it in 2020. Layers are called stem_conv, stem_norm, stem_relu,
block0_depthwise_conv ... block15_project_norm, head_conv, features, logits, so a recipe can free the upper ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import keras
import numpy as np

from pawsight.models.backbones import Backbone, check_image_px, find_backbone
from pawsight.models.weights import installed_checkpoint, read_checkpoint

IMAGENET_CLASSES = 1000
NORM_EPSILON = 1e-3

_PIXEL_MIDDLE, _PIXEL_SPAN = 127, 128  # the network sees (x - 127) / 128
_STEM_CHANNELS = 32
_CHANNEL_STEP = 8  # widths are rounded to multiples of this
_BLOCK_NORMS = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}  # convolution -> its norm in the checkpoint


@dataclass(frozen=True, slots=True)
class _Block:
    """One inverted residual block: widen, look around, narrow."""

    kernel: int  # side of the window it looks through
    stride: int
    expansion: int  # how many times wider it is inside
    channels_in: int
    channels_out: int

    @property
    def has_shortcut(self) -> bool:
        return self.stride == 1 and self.channels_in == self.channels_out

    @property
    def convolutions(self) -> tuple[str, ...]:
        return tuple(_BLOCK_NORMS)[self.expansion == 1 :]


# blocks in each stage and the first of them, for width and depth 1; the others have stride 1 and keep the channels
_STAGES = (
    (1, _Block(3, 1, 1, _STEM_CHANNELS, 16)),
    (2, _Block(3, 2, 6, 16, 24)),
    (2, _Block(5, 2, 6, 24, 40)),
    (3, _Block(3, 2, 6, 40, 80)),
    (3, _Block(5, 1, 6, 80, 112)),
    (4, _Block(5, 2, 6, 112, 192)),
    (1, _Block(3, 1, 6, 192, 320)),
)


def load(name: str, *, image_px: int, classifier: bool = False, folded: bool = False) -> keras.Model:
    """Build a backbone and give it its published weights.

    Arguments and result are those of `build`.

    Raises:
        WrongUsage: there is no backbone of that name, or it cannot see pictures of that size.
        WeightsUnavailable: the weights are not installed or are not the published ones.
    """
    backbone = find_backbone(name)
    checkpoint = read_checkpoint(installed_checkpoint(name), sha256=backbone.sha256)
    model = build(name, image_px=image_px, classifier=classifier, folded=folded)
    for layer, arrays in layer_weights(backbone, checkpoint, folded=folded).items():
        if classifier or layer != "logits":
            model.get_layer(layer).set_weights(arrays)
    return model


def build(name: str, *, image_px: int, classifier: bool = False, folded: bool = False) -> keras.Model:
    """Build a backbone with random weights.

    Args:
        name: one of `pawsight.models.backbones.BACKBONES`.
        image_px: side of the square pictures, 32 to 1024; the published weights learnt at the backbone's `native_px`.
        classifier: end in the 1,000 ImageNet classes instead of the features.
        folded: merge each batch norm into the convolution before it: the same answers in fewer steps; not for training.

    Returns:
        A functional model from RGB pictures (N, image_px, image_px, 3) uint8 to features (N, 1280) float32, or with
        `classifier` to logits (N, 1000) float32.

    Raises:
        WrongUsage: there is no backbone of that name, or it cannot see pictures of that size.
    """
    backbone = find_backbone(name)
    check_image_px(image_px)
    pictures = keras.Input((image_px, image_px, 3), dtype="uint8", name="pictures")
    x = keras.layers.Rescaling(1 / _PIXEL_SPAN, -_PIXEL_MIDDLE / _PIXEL_SPAN, name="scale")(pictures)
    x = _convolve(x, "stem", keras.layers.Conv2D(_STEM_CHANNELS, 3, 2, "same", use_bias=folded, name="stem_conv"))
    for index, block in enumerate(_blocks(backbone)):
        x = _apply_block(x, block, f"block{index}", folded)
    x = _convolve(x, "head", keras.layers.Conv2D(backbone.feature_dim, 1, use_bias=folded, name="head_conv"))
    x = keras.layers.GlobalAveragePooling2D(name="features", dtype="float32")(x)
    if classifier:
        x = keras.layers.Dense(IMAGENET_CLASSES, name="logits", dtype="float32")(x)
    return keras.Model(pictures, x, name=name)


def upper_start(name: str) -> str:
    """Return the layer after which the upper part begins: the blocks from the last halving of the picture on.

    That part holds two thirds of the weights and does a third of the work, and it is the least about pictures in
    general and the most about ImageNet's classes.
    """
    blocks = list(_blocks(find_backbone(name)))
    last = max(index for index, block in enumerate(blocks) if block.stride == 2)
    return f"block{last - 1}_add" if blocks[last - 1].has_shortcut else f"block{last - 1}_project_conv"


def layer_weights(
    backbone: Backbone, checkpoint: Mapping[str, np.ndarray], *, folded: bool = False
) -> dict[str, list[np.ndarray]]:
    """Sort the tensors of a PyTorch checkpoint by Keras layer.

    Args:
        backbone: whose checkpoint it is.
        checkpoint: tensors by PyTorch's names; kernels (out, in, height, width).
        folded: for a model built with `folded`.

    Returns:
        For each layer with weights, `logits` included, the arrays that its `set_weights` takes. Of the checkpoint only
        the batch norms' `num_batches_tracked` counters are left over.

    Raises:
        KeyError: the checkpoint lacks a tensor.
    """
    found = {}
    for layer, convolution, norm in _convolutions(backbone):
        kernel = checkpoint[f"{convolution}.weight"]
        kernel = kernel.transpose((2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0))
        gamma, beta, mean, variance = (
            checkpoint[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        if folded:
            found[f"{layer}_conv"] = _fold(kernel, gamma, beta, mean, variance)
        else:
            found |= {f"{layer}_conv": [kernel], f"{layer}_norm": [gamma, beta, mean, variance]}
    return found | {"logits": [checkpoint["_fc.weight"].T, checkpoint["_fc.bias"]]}


def _blocks(backbone: Backbone) -> Iterator[_Block]:
    for stage, (repeats, first) in enumerate(_STAGES):
        grows = 0 < stage < len(_STAGES) - 1
        channels_in = _widened(first.channels_in, backbone.width) if stage else first.channels_in
        block = replace(first, channels_in=channels_in, channels_out=_widened(first.channels_out, backbone.width))
        yield block
        for _ in range(1, math.ceil(repeats * backbone.depth) if grows else repeats):
            yield replace(block, stride=1, channels_in=block.channels_out)


def _widened(channels: int, width: float) -> int:
    """Round to a multiple of eight, never down by more than a tenth, as TensorFlow's EfficientNet does."""
    wanted = channels * width
    rounded = max(_CHANNEL_STEP, int(wanted + _CHANNEL_STEP / 2) // _CHANNEL_STEP * _CHANNEL_STEP)
    return rounded + _CHANNEL_STEP if rounded < 0.9 * wanted else rounded


def _apply_block(x: keras.KerasTensor, block: _Block, name: str, folded: bool) -> keras.KerasTensor:
    before = x
    wide = block.channels_in * block.expansion
    if "expand" in block.convolutions:
        x = _convolve(x, f"{name}_expand", keras.layers.Conv2D(wide, 1, use_bias=folded, name=f"{name}_expand_conv"))
    look = keras.layers.DepthwiseConv2D(
        block.kernel, block.stride, "same", use_bias=folded, name=f"{name}_depthwise_conv"
    )
    x = _convolve(x, f"{name}_depthwise", look)
    narrow = keras.layers.Conv2D(block.channels_out, 1, use_bias=folded, name=f"{name}_project_conv")
    x = _convolve(x, f"{name}_project", narrow, relu=False)
    return keras.layers.Add(name=f"{name}_add")([before, x]) if block.has_shortcut else x


def _convolve(x: keras.KerasTensor, name: str, layer: keras.Layer, *, relu: bool = True) -> keras.KerasTensor:
    """Apply a convolution, its batch norm unless that is folded into a bias, and the activation."""
    x = layer(x)
    if not layer.use_bias:
        x = keras.layers.BatchNormalization(epsilon=NORM_EPSILON, name=f"{name}_norm")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def _convolutions(backbone: Backbone) -> Iterator[tuple[str, str, str]]:
    """Name every convolution here, in the checkpoint, and its batch norm in the checkpoint."""
    yield "stem", "_conv_stem", "_bn0"
    for index, block in enumerate(_blocks(backbone)):
        for role in block.convolutions:
            there = f"_blocks.{index}"
            yield f"block{index}_{role}", f"{there}._{role}_conv", f"{there}.{_BLOCK_NORMS[role]}"
    yield "head", "_conv_head", "_bn1"


def _fold(
    kernel: np.ndarray, gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> list[np.ndarray]:
    """Return the kernel and bias that do what the kernel (h, w, in, out) and the batch norm after it do."""
    scale = gamma / np.sqrt(variance.astype(np.float64) + NORM_EPSILON)
    is_depthwise = kernel.shape[3] != len(scale)
    folded = kernel * (scale[:, np.newaxis] if is_depthwise else scale)
    return [folded.astype(np.float32), (beta - mean * scale).astype(np.float32)]
