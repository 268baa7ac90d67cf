"""The exercise, plainly: its four models written the way a reader of it would, as a peer to time against.

usage: python benchmarks/exercise.py FOLDER MODEL EPOCHS [WEIGHTS]
    FOLDER has train/ and validation/ with class folders; MODEL is 1 to 4; WEIGHTS are MobileNetV2's (.h5), for model 4.
Prints one JSON object an epoch: {"epoch": 1, "seconds": 20.1, "accuracy": 0.9, "validation": 0.96}.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from keras import layers

SIDE, BATCH = 160, 32


def pictures(folder: str, part: str, *, seed: int) -> tf.data.Dataset:
    """Read one part as the exercise does: from disk at every epoch, resized, shuffled."""
    found = keras.utils.image_dataset_from_directory(
        f"{folder}/{part}", image_size=(SIDE, SIDE), batch_size=BATCH, shuffle=True, seed=seed, verbose=False
    )
    return found.prefetch(tf.data.AUTOTUNE)


def convolutions() -> list[keras.Layer]:
    """Return the three convolutions that models one to three share, and their two dense layers."""
    stack: list[keras.Layer] = []
    for filters in (32, 32, 64):
        stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2)]
        stack += [layers.Dropout(0.2)] if filters == 32 else []
    return [*stack, *answer()]


def answer() -> list[keras.Layer]:
    """Return the layers that every model ends with."""
    return [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(2)]


def transfer(weights: str | None) -> list[keras.Layer]:
    """Return the frozen MobileNetV2 and what follows it."""
    base = keras.applications.MobileNetV2((SIDE, SIDE, 3), include_top=False, weights=weights)
    base.trainable = False
    inputs = keras.Input((SIDE, SIDE, 3))
    return [keras.Model(inputs, base(inputs, training=False)), layers.Dropout(0.2), *answer()]


def model(number: int, weights: str | None) -> keras.Model:
    """Build one of the exercise's four models."""
    scaled = layers.Rescaling(1 / 127.5, offset=-1)
    turned = layers.RandomRotation(0.2)
    parts = {
        1: convolutions,
        2: lambda: [layers.RandomFlip(), layers.RandomRotation(0.5, fill_mode="nearest"), *convolutions()],
        3: lambda: [scaled, layers.RandomFlip(), turned, *convolutions()],
        4: lambda: [scaled, layers.RandomFlip(), turned, *transfer(weights)],
    }
    built = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *parts[number]()])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    built.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return built


class Told(keras.callbacks.Callback):
    """Prints each epoch with its seconds, validation included."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seconds = time.perf_counter() - self.start
        values = {"accuracy": logs["accuracy"], "validation": logs["val_accuracy"]} if logs else {}
        print(json.dumps({"epoch": epoch + 1, "seconds": round(seconds, 2), **values}), flush=True)


def main() -> None:
    folder, number, epochs, *rest = sys.argv[1:]
    keras.utils.set_random_seed(0)
    held_out = pictures(folder, "validation", seed=0)
    fifth = int(held_out.cardinality()) // 5
    model(int(number), rest[0] if rest else None).fit(
        pictures(folder, "train", seed=0),
        validation_data=held_out.skip(fifth),
        epochs=int(epochs),
        verbose=0,
        callbacks=[Told()],
    )


if __name__ == "__main__":
    main()
