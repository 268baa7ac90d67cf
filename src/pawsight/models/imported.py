"""Backbones from ONNX files that others made: where they are read is found by their operators.

The picture goes in as uint8, scaled as the file wants it. What follows the features, such as a classification layer, is
cut off. Which operators a file may have is checked in classifier/backbone.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import WeightsUnavailable, require_extra
from pawsight.models.backbones import channel_values
from pawsight.models.graph import FEATURES, LAST_FEATURES, PICTURES

Channels = NDArray[np.int64]
LEAST_OPSET, OPSET = 13, 17  # older graphs are converted: what is appended here needs 13
_OWN = "backbone/"  # before every name of the file, so that none is taken for one of ours
_INPUT = f"{_OWN}input"
_LINEAR = ("Gemm", "MatMul")
_ACTIVATIONS = ("BatchNormalization", "Clip", "Elu", "Gelu", "HardSwish", "LeakyRelu", "PRelu", "Relu")
_POOLS = ("AveragePool", "MaxPool")
_CHANNELS_SECOND = (*_POOLS, "BatchNormalization", "Conv", "GlobalAveragePool", "GlobalMaxPool")
_RESHAPING = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
_RANKS = (2, 3, 4)  # of what features can be


@dataclass(frozen=True, slots=True)
class Tap:
    """A place where an imported network is read."""

    tensor: str
    rank: int  # 2: (N, C) as it is; 3: tokens, usually (N, T, C); 4: maps, usually (N, C, h, w)
    axis: int  # of the channels; averages are taken over the others
    channels: int  # numbers that are read here: C, or twice that of the last tokens
    is_block: bool  # the output of a block and not of a layer within one


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """A network from a file, ready to be read at any of its taps."""

    model: Any  # onnx.ModelProto with the input `pictures` and no outputs
    taps: tuple[Tap, ...]  # in the order of computation; the last one gives the features of the last layer
    parameters: int

    @property
    def width(self) -> int:
        """How many numbers all taps have together."""
        return sum(tap.channels for tap in self.taps)

    def channels_of(self, depth: str) -> Channels:
        """Return which of the numbers of all taps a depth reads: "last", or "blocks" with those."""
        last = len(self.taps) - 1
        read = [index == last or (depth == "blocks" and tap.is_block) for index, tap in enumerate(self.taps)]
        return np.flatnonzero(np.repeat(read, [tap.channels for tap in self.taps]))

    def write(self, channels: Channels | None = None) -> bytes:
        """Return ONNX bytes: `pictures` (N, px, px, 3) uint8 -> `features` (N, D) float32.

        Args:
            channels: the numbers wanted, as `channels_of` counts them, in rising order; None for the last layer's. All
                of those are in the graph as `LAST_FEATURES`.
        """
        import onnx
        from onnx import TensorProto, helper

        channels = self.channels_of("last") if channels is None else channels
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        graph, start, joined = model.graph, 0, []
        for tap in self.taps:
            own = channels[(channels >= start) & (channels < start + tap.channels)] - start
            start += tap.channels
            is_last = tap is self.taps[-1]
            if not len(own) and not is_last:
                continue
            mean = LAST_FEATURES if is_last else f"{tap.tensor}/mean"
            _append_mean(model, tap, mean, with_first_token=is_last)
            if 0 < len(own) < tap.channels:
                picked = f"{mean}/picked"
                graph.initializer.append(onnx.numpy_helper.from_array(own, f"{mean}/channels"))
                graph.node.append(helper.make_node("Gather", [mean, f"{mean}/channels"], [picked], picked, axis=1))
                mean = picked
            joined += [mean] if len(own) else []
        join = ("Identity", {}) if len(joined) == 1 else ("Concat", {"axis": 1})
        graph.node.append(helper.make_node(join[0], joined, [FEATURES], FEATURES, **join[1]))
        graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", len(channels)]))
        _prune(graph, FEATURES)
        content: bytes = model.SerializeToString()
        return content


def import_network(content: bytes, *, name: str, image_px: int, mean: str = "", std: str = "") -> ImportedNetwork:
    """Read a network from the bytes of an ONNX file.

    Args:
        content: ONNX without external data, with one input of pictures, (N, 3, h, w) or (N, h, w, 3), float32 or
            uint8.
        name: of the file, for messages.
        image_px: side of the square pictures that it will be fed.
        mean, std: of the channels on a scale from 0 to 1, as "0.485,0.456,0.406"; what is fed is
            (pixel / 255 - mean) / std. Without them the pixels 0 to 255 are fed as they are.

    Raises:
        WeightsUnavailable: it is no such file; the message names what it has instead.
        WrongUsage: mean or std are no three numbers.
        MissingExtra: the package onnx is not installed.
    """
    require_extra("train", "onnx", needed_by="A backbone from a file")
    import onnx

    scaling = channel_values("--mean", mean), channel_values("--std", std)
    try:
        model = onnx.load_from_string(content)
        opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
        if not opset or not model.graph.node:
            raise ValueError("it names no version of the standard operators, or has no operators")
        if opset < LEAST_OPSET:
            model = onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:  # protobuf and the converter raise kinds of their own
        reason = (str(error).strip().splitlines() or [repr(error)])[0].rstrip(".")
        raise _refused(name, f"It cannot be read as ONNX: {reason}.") from error
    graph = model.graph
    held = [attribute.t for node in graph.node for attribute in node.attribute if attribute.HasField("t")]
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in (*graph.initializer, *held)):
        raise _refused(name, "It keeps its weights in another file.")
    known = {tensor.name for tensor in graph.initializer}
    inputs = [given for given in graph.input if given.name not in known]
    if len(inputs) != 1 or not graph.output:
        raise _refused(name, f"It has {len(inputs)} inputs and {len(graph.output)} outputs.")
    outputs = [output.name for output in graph.output]
    _rename(graph, {inputs[0].name: "input"})
    _feed(model, inputs[0], name, image_px, scaling)
    shapes = _shapes(model)
    axes = _channel_axes(graph, shapes)
    last = _last(graph, [_OWN + output for output in outputs], shapes, axes, name)
    del graph.output[:]
    del model.metadata_props[:]
    taps = (*(tap for tap in _taps(graph, shapes, axes) if tap.tensor != last.tensor), last)
    needed = onnx.GraphProto()
    needed.CopyFrom(graph)
    _prune(needed, *(tap.tensor for tap in taps))
    parameters = sum(int(np.prod(tensor.dims)) for tensor in needed.initializer)
    return ImportedNetwork(model, taps, parameters)


def _refused(name: str, why: str) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"{name} cannot be used as a backbone.",
        why,
        "Export the network again as one ONNX file with one input of pictures, (N, 3, height, width) in float32.",
    )


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    """Put our prefix before every name of the file, and rename some."""

    def own(name: str) -> str:
        return name and _OWN + names.get(name, name)

    for tensor in graph.initializer:
        tensor.name = own(tensor.name)
    for node in graph.node:
        node.name = own(node.name)
        node.input[:] = [own(name) for name in node.input]
        node.output[:] = [own(name) for name in node.output]
    for info in (*graph.input, *graph.output):
        info.name = own(info.name)
    del graph.value_info[:]


def _check_input(given: Any, name: str, image_px: int) -> bool:
    """Refuse an input that takes no square colour pictures of this size; return whether the colours come last."""
    kind = given.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in kind.shape.dim]
    is_last = len(dims) == 4 and dims[3] == 3 and dims[1] != 3
    if len(dims) != 4 or (dims[1] not in (0, 3) and not is_last) or kind.elem_type not in (1, 2):
        letters = {1: "float32", 2: "uint8", 10: "float16", 11: "float64"}
        shown = " x ".join(str(size or "any") for size in dims) or "of no known shape"
        raise _refused(name, f"Its input is {shown} in {letters.get(kind.elem_type, 'another type')}.")
    fixed = [size for size in (dims[1:3] if is_last else dims[2:4]) if size]
    if len(set(fixed)) > 1:
        raise _refused(name, f"It takes pictures of {fixed[1]} x {fixed[0]} px, which are no squares.")
    if any(size != image_px for size in fixed):
        raise _refused(name, f"It takes pictures of {fixed[0]} px alone; type --image-px {fixed[0]}.")
    return is_last


def _feed(
    model: Any,
    given: Any,
    name: str,
    image_px: int,
    scaling: tuple[tuple[float, float, float] | None, tuple[float, float, float] | None],
) -> None:
    """Put what turns uint8 pictures into what the network wants before it."""
    from onnx import TensorProto, helper, numpy_helper

    graph, kind = model.graph, given.type.tensor_type
    is_last = _check_input(given, name, image_px)
    if kind.elem_type == TensorProto.UINT8 and any(values is not None for values in scaling):
        raise _refused(name, "Its input is uint8, so it scales pictures itself; leave --mean and --std out.")
    fed, nodes = PICTURES, list[Any]()

    def add(operator: str, *more: str, **attributes: Any) -> None:
        nonlocal fed
        made = f"scale/{len(nodes)}"
        nodes.append(helper.make_node(operator, [fed, *more], [made], made, **attributes))
        fed = made

    if kind.elem_type == TensorProto.FLOAT:
        add("Cast", to=TensorProto.FLOAT)
    if any(values is not None for values in scaling):
        mean, std = (np.array(values or plain, np.float64) for values, plain in zip(scaling, _PLAIN, strict=True))
        factor, offset = (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)
        graph.initializer.extend(
            [numpy_helper.from_array(factor, "scale/factor"), numpy_helper.from_array(offset, "scale/offset")]
        )
        add("Mul", "scale/factor")
        add("Add", "scale/offset")
    if not is_last:
        add("Transpose", perm=[0, 3, 1, 2])
    if nodes:
        nodes[-1].output[0] = _INPUT
    else:
        nodes.append(helper.make_node("Identity", [fed], [_INPUT], _INPUT))
    rest = [*graph.node]
    del graph.node[:]
    graph.node.extend([*nodes, *map(_as_expand, rest, [graph] * len(rest))])
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(PICTURES, TensorProto.UINT8, ["N", image_px, image_px, 3]))


_PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # mean and standard deviation that leave pixels as they are, from 0 to 1


def _as_expand(node: Any, graph: Any) -> Any:
    """Return a ConstantOfShape, which bundles may not have, as an Expand, which does the same; others as they are."""
    if node.op_type != "ConstantOfShape":
        return node
    from onnx import helper, numpy_helper

    values = [numpy_helper.to_array(attribute.t) for attribute in node.attribute if attribute.name == "value"]
    value = values[0].reshape(()) if values else np.float32(0)
    scalar = f"{node.output[0]}/value"
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), scalar))
    return helper.make_node("Expand", [scalar, node.input[0]], list(node.output), node.name)


def _shapes(model: Any) -> dict[str, list[int]]:
    """Return the shapes of tensors as far as they can be inferred for one picture; 0 where a size is not known."""
    import onnx

    alone = onnx.ModelProto()
    alone.CopyFrom(model)
    alone.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    del alone.graph.output[:]
    try:
        inferred = onnx.shape_inference.infer_shapes(alone, data_prop=True).graph
    except Exception:  # an operator it does not know: what the file itself says has to do
        inferred = model.graph
    infos = [*inferred.value_info, *inferred.output, *model.graph.output]
    shapes: dict[str, list[int]] = {}
    for info in infos:
        dims = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in info.type.tensor_type.shape.dim]
        if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and (dims or info.name not in shapes):
            shapes.setdefault(info.name, dims)
    return shapes


def _last(
    graph: Any, outputs: Sequence[str], shapes: Mapping[str, list[int]], axes: Mapping[str, int], name: str
) -> Tap:
    """Return where the last features are: the first output, or what a classification layer there is fed."""
    makers = {made: node for node in graph.node for made in node.output}
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    tensor, output = outputs[0], outputs[0]
    while (node := makers.get(tensor)) is not None and node.op_type in ("Softmax", "LogSoftmax", "Sigmoid", "Identity"):
        tensor = node.input[0]
    if node is not None and node.op_type == "Add":
        computed = [given for given in node.input if given not in constants]
        if len(computed) == 1 and (maker := makers.get(computed[0])) is not None and maker.op_type in _LINEAR:
            node = maker
    if node is not None and node.op_type in _LINEAR and len(shapes.get(output, [])) == 2:
        tensor = node.input[0]
    else:
        tensor = output
    shape = shapes.get(tensor, [])
    rank = len(shape)
    axis = 1 if rank == 2 else axes.get(tensor, {3: 2, 4: 1}.get(rank, 0))
    width = shape[axis] if rank in _RANKS and axis else 0
    if not width:
        raise _refused(name, f"What its features are is not clear: {_shown(tensor, shape)}.")
    if shape[0] > 1:
        raise _refused(name, f"It gives {shape[0]:,} rows for one picture: {_shown(tensor, shape)}.")
    return Tap(tensor, rank, axis, 2 * width if _has_first_token(rank, axis) else width, True)


def _shown(tensor: str, shape: Sequence[int]) -> str:
    """Return a tensor's name and shape as words of a message."""
    sizes = " x ".join(str(size or "any") for size in shape)
    return f"{tensor.removeprefix(_OWN)} is {f'{sizes} in float32' if shape else 'no float32 array of known shape'}"


