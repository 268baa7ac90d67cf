"""Whether a temperature helps, measured on answers that it was not fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from pawsight.classifier.trust import fit_temperature
from pawsight.training.temperature import gain_of, gain_of_temperature


def answers_with(sharpness, *, pictures=400, seed=0):
    """Labels drawn from probabilities, and logits that are `sharpness` times as far apart as these say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(pictures, 3))
    labels = (rng.gumbel(size=logits.shape) + logits).argmax(axis=1)
    return labels, (sharpness * logits).astype(np.float32)


@pytest.mark.parametrize("sharpness", [0.4, 3.0])
def test_a_temperature_measurably_helps_answers_that_are_too_sure_or_not_sure_enough(sharpness):
    gain, error = gain_of_temperature(*answers_with(sharpness), np.arange(400))
    assert gain > 3 * error > 0


def test_a_temperature_rarely_seems_to_help_answers_that_are_calibrated():
    gains = [gain_of_temperature(*answers_with(1.0, pictures=60, seed=seed), np.arange(60)) for seed in range(40)]
    assert sum(gain > error for gain, error in gains) <= 8  # one standard error: 16 % of 40 are 6


def test_pictures_that_look_the_same_are_one_answer():
    labels, logits = np.arange(16) % 2, np.eye(2, dtype=np.float32)[np.arange(16) % 2]
    logits[0] = logits[0, ::-1]
    assert fit_temperature(labels, logits) < 0.5
    assert gain_of_temperature(labels, logits, np.zeros(16, np.int64)) == (0.0, 0.0)


def test_a_given_temperature_gains_what_the_log_losses_differ_by_and_rare_classes_may_count_more():
    labels, logits = answers_with(3.0)
    gain, error = gain_of(3.0, labels, logits, np.arange(400))
    powers = [np.exp(logits.astype(np.float64) / temperature) for temperature in (1.0, 3.0)]
    before, after = (-np.log(power[np.arange(400), labels] / power.sum(axis=1)) for power in powers)
    assert gain == pytest.approx((before - after).mean(), rel=1e-3)
    assert error == pytest.approx((before - after).std() / 20, rel=1e-3)
    weights = np.where(labels == 0, 2.0, 0.5).astype(np.float32)
    weighted, _ = gain_of(3.0, labels, logits, np.arange(400), weights=weights)
    assert weighted == pytest.approx(((before - after) * weights).mean(), rel=1e-3)
    assert gain_of(1.0, labels, logits, np.arange(400)) == (0.0, 0.0)
