"""EfficientNet-Lite: the table of its convolutions, their published weights, and the network in ONNX.

The network is EfficientNet (Tan and Le 2019, arXiv:1905.11946) without squeeze-and-excitation, with ReLU6, and with a
stem and a head of fixed width, as Google published it in 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import require_extra
from pawsight.models.backbones import Backbone, check_image_px, find_backbone
from pawsight.models.graph import FEATURES, LAST_FEATURES, PICTURES
from pawsight.models.weights import installed_checkpoint, read_checkpoint

Floats = NDArray[np.float32]
Channels = NDArray[np.int64]
Weights = Mapping[str, tuple[Floats, Floats]]  # convolution -> kernel (out, in / groups, height, width), bias (out,)

PIXEL_MEAN, PIXEL_SPAN = 127, 128  # the network is fed (x - 127) / 128
RELU_LIMIT = 6.0
NORM_EPSILON = 1e-3
OPSET = 17
IR_VERSION = 8
AVERAGE, MAXIMUM = "ReduceMean", "ReduceMax"

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


class Tap(NamedTuple):
    """A convolution's output that is read, one number for each channel."""

    name: str  # of the convolution
    kind: str  # AVERAGE or MAXIMUM over positions, the ONNX operator
    channels: int


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


def taps(backbone: Backbone) -> tuple[Tap, ...]:
    """List where and how the network is read, from the stem to the top, in the order of computation.

    Averages come from each block's depthwise convolution and its output, maxima from the depthwise convolutions of the
    upper half and the top. Other maxima cost more than they gain, and the expansions, which are the widest, add nothing
    (docs/experiments.md). The last averages come last, where heat maps look for them. Another order would make OpenVINO
    read maps that are no longer in the processor's cache.
    """
    read = [row for row in convolutions(backbone) if not row.name.endswith("_expand")]
    found = []
    for place, row in enumerate(read):
        if row.relu and place >= len(read) // 2:
            found.append(Tap(row.name, MAXIMUM, row.channels))
        found.append(Tap(row.name, AVERAGE, row.channels))
    return tuple(found)


def channels_of(backbone: Backbone, depth: str) -> Channels:
    """Return which numbers of `taps` a depth reads, in order.

    Args:
        backbone: which network.
        depth: "last", the features that the network was trained to end in; "blocks", the averages of the outputs of all
            blocks and those; "every", all there are.
    """
    ends = {"last": ("top",), "blocks": ("_project", "top"), "every": ("",)}[depth]
    kinds = (AVERAGE, MAXIMUM) if depth == "every" else (AVERAGE,)
    reads = [np.repeat(tap.name.endswith(ends) and tap.kind in kinds, tap.channels) for tap in taps(backbone)]
    return np.flatnonzero(np.concatenate(reads))


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


def backbone_onnx(name: str, image_px: int, channels: Channels | None = None) -> bytes:
    """Return a backbone with its published weights as an ONNX graph: half a second, the same bytes each time.

    Args:
        name: one of `pawsight.models.backbones.BACKBONES`.
        image_px: side of the square pictures, 32 to 1024.
        channels: the averages wanted, as `channels_of` numbers them, in rising order; None for the last 1,280.

    Returns:
        ONNX without external data: `pictures` (N, image_px, image_px, 3) uint8 RGB -> `features` (N, D) float32.

    Raises:
        WrongUsage: there is no backbone of that name, or it takes no pictures of that size.
        MissingExtra: the package onnx is not installed.
        WeightsUnavailable: the weights are not installed or are not the published ones.
    """
    backbone = find_backbone(name)
    check_image_px(image_px)
    return write_graph(backbone, image_px, published_weights(backbone), channels=channels)


