"""Training on less: subsets that are stratified and nested, and heads that get better with more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.training.features import FeatureTable
from pawsight.training.learning_curve import subset_order, try_sizes


def clouds(each, *, seed, classes=2, width=12, apart=1.2):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    centres = np.random.default_rng(99).normal(size=(classes, width)) * apart
    features = (centres[labels] + random.normal(size=(len(labels), width)) * 2).astype(np.float32)
    return FeatureTable(features, {"last": np.arange(width)}), labels


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 9))
def test_every_subset_knows_every_class_and_holds_the_smaller_ones(labels, seed):
    labels = np.array(labels)
    ranks = subset_order(labels, seed=seed)
    before = np.zeros(len(labels), dtype=bool)
    for share in (0.1, 0.2, 0.4, 0.8, 1.0):
        inside = ranks <= share
        assert set(labels[inside]) == set(labels)
        assert not (before & ~inside).any()
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
            assert abs((labels[inside] == label).sum() - share * count) <= 1
        before = inside
    assert before.all()


def test_the_same_seed_draws_the_same_and_another_seed_others():
    labels = np.repeat([0, 1], 30)
    assert np.array_equal(subset_order(labels, seed=1), subset_order(labels, seed=1))
    assert not np.array_equal(subset_order(labels, seed=1), subset_order(labels, seed=2))


def test_small_shares_are_trained_on_three_times_and_the_whole_once():
    tried = try_sizes(clouds(40, seed=0), clouds(30, seed=1), classes=2, folds=3)
    assert [(share, pictures, wrong.shape) for share, pictures, wrong in tried] == [
        (0.1, 8, (3, 60)), (0.2, 16, (3, 60)), (0.4, 32, (3, 60)), (0.8, 64, (3, 60)), (1.0, 80, (1, 60)),
    ]  # fmt: skip


def test_more_pictures_teach_more():
    tried = try_sizes(clouds(150, seed=0), clouds(200, seed=1), classes=2, folds=3)
    assert tried[0][2].mean() > tried[-1][2].mean()


def test_the_last_size_is_the_probe_on_all_of_training():
    from pawsight.training.probe import fit_head

    train, held = clouds(40, seed=0), clouds(30, seed=1)
    head = fit_head(*train, classes=2, folds=3, seed=0)
    _, _, wrong = try_sizes(train, held, classes=2, folds=3, seed=0)[-1]
    assert np.array_equal(wrong[0], head.probabilities(held[0]).argmax(axis=1) != held[1])


@pytest.mark.parametrize(("each", "sizes"), [(2, [2, 4]), (1, [2])])
def test_sizes_that_add_nothing_are_left_out(each, sizes):
    tried = try_sizes(clouds(each, seed=0), clouds(3, seed=1), classes=2, folds=2)
    assert [pictures for _, pictures, _ in tried] == sizes


@given(st.integers(0, 99), st.integers(1, 6), st.booleans())
def test_a_group_comes_as_a_whole_and_every_class_is_there_at_once(seed, each, are_mixed):
    """Groups of one class, and groups that have pictures of every class."""
    groups = np.arange(120) // each
    labels = np.arange(120) % 3 if are_mixed else groups % 3
    ranks = subset_order(labels, seed=seed, groups=groups)
    for share in (0.1, 0.4, 1.0):
        inside = ranks <= share
        assert not set(groups[inside]) & set(groups[~inside])
        assert set(labels[inside]) == {0, 1, 2}
        assert abs(inside.mean() - share) <= 0.1
