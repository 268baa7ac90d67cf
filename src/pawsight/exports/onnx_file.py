"""The target onnx: the bundle's own graph, with its metadata in the file.

Opset 17 (18 for `majority`), one file without external data. Input `pictures` uint8 (N, H, W, 3), with N free, H and W
fixed. Outputs `probabilities` float32 (N, C), `features` float32 (N, D) and, with an out-of-distribution detector,
`unlikeness` float32 (N,).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pawsight.core.storage import write_bytes
from pawsight.exports.export_context import ExportContext, as_text, metadata_of


def make_onnx(context: ExportContext, paths: Mapping[str, Path]) -> None:
    """Write the graph with its metadata."""
    write_bytes(paths["onnx"], with_metadata(context.onnx, as_text(metadata_of(context))))


def with_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return a graph with this metadata and no other; the computation stays the same, byte for byte."""
    import onnx

    graph = onnx.load_from_string(model)
    onnx.helper.set_model_props(graph, dict(metadata))
    onnx.checker.check_model(graph)
    content: bytes = graph.SerializeToString()
    return content
