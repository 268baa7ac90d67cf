"""Fits the reference that a bundle keeps: later pictures are compared with those of validation by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pawsight.classifier.reference import MOST_DIRECTIONS, MOST_PICTURES, Floats, Reference
from pawsight.training.context import TrainedModel, TrainingContext
from pawsight.training.ood_detector import Rows, fit_subspace, sample_rows

FEWEST_PICTURES = 10  # of validation
_MOST_COMPUTED = 500  # training pictures whose features are computed for this alone


def fit_reference(context: TrainingContext, model: TrainedModel) -> Reference | None:
    """Return the reference of a calibrated model: directions from the training pictures, rows from validation.

    None where there are too few pictures or features to compare anything with.
    """
    pictures = context.split.sizes["validation"]
    if pictures < FEWEST_PICTURES or "validation" not in model.features:
        return None
    seed = context.recipe.seed
    features = _training_features(context, model, sample_rows(context.split.sizes["train"], seed=seed))
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > spread.max() * 1e-6, spread, 1.0).astype(np.float32)  # a feature that never changes
    subspace = fit_subspace((features - mean) / spread)
    if subspace is None:
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(pictures)[:MOST_PICTURES])
    probabilities = model.probabilities["validation"][chosen]
    reference = Reference(
        mean=mean,
        spread=spread,
        directions=np.ascontiguousarray(subspace[1][:, :MOST_DIRECTIONS]),
        rows=np.zeros((0, 0), np.float32),
        predicted=probabilities.argmax(axis=1).astype(np.int32),
        right=probabilities.argmax(axis=1) == context.labels("validation")[chosen],
        classes=len(context.classes),
    )
    return replace(reference, rows=reference.rows_of(model.features["validation"][chosen], probabilities))


def _training_features(context: TrainingContext, model: TrainedModel, rows: Rows) -> Floats:
    """Return the features (N, D) that the head reads of training pictures."""
    if model.columns is not None:
        return context.features("train").part(rows).read(model.columns)
    engine, pixels = context.engine(model.graph), context.pixels("train")
    some = rows[:: max(1, len(rows) // _MOST_COMPUTED)].tolist()
    return np.stack([outputs["features"] for _, outputs in engine.run((row, pixels[row]) for row in some)])
