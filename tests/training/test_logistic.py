"""Logistic regression on its own: the weights, and the folds, are those of scikit-learn, and nothing loads it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.training.logistic import fit_logistic
from pawsight.training.probe import _dealt


def clouds(classes, *, rows=60, width=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    return (rng.normal(size=(rows, width)) + np.eye(classes, width)[labels]).astype(np.float32), labels


def by_scikit_learn(features, labels, strength, **options):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, **options).fit(features, labels)
    return model.coef_, model.intercept_


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
def test_weights_are_those_of_scikit_learn(classes, strength):
    features, labels = clouds(classes)
    weights, bias = fit_logistic(features, labels, strength=strength, tolerance=1e-3, most_steps=200)
    expected, intercept = by_scikit_learn(features, labels, strength, tol=1e-3, max_iter=200)
    assert np.allclose(weights, expected, atol=2e-4)
    assert np.allclose(bias, intercept, atol=2e-4)
    assert weights.dtype == bias.dtype == np.float32


def test_a_good_start_is_kept():
    features, labels = clouds(3)
    told = {"strength": 0.1, "tolerance": 1e-3, "most_steps": 200}
    found = fit_logistic(features, labels, **told)
    again = fit_logistic(features, labels, **told, start=found)
    assert np.array_equal(found[0], again[0])
    assert np.array_equal(found[1], again[1])


def test_far_scores_do_not_overflow():
    features, labels = clouds(2)
    weights, _ = fit_logistic(features * 1e4, labels, strength=1.0, tolerance=1e-3, most_steps=50)
    assert np.isfinite(weights).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(2, 6), st.integers(0, 1000))
def test_folds_are_those_of_scikit_learn(folds, classes, seed):
    from sklearn.model_selection import StratifiedKFold

    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), folds + np.arange(classes)))
    dealt = _dealt(labels, folds, seed)
    for number, (_, held_out) in enumerate(
        StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    ):
        assert np.array_equal(np.flatnonzero(dealt == number), held_out)


def test_fitting_a_head_loads_neither_scikit_learn_nor_scipy():
    code = (
        "import sys, numpy as np; from pawsight.training.probe import fit_head\n"
        "rows = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)\n"
        "fit_head(rows, np.arange(40) % 2, classes=2, folds=5, seed=0)\n"
        "print({'sklearn', 'scipy'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"