def _has_first_token(rank: int, axis: int) -> bool:
    """Return whether the last features are tokens (N, T, C), of which the first may sum up the others."""
    return rank == 3 and axis == 2


def _channel_axes(graph: Any, shapes: Mapping[str, list[int]]) -> dict[str, int]:
    """Return the axis of the channels of each tensor where the operators tell it.

    Networks keep channels in different places: (N, C, h, w), (N, h, w, C), (N, T, C) or (N, C, T).
    """
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type in ("Constant", "DequantizeLinear")}
    axes = {PICTURES: 3}
    for node in graph.node:
        fed = [(axes[given], shapes.get(given, [])) for given in node.input if given in axes]
        has_weights = node.op_type == "MatMul" and any(given in constants for given in node.input)
        if axis := _axis_behind(node, fed, shapes.get(node.output[0], []), has_weights=has_weights):
            axes[node.output[0]] = axis
    return axes


def _axis_behind(node: Any, fed: Sequence[tuple[int, list[int]]], shape: list[int], *, has_weights: bool) -> int:
    """Return the axis of the channels in a node's output; 0 where that is not clear.

    Convolutions and pools have it second. A linear layer mixes the last axis, which is taken to be that of the channels
    if they are not known to be elsewhere.

    Args:
        node: of the graph.
        fed: axis and shape of each input whose axis is known.
        shape: of the output.
        has_weights: the node multiplies by a constant.
    """
    rank = len(shape)
    if node.op_type in _CHANNELS_SECOND:
        return 1
    if node.op_type == "MatMul" and not has_weights:
        return 0
    if fed and node.op_type in _RESHAPING:
        return _axis_reshaped(*fed[0], shape)
    if fed and node.op_type == "Transpose":
        order = next((list(entry.ints) for entry in node.attribute if entry.name == "perm"), [])
        return order.index(fed[0][0]) if fed[0][0] in order else 0
    known = {axis for axis, before in fed if len(before) in (0, rank)}
    if has_weights or node.op_type == "LayerNormalization":
        known = known or {max(rank - 1, 0)}
    return known.pop() if len(known) == 1 else 0


