"""Small networks as other programs export them: convolutions with a shortcut, and a transformer with a first token."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def convolutional(*, outputs: int = 0, opset: int = 17, colours: bool = False) -> bytes:
    """ONNX: (N, 3, H, W) float32 -> maps (N, 24, 8, 8) for pictures of 32 px, or the logits of a classification layer.

    Args:
        outputs: of the classification layer; 0 for none.
        opset: version of the operators.
        colours: the first channels are those of the picture.
    """
    random = np.random.default_rng(3)
    constants: dict[str, np.ndarray] = {}
    nodes = []

    def convolve(given: str, name: str, shape: tuple[int, ...], **attributes: object) -> str:
        weights = random.normal(0, 0.3, shape).astype(np.float32)
        if colours and name == "stem":
            weights[:3] = np.eye(3, dtype=np.float32)[:, :, None, None] / np.prod(shape[2:])
        constants[f"{name}.weight"] = weights
        pads = [size // 2 for size in shape[2:]] * 2
        nodes.append(helper.make_node("Conv", [given, f"{name}.weight"], [f"{name}.out"], pads=pads, **attributes))
        nodes.append(helper.make_node("Relu", [f"{name}.out"], [f"{name}.act"]))
        return f"{name}.act"

    fed = convolve("pixel_values", "stem", (8, 3, 3, 3), strides=[2, 2])
    deep = convolve(fed, "depthwise", (8, 1, 3, 3), group=8)
    wide = convolve(deep, "project", (8, 8, 1, 1))
    nodes.append(helper.make_node("Add", [fed, wide], ["block"]))
    end = convolve("block", "head", (24, 8, 3, 3), strides=[2, 2])
    shape: list[str | int] = ["N", 24, "h", "w"]
    if outputs:
        constants["classify.weight"] = random.normal(0, 0.3, (24, outputs)).astype(np.float32)
        constants["classify.bias"] = random.normal(0, 0.3, outputs).astype(np.float32)
        nodes.append(helper.make_node("GlobalAveragePool", [end], ["pooled"]))
        nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
        nodes.append(helper.make_node("Gemm", ["flat", "classify.weight", "classify.bias"], ["logits"]))
        end, shape = "logits", ["N", outputs]
    return _model(nodes, constants, end, shape, opset)


def transformer() -> bytes:
    """ONNX: (N, 3, H, W) float32 -> tokens (N, 1 + 16, 12) for pictures of 32 px, the first one expanded to N."""
    random = np.random.default_rng(4)
    constants = {
        "patch": random.normal(0, 0.1, (12, 3, 8, 8)).astype(np.float32),
        "first": random.normal(0, 1, (1, 1, 12)).astype(np.float32),
        "mix": random.normal(0, 0.3, (12, 12)).astype(np.float32),
        "scale": np.ones(12, np.float32),
        "offset": np.zeros(12, np.float32),
        "zero": np.array([0], np.int64),
        "tail": np.array([1, 12], np.int64),
        "rank": np.array([3], np.int64),
        "flat": np.array([0, 12, -1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["pixel_values", "patch"], ["patches"], strides=[8, 8]),
        node("Reshape", ["patches", "flat"], ["rows"]),
        node("Transpose", ["rows"], ["tokens"], perm=[0, 2, 1]),
        # As PyTorch exports `expand(batch, -1, -1)`.
        node("Shape", ["pixel_values"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"], axis=0),
        node("Concat", ["batch", "tail"], ["wanted"], axis=0),
        node(
            "ConstantOfShape",
            ["rank"],
            ["ones"],
            value=helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        ),
        node("Mul", ["wanted", "ones"], ["size"]),
        node("Expand", ["first", "size"], ["expanded"]),
        node("Concat", ["expanded", "tokens"], ["all"], axis=1),
        node("MatMul", ["all", "mix"], ["mixed"]),
        node("Add", ["all", "mixed"], ["attended"]),
        node("MatMul", ["attended", "mix"], ["again"]),
        node("Add", ["attended", "again"], ["block"]),
        node("LayerNormalization", ["block", "scale", "offset"], ["last_hidden_state"], axis=-1),
    ]
    return _model(nodes, constants, "last_hidden_state", ["N", "T", 12], 17)


def channels_last() -> tuple[bytes, list[str]]:
    """ONNX: (N, 3, 32, 32) float32 -> maps (N, 8, 8, 12), and the names of its blocks in the order of computation.

    They are (N, 8, 8, 12), (N, 12, 64) and, of each of four windows of a picture, (4 N, 16, 12).
    """
    random = np.random.default_rng(5)
    constants = {
        "patch": random.normal(0, 0.1, (12, 3, 4, 4)).astype(np.float32),
        "mix": random.normal(0, 0.3, (12, 12)).astype(np.float32),
        "place": random.normal(0, 0.3, (64, 64)).astype(np.float32),
        "rows": np.array([0, 64, 12], np.int64),
        "windows": np.array([-1, 16, 12], np.int64),
        "maps": np.array([-1, 8, 8, 12], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["pixel_values", "patch"], ["patches"], strides=[4, 4]),
        node("Transpose", ["patches"], ["turned"], perm=[0, 2, 3, 1]),
        node("MatMul", ["turned", "mix"], ["mixed"]),
        node("Add", ["turned", "mixed"], ["block.maps"]),
        node("Reshape", ["block.maps", "rows"], ["tokens"]),
        node("Transpose", ["tokens"], ["channels"], perm=[0, 2, 1]),
        node("MatMul", ["channels", "place"], ["moved"]),
        node("Add", ["channels", "moved"], ["block.channels"]),
        node("Transpose", ["block.channels"], ["back"], perm=[0, 2, 1]),
        node("Reshape", ["back", "windows"], ["windowed"]),
        node("MatMul", ["windowed", "mix"], ["again"]),
        node("Add", ["windowed", "again"], ["block.windows"]),
        node("Reshape", ["block.windows", "maps"], ["last"]),
    ]
    blocks = ["block.maps", "block.channels", "block.windows"]
    return _model(nodes, constants, "last", ["N", 8, 8, 12], 17), blocks


def _model(nodes: list, constants: dict[str, np.ndarray], output: str, shape: list, opset: int) -> bytes:
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", "channels", "h", "w"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString()
