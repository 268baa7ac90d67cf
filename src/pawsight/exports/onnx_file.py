"""ONNX: the bundle's own graph, with what must travel with it in the file's metadata.

Enters: an `Order`. Leaves: model.onnx. Does not know: who runs it.

Opset 17 (18 for `majority`), one file without external data; `pictures` uint8 (N, H, W, 3) with N free, H and W fixed;
`probabilities` float32 (N, C), `features` float32 (N, D) and, with a guard, `unlikeness` float32 (N,).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pawsight.core.storage import write_bytes
from pawsight.exports.facts import as_metadata, facts_of
from pawsight.exports.target import Order


def make_onnx(order: Order, places: Mapping[str, Path]) -> None:
    """Write the graph with its metadata."""
    write_bytes(places["onnx"], with_metadata(order.onnx, as_metadata(facts_of(order))))


def with_metadata(model: bytes, metadata: Mapping[str, str]) -> bytes:
    """Return a graph whose metadata is that and nothing else; the computation stays the same, byte for byte."""
    import onnx

    opened = onnx.load_from_string(model)
    onnx.helper.set_model_props(opened, dict(metadata))
    onnx.checker.check_model(opened)
    content: bytes = opened.SerializeToString()
    return content
