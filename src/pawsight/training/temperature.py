"""Whether a temperature helps: what it gains on answers that it was not fitted to. `calibration` applies it."""

from __future__ import annotations

import numpy as np

from pawsight.classifier.trust import fit_temperature
from pawsight.training.context import Floats, Labels
from pawsight.training.folds import group_folds
from pawsight.training.probe import log_losses, paired_difference

_FIFTHS = 5


def gain_of_temperature(
    true: Labels, logits: Floats, groups: Labels, *, weights: Floats | None = None, seed: int = 0
) -> tuple[float, float]:
    """Return what a temperature gains in log loss, in nats, on answers it was not fitted to, and the standard error.

    Temperatures are fitted to four fifths of the answers and measured on the last fifth, each fifth in turn.

    Args:
        true: class indices (N,).
        logits: (N, C) that a model gives pictures it was not fitted to, up to a constant a row.
        groups: numbers (N,) of the groups of pictures that are not independent.
        weights: of the losses (N,), 1 on average; None: all count the same.
        seed: of the fifths.
    """
    fold = group_folds(true, groups, _FIFTHS, seed)
    temperatures = np.ones(len(true), np.float32)
    for number in np.unique(fold):
        others = fold != number
        temperatures[~others] = fit_temperature(
            true[others], logits[others], None if weights is None else weights[others]
        )
    return gain_of(temperatures, true, logits, groups, weights=weights)


def gain_of(
    temperatures: Floats | float, true: Labels, logits: Floats, groups: Labels, *, weights: Floats | None = None
) -> tuple[float, float]:
    """Return what given temperatures, one or (N,), gain in log loss, in nats, and the standard error."""
    divided: Floats = logits / np.full(len(true), temperatures, np.float32)[:, None]
    gains = log_losses(logits, true) - log_losses(divided, true)
    return paired_difference(gains if weights is None else gains * weights, groups)
