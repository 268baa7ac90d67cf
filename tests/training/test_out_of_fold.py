"""Second opinions: from what was not learnt, whole groups at a time, whatever few pictures a class has."""

from __future__ import annotations

import numpy as np
import pytest

from pawsight.training.out_of_fold import (
    MOST_DOUBTED,
    doubted,
    fit_and_predict,
    margins_of,
    out_of_fold,
    out_of_fold_labels,
)


@pytest.fixture
def clouds():
    """Two clouds of 60 points each, apart but touching: features, labels, groups."""
    random = np.random.default_rng(3)
    labels = np.repeat(np.arange(2), 60)
    features = random.normal(size=(120, 8)).astype(np.float32) + 1.5 * labels[:, None].astype(np.float32)
    return features, labels, np.arange(120)


def test_probabilities_add_up_and_name_the_right_class(clouds):
    features, labels, groups = clouds
    found = out_of_fold(features, labels, groups, classes=2)
    assert found.shape == (120, 2)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found.argmax(axis=1) == labels).mean() > 0.9


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(clouds):
    features, labels, groups = clouds
    first = out_of_fold(features, labels, groups, classes=2, seed=1)
    assert np.array_equal(first, out_of_fold(features, labels, groups, classes=2, seed=1))
    assert not np.array_equal(first, out_of_fold(features, labels, groups, classes=2, seed=2))


def test_nobody_vouches_for_a_copy_of_itself():
    """Forty pictures of noise, each there twice: labels can only be known from the copy."""
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(40, 200)).astype(np.float32), 2, axis=0)
    labels = np.repeat(random.integers(0, 2, 40), 2)
    together = out_of_fold(features, labels, np.repeat(np.arange(40), 2), classes=2, rounds=1)
    apart = out_of_fold(features, labels, np.arange(80), classes=2, rounds=1)
    right_together = (together.argmax(axis=1) == labels).mean()
    right_apart = (apart.argmax(axis=1) == labels).mean()
    assert right_apart > 0.75
    assert right_together < 0.65


def test_the_second_round_is_less_sure_of_wrong_labels(clouds):
    features, labels, groups = clouds
    features = features + 1.5 * labels[:, None].astype(np.float32)
    wrong = np.zeros(120, bool)
    wrong[np.random.default_rng(5).choice(120, 24, replace=False)] = True
    given = np.where(wrong, 1 - labels, labels)
    first = margins_of(out_of_fold(features, given, groups, classes=2, rounds=1), given)
    second = margins_of(out_of_fold(features, given, groups, classes=2, rounds=2), given)
    assert second[wrong].mean() > first[wrong].mean()
    assert second[~wrong].mean() < first[~wrong].mean()


def test_a_class_with_one_picture_cannot_be_judged_and_does_no_harm(clouds):
    features, labels, groups = clouds
    labels = labels.copy()
    labels[7] = 2
    found = out_of_fold(features, labels, groups, classes=3)
    assert np.isnan(found[7]).all()
    others = np.delete(np.arange(120), 7)
    assert np.isfinite(found[others]).all()
    assert np.allclose(found[others].sum(axis=1), 1, atol=1e-5)


def test_two_classes_of_which_one_has_a_single_picture():
    features = np.eye(6, dtype=np.float32)
    found = out_of_fold(features, np.array([0, 0, 0, 0, 0, 1]), np.arange(6), classes=2)
    assert np.isnan(found[5]).all()
    assert np.isfinite(found[:5]).all()


def test_features_that_never_change_are_no_trouble(clouds):
    _, labels, groups = clouds
    found = out_of_fold(np.ones((120, 4), np.float32), labels, groups, classes=2)
    assert np.isfinite(found).all()


def test_of_each_class_a_part_is_doubted_at_most():
    labels = np.repeat(np.arange(2), 10)
    answers = np.where(labels[:, None] == np.arange(2), 0.1, 0.9).astype(np.float32)
    answers[:, 1] += np.linspace(0, 0.05, 20, dtype=np.float32)
    found = doubted(answers, labels, classes=2)
    assert found[:10].sum() == found[10:].sum() == int(MOST_DOUBTED * 10)
    assert found[9]  # the most doubtful of its class
    assert not doubted(1 - answers, labels, classes=2).any()
    assert not doubted(np.full_like(answers, np.nan), labels, classes=2).any()


def test_where_nothing_was_taught_nothing_is_known():
    nobody, everybody = np.zeros(4, bool), np.ones(4, bool)
    features, labels = np.eye(4, dtype=np.float32), np.array([0, 0, 1, 1])
    assert np.isnan(fit_and_predict(features, labels, nobody, everybody, 2)).all()
    assert fit_and_predict(features, labels, everybody, nobody, 2).shape == (0, 2)
    one_class = fit_and_predict(features, labels, labels == 0, everybody, 2)
    assert one_class[:2].tolist() == [[1, 0], [1, 0]]
    assert np.isnan(one_class[2:]).all()


def test_several_labels_have_opinions_from_pictures_of_other_groups_each_for_itself():
    random = np.random.default_rng(4)
    truth = random.random((120, 2)) < (0.5, 0.3)
    features = random.normal(size=(120, 8)).astype(np.float32)
    features[:, :2] += 3 * truth
    wrong = truth.copy()
    wrong[:5, 1] = ~wrong[:5, 1]
    found = out_of_fold_labels(features, wrong, np.arange(120))
    assert found.dtype == np.float32
    for own, shares in zip(truth.T, found.T, strict=True):
        assert np.median(shares[own]) > np.quantile(shares[~own], 0.9)
    assert np.array_equal(found, out_of_fold_labels(features, wrong, np.arange(120)))
    alone = np.concatenate([truth, np.arange(120)[:, None] == 7], axis=1)
    known = np.isfinite(out_of_fold_labels(features, alone, np.arange(120) // 2))
    assert known[:, :2].all()
    assert not known[7, 2]  # no other group has it, so nothing can be said against it
    assert known[:, 2].any()
