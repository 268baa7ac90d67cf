"""A recipe -> the Keras network that it trains from nothing.

Enters: a `Recipe`, the number of classes. Leaves: a `keras.Model` from uint8 pictures to logits. Does not know:
pictures, training.

The scaling is part of the graph. Augmentation is not: it is done to the pictures before they come here, so no saved
model holds a random layer. Keras must have been imported quietly before (`models.keras_import`).
"""

from __future__ import annotations

import keras
from keras import layers

from pawsight.models.recipe import Recipe

_BLOCKS = ((32, 0.2), (32, 0.2), (64, 0.0))  # filters and dropout of the exercise's three convolutions
SCALED = "scaled"  # name of the layer whose output is what the first trainable layer is fed
EMBEDDING = "embedding"  # name of the last hidden layer; its output is the bundle's features


def build_network(recipe: Recipe, *, classes: int, precision: str) -> keras.Model:
    """Build the exercise's convolutional network, layer for layer.

    Args:
        recipe: its size and scaling, and the seed of the dropout.
        classes: outputs C.
        precision: "f32" or "bf16", of the arithmetic; weights and logits are float32 either way.

    Returns:
        uint8 (N, image_px, image_px, 3) -> logits float32 (N, C).
    """
    policy = _policy(precision)
    pictures = keras.Input((recipe.image_px, recipe.image_px, 3), dtype="uint8", name="pictures")
    x = scale(pictures, recipe.scaling)
    for number, (filters, dropout) in enumerate(_BLOCKS):
        x = layers.Conv2D(filters, 3, activation="relu", dtype=policy, name=f"conv2d_{number + 1}")(x)
        x = layers.MaxPooling2D(2, dtype=policy, name=f"max_pooling2d_{number + 1}")(x)
        if dropout:
            x = layers.Dropout(dropout, seed=recipe.seed + number, dtype=policy, name=f"dropout_{number + 1}")(x)
    return keras.Model(pictures, answer(x, classes=classes, policy=policy), name=recipe.name.replace("-", "_"))


def build_top(shape: tuple[int, ...], *, classes: int, seed: int) -> keras.Model:
    """Build what follows the frozen MobileNetV2: dropout, flatten, dense 64, dense C.

    Args:
        shape: of one picture's features, without the batch.
        seed: of the dropout.
    """
    features = keras.Input(shape, name="maps")
    x = layers.Dropout(0.2, seed=seed, name="dropout")(features)
    return keras.Model(features, answer(x, classes=classes, policy="float32"), name="top")


def scale(pictures: keras.KerasTensor, scaling: str) -> keras.KerasTensor:
    """Bring uint8 pixels to the range a network is fed: raw 0..255, or -1..1 as MobileNetV2 wants them."""
    if scaling == "signed":
        return layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name=SCALED)(pictures)
    return layers.Rescaling(1.0, dtype="float32", name=SCALED)(pictures)


def answer(x: keras.KerasTensor, *, classes: int, policy: str) -> keras.KerasTensor:
    """Append flatten, dense 64 and the logits."""
    x = layers.Flatten(dtype=policy, name="flatten")(x)
    x = layers.Dense(64, activation="relu", dtype=policy, name=EMBEDDING)(x)
    return layers.Dense(classes, dtype="float32", name="logits")(x)


def _policy(precision: str) -> str:
    return "mixed_bfloat16" if precision == "bf16" else "float32"
