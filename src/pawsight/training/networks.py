"""Trains Keras models by gradient descent: the exercise's networks whole, or what is on a frozen network.

Here are batches, epochs and the network method; what learns on a frozen network is in `transfer`, what a stopped run
resumes from in `checkpoint`, and which training problems are noticed in `diagnostics`.

Same seed, same numbers: the order of batches depends on seed and epoch alone, the random states of the layers are
variables of the model, and all variables are in the checkpoint; so a resumed run gives the same bits.
"""

from __future__ import annotations

import errno
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pawsight.classifier.engine import PRECISION_NAMES, Precision, best_precision
from pawsight.core.machine import Machine
from pawsight.core.runs import Epoch, best_epoch
from pawsight.core.storage import new_folder
from pawsight.core.thread_pool import ordered_map
from pawsight.evaluation.metrics import log_loss
from pawsight.images.augment import Augmentation, augment, generator_for
from pawsight.images.decode import Pixels
from pawsight.models.keras_networks import import_keras
from pawsight.models.recipes import Recipe
from pawsight.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pawsight.training.context import Floats, Labels, Layer, TrainedModel, TrainingContext
from pawsight.training.diagnostics import Diagnostics, check_epoch, check_inputs, check_labels, check_step
from pawsight.training.logistic import class_weights

EVENTS = "tensorboard"
Batch = tuple[Any, Labels, Floats]  # inputs, labels and weights
_SHUFFLE = 0x5E11  # keeps the generator of the order apart from those of the pictures


def train_network(context: TrainingContext) -> TrainedModel:
    """Train the recipe's network and return it at its best epoch."""
    import_keras()
    from pawsight.models.keras_networks import build_network, network_onnx

    recipe, classes, diagnostics = context.recipe, len(context.classes), Diagnostics()
    precision = training_precision(recipe.precision, context.env.machine)
    with seeded(recipe.seed):
        model = build_network(recipe, classes=classes, precision=precision)
    pixels, labels = context.pixels("train"), context.labels("train")
    weights = class_weights(labels, classes=classes) if recipe.class_weights else np.ones(len(labels), np.float32)
    held_out = context.pixels("validation")
    _check_inputs_and_labels(model, context, diagnostics)

    def feed(epoch: int) -> Iterator[Batch]:
        return batches(pixels, labels, weights, recipe, epoch=epoch, threads=context.env.machine.cores)

    with context.env.stopwatch.stage("training"):
        history = fit_epochs(model, context, feed, held_out, diagnostics)
    with context.env.stopwatch.stage("converting"):
        with seeded(recipe.seed):
            plain = build_network(recipe, classes=classes, precision="f32")
        plain.set_weights(model.get_weights())
        graph = network_onnx(plain, image_px=recipe.image_px, classes=context.classes)
    return TrainedModel(
        graph=graph,
        features=context.held_out_features(graph),
        parameters=(model.count_params(), trainable_parameters(model)),
        layers=layers_of(plain),
        history=history,
        notes=(
            kept_epoch_note(history),
            f"trained in {PRECISION_NAMES[precision]}",
            *class_weights_note(recipe.class_weights),
            *diagnostics.remarks,
        ),
        precision=context.precision,
    )


def _check_inputs_and_labels(model: Any, context: TrainingContext, diagnostics: Diagnostics) -> None:
    """Check what the first trainable layer is fed for one batch, and the labels of the training pictures."""
    import keras

    from pawsight.models.keras_networks import SCALED

    scaled = keras.Model(model.input, model.get_layer(SCALED).output)
    values = np.asarray(scaled.predict_on_batch(np.asarray(context.pixels("train")[:32])))
    low, high, mean = float(values.min()), float(values.max()), float(values.mean())
    diagnostics.report(check_inputs(low, high, mean, context.recipe.scaling))
    pictures = context.pictures("train")
    expected = [context.classes[index] for index in context.labels("train")]
    names = [picture.name for picture in pictures]
    diagnostics.report(check_labels(expected, [picture.label for picture in pictures], names))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's generator, from which Keras draws its layers' seeds, and restore its state at the end."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def training_precision(wanted: str, machine: Machine) -> Precision:
    """Return the arithmetic of the gradients: as wanted, else bfloat16 where AMX makes it faster.

    On AVX-512 alone the exercise's first network takes 0.37 CPU-seconds a step in bfloat16 and 0.28 in float32.
    """
    if wanted == "auto":
        return best_precision(machine)
    return "bf16" if wanted == "bf16" else "f32"


def kept_epoch_note(history: Sequence[Epoch]) -> str:
    """Say which epoch's weights were kept."""
    return f"kept epoch {best_epoch(tuple(history)).number} of {len(history)}, the best on validation"