def _axis_reshaped(axis: int, before: list[int], shape: list[int]) -> int:
    """Return where an axis is after a reshape; 0 where it is cut, joined with another one or lost."""
    if shape and axis == len(before) - 1 and shape[-1] == before[-1]:
        return len(shape) - 1
    return 1 if len(shape) > 1 and axis == 1 and shape[:2] == before[:2] else 0


def _taps(graph: Any, shapes: Mapping[str, list[int]], axes: Mapping[str, int]) -> list[Tap]:
    """Return where the network is read besides its end, by operators alone.

    Blocks end in the addition of a shortcut, or where the resolution is halved next. Within blocks, depthwise
    convolutions are read behind their activations. Where it is not clear which axis has the channels, or a picture is
    cut into several rows, nothing is read.
    """
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for given in node.input:
            users.setdefault(given, []).append(node)
    live = {PICTURES}
    taps: dict[str, Tap] = {}
    for node in graph.node:
        fed = [given for given in node.input if given in live]
        if not fed:
            continue
        live.update(node.output)
        tensor, is_block = _read_at(node, fed, users)
        shape = shapes.get(tensor, [])
        axis = axes.get(tensor, 0)
        width = shape[axis] if len(shape) in (3, 4) and axis and shape[0] <= 1 else 0
        if width > 3 and (tensor not in taps or (is_block and not taps[tensor].is_block)):  # three are the colours
            taps[tensor] = Tap(tensor, len(shape), axis, width, is_block)
    return list(taps.values())


