"""What a random split seems to gain: much where pictures of a group are alike, nothing where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from pawsight.training.features import FeatureTable
from pawsight.training.random_split import random_split_gain


def measured(*, alike: float, groups: int = 24, each: int = 5):
    """Two classes that hardly differ, in groups whose pictures share so much of their features."""
    chance = np.random.default_rng(7)
    which = np.repeat(np.arange(groups), each)
    labels = which % 2
    features = alike * chance.normal(size=(groups, 12))[which] + chance.normal(size=(len(which), 12))
    features[:, 0] += labels
    table = FeatureTable(features.astype(np.float32), {"last": np.arange(12)})
    return random_split_gain(table, labels, which, folds=4)


def test_a_random_split_flatters_where_groups_are_alike():
    found = measured(alike=3.0)
    assert found.interval[0] > 5
    assert found.points == pytest.approx(100 * (found.random - found.grouped))
    assert found.interval[0] < found.points < found.interval[1]
    assert found.pictures == 120
    assert set(found.to_json()) == {"pictures", "random", "grouped", "points", "interval"}


def test_it_flatters_by_nothing_where_groups_are_names_alone():
    low, high = measured(alike=0.0).interval
    assert low < 0 < high


def test_nothing_is_measured_where_a_class_is_one_group():
    assert measured(alike=1.0, groups=2) is None
