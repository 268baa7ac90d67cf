"""ONNX -> .keras, SavedModel and .tflite. TensorFlow takes a gigabyte of memory, so this is a process of its own.

Arguments: an ONNX file, then pairs of a target's name and the path to write.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import onnx

from pawsight.exports.subprocesses.onnx_to_keras import to_keras

SIGNATURE = "serving_default"


def main(arguments: list[str]) -> None:
    """Write the named targets."""
    model = to_keras(onnx.load(arguments[0]))
    paths = dict(zip(arguments[1::2], map(Path, arguments[2::2]), strict=True))
    if "keras" in paths:
        model.save(paths["keras"])
    with tempfile.TemporaryDirectory(prefix="pawsight-") as folder:
        saved = paths.get("saved-model", Path(folder) / "saved")
        if paths.keys() & {"saved-model", "litert"}:
            _save(model, saved)
        if "litert" in paths:
            paths["litert"].write_bytes(_litert(saved))


def _save(model: Any, folder: Path) -> None:
    """Write a SavedModel; Keras's own `export` would store every weight twice."""
    import tensorflow as tf

    pictures_input = model.inputs[0]
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    pictures = tf.TensorSpec(pictures_input.shape, tf.uint8, name=pictures_input.name)
    module.answer = tf.function(lambda pictures: model(pictures, training=False), input_signature=[pictures])
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.answer.get_concrete_function()})


def _litert(saved: Path) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=[SIGNATURE])
    content: bytes = converter.convert()
    return content


if __name__ == "__main__":
    main(sys.argv[1:])