def _read_at(node: Any, fed: Sequence[str], users: Mapping[str, list[Any]]) -> tuple[str, bool]:
    """Return the tensor that a node makes worth reading and whether it is the output of a block; "" for none."""
    strides = next((list(entry.ints) for entry in node.attribute if entry.name == "strides"), [1])
    groups = next((entry.i for entry in node.attribute if entry.name == "group"), 1)
    if node.op_type == "Add" and len(fed) == 2:
        return node.output[0], True
    if node.op_type in _POOLS or (node.op_type == "Conv" and max(strides) > 1 and groups == 1):
        return fed[0], True
    if node.op_type != "Conv" or groups == 1:
        return "", False
    tensor = node.output[0]
    while len(after := users.get(tensor, [])) == 1 and after[0].op_type in _ACTIVATIONS:
        tensor = after[0].output[0]
    return tensor, False


def _append_mean(model: Any, tap: Tap, mean: str, *, with_first_token: bool) -> None:
    """Append the averages over the positions of a tap; of the last tokens the first, which sums them up, comes too."""
    from onnx import helper, numpy_helper

    graph = model.graph
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if tap.rank == 2:
        graph.node.append(helper.make_node("Identity", [tap.tensor], [mean], mean))
        return
    averaged = f"{mean}/tokens" if with_first_token and _has_first_token(tap.rank, tap.axis) else mean
    axes = [axis for axis in range(1, tap.rank) if axis != tap.axis]
    if opset >= 18:
        graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), f"{mean}/axes"))
        graph.node.append(
            helper.make_node("ReduceMean", [tap.tensor, f"{mean}/axes"], [averaged], averaged, keepdims=0)
        )
    else:
        graph.node.append(helper.make_node("ReduceMean", [tap.tensor], [averaged], averaged, axes=axes, keepdims=0))
    if averaged != mean:
        first = f"{mean}/first"
        graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), f"{mean}/zero"))
        graph.node.append(helper.make_node("Gather", [tap.tensor, f"{mean}/zero"], [first], first, axis=1))
        graph.node.append(helper.make_node("Concat", [first, averaged], [mean], mean, axis=1))


def _prune(graph: Any, *wanted: str) -> None:
    """Remove nodes and constants that the wanted tensors do not need."""
    needed, kept = {*wanted, LAST_FEATURES}, []
    for node in reversed(graph.node):
        if any(made in needed for made in node.output):
            kept.append(node)
            needed.update(node.input)
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    kept.reverse()
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(constants)
