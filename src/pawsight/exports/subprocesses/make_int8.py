"""ONNX in float32 -> ONNX in 8 bits, by NNCF.

Arguments: an ONNX file, pictures to calibrate on as .npy (N, H, W, 3) uint8, the file to write.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping

import nncf
import numpy as np
import onnx

# Averages, maxima, head and detector are a thousandth of the work and give the answer: they stay in float32.
FLOAT32_NODES = (".*/mean", ".*/max", ".*/picked", "features", "head/.*", "trust/.*", "guard/.*", "unlikeness/.*")
# Weights use half the range of 8 bits: with all of it, sums overflow 16 bits where a processor has no VNNI and are
# clamped, and the accuracy is not the measured one (docs/decisions/0013-exports.md).
NO_OVERFLOW = nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE)


def main(source: str, pictures: str, target: str) -> None:
    """Quantise weights and activations before the head."""
    nncf.set_log_level(logging.ERROR)
    model = onnx.load(source)
    averages = joined_averages(model)
    squares = np.load(pictures)
    input_name = model.graph.input[0].name
    dataset = nncf.Dataset(range(len(squares)), lambda index: {input_name: squares[index : index + 1]})
    quantised = nncf.quantize(
        model,
        dataset,
        subset_size=len(squares),
        ignored_scope=nncf.IgnoredScope(patterns=list(FLOAT32_NODES), validate=False),
        advanced_parameters=NO_OVERFLOW,
    )
    if averages:
        join_without_concat(quantised.graph, averages)
    onnx.checker.check_model(quantised)
    onnx.save(quantised, target)


def joined_averages(model: onnx.ModelProto) -> dict[str, int]:
    """Return the arrays (N, D) that a Concat joins to the features, in order, with D of each; none for one layer."""
    shapes = onnx.shape_inference.infer_shapes(model).graph.value_info
    widths = {array.name: array.type.tensor_type.shape.dim[-1].dim_value for array in shapes}
    return {name: widths[name] for node in model.graph.node if is_joint(node) for name in node.input}


def join_without_concat(graph: onnx.GraphProto, widths: Mapping[str, int]) -> None:
    """Join the features by adding them, each padded with zeros where the others are; the numbers stay the same.

    OpenVINO aligns the ranges of 8-bit numbers wherever a graph has a Concat, also of layers that the Concat does not
    join, and computes wrongly then: the features were off by 61 % (2026.4.1; docs/decisions/0018-every-depth.md).
    """
    place = next(place for place, node in enumerate(graph.node) if is_joint(node))
    joint, start, total = graph.node.pop(place), 0, sum(widths.values())
    for name, width in widths.items():
        pads, padded = np.array([0, start, 0, total - start - width], np.int64), f"{name}/padded"
        graph.initializer.append(onnx.numpy_helper.from_array(pads, f"{name}/pads"))
        graph.node.insert(place, onnx.helper.make_node("Pad", [name, f"{name}/pads"], [padded], padded))
        place, start = place + 1, start + width
    padded_names = [f"{name}/padded" for name in widths]
    graph.node.insert(place, onnx.helper.make_node("Sum", padded_names, joint.output, joint.name))


def is_joint(node: onnx.NodeProto) -> bool:
    """Say whether a node is the Concat that makes the features."""
    return node.op_type == "Concat" and "features" in node.output


if __name__ == "__main__":
    main(*sys.argv[1:])
