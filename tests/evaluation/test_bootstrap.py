"""Tests of `evaluation.bootstrap`, `ranks` and `ece_interval`: against SciPy and scikit-learn, and how often they hold."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from pawsight.evaluation import bootstrap
from pawsight.evaluation.bootstrap import (
    LEAST,
    MOST,
    _f1_pulls,
    _macro_f1s,
    _studentised,
    area,
    areas,
    bca,
    influence,
    intervals,
    macro_f1,
    ranked,
    resample_weights,
    resamples,
)
from pawsight.evaluation.calibration import brier_score, ece_interval, expected_calibration_error
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.metrics import log_loss, measure, roc_auc

FIGURES = ("log_loss", "roc_auc", "macro_f1", "brier", "ece")


def world(chance, pictures, classes=2, margin=1.5, sharpness=1.0):
    """Truths and answers of a made-up classifier."""
    true = chance.integers(0, classes, pictures)
    scores = chance.normal(size=(pictures, classes))
    scores[np.arange(pictures), true] += margin
    powers = np.exp(sharpness * (scores - scores.max(axis=1, keepdims=True)))
    return true, powers / powers.sum(axis=1, keepdims=True)


def measured(true, probabilities):
    return {
        "log_loss": log_loss(true, probabilities),
        "roc_auc": roc_auc(true, probabilities),
        "macro_f1": macro_f1(true, probabilities.argmax(axis=1), probabilities.shape[1]),
        "brier": brier_score(true, probabilities),
        "ece": expected_calibration_error(true, probabilities),
    }


def efrons(measured, pulls, drawn):
    """Return the interval as SciPy's distributions give it: "Better Bootstrap Confidence Intervals", 1987."""
    from scipy.stats import norm

    below = (drawn < measured).mean() + (drawn == measured).mean() / 2
    shift = norm.ppf(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    skew = (pulls**3).sum() / (6 * (pulls**2).sum() ** 1.5)
    z = shift + norm.ppf([0.025, 0.975])
    low, high = np.quantile(drawn, norm.cdf(shift + z / (1 - skew * z)))
    return [min(low, measured), max(high, measured)]


@pytest.mark.parametrize("measured", [0.2, 0.44, 0.5, 0.61, 0.9])
@pytest.mark.parametrize("skewed", [0.0, 0.3, -0.3])
def test_an_accelerated_interval_is_efrons(measured, skewed):
    """Also where resamples give just what was measured, and where all lie on one side of it."""
    chance = np.random.default_rng(11)
    pulls = chance.normal(size=40) + skewed * chance.exponential(3, 40)
    drawn = np.round(chance.normal(0.5, 0.1, 501), 2).clip(0.21, 0.89)
    assert bca(measured, pulls, drawn).as_list() == pytest.approx(efrons(measured, pulls, drawn), abs=1e-9)
    unknown = np.insert(drawn, 3, np.nan)
    assert bca(measured, pulls, unknown) == bca(measured, pulls, drawn)


def test_an_accelerated_interval_needs_a_figure_resamples_that_differ_and_pictures_that_matter():
    pulls, drawn = np.array([1.0, -1.0, 0.5]), np.linspace(0.2, 0.8, 99)
    assert bca(np.nan, pulls, drawn) is None
    assert bca(0.5, 0 * pulls, drawn) is None
    assert bca(0.5, pulls, np.full(99, 0.5)) is None
    assert bca(0.5, pulls, np.full(99, np.nan)) is None
    assert bca(0.5, pulls, np.array([0.5, 0.7])).as_list() == pytest.approx(efrons(0.5, pulls, np.array([0.5, 0.7])))


def test_a_studentised_interval_divides_each_shift_by_the_spread_of_its_own_resample():
    chance = np.random.default_rng(12)
    values = chance.exponential(1, 50)
    centred = (values - values.mean()) / values.std()
    rows = chance.integers(0, 50, (400, 50))
    rows[0] = int(np.argmax(values))  # a resample of one picture alone has no spread: a fifth of the sample's is taken
    means, spreads = centred[rows].mean(axis=1), np.maximum(centred[rows].std(axis=1), 0.2)
    low, high = np.quantile(means / spreads, [0.025, 0.975])
    expected = [values.mean() - high * values.std(), values.mean() - low * values.std()]
    found = _studentised(values, means, centred[rows].var(axis=1), most=9.0)
    assert found.as_list() == pytest.approx(expected)
    least = _studentised(values, means, centred[rows].var(axis=1), most=float(values.mean()))
    assert least.high == values.mean()


def test_resamples_draw_as_many_pictures_as_there_are_in_pieces_that_fit(monkeypatch):
    whole = np.concatenate(list(resample_weights(30, 25, seed=3)))
    assert whole.shape == (25, 30)
    assert whole.dtype == np.float32
    assert (whole.sum(axis=1) == 30).all()
    assert (whole.sum(axis=0) > 0).all()
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 30 * 4)
    assert [len(piece) for piece in resample_weights(30, 25, seed=3)] == [4, 4, 4, 4, 4, 4, 1]
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 1)
    assert [len(piece) for piece in resample_weights(30, 3, seed=3)] == [1, 1, 1]


