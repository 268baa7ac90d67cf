"""What is named next: clusters first, then pictures that are doubtful and unlike those named; equal seeds agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.training.features import FeatureTable
from pawsight.training.labelling import (
    ALIKE,
    AUTO,
    BATCH,
    LEAST_NAMED,
    SURE,
    TEACH,
    UNNAMED,
    Adviser,
    answers,
    clusters_of,
    curve_of,
    directions,
    errors_of_names,
    more_pays,
    most_informative,
    most_typical,
    principal_components,
)


def blobs(each, kinds=4, width=12, spread=0.15, seed=0):
    """Return scores and true kinds of pictures around as many centres."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(kinds), each)
    centres = rng.normal(size=(kinds, width))
    return (centres[truth] + spread * rng.normal(size=(len(truth), width))).astype(np.float32), truth


def nothing(count):
    return np.full(count, UNNAMED), np.zeros(count, bool)


def test_components_keep_all_distances_of_standardised_features_and_no_more_than_256():
    rng = np.random.default_rng(3)
    features = (rng.normal(size=(60, 300)) * rng.uniform(0.1, 9, 300) + 5).astype(np.float32)
    columns = np.arange(10, 60)
    scores = principal_components(FeatureTable(features, {"last": columns}), columns, seed=0)
    own = features[:, columns]
    own = (own - own.mean(axis=0)) / own.std(axis=0)
    assert scores.shape == (60, 50)
    assert scores @ scores.T == pytest.approx(own @ own.T, abs=2e-3)
    assert (np.diff(scores.std(axis=0)) <= 1e-4).all()  # the largest first
    wide = principal_components(FeatureTable(features, {"last": columns}), np.arange(300), seed=0)
    assert wide.shape == (60, 60)


def test_components_of_pictures_that_are_all_the_same_are_numbers():
    features = np.ones((30, 8), np.float32)
    scores = principal_components(FeatureTable(features, {"last": np.arange(8)}), np.arange(8), seed=0)
    assert np.isfinite(directions(scores)).all()
    assert clusters_of(directions(scores), 5, seed=0).tolist() == [0] * 30


def test_clusters_are_the_kinds_that_there_are_and_the_largest_is_first():
    scores, truth = blobs(20)
    keep = np.flatnonzero((truth != 2) | (np.arange(len(truth)) % 2 == 0))
    found = clusters_of(directions(scores[keep]), 4, seed=1)
    pairs = set(zip(found.tolist(), truth[keep].tolist(), strict=True))
    assert len(pairs) == 4
    assert dict(pairs)[3] == 2


@given(st.integers(0, 2**31 - 1), st.integers(1, 30), st.integers(1, 40))
def test_clusters_are_numbered_without_gaps_by_size_and_equal_seeds_agree(seed, count, pictures):
    points = directions(np.random.default_rng(seed).normal(size=(pictures, 6)).astype(np.float32))
    found = clusters_of(points, count, seed=seed)
    sizes = np.bincount(found)
    assert len(sizes) <= min(count, pictures)
    assert sizes.min() > 0
    assert (np.diff(sizes) <= 0).all()
    assert (found == clusters_of(points, count, seed=seed)).all()


def test_the_most_typical_are_nearest_to_the_middle():
    points = np.array([[0.0], [10], [11], [12], [30]], np.float32)
    assert most_typical(points, np.arange(1, 4), 2).tolist() == [2, 1]


def test_answers_are_right_where_kinds_are_clear_and_a_name_without_pictures_gets_nothing():
    scores, truth = blobs(15)
    names = np.full(60, UNNAMED)
    names[::5] = truth[::5]
    found = answers(scores, names, 5)
    assert (found.argmax(axis=1) == truth).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)
    assert not found[:, 4].any()


def test_an_earlier_classifier_answers_until_there_are_names_and_counts_less_with_each():
    scores, truth = blobs(15)
    earlier = np.full((60, 4), 0.1, np.float32)
    earlier[:, 0] = 0.7
    names = np.full(60, UNNAMED)
    names[0] = 0
    assert answers(scores, names, 4, earlier, 40) is earlier
    names[::5] = truth[::5]
    last = truth == 3
    some = answers(scores, names, 4, earlier, 40)[last, 0].mean()
    alone = answers(scores, names, 4)[last, 0].mean()
    assert alone < some < 0.7
    assert some == pytest.approx((12 * alone + 40 * 0.7) / 52, abs=1e-5)


def test_the_most_informative_are_doubtful_and_not_all_alike():
    points = directions(np.array([[1, 0], [1, 0.01], [1, 0.02], [0, 1], [-1, 0]], np.float32))
    probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.55, 0.45], [1, 0]], np.float32)
    done = np.zeros(5, bool)
    chosen = most_informative(points, probabilities, done, 2).tolist()
    assert chosen[0] in (0, 1, 2)
    assert chosen[1] == 3
    done[[0, 3]] = True
    assert set(most_informative(points, probabilities, done, 9).tolist()) == {1, 2, 4}
    assert not len(most_informative(points, probabilities, np.ones(5, bool), 3))


