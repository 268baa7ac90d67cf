"""Logistic regression on its own: the weights, and the folds, are those of scikit-learn, and it is not loaded."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.training import logistic
from pawsight.training.folds import stratified_folds
from pawsight.training.logistic import class_weights, fit_logistic


def clouds(classes, *, rows=60, width=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    return (rng.normal(size=(rows, width)) + np.eye(classes, width)[labels]).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
def test_weights_are_those_of_scikit_learn(classes, strength):
    from sklearn.linear_model import LogisticRegression

    features, labels = clouds(classes)
    weights, bias = fit_logistic(features, labels, strength=strength)
    model = LogisticRegression(C=strength, tol=1e-3, max_iter=200).fit(features, labels)
    expected, intercept = model.coef_.T, model.intercept_
    if classes == 2:  # one logit, halved to either side
        expected, intercept = expected * [-0.5, 0.5], intercept * [-0.5, 0.5]
    assert np.allclose(weights, expected, atol=2e-4)
    assert np.allclose(bias, intercept, atol=2e-4)
    assert weights.dtype == bias.dtype == np.float32


@pytest.mark.parametrize("classes", [2, 3])
def test_weights_of_classes_are_those_of_scikit_learn(classes):
    from sklearn.linear_model import LogisticRegression

    features, labels = clouds(classes, rows=180)
    rows = np.flatnonzero((labels > 0) | (np.arange(180) % 9 == 0))
    features, labels = features[rows], labels[rows]
    weights = class_weights(labels, classes=classes)
    assert np.allclose([weights[labels == label].sum() for label in range(classes)], len(labels) / classes)
    found, bias = fit_logistic(features, labels, strength=0.1, weights=weights, tolerance=1e-5)
    model = LogisticRegression(C=0.1, tol=1e-5, max_iter=500, class_weight="balanced").fit(features, labels)
    expected, intercept = model.coef_.T, model.intercept_
    if classes == 2:
        expected, intercept = expected * [-0.5, 0.5], intercept * [-0.5, 0.5]
    assert np.allclose(found, expected, atol=2e-3)
    assert np.allclose(bias, intercept, atol=2e-3)
    plain = fit_logistic(features, labels, strength=0.1)[1]
    assert bias[0] > plain[0]


def test_no_more_steps_than_allowed():
    features, labels = clouds(3)
    first, two = (fit_logistic(features, labels, strength=1.0, most_steps=most)[0] for most in (1, 2))
    assert np.abs(first).max() > 0
    assert not np.allclose(first, two)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_good_start_is_kept(classes):
    features, labels = clouds(classes)
    found = fit_logistic(features, labels, strength=0.1)
    again = fit_logistic(features, labels, strength=0.1, start=found)
    assert np.array_equal(found[0], again[0])
    assert np.array_equal(found[1], again[1])


def test_rows_in_float64_at_a_time_change_no_bit(monkeypatch):
    features, labels = clouds(3)
    whole = fit_logistic(features, labels, strength=0.1)
    monkeypatch.setattr(logistic, "_ROWS_AT_ONCE", 7)
    parts = fit_logistic(features, labels, strength=0.1)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])


def test_far_scores_do_not_overflow():
    features, labels = clouds(2)
    weights, _ = fit_logistic(features * 1e4, labels, strength=1.0)
    assert np.isfinite(weights).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(2, 6), st.integers(0, 1000))
def test_folds_are_those_of_scikit_learn(folds, classes, seed):
    from sklearn.model_selection import StratifiedKFold

    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), folds + np.arange(classes)))
    dealt = stratified_folds(labels, folds, seed)
    for number, (_, held_out) in enumerate(
        StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    ):
        assert np.array_equal(np.flatnonzero(dealt == number), held_out)


def test_fitting_a_head_and_ranking_labels_load_no_scikit_learn():
    code = (
        "import sys, numpy as np\n"
        "from pawsight.training.probe import fit_head; from pawsight.training.out_of_fold import out_of_fold\n"
        "from pawsight.training.features import FeatureTable\n"
        "rows = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)\n"
        "table = FeatureTable(rows, {'last': np.arange(5)})\n"
        "fit_head(table, np.arange(40) % 2, classes=2, folds=5, seed=0)\n"
        "out_of_fold(rows, np.arange(40) % 2, np.arange(40), classes=2)\n"
        "print('sklearn' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"
