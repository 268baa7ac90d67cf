"""After deployment: a test whose false alarms are as many as it says, and an accuracy to be expected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pawsight.classifier.reference import Reference
from pawsight.evaluation.deployment import FALSE_ALARMS, FEWEST, Window, deployment, two_sample_test

COLUMNS = 8


def drawn(rng, count, shares=(1 / 3, 1 / 3, 1 / 3)):
    """Rows of pictures of three classes with heavy tails, and the class of each."""
    classes = rng.choice(3, count, p=shares)
    return (rng.standard_t(3, (count, COLUMNS)) + 3 * classes[:, None]).astype(np.float32), classes


def p_value(old, new, seed=0):
    return two_sample_test(old[0], new[0], old[1], new[1], seed=seed)[0]


@pytest.fixture
def reference():
    """Of 60 pictures of three classes, whose confidences are right about 90 % of them."""
    rng = np.random.default_rng(1)
    rows, classes = drawn(rng, 60)
    rows[:, -1] = 2.2  # a confidence of 90 %
    nothing = np.zeros(0, np.float32)
    return Reference(nothing, nothing, nothing, rows, classes.astype(np.int32), np.arange(60) % 10 > 0, 3)


def collection(rng, count=50):
    rows, classes = drawn(rng, count)
    rows[:, -1] = 2.2
    return rows, classes


def alarms(shares, draws=300, count=40):
    rng = np.random.default_rng(7)
    pairs = [(drawn(rng, 60), drawn(rng, count, shares)) for _ in range(draws)]
    return sum(p_value(old, new) <= FALSE_ALARMS for old, new in pairs)


@pytest.mark.parametrize("shares", [(1 / 3, 1 / 3, 1 / 3), (0.9, 0.05, 0.05), (0, 0, 1)])
def test_pictures_of_the_same_kind_raise_no_more_alarms_than_stated_whatever_the_shares_of_the_classes(shares):
    assert alarms(shares) <= 8  # of 300 at 1 %: more in 0.4 % of such tests


@pytest.mark.parametrize("change", [lambda rows: rows + np.eye(COLUMNS)[2] * 3, lambda rows: rows - 1])
def test_pictures_of_another_kind_raise_an_alarm(change):
    rng = np.random.default_rng(0)
    old, (rows, classes) = drawn(rng, 60), drawn(rng, 40)
    p, distance = two_sample_test(old[0], change(rows), old[1], classes)
    assert p <= FALSE_ALARMS
    assert distance > 1


def test_the_unit_of_a_column_changes_nothing():
    rng = np.random.default_rng(3)
    (old, old_classes), (new, classes) = drawn(rng, 50), drawn(rng, 30)
    units = np.float32(2.0) ** np.arange(COLUMNS)
    assert two_sample_test(old * units, new * units, old_classes, classes) == pytest.approx(
        two_sample_test(old, new, old_classes, classes)
    )


def test_a_column_that_never_changes_is_no_difference():
    rng = np.random.default_rng(3)
    (old, old_classes), (new, classes) = drawn(rng, 50), drawn(rng, 30)
    old[:, 0] = new[:, 0] = 5
    p, distance = two_sample_test(old, new, old_classes, classes)
    assert p > FALSE_ALARMS
    assert np.isfinite(distance)


def test_the_same_pictures_are_as_likely_as_can_be():
    rows, classes = drawn(np.random.default_rng(0), 1)
    same, label = np.repeat(rows, 30, axis=0), np.repeat(classes, 30)
    assert two_sample_test(same, same, label, label) == (1.0, 0.0)


def test_few_pictures_or_classes_that_validation_lacks_cannot_be_compared():
    rng = np.random.default_rng(0)
    old, (rows, classes) = drawn(rng, 60), drawn(rng, FEWEST)
    assert two_sample_test(old[0], rows, old[1], classes) is not None
    assert two_sample_test(old[0], rows[1:], old[1], classes[1:]) is None
    assert two_sample_test(old[0], rows, old[1], classes + 3) is None


# The accuracy to be expected


def test_pictures_like_those_of_validation_are_right_as_often_as_expected(reference):
    rng = np.random.default_rng(5)
    found = [(deployment(reference, *collection(rng)), rng.binomial(50, 0.9) / 50) for _ in range(200)]
    inside = sum(told.interval.low <= right <= told.interval.high for told, right in found)
    assert inside >= 190
    assert np.mean([told.accuracy for told, _ in found]) == pytest.approx(0.9, abs=0.02)
    assert np.mean([told.interval.high - told.interval.low for told, _ in found]) < 0.3


def test_the_farther_pictures_are_the_less_their_confidence_is_believed(reference):
    rows, classes = collection(np.random.default_rng(2))
    told = [deployment(reference, rows + np.eye(COLUMNS)[0].astype(np.float32) * far, classes) for far in (0, 20, 200)]
    assert [found.is_alarm for found in told] == [False, True, True]
    lows, highs = ([getattr(found.interval, end) for found in told] for end in ("low", "high"))
    assert lows == sorted(lows, reverse=True)
    assert lows[0] > 0.7
    assert lows[2] < 0.05
    assert min(highs) > 0.85
    assert told[2].accuracy == pytest.approx((1 / 3 + 0.9) / 2, abs=0.02)


def test_a_confidence_that_validation_found_too_high_is_lowered(reference):
    wrong = replace(reference, right=np.arange(60) % 2 == 0)
    assert deployment(wrong, *collection(np.random.default_rng(2))).accuracy == pytest.approx(0.5, abs=0.02)


def test_one_picture_has_an_expectation_and_is_not_compared(reference):
    rows, classes = collection(np.random.default_rng(2), 1)
    told = deployment(reference, rows, classes)
    assert told.p_value is told.distance is None
    assert not told.is_alarm
    assert told.interval.low <= told.accuracy <= told.interval.high
    assert told.to_json().keys() == {
        *("pictures", "accuracy", "interval", "p_value", "distance", "false_alarms", "alarm"),
    }


def test_a_window_forgets_the_oldest_pictures_and_tells_nothing_before_the_first(reference):
    made = replace(
        reference,
        mean=np.zeros(2, np.float32),
        spread=np.ones(2, np.float32),
        directions=np.eye(2, 1, dtype=np.float32),
        rows=reference.rows[:, :4],
    )
    window = Window(made, most=12)
    assert window.deployment() is None
    rng = np.random.default_rng(0)
    for number in range(20):
        features = rng.normal(size=2).astype(np.float32)
        window.add({"features": features, "probabilities": np.eye(3, dtype=np.float32)[number % 3]})
    told = window.deployment()
    assert told.pictures == 12
    assert window.deployment() is told  # nothing new: nothing is computed
