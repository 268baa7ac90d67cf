"""Metrics of several labels a picture: against scikit-learn, with intervals that hold, and nothing said of absent labels."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import average_precision_score, f1_score, log_loss, precision_score, recall_score

from pawsight.classifier.trust import LabelRule, RiskGuarantee
from pawsight.evaluation.bootstrap import LEAST
from pawsight.evaluation.several_labels import _Curve, co_occurrence, measure_labels, sentence, to_jsonable

NAMES = ("round", "red", "striped")
RULES = tuple(LabelRule(threshold=threshold) for threshold in (0.5, 0.4, 0.3))


def world(seed, pictures, *, shares=(0.5, 0.3, 0.1), margin=1.5):
    """Truths and answers of a made-up classifier."""
    chance = np.random.default_rng(seed)
    truth = chance.random((pictures, len(shares))) < shares
    logits = chance.normal(size=truth.shape) + margin * truth + np.log(shares)
    return truth, (1 / (1 + np.exp(-logits))).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1), pictures=st.integers(1, 40), digits=st.sampled_from([1, 6]))
@settings(max_examples=25, deadline=None)
def test_figures_are_those_of_scikit_learn(seed, pictures, digits):
    truth, probabilities = world(seed, pictures)
    probabilities = probabilities.round(digits)  # one digit: many are equal
    metrics = measure_labels(truth, probabilities, RULES, NAMES)
    thresholds = [rule.threshold for rule in RULES]
    answered = probabilities.astype(float) >= thresholds
    present = np.flatnonzero(truth.any(axis=0))
    assert metrics.absent == tuple(name for name, own in zip(NAMES, truth.T, strict=True) if not own.any())
    assert metrics.micro_f1 == pytest.approx(f1_score(truth, answered, average="micro", zero_division=0))
    assert metrics.exact_match == (truth == answered).all(axis=1).mean()
    if digits > 1:  # a probability of 0 is clipped elsewhere there
        losses = [log_loss(own, column, labels=[0, 1]) for own, column in zip(truth.T, probabilities.T, strict=True)]
        assert metrics.log_loss == pytest.approx(np.mean(losses), abs=1e-5)
    if len(present):
        averages = average_precision_score(truth[:, present], probabilities[:, present], average=None)
        assert metrics.mean_average_precision == pytest.approx(np.mean(averages), abs=1e-6)
        f1 = [f1_score(truth[:, column], answered[:, column], zero_division=0) for column in present]
        assert metrics.macro_f1 == pytest.approx(np.mean(f1))
    else:
        assert metrics.mean_average_precision is metrics.macro_f1 is None
    for label, own, said in zip(metrics.labels, truth.T, answered.T, strict=True):
        figures = [label.average_precision, label.precision, label.recall, label.f1]
        if own.any():
            scores = [score(own, said, zero_division=0) for score in (precision_score, recall_score, f1_score)]
            assert figures[1:] == pytest.approx(scores)
        else:
            assert figures == [None] * 4
    for interval, value in [
        *((metrics.intervals[name], getattr(metrics, name)) for name in metrics.intervals),
        *((label.intervals[name], getattr(label, name)) for label in metrics.labels for name in label.intervals),
    ]:
        assert interval is None or interval.low - 1e-9 <= value <= interval.high + 1e-9


def test_weights_count_pictures_as_often_as_they_say():
    truth, probabilities = world(3, 30)
    counts = np.random.default_rng(0).integers(0, 3, 30)
    own, scores = truth[:, 1], probabilities[:, 1].round(1)
    repeated = np.repeat(np.arange(30), counts)
    found = _Curve(own, scores).average_precisions(counts[None].astype(np.float32))
    assert found[0] == pytest.approx(average_precision_score(own[repeated], scores[repeated]), abs=1e-6)


@pytest.mark.parametrize("digits", [1, 6])
def test_a_picture_pulls_as_much_as_a_little_more_of_it_changes(digits):
    truth, probabilities = world(4, 20)
    own, scores = truth[:, 0], probabilities[:, 0].round(digits)
    curve = _Curve(own, scores)
    more = 1e-2 * np.eye(20, dtype=np.float32)
    changes = (curve.average_precisions(1 + more) - curve.average_precisions(1 - more)) / 2e-2
    assert curve.pulls == pytest.approx(changes, abs=2e-4)
    assert curve.pulls.sum() == pytest.approx(0, abs=1e-9)


def test_intervals_of_average_precision_hold_what_they_promise(monkeypatch):
    monkeypatch.setattr("pawsight.evaluation.several_labels.resamples", lambda pictures: LEAST)
    expected = average_precision_score(*world(0, 40_000), average="macro")
    held = 0
    for seed in range(60):
        interval = measure_labels(*world(seed + 1, 150), RULES, NAMES).intervals["mean_average_precision"]
        held += interval.low <= expected <= interval.high
    assert held >= 51  # 57 are expected of 60; fewer than 51 in 3 of 1,000 runs


def test_the_interval_of_a_mean_over_many_rare_labels_holds_what_it_promises(monkeypatch):
    monkeypatch.setattr("pawsight.evaluation.several_labels.resamples", lambda pictures: LEAST)
    shares = np.linspace(0.05, 0.35, 40)
    names, rules = [str(number) for number in range(40)], [LabelRule(threshold=0.5)] * 40

    def few(seed):
        random = np.random.default_rng(seed)
        truth = random.random((40, 40)) < shares
        return truth, expit(random.normal(size=truth.shape) + truth).astype(np.float32)

    def mean_of(truth, probabilities):
        has_any = truth.any(axis=0)
        return average_precision_score(truth[:, has_any], probabilities[:, has_any], average="macro")

    expected = np.mean([mean_of(*few(1000 + seed)) for seed in range(40)])
    held = 0
    for seed in range(30):
        interval = measure_labels(*few(seed), rules, names).intervals["mean_average_precision"]
        held += interval.low <= expected <= interval.high
    assert held >= 25  # 28 are expected of 30; resampling alone pushes the mean up, and BCa held 20


def test_groups_are_drawn_whole():
    truth, probabilities = world(5, 60)
    groups = np.repeat(np.arange(60), 5)
    copies = measure_labels(np.repeat(truth, 5, axis=0), np.repeat(probabilities, 5, axis=0), RULES, NAMES)
    whole = measure_labels(
        np.repeat(truth, 5, axis=0), np.repeat(probabilities, 5, axis=0), RULES, NAMES, groups=groups
    )
    alone = measure_labels(truth, probabilities, RULES, NAMES)
    assert whole.groups == 60
    for name in alone.intervals:
        widths = [row.intervals[name].high - row.intervals[name].low for row in (copies, alone, whole)]
        assert widths[0] < 0.7 * widths[1]
        assert widths[2] == pytest.approx(widths[1], rel=0.35)


def test_equal_seeds_give_equal_intervals():
    first, again, other = (measure_labels(*world(6, 40), RULES, NAMES, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_label_that_no_picture_has_is_named_and_left_out():
    truth, probabilities = world(7, 30)
    truth[:, 2] = False
    metrics = measure_labels(truth, probabilities, RULES, NAMES)
    assert metrics.absent == ("striped",)
    assert metrics.labels[2].average_precision is metrics.labels[2].f1 is None
    assert metrics.mean_average_precision == pytest.approx(
        np.mean([label.average_precision for label in metrics.labels[:2]])
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nothing = measure_labels(np.zeros((5, 3), bool), np.full((5, 3), 0.1, np.float32), RULES, NAMES)
    assert (nothing.absent, nothing.mean_average_precision, nothing.exact_match) == (NAMES, None, 1.0)
    assert sentence(nothing) != sentence(metrics) != sentence(None)
    assert measure_labels(truth[:0], probabilities[:0], RULES, NAMES) is None


def test_promised_answers_are_counted_by_side():
    kept = RiskGuarantee(
        max_error=0.1,
        confidence=0.9,
        threshold=0.8,
        pictures=50,
        answered=40,
        errors=1,
        coverage=0.8,
        coverage_interval=(0.6, 0.9),
        expected_risk=0.04,
    )
    rules = (LabelRule(threshold=0.5, max_error=0.1, has=kept, has_not=kept),)
    truth = np.array([[True], [False], [True], [False], [True]])
    probabilities = np.array([[0.9], [0.85], [0.6], [0.1], [0.05]])
    label = measure_labels(truth, probabilities, rules, ("round",)).labels[0]
    assert (label.has.answered, label.has.wrong, label.has.error) == (2, 1, 0.5)
    assert (label.has_not.answered, label.has_not.wrong, label.unsure) == (2, 1, 1)
    none = measure_labels(truth, np.full((5, 1), 0.5), rules, ("round",)).labels[0]
    assert (none.has.error, none.has.interval, none.unsure) == (None, None, 5)


def test_metrics_become_json():
    plain = to_jsonable(measure_labels(*world(8, 30), RULES, NAMES))
    assert json.loads(json.dumps(plain)) == plain
    assert len(plain["intervals"]["micro_f1"]) == 2
    assert [label["name"] for label in plain["labels"]] == list(NAMES)
    assert to_jsonable(None) is None


def test_shapes_that_do_not_fit_are_refused():
    truth, probabilities = world(9, 10)
    for arguments in [(truth, probabilities[:9], RULES, NAMES), (truth, probabilities, RULES[:2], NAMES)]:
        with pytest.raises(ValueError, match="shape"):
            measure_labels(*arguments)


def test_labels_that_occur_together_come_first():
    truth = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 1]], bool)
    rows = co_occurrence(truth, NAMES)
    assert [row["labels"] for row in rows] == [["round", "red"], ["red", "striped"], ["round", "striped"]]
    assert [row["pictures"] for row in rows] == [3, 1, 0]
    assert rows[0]["expected"] == pytest.approx(3 * 4 / 6)
    chance = np.random.default_rng(0)
    shuffled = [
        co_occurrence(np.stack([chance.permutation(truth[:, 0]), truth[:, 1]], axis=1), NAMES[:2])[0]
        for _ in range(2000)
    ]
    deviations = np.array([row["deviation"] for row in shuffled])
    assert deviations.mean() == pytest.approx(0, abs=0.08)
    assert deviations.std() == pytest.approx(1, abs=0.05)
    assert co_occurrence(np.ones((4, 2), bool), NAMES[:2])[0]["deviation"] == 0
