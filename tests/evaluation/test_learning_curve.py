"""The learning curve: a power law found again, and nothing promised where nothing was seen."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from pawsight.evaluation.intervals import Interval
from pawsight.evaluation.learning_curve import (
    CurvePoint,
    LearningCurve,
    _fit_all,
    _gains,
    _line,
    _resampled,
    honest,
    sentence,
    trace_curve,
)
from pawsight.reports.charts import curve_svg, describe_learning_curve

SIZES = ((0.1, 200), (0.2, 400), (0.4, 800), (0.8, 1600), (1.0, 2000))


def trials(error, *, pictures=2000, seed=0, own=0.2):
    """Pictures of a difficulty of their own, and a share of each answer left to chance."""
    random = np.random.default_rng(seed)
    difficulty = random.random(pictures)
    return [
        (
            share,
            size,
            np.array(
                [
                    np.where(random.random(pictures) < own, random.random(pictures), difficulty) < error(size)
                    for _ in range(1 if share == 1 else 3)
                ]
            ),
        )
        for share, size in SIZES
    ]


def exact(error, *, pictures=100_000):
    return [(share, size, (np.arange(pictures) < round(error(size) * pictures))[None]) for share, size in SIZES]


def test_a_power_law_is_found_again():
    curve = trace_curve(exact(lambda n: 0.03 + 2 * n**-0.5), resamplings=50)
    assert curve.floor == pytest.approx(0.03, abs=2e-3)
    assert curve.exponent == pytest.approx(0.5, rel=0.05)
    assert curve.error(curve.twice) == pytest.approx(0.03 + 2 * 4000**-0.5, abs=1e-3)
    assert curve.gain == pytest.approx(200 * (2000**-0.5 - 4000**-0.5), abs=0.1)


def test_a_floor_below_nothing_is_not_believed():
    curve = trace_curve(exact(lambda n: 0.5 - 0.05 * np.log(n)), resamplings=20)
    assert curve.floor >= 0
    assert 0 <= curve.error(10**9) <= curve.points[-1].error


def test_a_falling_curve_is_measurable_and_the_interval_holds_the_truth():
    curve = trace_curve(trials(lambda n: 0.02 + n**-0.5))
    low, high = curve.interval
    assert curve.is_measurable
    assert low < 100 * (2000**-0.5 - 4000**-0.5) < high
    assert all(f"{figure:.2f}" in sentence(curve) for figure in (curve.gain, low, high))


def test_a_flat_curve_promises_nothing_in_almost_all_draws():
    curves = [trace_curve(trials(lambda n: 0.03, seed=seed, pictures=400), resamplings=200) for seed in range(40)]
    assert sum(curve.is_measurable for curve in curves) <= 3
    assert "-0.00" not in sentence(curves[0])


@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_a_classifier_that_is_always_right_or_wrong_has_a_curve_too(wrong):
    curve = trace_curve(exact(lambda n: wrong, pictures=500), resamplings=20)
    assert (curve.interval is None) == (wrong == 0)
    assert curve.interval is None or curve.interval == pytest.approx((0, 0), abs=1e-9)
    assert not curve.is_measurable


@pytest.mark.parametrize(
    ("wrong", "pictures"),
    [(1, 31), (4, 1_000), (60, 199)],
)
def test_where_too_little_was_seen_no_interval_pretends(wrong, pictures, snapshot):
    some = [(share, size, (np.arange(pictures) < wrong * (1 + (share < 0.5)))[None]) for share, size in SIZES]
    curve = trace_curve(some, resamplings=20)
    assert curve.interval is None
    assert not curve.is_measurable
    assert curve.to_json()["twice"]["interval"] is None
    assert sentence(curve) == snapshot
    ET.fromstring(curve_svg(curve))


def test_the_same_seed_gives_the_same_interval():
    some = trials(lambda n: n**-0.4, pictures=300)
    assert trace_curve(some, seed=4, resamplings=50) == trace_curve(some, seed=4, resamplings=50)
    assert trace_curve(some, seed=4, resamplings=50) != trace_curve(some, seed=5, resamplings=50)


def test_points_hold_the_mean_over_trainings_and_wilson_s_interval():
    first = trace_curve(trials(lambda n: n**-0.4, pictures=300), resamplings=5).points[0]
    assert (first.share, first.pictures, first.seeds) == (0.1, 200, 3)
    assert first.interval.low < first.error < first.interval.high


@pytest.mark.parametrize("count", [0, 1, 2])
def test_two_sizes_make_no_curve(count):
    with pytest.raises(ValueError, match=rf"^{count} "):
        trace_curve(exact(lambda n: 0.1, pictures=10)[:count])


def test_the_fit_never_leaves_the_possible():
    assert curve_of(floor=0.0, scale=-5.0, exponent=0.1).error(10) == 0.0
    assert curve_of(floor=0.5, scale=50.0, exponent=0.1).error(10) == 1.0


def test_json_is_plain_and_holds_the_answer():
    curve = trace_curve(trials(lambda n: n**-0.4, pictures=200), resamplings=20)
    plain = json.loads(json.dumps(curve.to_json(), allow_nan=False))
    assert set(plain) == {"points", "measured_on", "fit", "twice"}
    assert plain["twice"]["sentence"] == sentence(curve)
    assert [point["pictures"] for point in plain["points"]] == [size for _, size in SIZES]


@pytest.mark.parametrize("error", [lambda n: 0.02 + n**-0.5, lambda n: 0.01, lambda n: 0.0])
def test_the_chart_is_one_svg_element_that_says_in_words_what_it_shows(error, snapshot):
    curve = trace_curve(trials(error, pictures=300), resamplings=50)
    root = ET.fromstring(curve_svg(curve))
    assert root.tag.endswith("svg")
    assert root.get("role") == "img"
    assert root.get("aria-label") == describe_learning_curve(curve)
    told = ["".join(element.itertext()).strip() for element in root.iter() if element.tag.endswith("text")]
    assert "4,000" in " ".join(told)
    assert [text for text in told if any(letter.isalpha() for letter in text)] == snapshot


def curve_of(*, error=0.05, pictures=400, gain=1.234, interval=(0.5, 2.0), **fit):
    point = CurvePoint(share=1.0, pictures=2000, seeds=1, error=error, interval=Interval(0.04, 0.07))
    fit = {"floor": 0.01, "scale": gain / 100 / (2000**-0.5 - 4000**-0.5), "exponent": 0.5} | fit
    return LearningCurve((point,), pictures, **fit, interval=interval)


def test_json_names_every_figure():
    plain = curve_of().to_json()
    point = {"share": 1.0, "pictures": 2000, "seeds": 1, "error": 0.05, "interval": [0.04, 0.07]}
    error = 0.01 + 0.01234 * 4000**-0.5 / (2000**-0.5 - 4000**-0.5)
    twice = {"pictures": 4000, "error": error, "gain": 1.234, "is_measurable": True}
    assert {key: plain["twice"][key] for key in twice} == pytest.approx(twice)
    assert (plain["twice"]["interval"], plain["twice"]["sentence"]) == ([0.5, 2.0], sentence(curve_of()))
    assert plain == {
        "points": [point],
        "measured_on": 400,
        "fit": {"floor": 0.01, "scale": curve_of().scale, "exponent": 0.5},
        "twice": plain["twice"],
    }


def test_sentences_round_to_hundredths_and_know_one_picture_from_two(snapshot):
    curves = [
        curve_of(),
        curve_of(gain=-0.0016, interval=(-0.0016, 0.126)),
        curve_of(gain=0.456, interval=(-0.3, -0.0016)),
        *(curve_of(error=0.0, pictures=pictures, interval=None) for pictures in (1, 2)),
    ]
    assert [sentence(curve) for curve in curves] == snapshot


def test_an_interval_is_told_from_five_wrong_of_two_hundred_on():
    assert honest(curve_of(error=0.025, pictures=200)).interval == (0.5, 2.0)
    for error, pictures in ((0.02, 200), (0.03, 199)):
        taken_back = honest(curve_of(error=error, pictures=pictures))
        assert taken_back.interval is None
        assert taken_back.is_measurable is False


def test_three_sizes_are_enough_and_all_must_be_of_the_same_pictures():
    some = exact(lambda n: n**-0.5, pictures=300)
    assert len(trace_curve(some[:3], resamplings=5).points) == 3
    with pytest.raises(ValueError, match=r"^5 .*\[200, 300\]"):
        trace_curve([*exact(lambda n: 0.1, pictures=200)[:1], *some[1:]])
    with pytest.raises(ValueError, match=r"^5 .*\[0\]"):
        trace_curve([(1.0, size, np.zeros((1, 0), bool)) for _, size in SIZES])


def test_the_gain_is_the_fits_and_its_interval_the_middle_of_all_resamplings():
    some = trials(lambda n: 0.02 + n**-0.5, pictures=300)
    curve, sizes = trace_curve(some, resamplings=80), np.array([size for _, size in SIZES], float)
    assert curve.gain == 100 * (curve.error(2000) - curve.error(4000))
    gains = 100 * _gains(*_fit_all(sizes, _resampled(some, 0, 80)), 2000)
    assert curve.interval == pytest.approx(tuple(np.percentile(gains, [2.5, 97.5])))
    assert trace_curve(some) == trace_curve(some, seed=0, resamplings=1000)


def test_gains_are_of_possible_errors_only():
    floors, scales, exponents = np.array([[0.0, 0.5, -1.0, 0.9], [8.0, 8.0, 8.0, 40.0], [1.0, 1.0, 1.0, 1.0]])
    assert _gains(floors, scales, exponents, 10) == pytest.approx([0.4, 1.0 - 0.9, 0.0, 0.0])
    assert _gains(np.array([-0.5]), np.array([8.0]), np.array([1.0]), 10) == pytest.approx([0.3])


def test_a_line_holds_its_floor_and_then_fits_the_rest():
    basis = np.array([4.0, 2.0, 1.0])
    errors = np.stack([0.1 + 0.05 * basis, -0.1 + 0.2 * basis, 1.3 - 0.1 * basis])
    floors, scales = _line(basis, errors)
    assert floors == pytest.approx([0.1, 0.0, 1.0])
    through = [(errors[1] @ basis) / (basis @ basis), ((errors[2] - 1) @ basis) / (basis @ basis)]
    assert scales == pytest.approx([0.05, *through])


def test_resamplings_draw_pictures_for_all_sizes_at_once_and_trainings_of_each_size():
    wrong = np.zeros((3, 40), bool)
    wrong[0] = True  # one training of three got everything wrong
    half = np.tile(np.arange(40) < 20, (1, 1))
    errors = _resampled([(0.5, 10, wrong), (0.8, 16, half), (1.0, 20, ~half)], 3, 200)
    assert set(np.round(3 * errors[:, 0]).astype(int)) == {0, 1, 2, 3}
    assert errors[:, 0].mean() == pytest.approx(1 / 3, abs=0.06)
    assert errors[:, 1] + errors[:, 2] == pytest.approx(np.ones(200))
    assert errors[:, 1].std() == pytest.approx((0.25 / 40) ** 0.5, rel=0.2)


def test_validation_pictures_of_one_group_are_drawn_together():
    chance = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 10)
    hard = chance.random(30) < 0.3
    trials = [
        (share, int(1000 * share), (chance.random((1, 300)) < (0.8 - 0.3 * share)) & hard[groups])
        for share in (0.1, 0.2, 0.4, 1.0)
    ]
    alone, together = trace_curve(trials), trace_curve(trials, groups=groups)
    assert [point.error for point in together.points] == [point.error for point in alone.points]
    assert together.interval[1] - together.interval[0] > alone.interval[1] - alone.interval[0]
    assert all(
        own.interval.high > other.interval.high for own, other in zip(together.points, alone.points, strict=True)
    )
