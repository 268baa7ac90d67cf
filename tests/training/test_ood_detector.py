"""Unfamiliar features are noticed, usual ones seldom are, and the rate of false alarms is what was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from pawsight.models.graph import ood_score
from pawsight.training.ood_detector import (
    fewest_for_detector,
    fit_subspace,
    ood_examples,
    sample_rows,
    threshold_for,
)


def usual(count, *, seed=0, width=60):
    """Features that differ in ten directions, and little in all others."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(np.random.default_rng(99).normal(size=(width, 10)))[0]
    return (5 + rng.normal(size=(count, 10)) * 4 @ basis.T + 0.5 * rng.normal(size=(count, width))).astype(np.float32)


def test_directions_are_orthonormal_and_those_of_the_features():
    _, directions = fit_subspace(usual(400))
    assert directions.shape == (60, 30)
    assert np.allclose(directions.T @ directions, np.eye(30), atol=1e-4)
    exact = np.linalg.svd(usual(400) - usual(400).mean(axis=0), full_matrices=False)[2][:10].T
    assert np.allclose(((exact.T @ directions) ** 2).sum(axis=1), 1, atol=1e-3)


def test_strange_features_are_noticed_and_usual_ones_seldom_are():
    mean, directions = fit_subspace(usual(400))
    threshold = threshold_for(ood_score(usual(500, seed=1), mean, directions), 0.01)
    strange = (5 + np.random.default_rng(2).normal(size=(200, 60)) * 2).astype(np.float32)
    assert (ood_score(strange, mean, directions) > threshold).mean() > 0.95
    assert (ood_score(usual(2000, seed=3), mean, directions) > threshold).mean() < 0.03


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_false_alarms_are_as_many_as_asked_for_on_average(share):
    rng = np.random.default_rng(0)
    alarms = [1 - threshold_for(rng.random(200), share) for _ in range(4000)]  # of a uniform score
    assert np.mean(alarms) <= share + 4 * np.std(alarms) / len(alarms) ** 0.5
    assert np.mean(alarms) > 0.6 * share


@pytest.mark.parametrize(("share", "needed"), [(0.01, 99), (0.05, 19), (0.1, 9)])
def test_a_threshold_needs_so_many_pictures(share, needed):
    assert fewest_for_detector(share) == needed
    assert threshold_for(np.linspace(0, 1, needed), share) == 1.0
    assert threshold_for(np.linspace(0, 1, needed - 1), share) is None


def test_too_few_features_or_pictures_or_none_that_differ_give_no_directions():
    assert fit_subspace(usual(6)) is None
    assert fit_subspace(usual(100, width=60)[:, :3]) is None
    assert fit_subspace(np.ones((50, 30), np.float32)) is None


def test_few_rows_are_all_taken_and_many_by_a_seed():
    assert np.array_equal(sample_rows(10, seed=0), np.arange(10))
    rows = sample_rows(9000, seed=1)
    assert len(np.unique(rows)) == 4000
    assert np.array_equal(rows, sample_rows(9000, seed=1))


def test_ood_examples_are_sixty_pictures_of_four_kinds_and_always_the_same():
    kinds = ood_examples(64)
    assert list(kinds) == ["drawn things", "writing", "textures", "noise"]
    for name, squares in ood_examples(64).items():
        assert squares.shape == (15, 64, 64, 3)
        assert squares.dtype == np.uint8
        assert np.array_equal(squares, kinds[name])
        assert len({square.tobytes() for square in squares}) == 15