def test_the_interval_of_the_area_is_of_resamples_that_are_ranked_anew(monkeypatch):
    true, probabilities = world(np.random.default_rng(13), 90)
    own, scores = true == 1, probabilities[:, 1]
    weights = np.concatenate(list(resample_weights(90, resamples(90), seed=0)))
    figure, pulls = influence(own, scores)
    drawn = areas(ranked(own, scores), weights)
    assert intervals(true, probabilities)["roc_auc"].as_list() == pytest.approx(efrons(figure, pulls, drawn), abs=1e-6)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 90 * 7)  # the same, whatever fits in memory at once
    in_pieces = intervals(true, probabilities, seed=0)["roc_auc"].as_list()
    assert in_pieces == pytest.approx(efrons(figure, pulls, areas(ranked(own, scores), whole_of(90))), abs=1e-6)


def whole_of(pictures):
    return np.concatenate(list(resample_weights(pictures, resamples(pictures), seed=0)))


def test_of_more_classes_the_area_is_the_mean_of_each_against_the_rest_and_of_those_that_were_drawn():
    true, probabilities = world(np.random.default_rng(17), 60, 3)
    true[:] = np.where(np.arange(60) < 2, 2, true % 2)  # a class of two, absent from every eighth resample
    per_class = [(true == index, probabilities[:, index]) for index in range(3)]
    told = [influence(own, scores) for own, scores in per_class]
    each = np.stack([areas(ranked(own, scores), whole_of(60)) for own, scores in per_class])
    assert 50 < np.isnan(each[2]).sum() < 250
    figure, pulls = sum(item for item, _ in told) / 3, sum(pull for _, pull in told) / 3
    found = intervals(true, probabilities)["roc_auc"].as_list()
    assert found == pytest.approx(efrons(figure, pulls, np.nanmean(each, axis=0)), abs=1e-6)


def test_a_picture_pulls_macro_f1_as_a_little_more_of_it_would():
    """Also where a class was never answered, was answered once, and never occurs at all."""
    true, predicted = np.array([0, 0, 0, 1, 1, 2, 2, 0, 0]), np.array([0, 0, 1, 1, 0, 2, 0, 4, 0])
    little, alone = 1e-5, np.ones((1, 9))
    before = _macro_f1s(alone, true, predicted, 6)[0]
    after = _macro_f1s(alone + little * np.eye(9), true, predicted, 6)
    assert _f1_pulls(true, predicted, 6) == pytest.approx(9 * (after - before) / little, abs=1e-3)
    assert len(_f1_pulls(true, np.zeros(9, np.int64), 3)) == 9


def test_classes_without_a_picture_or_an_answer_are_no_part_of_macro_f1():
    from sklearn.metrics import f1_score

    true, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 0])
    expected = f1_score(true, predicted, average="macro", zero_division=0)
    assert macro_f1(true, predicted, 3) == macro_f1(true, predicted, 7) == pytest.approx(expected)
    twice = _macro_f1s(np.array([[1, 1, 0, 0, 0], [1, 0, 1, 1, 1]], np.float32), true, predicted, 3)
    assert twice[0] == pytest.approx(f1_score(true[:2], predicted[:2], average="macro", zero_division=0))


def test_the_seed_reaches_the_calibration_error():
    true, probabilities = world(np.random.default_rng(18), 150)
    assert intervals(true, probabilities, seed=5)["ece"] == ece_interval(true, probabilities, seed=5)
    assert intervals(true, probabilities)["log_loss"] == intervals(true, probabilities, seed=0)["log_loss"]