def class_weights_note(wanted: bool) -> tuple[str, ...]:
    """Say that classes were weighted, where they were."""
    return ("pictures of rare classes counted more, inverse to the size of their class",) if wanted else ()


def trainable_parameters(model: Any) -> int:
    """Return how many parameters the optimizer may change."""
    return int(sum(np.prod(variable.shape) for variable in model.trainable_variables))


def layers_of(model: Any) -> tuple[Layer, ...]:
    """List a Keras model's layers."""
    return tuple(
        (
            layer.name,
            type(layer).__name__,
            " x ".join(str(size) for size in layer.output.shape[1:]),
            int(layer.count_params()),
        )
        for layer in model.layers
    )


# Batches of augmented pictures, made in threads while the network computes.


def augmentation_of(recipe: Recipe) -> Augmentation:
    """Return what a recipe does to training pictures."""
    return Augmentation(
        flip_horizontal=recipe.flip_horizontal,
        flip_vertical=recipe.flip_vertical,
        rotation=recipe.rotation,
        fill="nearest" if recipe.fill == "nearest" else "reflect",
        flips_together=False,  # each axis at random, as in the exercise's Keras 2; Keras 3.15 flips both or neither
    )


def order_of(epoch: int, *, count: int, seed: int) -> Labels:
    """Return the order (count,) in which the training subset is fed in one epoch."""
    return np.random.default_rng((seed, epoch, _SHUFFLE)).permutation(count)


def view(pixels: Pixels, augmentation: Augmentation, *, seed: int, epoch: int, row: int) -> Pixels:
    """Return one training picture as it looks in one epoch: the same for the same seed, epoch and row."""
    return augment(pixels, augmentation, generator_for(seed, epoch, row))


def batches(
    pixels: Pixels, labels: Labels, weights: Floats, recipe: Recipe, *, epoch: int, threads: int
) -> Iterator[Batch]:
    """Yield one epoch's augmented pixels (B, px, px, 3) with their labels and weights (B,).

    All arrays are those of the training subset (N, ...).
    """
    order = order_of(epoch, count=len(labels), seed=recipe.seed)
    augmentation = augmentation_of(recipe)

    def make(rows: Labels) -> Batch:
        views = [view(pixels[row], augmentation, seed=recipe.seed, epoch=epoch, row=int(row)) for row in rows]
        return np.stack(views), labels[rows], weights[rows]

    chunks = (order[start : start + recipe.batch_size] for start in range(0, len(order), recipe.batch_size))
    yield from ordered_map(make, chunks, threads=threads)


# Epochs: gradient descent from the last checkpoint on, the best weights kept.


def fit_epochs(
    model: Any,
    context: TrainingContext,
    feed: Callable[[int], Iterable[Batch]],
    held_out: Any,
    diagnostics: Diagnostics,
) -> tuple[Epoch, ...]:
    """Train a model and leave it at the weights of its best epoch.

    Args:
        model: a `keras.Model` from the feed's inputs to logits (N, C).
        context: of the run; checkpoints go to its folder.
        feed: epoch -> batches.
        held_out: inputs of the validation subset, as the model takes them.
        diagnostics: of the run; a fatal one ends it.

    Returns:
        the epochs, those before an interruption included.

    Raises:
        TrainingFailed: a diagnostic named a cause that training cannot recover from.
    """
    import keras
    from scipy.special import softmax

    recipe, identity, progress = context.recipe, context.identity(), context.env.progress
    labels, steps = context.labels("validation"), -(-len(context.labels("train")) // recipe.batch_size)
    baseline = float(np.bincount(labels).max() / len(labels))
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # As an object it has its variables before the first step: one that makes any is traced twice.
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,  # XLA on two cores took longer to compile than the run
    )
    model.optimizer.build(model.trainable_variables)
    history: tuple[Epoch, ...] = ()
    best: Sequence[Any] = _arrays(model.variables)
    if (checkpoint := load_checkpoint(context.folder, identity=identity)) is not None:
        history, best = checkpoint.history, checkpoint.best
        diagnostics.remember(checkpoint.remarks)
        _assign([*model.variables, *model.optimizer.variables], checkpoint.state)
    while len(history) < recipe.epochs and not _is_patience_over(history, recipe.patience):
        start, number = perf_counter(), len(history)
        name = f"Epoch {number + 1} of {recipe.epochs}"
        if history:
            name += f", validation {100 * history[-1].val_accuracy:.1f} %, loss {history[-1].val_loss:.3f}"
        with progress.stage(name, steps, "batches") as step:
            loss, accuracy, rate = _run_steps(model, recipe, feed(number), number, steps, diagnostics, step)
        probabilities = softmax(predict(model, held_out, recipe.batch_size), axis=1)
        epoch = Epoch(
            number=number + 1,
            loss=loss,
            accuracy=accuracy,
            val_loss=log_loss(labels, probabilities),
            val_accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
            learning_rate=rate,
            seconds=perf_counter() - start,
        )
        history = (*history, epoch)
        for finding in diagnostics.report(check_epoch(history, probabilities, context.classes, baseline, rate, steps)):
            progress.say(str(finding))
        if best_epoch(history) == epoch:
            best = _arrays(model.variables)
        state = _arrays([*model.variables, *model.optimizer.variables])
        save_checkpoint(context.folder, Checkpoint(identity, state, best, history, diagnostics.remarks))
    _assign(model.variables, best)
    return history


