"""Networks in Keras: the exercise's, with their conversion to ONNX.

Call `import_keras` first. Scaling is part of a graph; augmentation is not, so no saved model holds a random layer.
EfficientNet-Lite needs neither: its table and its graph are in efficientnet_lite.py.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.core.errors import PawsightError, WeightsUnavailable, require_extra
from pawsight.core.storage import scratch_folder
from pawsight.models.graph import FEATURES, PICTURES, append_head
from pawsight.models.recipes import Recipe
from pawsight.models.weights import OTHERWISE, check_weights

if TYPE_CHECKING:
    import keras

_BLOCKS = ((32, 0.2), (32, 0.2), (64, 0.0))  # filters and dropout of the exercise's three convolutions
SCALED = "scaled"  # name of the layer whose output is what the first trainable layer is fed
EMBEDDING = "embedding"  # name of the last hidden layer; its output is the bundle's features
OPSET = 17


def import_keras() -> None:
    """Import Keras on TensorFlow.

    Raises:
        MissingExtra: Keras or TensorFlow is not installed.
        PawsightError: Keras runs on another backend in this process.
    """
    require_extra(
        "keras",
        "keras",
        "tensorflow",
        needed_by="This recipe",
        why="The recipes probe and majority need neither Keras nor TensorFlow; the others do.",
    )
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise PawsightError(
            f"Keras runs on {backend} in this process.",
            "The recipes with gradients are trained on TensorFlow.",
            "Set KERAS_BACKEND=tensorflow before Keras is imported.",
        )


def build_network(recipe: Recipe, *, classes: int, precision: str) -> keras.Model:
    """Build the exercise's convolutional network, layer for layer.

    Args:
        recipe: its size and scaling, and the seed of the dropout.
        classes: outputs C.
        precision: "f32" or "bf16", of the arithmetic; weights and logits are float32 either way.

    Returns:
        uint8 (N, image_px, image_px, 3) -> logits float32 (N, C).
    """
    import keras
    from keras import layers

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
    import keras
    from keras import layers

    features = keras.Input(shape, name="maps")
    x = layers.Dropout(0.2, seed=seed, name="dropout")(features)
    return keras.Model(features, answer(x, classes=classes, policy="float32"), name="top")


def build_mobilenet(*, image_px: int, weights: Path | None) -> keras.Model:
    """Build MobileNetV2 without its top, scaling included.

    Args:
        image_px: side of the pictures; a multiple of 32.
        weights: a Keras weights file (.h5) for `include_top=False`; None: Keras downloads its own.

    Returns:
        uint8 (N, image_px, image_px, 3) -> maps float32 (N, image_px/32, image_px/32, 1280), not trainable.

    Raises:
        WeightsUnavailable: the file does not fit, or the download cannot be had.

    Source: M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018; `keras.applications`.
    """
    import keras

    shape = (image_px, image_px, 3)
    if weights is not None:
        check_weights(weights)
    try:
        given = "imagenet" if weights is None else str(weights)
        with contextlib.redirect_stdout(io.StringIO()):  # Keras reports its download on stdout, where answers go
            base = keras.applications.MobileNetV2(input_shape=shape, include_top=False, weights=given)
    except Exception as error:  # Keras wraps whatever its download or h5py raised
        raise _unavailable(weights, error) from error
    base.trainable = False
    pictures = keras.Input(shape, dtype="uint8", name="pictures")
    return keras.Model(pictures, base(scale(pictures, "signed"), training=False), name="frozen")


def _unavailable(weights: Path | None, error: Exception) -> WeightsUnavailable:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if weights is None:
        return WeightsUnavailable("MobileNetV2's weights could not be downloaded.", f"Keras says: {why}", OTHERWISE)
    return WeightsUnavailable(f"{weights} does not hold MobileNetV2's weights.", f"Keras says: {why}", OTHERWISE)


def scale(pictures: keras.KerasTensor, scaling: str) -> keras.KerasTensor:
    """Bring uint8 pixels to the range a network is fed: raw 0..255, or -1..1 as MobileNetV2 wants them."""
    from keras import layers

    if scaling == "signed":
        return layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name=SCALED)(pictures)
    return layers.Rescaling(1.0, dtype="float32", name=SCALED)(pictures)


def answer(x: keras.KerasTensor, *, classes: int, policy: str) -> keras.KerasTensor:
    """Append flatten, dense 64 and the logits."""
    from keras import layers

    x = layers.Flatten(dtype=policy, name="flatten")(x)
    x = layers.Dense(64, activation="relu", dtype=policy, name=EMBEDDING)(x)
    return layers.Dense(classes, dtype="float32", name="logits")(x)


def _policy(precision: str) -> str:
    return "mixed_bfloat16" if precision == "bf16" else "float32"


def network_onnx(model: Any, *, image_px: int, classes: Sequence[str]) -> bytes:
    """Convert a float32 network that ends in an embedding and a linear layer of logits.

    The linear layer becomes the bundle's head, so that the embedding comes out as `features`.
    """
    import keras

    features = keras.Model(model.input, model.get_layer(EMBEDDING).output)
    weights, bias = model.get_layer("logits").get_weights()
    return append_head(features_onnx(features, image_px=image_px), weights, bias, classes=classes)


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
    """Name the inputs and outputs of a converted graph, and drop what the converter declares and never uses."""
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