def test_clusters_come_first_then_what_teaches_most_and_at_the_end_nothing():
    scores, truth = blobs(40, spread=0.6)
    adviser = Adviser(scores, seed=0)
    names, aside = nothing(len(truth))
    ways = []
    for _ in range(len(truth)):
        way, groups = adviser.next(names, aside, 4, AUTO)
        if not groups:
            break
        ways.append(way)
        rows = np.concatenate([rows for rows, _ in groups])
        assert len(rows) == len(np.unique(rows)) <= BATCH
        assert (names[rows] == UNNAMED).all()
        assert all((suggested is None) == (way == ALIKE) for _, suggested in groups)
        names[rows] = truth[rows]
    assert ways[0] == ALIKE
    assert ways == sorted(ways)  # alike, then teach
    assert TEACH in ways
    assert (names == truth).all()


def test_what_is_put_aside_is_not_asked_for_again():
    scores, _ = blobs(10)
    names, aside = nothing(40)
    names[[0, 10]] = 0, 1
    aside[5:30] = True
    adviser = Adviser(scores, seed=0)
    for way in (AUTO, ALIKE, TEACH, SURE):
        groups = adviser.next(names, aside, 2, way)[1]
        assert groups
        assert not (aside | (names != UNNAMED))[np.concatenate([rows for rows, _ in groups])].any()


def test_the_surest_of_each_name_come_together_and_most_of_them_are_right():
    scores, truth = blobs(30)
    names, aside = nothing(120)
    names[::6] = truth[::6]
    way, groups = Adviser(scores).next(names, aside, 4, SURE, most=10)
    assert way == SURE
    assert [len(rows) for rows, _ in groups] == [10] * 4
    assert all((truth[rows] == suggested).all() for rows, suggested in groups)


def test_before_there_are_two_names_nothing_is_suggested_and_a_run_suggests_at_once():
    scores, truth = blobs(30)
    names, aside = nothing(120)
    for way in (ALIKE, TEACH, SURE):
        assert {suggested for _, suggested in Adviser(scores).next(names, aside, 0, way)[1]} == {None}
    earlier = np.eye(4, dtype=np.float32)[truth]
    way, groups = Adviser(scores, earlier=earlier).next(names, aside, 5, AUTO)
    assert way == TEACH
    assert all((truth[rows] == suggested).all() for rows, suggested in groups)


def test_another_way_is_refused():
    scores, _ = blobs(3)
    with pytest.raises(ValueError, match="alike"):
        Adviser(scores).next(*nothing(12), 0, "best")


def test_a_curve_is_drawn_from_a_hundred_names_and_says_when_more_would_not_pay():
    scores, truth = blobs(60)
    assert errors_of_names(scores, np.where(np.arange(240) < LEAST_NAMED - 1, truth, UNNAMED), seed=0) is None
    named, wrong = errors_of_names(scores, truth, seed=0)
    assert named.tolist() == list(range(240))
    assert not wrong[-1].any()
    assert not more_pays(curve_of(wrong, seed=0))
    single = np.where(truth == 3, UNNAMED, truth)
    single[-1] = 3
    assert errors_of_names(scores, single, seed=0) is None
    hard, kinds = blobs(12, kinds=20, width=40, spread=1.6, seed=4)
    found = curve_of(errors_of_names(hard, kinds, seed=0)[1], seed=0)
    assert found.points[0].error > found.points[-1].error > 0.1
    assert more_pays(found)


def test_accuracy_is_that_of_pictures_drawn_at_random_whatever_else_was_named():
    scores, truth = blobs(60, spread=1.5)
    adviser = Adviser(scores, seed=0)
    names, aside = nothing(240)
    for _ in range(10):
        _, groups = adviser.next(names, aside, 4, TEACH)
        rows = np.concatenate([rows for rows, _ in groups])
        assert len(rows) == BATCH
        names[rows] = truth[rows]
        told = adviser.progress(names)
        if told and told["accuracy"] is not None:
            break
    assert told["drawn"] >= 40
    assert told["named"] > told["drawn"]
    assert told["interval"][0] < told["accuracy"] < told["interval"][1]
    every = adviser.progress(truth)
    assert every["drawn"] == every["named"] == 240
    wrong = errors_of_names(scores, truth, seed=0)[1]
    assert every["accuracy"] == pytest.approx(1 - wrong[-1].mean())
    assert every["commonest"] == 0.25
    assert told["commonest"] >= 0.25


def test_names_that_change_no_answers_make_it_stable_and_names_taken_back_do_not_count():
    scores, truth = blobs(60)
    order = np.random.default_rng(1).permutation(240)

    def named(count, names):
        return np.where(np.isin(np.arange(240), order[:count]), names, UNNAMED)

    adviser = Adviser(scores, seed=0)
    told = [adviser.progress(named(count, truth)) for count in (100, 110, 134, 158, 182)]
    assert [found["changed"] for found in told] == [None, None, None, None, 0.0]  # 110 are no batch more than 100
    assert [(found["stable"], found["pays"]) for found in told[3:]] == [(False, False), (True, False)]
    assert adviser.progress(named(120, truth))["changed"] is None
    noise = Adviser(scores, seed=0)
    drawn = np.random.default_rng(2).integers(0, 4, 240)
    told = [noise.progress(named(count, drawn)) for count in (100, 124, 148, 172)]
    assert told[-1]["changed"] > 0.05
    assert not told[-1]["stable"]
