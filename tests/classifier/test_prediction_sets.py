"""Prediction sets against MAPIE, and what they promise over many draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax

from pawsight.classifier.prediction_sets import choose_sets, fewest_for_sets

PRIORS = np.array([0.6, 0.3, 0.1])


def drawn(pictures, rng):
    """True classes and the probabilities of a classifier that is overconfident and weakest on the rarest class."""
    true = rng.choice(3, pictures, p=PRIORS)
    return true, softmax(2 * (rng.normal(size=(pictures, 3)) + np.eye(3)[true] + np.log(PRIORS)), axis=1)


class Known:
    """A fitted classifier for MAPIE: its features are the probabilities."""

    classes_ = np.arange(3)

    def fit(self, features, labels):
        return self

    def predict(self, features):
        return features.argmax(axis=1)

    def predict_proba(self, features):
        return features

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_are_those_of_mapie_and_the_likeliest_class(coverage):
    """MAPIE has one threshold for all classes: of one class at a time it gives the threshold of that class."""
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    model = type("Fitted", (Known, ClassifierMixin, BaseEstimator), {})()
    rng = np.random.default_rng(0)
    (true, table), (_, others) = drawn(500, rng), drawn(200, rng)
    sets = choose_sets(true, table, coverage=coverage, measured_on="")
    assert sets.shared == ()
    expected = np.zeros((200, 3), bool)
    for label in range(3):
        oracle = SplitConformalClassifier(model, confidence_level=coverage, conformity_score="lac", prefit=True)
        oracle.conformalize(table[true == label], true[true == label])
        expected[:, label] = oracle.predict_set(others)[1][:, label, 0]
    expected[np.arange(200), others.argmax(axis=1)] = True
    np.testing.assert_array_equal(sets.hold(others), expected)


def test_the_true_class_of_each_is_in_as_many_sets_as_promised_over_a_thousand_draws():
    """Each draw has 40 and more pictures of a class; the coverage is exact in expectation, so chance is 3 errors."""
    rng, held = np.random.default_rng(1), []
    true, table = drawn(20_000, rng)
    for _ in range(1_000):
        sets = choose_sets(*drawn(600, rng), coverage=0.9, measured_on="")
        inside = (table >= sets.thresholds)[np.arange(len(true)), true]
        held.append([inside[true == label].mean() for label in range(3)])
    mean = np.mean(held, axis=0)
    error = np.std(held, axis=0) / np.sqrt(1_000) + np.sqrt(0.09 / np.bincount(true))
    assert (mean >= 0.9 - 3 * error).all()
    assert (mean <= 0.9 + 0.01 + 3 * error).all()
    sizes = sets.hold(table).sum(axis=1)
    assert sizes.min() == 1
    assert 1 < sizes.mean() < 3


def test_classes_with_too_few_pictures_share_a_threshold_with_the_next():
    true = np.repeat([0, 1, 2, 3], [100, 40, 3, 2])
    table = np.full((145, 4), 0.1)
    table[np.arange(145), true] = np.linspace(0.2, 0.7, 145)
    sets = choose_sets(true, table, coverage=0.95, measured_on="here")
    assert sets.pictures == (100, 40, 3, 2)
    assert sets.shared == (1, 2, 3)
    assert sets.thresholds[1] == sets.thresholds[2] == sets.thresholds[3] != sets.thresholds[0]
    assert choose_sets(true[:18], table[:18], coverage=0.95, measured_on="") is None


@pytest.mark.parametrize(("coverage", "pictures"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)])
def test_the_fewest_pictures_put_the_threshold_at_the_least_probability(coverage, pictures):
    assert fewest_for_sets(coverage) == pictures
    table = np.stack([np.linspace(0.1, 0.9, pictures), np.linspace(0.9, 0.1, pictures)], axis=1)
    sets = choose_sets(np.zeros(pictures, np.int64), table, coverage=coverage, measured_on="")
    assert sets.thresholds[0] == table[:, 0].min()


@given(
    arrays(np.float32, (30, 3), elements=st.floats(-9, 9, width=32)),
    st.lists(st.integers(0, 2), min_size=30, max_size=30),
)
def test_no_set_is_empty_and_its_first_class_is_the_likeliest(logits, labels):
    table = softmax(logits, axis=1)
    sets = choose_sets(np.array(labels), table, coverage=0.9, measured_on="")
    for row, inside in zip(table, sets.hold(table), strict=True):
        named = sets.of(row)
        assert named[0] == row.argmax()
        assert set(named) == set(np.flatnonzero(inside).tolist())