def test_only_as_many_resamples_are_ranked_anew_as_can_be_afforded(monkeypatch):
    """And the others are not: the interval is that of the first of them."""
    true, probabilities = world(np.random.default_rng(14), 80)
    own, scores = true == 1, probabilities[:, 1]
    monkeypatch.setattr(bootstrap, "_RANKED", 80 * 300)
    monkeypatch.setattr(bootstrap, "_AT_ONCE", 80 * 70)
    figure, pulls = influence(own, scores)
    drawn = areas(ranked(own, scores), whole_of(80)[:300])
    assert intervals(true, probabilities)["roc_auc"].as_list() == pytest.approx(efrons(figure, pulls, drawn), abs=1e-6)


def test_where_none_can_be_afforded_the_area_moves_by_what_its_pictures_pull(monkeypatch):
    true, probabilities = world(np.random.default_rng(15), 80)
    monkeypatch.setattr(bootstrap, "_RANKED", 0)
    figure, pulls = influence(true == 1, probabilities[:, 1])
    drawn = figure + whole_of(80) @ pulls / 80
    found = intervals(true, probabilities)["roc_auc"].as_list()
    # To rounding in float32, which tells apart resamples that give the same: half of them then count as below or not.
    assert found == pytest.approx(np.clip(efrons(figure, pulls, drawn), 0, 1), abs=1e-3)


def test_a_picture_whose_class_was_held_impossible_has_a_finite_loss():
    true, probabilities = world(np.random.default_rng(16), 60)
    probabilities[0] = np.eye(2)[1 - true[0]]
    found = intervals(true, probabilities)["log_loss"]
    assert found.low < log_loss(true, probabilities) < found.high <= 36.1
    assert np.isfinite(found.high)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=40))
@settings(max_examples=80, deadline=None)
def test_areas_of_weighted_pictures_with_ties_are_those_of_scikit_learn(rows):
    from sklearn.metrics import roc_auc_score

    own, scores, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = areas(ranked(own, scores), weights[None].astype(np.float32))[0]
    if not weights[own].sum() or not weights[~own].sum():
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(own, scores, sample_weight=weights), abs=1e-6)
    if own.any() and not own.all():
        assert area(own, scores) == pytest.approx(roc_auc_score(own, scores), abs=1e-12)
        assert area(own, scores) + area(own, -scores) == pytest.approx(1)
        assert influence(own, scores)[1].sum() == pytest.approx(0, abs=1e-9)


