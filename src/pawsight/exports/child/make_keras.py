"""ONNX -> .keras, SavedModel and .tflite, in a process of its own: TensorFlow takes a gigabyte, and talks.

Enters: the path of an ONNX file, then pairs of target and path on the command line. Leaves: those files and folders.
Does not know: bundles, exams.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import onnx

from pawsight.exports.child.onnx_to_keras import to_keras

SIGNATURE = "serving_default"


def main(words: list[str]) -> None:
    """Make what is named."""
    model = to_keras(onnx.load(words[0]))
    wanted = dict(zip(words[1::2], map(Path, words[2::2]), strict=True))
    if "keras" in wanted:
        model.save(wanted["keras"])
    with tempfile.TemporaryDirectory(prefix="pawsight-") as folder:
        saved = wanted.get("saved-model", Path(folder) / "saved")
        if wanted.keys() & {"saved-model", "litert"}:
            _save(model, saved)
        if "litert" in wanted:
            wanted["litert"].write_bytes(_litert(saved))


def _save(model: Any, folder: Path) -> None:
    """Write a SavedModel; Keras's own `export` would store every weight twice."""
    import tensorflow as tf

    entrance = model.inputs[0]
    module = tf.Module()
    module.weights = [one.value for one in model.variables]
    pictures = tf.TensorSpec(entrance.shape, tf.uint8, name=entrance.name)
    module.answer = tf.function(lambda pictures: model(pictures, training=False), input_signature=[pictures])
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.answer.get_concrete_function()})


def _litert(saved: Path) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=[SIGNATURE])
    content: bytes = converter.convert()
    return content


if __name__ == "__main__":
    main(sys.argv[1:])
