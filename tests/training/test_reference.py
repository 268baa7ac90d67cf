"""The directions of a reference; what a run keeps is in tests/classifier/test_reference.py."""

from __future__ import annotations

import numpy as np
import pytest

from pawsight.training.reference import principal_directions


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_directions_are_those_of_a_singular_value_decomposition(shape):
    table = np.random.default_rng(0).normal(size=shape) * 1.5 ** np.arange(shape[1])
    centred = (table - table.mean(axis=0)).astype(np.float32)
    directions = principal_directions(centred)
    expected = np.linalg.svd(centred)[2][:6].T
    assert directions.shape == (shape[1], 6)
    assert np.abs((directions * expected).sum(axis=0)) == pytest.approx(np.ones(6), abs=1e-4)
    assert (directions == principal_directions(centred)).all()


@pytest.mark.parametrize("shape", [(3, 10), (10, 3)])
def test_of_too_few_pictures_or_features_there_are_none(shape):
    assert principal_directions(np.random.default_rng(0).normal(size=shape).astype(np.float32)) is None


def test_of_features_that_are_all_the_same_there_are_none():
    assert principal_directions(np.zeros((10, 8), np.float32)) is None