@given(st.integers(0, 10**6), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_macro_f1_is_that_of_scikit_learn(seed, classes):
    from sklearn.metrics import f1_score

    true, probabilities = world(np.random.default_rng(seed), 20, classes)
    predicted = probabilities.argmax(axis=1)
    assert macro_f1(true, predicted, classes) == pytest.approx(f1_score(true, predicted, average="macro"))


@given(st.integers(0, 10**6), st.integers(2, 4), st.floats(0, 4), st.integers(2, 60))
@settings(max_examples=40, deadline=None)
def test_every_interval_holds_what_was_measured_and_keeps_its_bounds(seed, classes, margin, pictures):
    true, probabilities = world(np.random.default_rng(seed), pictures, classes, margin)
    found, figures = intervals(true, probabilities), measured(true, probabilities)
    for name in FIGURES:
        one = found[name]
        if one is not None:
            assert 0 <= one.low <= figures[name] + 1e-9
            assert figures[name] - 1e-9 <= one.high <= {"log_loss": 36.1, "brier": 2}.get(name, 1)


def test_the_same_seed_gives_the_same_intervals_and_another_seed_nearly_the_same():
    true, probabilities = world(np.random.default_rng(1), 300, 3)
    one, again, other = (intervals(true, probabilities, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one != other
    for name in FIGURES:
        assert one[name].as_list() == pytest.approx(other[name].as_list(), abs=0.02)


def test_the_order_of_pictures_changes_no_interval_beyond_the_noise_of_resampling():
    chance = np.random.default_rng(2)
    true, probabilities = world(chance, 300, 3)
    order = chance.permutation(300)
    one, other = intervals(true, probabilities), intervals(true[order], probabilities[order])
    for name in FIGURES:
        assert one[name].as_list() == pytest.approx(other[name].as_list(), abs=0.02)
    assert one["ece"].as_list() == pytest.approx(other["ece"].as_list(), abs=1e-9)


def test_the_intervals_of_f1_and_the_area_are_those_of_scipys_bca():
    from scipy.stats import bootstrap
    from sklearn.metrics import f1_score, roc_auc_score

    true, probabilities = world(np.random.default_rng(4), 100)
    found, scores = intervals(true, probabilities), probabilities[:, 1]
    for ours, statistic in (
        (found["roc_auc"], roc_auc_score),
        (found["macro_f1"], lambda t, s: f1_score(t, s > 0.5, average="macro")),
    ):
        theirs = bootstrap(
            (true, scores), statistic, paired=True, vectorized=False, n_resamples=400, method="BCa", rng=0
        ).confidence_interval
        assert ours.as_list() == pytest.approx([theirs.low, theirs.high], abs=0.015)


def test_the_intervals_of_means_are_near_those_of_scipy():
    from scipy.stats import bootstrap

    true, probabilities = world(np.random.default_rng(5), 400)
    losses = -np.log(probabilities[np.arange(400), true])
    theirs = bootstrap((losses,), np.mean, n_resamples=2000, method="BCa", rng=0).confidence_interval
    assert intervals(true, probabilities)["log_loss"].as_list() == pytest.approx([theirs.low, theirs.high], abs=0.012)


def test_one_lone_mistake_does_not_reach_to_the_sky():
    true = np.zeros(500, np.int64)
    probabilities = np.tile([1.0, 0.0], (500, 1))
    probabilities[0] = [0.0, 1.0]
    ends = intervals(true, probabilities)["brier"]
    assert ends.low == 0
    assert ends.high / 2 == pytest.approx(wilson(1, 500).high, rel=0.2)


def test_what_never_varies_has_no_interval():
    true = np.array([0, 1] * 20)
    found = intervals(true, np.eye(2)[true])
    assert found == dict.fromkeys(FIGURES)
    assert intervals(np.zeros(9, np.int64), np.tile([0.8, 0.2], (9, 1)))["roc_auc"] is None


def test_large_data_get_fewer_resamples_and_never_too_few():
    assert [resamples(n) for n in (1, 808, 10_000, 20_000, 10**6)] == [MOST, MOST, MOST, 500, LEAST]


def test_two_hundred_classes_are_measured_with_all_intervals():
    true, probabilities = world(np.random.default_rng(6), 1500, 200, margin=4, sharpness=2)
    found = measure(true, probabilities, [str(index) for index in range(200)])
    assert all(ends is not None for ends in found.intervals.values())
    assert found.intervals["roc_auc"].low < found.roc_auc < found.intervals["roc_auc"].high


def test_the_cheap_interval_of_the_area_is_near_the_dear_one(monkeypatch):
    true, probabilities = world(np.random.default_rng(7), 400, 5)
    dear = intervals(true, probabilities)["roc_auc"]
    monkeypatch.setattr("pawsight.evaluation.bootstrap._RANKED", 0)
    assert intervals(true, probabilities)["roc_auc"].as_list() == pytest.approx(dear.as_list(), abs=0.004)


def test_chance_alone_can_explain_the_error_of_a_calibrated_classifier():
    chance, held = np.random.default_rng(8), 0
    for seed in range(100):
        sure = chance.uniform(0.5, 1, 200)
        true = (chance.random(200) > sure).astype(np.int64)
        held += ece_interval(true, np.stack([sure, 1 - sure], axis=1), seed=seed).low == 0
    assert held >= 90


def times_held(draws):
    """How often the interval of each figure holds the truth of a made-up world of which so many samples are drawn."""
    truth = measured(*world(np.random.default_rng(99), 400_000))
    chance = np.random.default_rng(1)
    held = dict.fromkeys((*FIGURES, "accuracy"), 0)
    for draw in range(draws):
        true, probabilities = world(chance, 300)
        found = intervals(true, probabilities, seed=draw)
        for name in FIGURES:
            ends = found[name]
            held[name] += ends.low <= truth[name] <= ends.high
        right = wilson(int((probabilities.argmax(axis=1) == true).sum()), 300)
        held["accuracy"] += right.low <= truth["macro_f1"] <= right.high  # the same in a world without a rare class
    return held


@pytest.fixture
def fewer_resamples(monkeypatch):
    monkeypatch.setattr("pawsight.evaluation.bootstrap.MOST", 400)
    monkeypatch.setattr("pawsight.evaluation.calibration._DRAWS", 400)


def test_intervals_hold_the_truth_about_95_times_in_100(fewer_resamples):
    """As often as the binomial law has it of 95 in 100; six intervals that hold just so often fail 1 time in 1,000."""
    draws = 150
    least, most = binom.interval(1 - 0.001 / 6, draws, 0.95)
    assert all(least <= count <= most for count in times_held(draws).values())


@pytest.mark.slow
def test_intervals_hold_the_truth_93_to_97_times_in_100(fewer_resamples):
    """1,000 draws; benchmarks/coverage.py says the same of more worlds, with all resamples."""
    held = times_held(1000)
    assert all(0.93 <= count / 1000 <= 0.97 for count in held.values()), held


ONES = np.ones((1, 3), np.float32)


@pytest.mark.parametrize("is_own", [[True, False, False], [True, True, False]])
def test_a_side_of_one_picture_has_an_area_whichever_way_it_is_counted(is_own: list[bool]) -> None:
    own, scores = np.array(is_own), np.array([0.5, 0.1, 0.3])
    expected = 1.0 if sum(is_own) == 1 else 0.5
    assert areas(ranked(own, scores), ONES).tolist() == [expected]
    assert area(own, scores) == expected


@pytest.mark.parametrize("side", [True, False])
def test_without_one_of_the_sides_there_is_no_area(side: bool) -> None:
    own, scores = np.full(3, side), np.array([0.5, 0.1, 0.3])
    assert np.isnan(areas(ranked(own, scores), ONES)).all()
    assert np.isnan(area(own, scores))


def test_each_picture_pulls_by_the_pairs_that_it_wins() -> None:
    mean, pulls = influence(np.array([True, True, False, False, False]), np.array([0.9, 0.4, 0.5, 0.1, 0.2]))
    assert mean == pytest.approx(5 / 6)  # of six pairs only 0.4 beside 0.5 is the wrong way round
    assert pulls == pytest.approx([5 / 12, -5 / 12, -5 / 9, 5 / 18, 5 / 18])


def test_equal_scores_count_half() -> None:
    own, scores = np.array([True, False, True, False]), np.array([0.5, 0.5, 0.5, 0.1])
    assert area(own, scores) == 0.75
    assert areas(ranked(own, scores), np.ones((2, 4), np.float32)).tolist() == [0.75, 0.75]


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_weighted_areas_are_those_of_all_pairs(levels: int) -> None:
    chance = np.random.default_rng(levels)
    own, scores = chance.random(30) < 0.4, chance.integers(0, levels, 30) / levels
    weights = chance.integers(0, 4, (5, 30)).astype(np.float32)
    above = (scores[own][:, None] > scores[~own]) + 0.5 * (scores[own][:, None] == scores[~own])
    expected = [row[own] @ above @ row[~own] / (row[own].sum() * row[~own].sum()) for row in weights.astype(np.float64)]
    assert areas(ranked(own, scores), weights) == pytest.approx(expected, rel=1e-5)
    assert area(own, scores) == pytest.approx(above.mean())


def test_groups_are_drawn_as_a_whole():
    which = np.array([0, 0, 0, 1, 2, 2])
    weights = np.concatenate(list(resample_weights(6, 40, seed=2, which=which)))
    assert weights.shape == (40, 6)
    assert (weights[:, [1, 2, 5]] == weights[:, [0, 0, 4]]).all()
    assert (weights[:, [0, 3, 4]].sum(axis=1) == 3).all()


def test_where_each_picture_is_alone_intervals_are_those_without_groups():
    true, probabilities = world(np.random.default_rng(21), 200, 3)
    alone, groups = intervals(true, probabilities), intervals(true, probabilities, groups=np.arange(200))
    for name in FIGURES:
        assert groups[name].as_list() == pytest.approx(alone[name].as_list(), rel=0.02, abs=5e-3)


def grouped_world(chance, groups, each):
    """Pictures whose difficulty is that of their group."""
    pictures = groups * each
    true = chance.integers(0, 2, pictures)
    margin = np.repeat(chance.normal(1.5, 1.5, groups), each)
    scores = chance.normal(size=(pictures, 2))
    scores[np.arange(pictures), true] += margin
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return true, powers / powers.sum(axis=1, keepdims=True)


def test_intervals_of_groups_hold_the_truth_where_those_of_pictures_do_not(fewer_resamples):
    truth = measured(*grouped_world(np.random.default_rng(98), 40_000, 5))
    chance, held, naive = np.random.default_rng(5), Counter(), Counter()
    groups = np.repeat(np.arange(40), 10)
    for draw in range(60):
        true, probabilities = grouped_world(chance, 40, 10)
        for counted, kept in ((held, groups), (naive, None)):
            found = intervals(true, probabilities, seed=draw, groups=kept)
            counted.update(name for name in FIGURES if found[name].low <= truth[name] <= found[name].high)
    assert all(held[name] >= 50 for name in FIGURES), held  # of 60: 57 are expected, below 50 is 1 time in 1,000
    assert all(naive[name] < held[name] for name in ("log_loss", "roc_auc", "macro_f1", "brier")), naive
