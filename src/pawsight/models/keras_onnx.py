"""Converts the exercise's Keras networks to ONNX with tf2onnx, and gives the ends of the graph their names.

EfficientNet-Lite is not converted: its graph is written in efficientnet_onnx.py.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from pawsight.core.storage import scratch_folder
from pawsight.models.head_graph import FEATURES, PICTURES, append_head
from pawsight.models.networks import EMBEDDING

OPSET = 17


def features_onnx(model: Any, *, image_px: int) -> bytes:
    """Convert a model from pictures uint8 (N, H, W, 3) to features of any shape.

    Returns:
        ONNX bytes, opset 17: `pictures` uint8 (N, image_px, image_px, 3) -> `features` float32 (N, ...).

    Raises:
        StorageError: the disk refused.
    """
    import keras
    import onnx

    pictures = keras.InputSpec(dtype="uint8", shape=(None, image_px, image_px, 3), name=PICTURES)
    with scratch_folder() as folder, _silence():
        target = folder / "model.onnx"
        model.export(target, format="onnx", verbose=False, input_signature=[pictures], opset_version=OPSET)
        graph = onnx.load(target)
    _tidy(graph)
    onnx.checker.check_model(graph, full_check=True)
    content: bytes = graph.SerializeToString()
    return content


def _tidy(model: Any) -> None:
    """Give the ends of a converted graph their names, and drop what the converter declares and never uses."""
    graph = model.graph
    for node in graph.node:
        node.output[:] = [FEATURES if output == graph.output[0].name else output for output in node.output]
    graph.output[0].name = FEATURES
    for end in (graph.input[0], graph.output[0]):
        end.type.tensor_type.shape.dim[0].dim_param = "N"
    del graph.value_info[:]
    used = {node.domain for node in graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what the converter prints, and its warnings about NumPy's future, from the user's terminal."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        yield


def network_onnx(model: Any, *, image_px: int, classes: Sequence[str]) -> bytes:
    """Convert a float32 network that ends in an embedding and a linear layer of logits.

    The linear layer becomes the bundle's head, so that the embedding comes out as `features`.
    """
    import keras

    seen = keras.Model(model.input, model.get_layer(EMBEDDING).output)
    weights, bias = model.get_layer("logits").get_weights()
    return append_head(features_onnx(seen, image_px=image_px), weights, bias, classes=classes)
