"""Tests of `evaluation.calibration`: laws, hand-made values and SciPy's optimum."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.classifier.trust import fit_temperature
from pawsight.evaluation.calibration import (
    bins_of,
    brier_score,
    ece_interval,
    expected_calibration_error,
    reliability,
)
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.metrics import log_loss


def drawn(seed: int, pictures: int = 400, classes: int = 3, sharpness: float = 1.0):
    """Truths drawn from softmax(logits), and those logits times `sharpness`: the best temperature is near it."""
    chance = np.random.default_rng(seed)
    logits = 2 * chance.normal(size=(pictures, classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (shares.cumsum(axis=1) < chance.random((pictures, 1))).sum(axis=1)
    return true, logits * sharpness


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.35, 0.65]])
    true = np.array([0, 1, 0, 0])
    # 0.9 is in the 14th bin, half right: gap 0.4 twice; 0.6 in the 9th, right: 0.4; 0.65 in the 10th, wrong: 0.65
    assert expected_calibration_error(true, probabilities) == pytest.approx((0.8 + 0.4 + 0.65) / 4)


def test_weights_count_pictures_as_often_as_they_say():
    true, logits = drawn(3)
    weights = np.random.default_rng(4).integers(0, 4, len(true))
    often = np.repeat(np.arange(len(true)), weights)
    shares = softmax(logits)
    weighted = expected_calibration_error(true, shares, weights=weights)
    assert weighted == pytest.approx(expected_calibration_error(true[often], shares[often]))


def test_a_bin_reaches_from_its_lower_end_to_the_next_and_the_outermost_hold_the_ends():
    outermost = np.array([[0.0], [1e-9], [1.0], [1.0 + 1e-6]])  # float32 sums to a little more than 1
    assert bins_of(outermost, 4).tolist() == [0, 0, 3, 3]


@given(st.integers(0, 10**6), st.integers(1, 400), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_groups_of_equal_count_hold_at_least_twenty_and_every_picture_once(seed, pictures, classes):
    true, logits = drawn(seed, pictures, classes)
    probabilities = softmax(logits)
    found = reliability(true, probabilities)
    sizes = [group.pictures for group in found]
    assert sum(sizes) == pictures
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(pictures, 20)
    assert [group.high <= after.low for group, after in pairwise(found)] == [True] * (len(found) - 1)
    assert all(group.low - 1e-12 <= group.confidence <= group.high + 1e-12 for group in found)
    assert all(group.interval == wilson(round(group.accuracy * group.pictures), group.pictures) for group in found)
    right = sum(group.accuracy * group.pictures for group in found)
    assert right == pytest.approx((probabilities.argmax(axis=1) == true).sum())


def test_float32_is_counted_as_exactly_as_float64():
    rough = np.tile(np.array([[0.7, 0.3]], np.float32), (4_001, 1))
    exact, true = rough.astype(np.float64), np.zeros(4_001, np.int64)
    assert expected_calibration_error(true, rough) == expected_calibration_error(true, exact)
    assert brier_score(true, rough) == brier_score(true, exact)
    assert reliability(true, rough) == reliability(true, exact)
    edge = np.array([[0.6, 0.4]], np.float32)  # 0.6 in float32 lies above 9 / 15, which rounding would hide
    assert bins_of(edge).tolist() == bins_of(edge.astype(np.float64)).tolist() == [9]


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_the_bins_add_up_to_the_error_whatever_the_order(seed, classes, bins):
    true, logits = drawn(seed, 60, classes)
    probabilities, order = softmax(logits), np.random.default_rng(seed).permutation(60)
    error, places = expected_calibration_error(true, probabilities, bins), bins_of(probabilities, bins)
    gaps = (probabilities.argmax(axis=1) == true) - probabilities.max(axis=1)
    assert sum(abs(gaps[places == place].sum()) for place in set(places)) / 60 == pytest.approx(error)
    assert expected_calibration_error(true[order], probabilities[order], bins) == pytest.approx(error)
    assert 0 <= error <= 1


def test_the_brier_score_is_that_of_scikit_learn():
    from sklearn.metrics import brier_score_loss

    true, logits = drawn(3, classes=2)
    probabilities = softmax(logits)
    assert brier_score(true, probabilities) == pytest.approx(2 * brier_score_loss(true, probabilities[:, 1]))
    assert brier_score(np.array([0, 2]), np.eye(3)[[0, 1]]) == 1.0  # one right, one wholly wrong: (0 + 2) / 2


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 3.0, 15.0])
def test_the_temperature_is_the_one_scipy_finds(sharpness):
    from scipy.optimize import minimize_scalar

    true, logits = drawn(5, sharpness=sharpness)
    probabilities = softmax(logits)
    best = minimize_scalar(lambda t: log_loss(true, softmax(logits / t)), bounds=(0.05, 20), method="bounded").x
    assert fit_temperature(true, logits) == pytest.approx(best, rel=1e-3)
    assert fit_temperature(true, np.log(probabilities)) == pytest.approx(fit_temperature(true, logits), rel=1e-6)


@given(st.integers(0, 10**6), st.floats(0.1, 8))
@settings(max_examples=40, deadline=None)
def test_a_fitted_temperature_never_raises_the_loss_nor_changes_an_answer(seed, sharpness):
    true, logits = drawn(seed, 80, sharpness=sharpness)
    probabilities, temperature = softmax(logits), fit_temperature(true, logits)
    assert log_loss(true, softmax(logits / temperature)) <= log_loss(true, probabilities) + 1e-9


def test_pictures_that_are_all_right_leave_the_temperature_alone():
    assert fit_temperature(np.array([0, 1]), np.array([[3.0, 0.0], [0.0, 3.0]])) == 1.0
    assert fit_temperature(np.empty(0, np.int64), np.empty((0, 2))) == 1.0


def test_a_temperature_stays_within_its_bounds():
    wrong = np.array([[9.0, 0.0]] * 5)
    assert fit_temperature(np.ones(5, np.int64), wrong) == pytest.approx(20)
    nearly = np.array([[1e-3, 0.0]] * 999 + [[0.0, 1e-3]])
    assert fit_temperature(np.zeros(1000, np.int64), nearly) == pytest.approx(0.05)


# Made by the code under test. Whoever moves them runs benchmarks/coverage.py, which says how often such intervals hold.
MEASURED = [
    (400, 0.15, {}, (0.096324, 0.189143)),
    (400, 0.15, {"seed": 1}, (0.092203, 0.189213)),
    (400, 0.15, {"bins": 4}, (0.098500, 0.192224)),
    (400, 0.0, {}, (0.000000, 0.081571)),
    (60, -0.1, {}, (0.012178, 0.192590)),
    (400, -0.15, {}, (0.114934, 0.165493)),
]


def skewed(pictures: int, pull: float) -> tuple[Any, Any]:
    """Truths and probabilities of two classes, right less often than they are sure by `pull`."""
    chance = np.random.default_rng(4)
    sure = chance.uniform(0.5, 1.0, pictures)
    wrong = chance.random(pictures) > sure - pull
    return wrong.astype(np.int64), np.stack([sure, 1 - sure], axis=1)


@pytest.mark.parametrize(("pictures", "pull", "options", "ends"), MEASURED)
def test_the_interval_of_a_fixed_sample_is_pinned(pictures, pull, options, ends):
    assert ece_interval(*skewed(pictures, pull), **options).as_list() == pytest.approx(list(ends), abs=2e-6)


def test_answers_that_are_wholly_sure_have_none_when_right_and_all_when_wrong():
    sure = np.tile([[1.0, 0.0]], (20, 1))
    assert ece_interval(np.zeros(20, np.int64), sure) is None
    assert ece_interval(np.ones(20, np.int64), sure).high == 1.0


@pytest.mark.parametrize("pictures", [12, 40])
def test_a_gap_that_chance_explains_may_be_none_at_all(pictures):
    sure = np.tile([[0.75, 0.25]], (pictures, 1))
    true = (np.arange(pictures) % 4 == 0).astype(np.int64)
    true[0] = 0  # one more is right than three in four
    found = ece_interval(true, sure)
    assert found.low == 0 < 1 / pictures < found.high
