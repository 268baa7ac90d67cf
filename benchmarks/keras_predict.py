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
import tensorflow as tf

from pawsight.models.backbones import find_backbone
from pawsight.models.efficientnet_lite import published_weights
from pawsight.models.keras_networks import build_keras


def main() -> None:
    folder, backbone, side, classes = sys.argv[1:]
    px = int(side)
    found = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(px, px), batch_size=32, shuffle=False, verbose=False
    )
    network = build_keras(find_backbone(backbone), px, published_weights(find_backbone(backbone)))
    answers = keras.layers.Dense(int(classes), activation="softmax")(network.output)
    table = keras.Model(network.input, answers).predict(found.prefetch(tf.data.AUTOTUNE), verbose=0)
    print(json.dumps({"pictures": len(table)}))


if __name__ == "__main__":
    main()
