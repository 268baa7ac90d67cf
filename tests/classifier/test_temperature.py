"""The temperature that was put in is found again, and order is never changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.classifier.temperature import fit_temperature, log_probabilities, with_temperature


def answers(count, classes, *, seed=0, scale=2.0):
    """Logits, and truths drawn from their own softmax: perfectly calibrated at temperature 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, classes)) * scale
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (shares.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    return np.minimum(true, classes - 1), logits


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_temperature_that_was_put_in_is_found_again(classes, temperature):
    true, logits = answers(20_000, classes)
    assert fit_temperature(true, logits * temperature) == pytest.approx(temperature, rel=0.06)


def test_it_has_the_least_log_loss_of_all():
    from scipy.optimize import minimize_scalar

    true, logits = answers(300, 3, seed=4)

    def loss(temperature):
        scaled = logits / temperature
        return (np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(300), true]).mean()

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x
    assert fit_temperature(true, logits) == pytest.approx(best, rel=1e-3)


def test_what_is_added_to_a_row_does_not_matter():
    true, logits = answers(200, 4)
    moved = logits + np.random.default_rng(1).normal(size=(200, 1)) * 100
    assert fit_temperature(true, moved) == pytest.approx(fit_temperature(true, logits), rel=1e-9)


def test_nothing_wrong_and_nothing_at_all_say_nothing_of_a_temperature():
    assert fit_temperature(np.array([0, 1]), np.array([[3.0, 0], [0, 2.0]])) == 1.0
    assert fit_temperature(np.empty(0, np.int64), np.empty((0, 2))) == 1.0


def test_answers_worse_than_guessing_end_at_the_bound():
    assert fit_temperature(np.array([1, 0, 1]), np.array([[9.0, 0], [0, 9.0], [9.0, 0]])) == pytest.approx(20, rel=1e-3)


@given(st.integers(2, 6), st.floats(0.05, 20), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_shares_stay_shares_and_the_best_class_the_best(classes, temperature, seed):
    logits = np.random.default_rng(seed).normal(size=(30, classes)) * 5
    shares = with_temperature(np.exp(logits), 1.0)
    changed = with_temperature(shares, temperature)
    assert np.allclose(changed.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(changed.argmax(axis=1), shares.argmax(axis=1))


def test_certainties_stay_finite():
    certain = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    assert np.isfinite(log_probabilities(certain)).all()
    assert with_temperature(certain, 2.0) == pytest.approx(certain, abs=1e-6)
    assert with_temperature(np.empty((0, 2), np.float32), 2.0).shape == (0, 2)
