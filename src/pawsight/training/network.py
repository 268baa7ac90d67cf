"""The method `network`: a convolutional network trained from nothing, as the exercise's first three models are.

Enters: `Material`. Leaves: `Fitted`. Does not know: how rungs compare.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pawsight.classifier.engine import PRECISION_NAMES, Precision, best_precision
from pawsight.core.history import best_epoch
from pawsight.core.machine import Machine
from pawsight.models.keras_import import import_keras
from pawsight.training.batches import batches, class_weights
from pawsight.training.fit import Job, fit
from pawsight.training.input_checks import check_inputs, check_labels
from pawsight.training.material import Fitted, Layer, Material
from pawsight.training.tripwires import Watch


def fit_network(material: Material) -> Fitted:
    """Train the recipe's network and return it at its best epoch."""
    import_keras()
    from pawsight.models.keras_onnx import network_onnx
    from pawsight.models.networks import build_network

    recipe, classes, watch = material.recipe, len(material.classes), Watch()
    precision = training_precision(recipe.precision, material.place.machine)
    with seeded(recipe.seed):
        model = build_network(recipe, classes=classes, precision=precision)
    job = _job(material)
    _check(model, material, watch)
    with material.place.stopwatch.stage("training"):
        history = fit(model, job, watch, material.place.progress)
    with material.place.stopwatch.stage("converting"):
        with seeded(recipe.seed):
            plain = build_network(recipe, classes=classes, precision="f32")
        plain.set_weights(model.get_weights())
        graph = network_onnx(plain, image_px=recipe.image_px, classes=material.classes)
    return Fitted(
        model=graph,
        probabilities=material.answers(graph),
        parameters=(model.count_params(), trainable_parameters(model)),
        layers=layers_of(plain),
        history=history,
        notes=(
            kept(history),
            f"trained in {PRECISION_NAMES[precision]}",
            *weighted(recipe.class_weights),
            *watch.remarks,
        ),
        precision=material.precision,
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed what Keras draws its layers' seeds from, Python's own generator, and put that back as it was."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def training_precision(wanted: str, machine: Machine) -> Precision:
    """Return the arithmetic of the gradients: as wished, else bfloat16 where AMX makes it faster.

    On AVX-512 alone the exercise's first network takes 0.37 CPU-seconds a step in bfloat16 and 0.28 in float32.
    """
    if wanted == "auto":
        return best_precision(machine)
    return "bf16" if wanted == "bf16" else "f32"


def kept(history: tuple[Any, ...]) -> str:
    """Say which epoch's weights were kept."""
    return f"kept epoch {best_epoch(history).number} of {len(history)}, the best on validation"


def weighted(wanted: bool) -> tuple[str, ...]:
    """Say that classes were weighted, where they were."""
    return ("pictures of rare classes counted more, inverse to the size of their class",) if wanted else ()


def trainable_parameters(model: Any) -> int:
    """Return how many parameters the optimizer may change."""
    return int(sum(np.prod(variable.shape) for variable in model.trainable_variables))


def layers_of(model: Any) -> tuple[Layer, ...]:
    """List a Keras model's layers."""
    return tuple(
        Layer(
            layer.name,
            type(layer).__name__,
            " x ".join(str(size) for size in layer.output.shape[1:]),
            int(layer.count_params()),
        )
        for layer in model.layers
    )


def _job(material: Material) -> Job:
    recipe, threads = material.recipe, material.place.machine.cores
    pixels, labels = material.pixels("train"), material.truths("train")
    weights = class_weights(labels, classes=len(material.classes), wanted=recipe.class_weights)
    truths = material.truths("validation")

    def feed(epoch: int) -> Any:
        for batch in batches(pixels, labels, weights, recipe, epoch=epoch, threads=threads):
            yield batch.pixels, batch.labels, batch.weights

    return Job(
        recipe=recipe,
        feed=feed,
        steps=-(-len(labels) // recipe.batch_size),
        held_out=material.pixels("validation"),
        truths=truths,
        classes=material.classes,
        baseline=float(np.bincount(truths).max() / len(truths)),
        folder=material.folder,
        identity=material.identity,
    )


def _check(model: Any, material: Material, watch: Watch) -> None:
    """Let the tripwires look at what the first trainable layer is fed, and at the labels."""
    import keras

    from pawsight.models.networks import SCALED

    fed = keras.Model(model.input, model.get_layer(SCALED).output)
    values = np.asarray(fed.predict_on_batch(np.asarray(material.pixels("train")[:32])))
    low, high, mean = float(values.min()), float(values.max()), float(values.mean())
    watch.heed(check_inputs(low, high, mean, material.recipe.scaling))
    names = [one.name for one in material.split.part("train")]
    given = [material.classes[index] for index in material.truths("train")]
    watch.heed(check_labels(given, [material.pictures[name].label for name in names], names))
