"""Fits the reference that a bundle keeps: later pictures are compared with those of validation by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pawsight.classifier.reference import MOST_DIRECTIONS, MOST_PICTURES, Floats, Reference
from pawsight.training.context import TrainedModel, TrainingContext

FEWEST_PICTURES = 10  # of validation
_MOST_TRAINING = 1000  # training pictures that directions are fitted on


def fit_reference(context: TrainingContext, model: TrainedModel) -> Reference | None:
    """Return the reference of a calibrated model: directions from training pictures, rows from validation.

    None where there are too few pictures or features to compare anything with, and where classes are weighted: then the
    probabilities hold for classes that are equally frequent, and not for the pictures that come.
    """
    if context.recipe.class_weights:
        return None
    pictures, seed = context.split.sizes["validation"], context.recipe.seed
    cannot = context.recipe.method == "majority" or context.dataset.several_labels
    if pictures < FEWEST_PICTURES or "validation" not in model.features or cannot:
        return None
    features = _training_features(context, model)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > spread.max() * 1e-6, spread, 1.0).astype(np.float32)  # a feature that never changes
    directions = principal_directions((features - mean) / spread)
    if directions is None:
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(pictures)[:MOST_PICTURES])
    probabilities = model.probabilities["validation"][chosen]
    predicted = probabilities.argmax(axis=1)
    reference = Reference(
        mean=mean,
        spread=spread,
        directions=directions,
        rows=np.zeros((0, 0), np.float32),
        predicted=predicted.astype(np.int32),
        right=predicted == context.labels("validation")[chosen],
        classes=len(context.classes),
    )
    return replace(reference, rows=reference.rows_of(model.features["validation"][chosen], probabilities))


def principal_directions(centred: Floats) -> Floats | None:
    """Return the directions (D, K) in which centred features (N, D) differ most, K being 32 or less.

    They are orthonormal columns. None where there are fewer than four pictures or features, or all are the same.
    """
    from scipy.sparse.linalg import svds
    from threadpoolctl import threadpool_limits

    count = min(MOST_DIRECTIONS, min(centred.shape) // 2)
    if count < 2 or not float(np.abs(centred).max()) > 0:
        return None
    with threadpool_limits(1, user_api="blas"):  # as in probe: waking more threads takes seconds
        start = np.random.default_rng(0).normal(size=min(centred.shape))
        _, _, rows = svds(centred.astype(np.float64), k=count, v0=start)
    return np.ascontiguousarray(rows[::-1].T, np.float32)


def _training_features(context: TrainingContext, model: TrainedModel) -> Floats:
    """Return the features (N, D) that the head reads, of up to 1,000 training pictures."""
    pictures = context.split.sizes["train"]
    rows = np.sort(np.random.default_rng(context.recipe.seed).permutation(pictures)[:_MOST_TRAINING])
    if model.columns is not None:
        return context.features("train").part(rows).read(model.columns)
    engine, pixels = context.engine(model.graph), context.pixels("train")
    return np.stack([outputs["features"] for _, outputs in engine.run((row, pixels[row]) for row in rows.tolist())])