def write_graph(backbone: Backbone, image_px: int, weights: Weights, *, channels: Channels | None = None) -> bytes:
    """Write the network with given weights.

    Args:
        backbone: which network.
        image_px: side of the square pictures.
        weights: of each convolution.
        channels: the averages wanted, as `channels_of` numbers them, in rising order; None for the last 1,280. All of
            the last are in the graph as `LAST_FEATURES`.

    Returns:
        ONNX bytes as `backbone_onnx` gives them.

    Raises:
        MissingExtra: the package onnx is not installed.
    """
    require_extra("train", "onnx", needed_by="Training", why="Without it Pawsight predicts, measures and explains.")
    import onnx

    make_node, value_info, tensor = onnx.helper.make_node, onnx.helper.make_tensor_value_info, onnx.TensorProto
    constants: dict[str, Any] = {
        "scale/factor": np.float32(1 / PIXEL_SPAN),
        "scale/offset": np.float32(-PIXEL_MEAN / PIXEL_SPAN),
        "relu/least": np.float32(0),
        "relu/most": np.float32(RELU_LIMIT),
    }
    nodes = [
        make_node("Cast", [PICTURES], ["scale/real"], "scale/cast", to=tensor.FLOAT),
        make_node("Mul", ["scale/real", "scale/factor"], ["scale/product"], "scale/multiply"),
        make_node("Add", ["scale/product", "scale/offset"], ["scale/scaled"], "scale/add"),
        make_node("Transpose", ["scale/scaled"], ["scale"], "scale/channels_first", perm=[0, 3, 1, 2]),
    ]
    wanted = _channels_by_tap(backbone, channels)
    fed, side = "scale", image_px
    for row in convolutions(backbone):
        constants[f"{row.name}/kernel"], constants[f"{row.name}/bias"] = weights[row.name]
        followed = row.relu or bool(row.shortcut)
        convolved = f"{row.name}/convolved" if followed else row.name
        nodes.append(
            make_node(
                "Conv",
                [fed, f"{row.name}/kernel", f"{row.name}/bias"],
                [convolved],
                f"{row.name}/convolve",
                group=row.channels if row.depthwise else 1,
                kernel_shape=[row.kernel] * 2,
                pads=_same_pads(side, row.kernel, row.stride),
                strides=[row.stride] * 2,
            )
        )
        if row.relu:
            nodes.append(make_node("Clip", [convolved, "relu/least", "relu/most"], [row.name], f"{row.name}/relu"))
        elif row.shortcut:
            nodes.append(make_node("Add", [convolved, row.shortcut], [row.name], f"{row.name}/add"))
        fed, side = row.name, math.ceil(side / row.stride)
    reads, picked = _reads(wanted, make_node)
    nodes, constants = [*nodes, *reads], constants | picked
    graph = onnx.helper.make_graph(
        nodes,
        backbone.name,
        [value_info(PICTURES, tensor.UINT8, ["N", image_px, image_px, 3])],
        [value_info(FEATURES, tensor.FLOAT, ["N", sum(map(len, wanted.values()))])],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, producer_name="pawsight", opset_imports=opsets, ir_version=IR_VERSION)
    content: bytes = model.SerializeToString()
    return content


def _channels_by_tap(backbone: Backbone, channels: Channels | None) -> dict[Tap, Channels]:
    """Return the channels wanted of each tap, counted from its own first, leaving out taps of which none is."""
    channels = channels_of(backbone, "last") if channels is None else channels
    places = taps(backbone)
    ends = np.cumsum([tap.channels for tap in places])
    cuts = np.split(channels, np.searchsorted(channels, ends))
    return {
        tap: (cut - (end - tap.channels)).astype(np.int64)
        for tap, end, cut in zip(places, ends, cuts, strict=False)
        if len(cut) or tap is places[-1]
    }


def _reads(wanted: Mapping[Tap, Channels], make_node: Callable[..., Any]) -> tuple[list[Any], dict[str, Channels]]:
    """Return nodes that reduce maps to a number a channel and join the wanted ones, and their constants."""
    nodes, joined, constants = [], [], {}
    for tap, own in wanted.items():
        read = f"{tap.name}/{'mean' if tap.kind == AVERAGE else 'max'}"  # of the top, LAST_FEATURES
        nodes.append(make_node(tap.kind, [tap.name], [read], read, axes=[2, 3], keepdims=0))
        if 0 < len(own) < tap.channels:
            constants[f"{read}/channels"] = own
            nodes.append(make_node("Gather", [read, f"{read}/channels"], [f"{read}/picked"], f"{read}/picked", axis=1))
            read = f"{read}/picked"
        joined += [read] if len(own) else []
    if joined == [LAST_FEATURES]:
        nodes[-1].output[0] = nodes[-1].name = FEATURES
    else:
        nodes.append(make_node("Concat", joined, [FEATURES], FEATURES, axis=1))
    return nodes, constants


def _same_pads(side: int, kernel: int, stride: int) -> list[int]:
    """Return ONNX pads (top, left, bottom, right) of TensorFlow's padding `same`; where they are odd, the end has more.

    Source: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    whole = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
    return [whole // 2, whole // 2, whole - whole // 2, whole - whole // 2]
