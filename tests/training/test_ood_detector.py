"""Pictures of other things and of one more class are noticed, usual ones seldom, at the rate that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from pawsight.training.ood_detector import (
    fit_detector,
    leading_directions,
    ledoit_wolf,
    ood_examples,
    sample_rows,
    threshold_for,
)

WIDTH = 40


def pictures(count, *, classes=range(4), seed=0):
    """Features of pictures of some of six classes, and their labels: five directions tell the classes apart."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    centres = np.zeros((6, WIDTH))
    centres[:, :5] = 6 * np.eye(6)[:, :5]
    mixing = fixed.normal(size=(WIDTH, WIDTH)) * np.linspace(0.2, 1.5, WIDTH)
    labels = rng.choice(list(classes), count)
    features = centres[labels] + rng.normal(size=(count, WIDTH)) @ mixing * 0.15
    return (20 + features).astype(np.float32), labels


def fitted(count=600, *, false_alarms=0.01, classes=range(4)):
    features, labels = pictures(count, classes=classes)
    folds = np.random.default_rng(0).integers(0, 5, count)
    score, left_out = fit_detector(features, features, labels, folds, false_alarms)
    return score, threshold_for(left_out, false_alarms)[0]


def test_usual_pictures_are_called_unfamiliar_as_seldom_as_asked_for():
    for false_alarms in (0.01, 0.1):
        score, threshold = fitted(false_alarms=false_alarms)
        features, _ = pictures(4000, seed=1)
        assert 0.4 * false_alarms < (score(features, features) > threshold).mean() < 2 * false_alarms


def test_other_things_and_one_more_class_are_noticed():
    score, threshold = fitted()
    strange = (20 + 4 * np.random.default_rng(2).normal(size=(300, WIDTH))).astype(np.float32)
    more, _ = pictures(300, classes=[5], seed=3)
    assert (score(strange, strange) > threshold).mean() > 0.95
    assert (score(more, more) > threshold).mean() > 0.9
    assert 0 <= score(strange, strange).min() <= score(strange, strange).max() <= 1


def test_between_two_classes_only_the_far_distance_counts():
    score, _ = fitted(classes=range(2))
    assert score.near_directions.shape == (WIDTH, 1)
    assert score.scales[0] > 0 == score.scales[1]


def test_a_class_alone_has_a_detector_by_the_far_distance():
    """As where the other class stands for none of the others."""
    score, threshold = fitted(classes=[1])
    assert score.scales[0] > 0 == score.scales[1]
    strange = (20 + 4 * np.random.default_rng(2).normal(size=(300, WIDTH))).astype(np.float32)
    usual, _ = pictures(4000, classes=[1], seed=1)
    assert (score(strange, strange) > threshold).mean() > 0.95
    assert (score(usual, usual) > threshold).mean() < 0.02


def test_the_directions_between_classes_are_those_of_a_discriminant_analysis():
    features, labels = pictures(600)
    folds = np.arange(600) % 5
    score, _ = fit_detector(features, features, labels, folds, 0.01)
    inside = features - np.stack([features[labels == label].mean(axis=0) for label in range(4)])[labels]
    shrinkage, average = ledoit_wolf(inside)
    oracle = LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrinkage).fit(features, labels)
    ours, theirs = (np.linalg.qr(table)[0] for table in (score.near_directions, oracle.scalings_[:, :3]))
    assert np.linalg.svd(ours.T @ theirs)[1].min() > 0.999
    covariance = (1 - shrinkage) * inside.T @ inside / 600 + shrinkage * average * np.eye(WIDTH)
    assert np.allclose(score.near_directions.T @ covariance @ score.near_directions, np.eye(3), atol=1e-3)


@pytest.mark.parametrize(("count", "width"), [(200, 40), (30, 60)])
def test_shrinkage_is_that_of_scikit_learn(count, width):
    features = np.random.default_rng(0).normal(size=(count, width)) * np.linspace(0.1, 3, width)
    centred = (features - features.mean(axis=0)).astype(np.float32)
    shrinkage, average = ledoit_wolf(centred)
    assert shrinkage == pytest.approx(ledoit_wolf_shrinkage(centred, assume_centered=True), rel=1e-4)
    assert average == pytest.approx((centred**2).mean(), rel=1e-5)


def test_more_features_than_pictures_give_the_same_directions_by_the_smaller_system():
    """The dual of Woodbury and the direct solution are compared on either side of N = D."""
    features, labels = pictures(39)
    wide = np.pad(features, ((0, 0), (0, 30)))  # 70 features of 39 pictures, 30 of them nothing
    scores = [fit_detector(features, table, labels, np.arange(39) % 5, 0.1)[0] for table in (features, wide)]
    more, _ = pictures(50, seed=5)
    far, near = scores[0].distances(more, more)
    _, also = scores[1].distances(more, np.pad(more, ((0, 0), (0, 30))))
    assert np.corrcoef(near, also)[0, 1] > 0.9
    assert np.isfinite(far).all()


def test_leading_directions_are_orthonormal_and_those_of_the_features():
    features, _ = pictures(400)
    centred = features - features.mean(axis=0)
    variances, directions = leading_directions(centred, 10, seed=0)
    assert np.allclose(directions.T @ directions, np.eye(10), atol=1e-4)
    _, spreads, exact = np.linalg.svd(centred, full_matrices=False)
    assert variances == pytest.approx(spreads[:10] ** 2 / 400, rel=0.02)
    assert np.linalg.norm(exact[:5] @ directions, axis=1) == pytest.approx(np.ones(5), abs=0.01)


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_false_alarms_are_as_many_as_asked_for_on_average(share):
    rng = np.random.default_rng(0)
    alarms = [1 - threshold_for(rng.random(200), share)[0] for _ in range(4000)]  # of a uniform score
    assert np.mean(alarms) <= share + 4 * np.std(alarms) / len(alarms) ** 0.5
    assert np.mean(alarms) > 0.6 * share


@pytest.mark.parametrize(("pictures", "rate"), [(99, 0.01), (98, 1 / 99), (19, 0.05), (9, 0.1)])
def test_few_pictures_have_the_rate_that_they_can_show(pictures, rate):
    threshold, told = threshold_for(np.linspace(0, 1, pictures, dtype=np.float32), 0.01)
    assert (threshold, told) == (1.0, pytest.approx(rate))


def test_too_few_features_or_pictures_or_none_that_differ_give_no_detector():
    features, labels = pictures(60)
    folds = np.arange(60) % 5
    assert fit_detector(features[:6], features[:6], labels[:6], folds[:6], 0.1) is None
    assert fit_detector(features[:, :3], features[:, :3], labels, folds, 0.1) is None
    assert fit_detector(np.ones_like(features), features, labels, folds, 0.1) is None


def test_few_rows_are_all_taken_and_many_by_a_seed():
    assert np.array_equal(sample_rows(10, seed=0), np.arange(10))
    rows = sample_rows(9000, seed=1)
    assert len(np.unique(rows)) == 4000
    assert np.array_equal(rows, sample_rows(9000, seed=1))


def test_ood_examples_are_75_pictures_of_five_kinds_and_always_the_same():
    kinds = ood_examples(64)
    assert list(kinds) == ["drawn things", "writing", "textures", "noise", "one colour"]
    ood_examples.cache_clear()
    for name, squares in ood_examples(64).items():
        assert squares.shape == (15, 64, 64, 3)
        assert squares.dtype == np.uint8
        assert np.array_equal(squares, kinds[name])
        assert len({square.tobytes() for square in squares}) == 15
