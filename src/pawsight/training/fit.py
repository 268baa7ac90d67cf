"""Gradient descent with Keras: epochs, checkpoints, the best weights kept.

Enters: a `keras.Model` that gives logits, a feed of batches, held-out truths. Leaves: the model at its best epoch, and
the history. Does not know: pictures, where batches come from.

Same seed, same numbers: the order of batches depends on seed and epoch alone, the random states of the layers are
variables of the model, and all variables are in the checkpoint; so a run that was killed goes on to the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import Progress, Step
from pawsight.core.runs import Epoch, best_epoch
from pawsight.models.recipes import Recipe
from pawsight.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pawsight.training.tripwires import Watch, check_step

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Feed = Callable[[int], Iterable[tuple[Any, Labels, Floats]]]  # epoch -> inputs, labels and weights of each batch
_TINY = 1e-7  # Keras's own epsilon for logarithms of probabilities


@dataclass(frozen=True, slots=True)
class Job:
    """What is fitted, to what, and where it is kept while it lasts."""

    recipe: Recipe
    feed: Feed
    steps: int  # batches in an epoch
    held_out: Any  # inputs of the validation part, as the model takes them
    truths: Labels  # of the validation part
    classes: Sequence[str]
    baseline: float  # share of the commonest class in the validation part
    folder: Path  # where checkpoints go
    identity: str  # digest that a checkpoint must carry to be used


def fit(model: Any, job: Job, watch: Watch, progress: Progress) -> tuple[Epoch, ...]:
    """Train a model and leave it at the weights of its best epoch.

    Args:
        model: a `keras.Model` from the feed's inputs to logits (N, C).
        job: what to fit.
        watch: tripwires; those that are fatal end the run.
        progress: told of every step.

    Returns:
        the epochs, those before an interruption included.

    Raises:
        TrainingFailed: a tripwire named a cause that training cannot recover from.
    """
    _compile(model, job.recipe)
    history, best = _resume(model, job, watch)
    while len(history) < job.recipe.epochs and not _is_patience_over(history, job.recipe.patience):
        epoch, probabilities = _one_epoch(model, job, history, watch, progress)
        history = (*history, epoch)
        rate, steps = epoch.learning_rate, job.steps
        for alarm in watch.after_epoch(history, probabilities, job.classes, job.baseline, rate, steps):
            progress.say(str(alarm))
        if best_epoch(history) == epoch:
            best = _arrays(model.variables)
        save_checkpoint(job.folder, Checkpoint(job.identity, _state(model), best, history, watch.remarks))
    _assign(model.variables, best)
    return history


def _one_epoch(
    model: Any, job: Job, before: tuple[Epoch, ...], watch: Watch, progress: Progress
) -> tuple[Epoch, Floats]:
    from scipy.special import softmax

    start, number = perf_counter(), len(before)
    name = f"Epoch {number + 1} of {job.recipe.epochs}"
    if before:
        name += f", validation {100 * before[-1].val_accuracy:.1f} %, loss {before[-1].val_loss:.3f}"
    with progress.stage(name, job.steps, "batches") as step:
        loss, accuracy, rate = _train(model, job, number, watch, step)
    probabilities = softmax(predict(model, job.held_out, job.recipe.batch_size), axis=1)
    given = probabilities[np.arange(len(job.truths)), job.truths]
    epoch = Epoch(
        number=number + 1,
        loss=loss,
        accuracy=accuracy,
        val_loss=float(-np.log(np.maximum(given, _TINY)).mean()),
        val_accuracy=float((probabilities.argmax(axis=1) == job.truths).mean()),
        learning_rate=rate,
        seconds=perf_counter() - start,
    )
    return epoch, probabilities


def _train(model: Any, job: Job, number: int, watch: Watch, step: Step) -> tuple[float, float, float]:
    """Run one epoch's steps and return mean loss, accuracy and the last learning rate."""
    totals, seen, rate = np.zeros(2), 0.0, job.recipe.learning_rate
    for index, (inputs, labels, weights) in enumerate(job.feed(number)):
        rate = learning_rate(job.recipe, number + index / job.steps)
        model.optimizer.learning_rate.assign(rate)
        figures = model.train_on_batch(inputs, labels, sample_weight=weights, return_dict=True)
        watch.heed(check_step(float(figures["loss"]), number * job.steps + index + 1, rate))
        totals += np.array([float(figures["loss"]), float(figures["accuracy"])]) * len(labels)
        seen += len(labels)
        step.note(f"loss {totals[0] / seen:.3f}, accuracy {totals[1] / seen:.3f}")
        step.advance()
    return float(totals[0] / seen), float(totals[1] / seen), rate


def learning_rate(recipe: Recipe, epochs_done: float) -> float:
    """Return the learning rate at a moment: constant, or a linear warm-up and then half a cosine to nothing.

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


def _compile(model: Any, recipe: Recipe) -> None:
    import keras

    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
        jit_compile=False,  # XLA on two cores took longer to compile than the run
    )
    model.optimizer.build(model.trainable_variables)


def _resume(model: Any, job: Job, watch: Watch) -> tuple[tuple[Epoch, ...], list[Any]]:
    """Bring the model to where a run was stopped, and return its history and best weights."""
    checkpoint = load_checkpoint(job.folder, identity=job.identity)
    if checkpoint is None:
        return (), _arrays(model.variables)
    watch.remember(checkpoint.told)
    _assign([*model.variables, *model.optimizer.variables], list(checkpoint.state))
    return checkpoint.history, list(checkpoint.best)


def _state(model: Any) -> list[Any]:
    return _arrays([*model.variables, *model.optimizer.variables])


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


def without_seconds(history: tuple[Epoch, ...]) -> tuple[Epoch, ...]:
    """Return a history without what differs between equal runs: how long they took."""
    return tuple(replace(epoch, seconds=0.0) for epoch in history)