def _run_steps(
    model: Any,
    recipe: Recipe,
    epoch_batches: Iterable[Batch],
    number: int,
    steps: int,
    diagnostics: Diagnostics,
    step: Any,
) -> tuple[float, float, float]:
    """Run one epoch's steps and return mean loss, accuracy and the last learning rate."""
    totals, pictures, rate = np.zeros(2), 0.0, recipe.learning_rate
    for index, (inputs, labels, weights) in enumerate(epoch_batches):
        rate = learning_rate(recipe, number + index / steps)
        model.optimizer.learning_rate.assign(rate)
        figures = model.train_on_batch(inputs, labels, sample_weight=weights, return_dict=True)
        diagnostics.report(check_step(float(figures["loss"]), number * steps + index + 1, rate))
        totals += np.array([float(figures["loss"]), float(figures["accuracy"])]) * len(labels)
        pictures += len(labels)
        step.note(f"loss {totals[0] / pictures:.3f}, accuracy {totals[1] / pictures:.3f}")
        step.advance()
    return float(totals[0] / pictures), float(totals[1] / pictures), rate


def learning_rate(recipe: Recipe, epochs_done: float) -> float:
    """Return the learning rate at a moment: constant, or a linear warm-up and then half a cosine to 0.

    Source: I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.
    """
    if not recipe.warmup_epochs:
        return recipe.learning_rate
    if epochs_done < recipe.warmup_epochs:
        return recipe.learning_rate * max(epochs_done, 0.02) / recipe.warmup_epochs
    share = (epochs_done - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def predict(model: Any, inputs: Any, batch_size: int) -> Floats:
    """Return logits (N, C) for inputs of any length, a batch at a time."""
    pieces = [
        np.asarray(model.predict_on_batch(np.asarray(inputs[start : start + batch_size])))
        for start in range(0, len(inputs), batch_size)
    ]
    return np.concatenate(pieces).astype(np.float32)


def _arrays(variables: Iterable[Any]) -> list[Any]:
    return [np.array(variable.numpy()) for variable in variables]


def _assign(variables: Iterable[Any], arrays: Iterable[Any]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _is_patience_over(history: tuple[Epoch, ...], patience: int) -> bool:
    if not patience or len(history) <= patience:
        return False
    lowest = min(range(len(history)), key=lambda index: history[index].val_loss)
    return len(history) - 1 - lowest >= patience


# The history as TensorBoard event files: tensorboard --logdir runs


def write_events(folder: Path, history: Sequence[Epoch]) -> None:
    """Write loss and accuracy of both subsets and the learning rate, one scalar an epoch, to `tensorboard/`.

    TensorFlow must be installed, as it is in every run that has epochs.

    Raises:
        StorageError: the disk refused.
    """
    shutil.rmtree(folder / EVENTS, ignore_errors=True)
    figures = {
        "train": {
            "loss": [epoch.loss for epoch in history],
            "accuracy": [epoch.accuracy for epoch in history],
            "learning_rate": [epoch.learning_rate for epoch in history],
        },
        "validation": {
            "loss": [epoch.val_loss for epoch in history],
            "accuracy": [epoch.val_accuracy for epoch in history],
        },
    }
    with new_folder(folder / EVENTS) as staging:
        for subset, curves in figures.items():
            with _tensorflow_errors_as_oserror():
                _write_event_file(staging / subset, curves)


@contextmanager
def _tensorflow_errors_as_oserror() -> Iterator[None]:
    """Turn TensorFlow's errors of a disk that refuses into those of the system."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message) from error


def _write_event_file(folder: Path, curves: dict[str, list[float]]) -> None:
    """Write one event file; TensorFlow's own writer of summaries would need TensorBoard installed."""
    import tensorflow as tf

    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{int(time.time())}.pawsight")) as writer:
        writer.write(tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        for name, values in curves.items():
            for number, value in enumerate(values, start=1):
                summary = tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag=name, simple_value=value)])
                event = tf.compat.v1.Event(wall_time=time.time(), step=number, summary=summary)
                writer.write(event.SerializeToString())
