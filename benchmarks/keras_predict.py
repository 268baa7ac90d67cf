"""The plain way to predict, as a peer: `keras.Model.predict` over `image_dataset_from_directory`, the same network.

usage: python benchmarks/keras_predict.py FOLDER BACKBONE PX CLASSES
    The network is the one a bundle holds, batch norms folded into the convolutions as there, and a softmax of as many
    classes behind it; what its weights are does not change the seconds. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import onnx
import tensorflow as tf

from pawsight.exports.subprocesses.onnx_to_keras import to_keras
from pawsight.models.efficientnet_lite import backbone_onnx


def main() -> None:
    folder, backbone, side, classes = sys.argv[1:]
    px = int(side)
    found = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(px, px), batch_size=32, shuffle=False, verbose=False
    )
    network = to_keras(onnx.load_from_string(backbone_onnx(backbone, px)))
    answers = keras.layers.Dense(int(classes), activation="softmax")(network.output)
    table = keras.Model(network.input, answers).predict(found.prefetch(tf.data.AUTOTUNE), verbose=0)
    print(json.dumps({"pictures": len(table)}))


if __name__ == "__main__":
    main()
