"""Keras -> ONNX, in the form that the rest of the house relies on.

Enters: a `keras.Model` from uint8 pictures. Leaves: ONNX bytes with `pictures` and `features` at their ends. Does not
know: what the model is for, files.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from pawsight.models.export_backbone import INPUT, OPSET, tidied
from pawsight.models.head_graph import append_head
from pawsight.models.networks import EMBEDDING
from pawsight.storage import scratch_folder


def features_onnx(model: Any, *, image_px: int) -> bytes:
    """Convert a model from pictures uint8 (N, H, W, 3) to features of any shape.

    Returns:
        ONNX bytes, opset 17: `pictures` uint8 (N, image_px, image_px, 3) -> `features` float32 (N, ...).

    Raises:
        StorageError: the disk refused.
    """
    import keras
    import onnx

    pictures = keras.InputSpec(dtype="uint8", shape=(None, image_px, image_px, 3), name=INPUT)
    with scratch_folder() as folder, _silence():
        target = folder / "model.onnx"
        model.export(target, format="onnx", verbose=False, input_signature=[pictures], opset_version=OPSET)
        graph = tidied(onnx.load(target))
    onnx.checker.check_model(graph, full_check=True)
    content: bytes = graph.SerializeToString()
    return content


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep what the converter prints, and its warnings about NumPy's future, from the user's terminal."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def network_onnx(model: Any, *, image_px: int, classes: Sequence[str]) -> bytes:
    """Convert a float32 network that ends in an embedding and a linear layer of logits.

    The linear layer becomes the bundle's head, so that the embedding comes out as `features`.
    """
    import keras

    seen = keras.Model(model.input, model.get_layer(EMBEDDING).output)
    weights, bias = model.get_layer("logits").get_weights()
    return append_head(features_onnx(seen, image_px=image_px), weights, bias, classes=classes)
