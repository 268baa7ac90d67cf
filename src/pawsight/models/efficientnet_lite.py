"""EfficientNet-Lite as a table: the convolutions of the network in their order, and their published weights.

What writes the table as an ONNX graph is in efficientnet_onnx.py, what builds it in Keras in efficientnet_keras.py.

The network is EfficientNet (Tan and Le 2019, arXiv:1905.11946) without squeeze-and-excitation, with ReLU6, and with a
stem and a head of fixed width, as Google published it in 2020.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawsight.models.backbones import Backbone
from pawsight.models.weights import installed_checkpoint, read_checkpoint

Floats = NDArray[np.float32]
Weights = Mapping[str, tuple[Floats, Floats]]  # convolution -> kernel (out, in / groups, height, width), bias (out,)

PIXEL_MEAN, PIXEL_SPAN = 127, 128  # the network is fed (x - 127) / 128
RELU_LIMIT = 6.0
NORM_EPSILON = 1e-3

_STEM_CHANNELS = 32
_CHANNEL_STEP = 8  # widths are rounded to multiples of this
# (blocks, kernel, stride of the first block, expansion, channels out) of each stage, for width and depth 1
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """One convolution with its batch norm folded in, and what follows it: ReLU6, or the addition of a shortcut."""

    name: str  # stem, block0_depthwise ... block15_project, top
    weights: str  # the convolution in the PyTorch checkpoint
    norm: str  # its batch norm there
    channels: int  # that leave
    kernel: int = 1  # side of the window
    stride: int = 1
    depthwise: bool = False  # each channel alone
    relu: bool = True
    shortcut: str = ""  # the convolution whose output is added to this one's


def convolutions(backbone: Backbone) -> tuple[Convolution, ...]:
    """List the convolutions of a backbone; the input of each is the output of the one before it."""
    rows = [Convolution(name="stem", weights="_conv_stem", norm="_bn0", channels=_STEM_CHANNELS, kernel=3, stride=2)]
    number, channels_in = 0, _STEM_CHANNELS
    for stage, (repeats, kernel, first_stride, expansion, channels) in enumerate(_STAGES):
        grows = 0 < stage < len(_STAGES) - 1
        channels_out = _widened(channels, backbone.width)
        for repeat in range(math.ceil(repeats * backbone.depth) if grows else repeats):
            stride = 1 if repeat else first_stride
            block, there, wide = f"block{number}", f"_blocks.{number}", channels_in * expansion
            before = rows[-1].name
            if expansion > 1:
                rows.append(
                    Convolution(
                        name=f"{block}_expand", weights=f"{there}._expand_conv", norm=f"{there}._bn0", channels=wide
                    )
                )
            rows.append(
                Convolution(
                    name=f"{block}_depthwise",
                    weights=f"{there}._depthwise_conv",
                    norm=f"{there}._bn1",
                    channels=wide,
                    kernel=kernel,
                    stride=stride,
                    depthwise=True,
                )
            )
            rows.append(
                Convolution(
                    name=f"{block}_project",
                    weights=f"{there}._project_conv",
                    norm=f"{there}._bn2",
                    channels=channels_out,
                    relu=False,
                    shortcut=before if stride == 1 and channels_in == channels_out else "",
                )
            )
            number, channels_in = number + 1, channels_out
    top = Convolution(name="top", weights="_conv_head", norm="_bn1", channels=backbone.feature_dim)
    return (*rows, top)


def upper_start(backbone: Backbone) -> str:
    """Return the convolution after which the upper part begins: the blocks from the last halving of the resolution on.

    That part holds two thirds of the weights and a third of the computation, and it is the most specific to ImageNet's
    classes.
    """
    rows = convolutions(backbone)
    last = max(index for index, row in enumerate(rows) if row.stride == 2)
    return rows[last - 2].name  # the block's depthwise convolution follows its expansion


def published_weights(backbone: Backbone) -> Weights:
    """Read the installed ImageNet weights and fold each batch norm into its convolution.

    Raises:
        WeightsUnavailable: the weights are not installed or are not the published ones.
    """
    return folded_weights(backbone, read_checkpoint(installed_checkpoint(backbone.name), sha256=backbone.sha256))


def folded_weights(backbone: Backbone, checkpoint: Mapping[str, Floats]) -> Weights:
    """Return the kernel and bias of each convolution with the batch norm after it folded in.

    Args:
        backbone: whose checkpoint it is.
        checkpoint: tensors by PyTorch's names; kernels (out, in / groups, height, width).

    Raises:
        KeyError: the checkpoint lacks a tensor.
    """
    weights = {}
    for row in convolutions(backbone):
        gamma, beta, mean, variance = (
            checkpoint[f"{row.norm}.{tensor}"] for tensor in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance.astype(np.float64) + NORM_EPSILON)
        kernel = checkpoint[f"{row.weights}.weight"] * scale[:, None, None, None]
        weights[row.name] = kernel.astype(np.float32), (beta - mean * scale).astype(np.float32)
    return weights


def _widened(channels: int, width: float) -> int:
    """Round to a multiple of eight, never down by more than a tenth, as TensorFlow's EfficientNet does."""
    wanted = channels * width
    rounded = max(_CHANNEL_STEP, int(wanted + _CHANNEL_STEP / 2) // _CHANNEL_STEP * _CHANNEL_STEP)
    return rounded + _CHANNEL_STEP if rounded < 0.9 * wanted else rounded
