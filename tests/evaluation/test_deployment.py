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


def test_few_pictures_or_classes_that_validation_lacks_cannot_be_compared():
    rng = np.random.default_rng(0)
    old, (rows, classes) = drawn(rng, 60), drawn(rng, FEWEST)
    assert two_sample_test(old[0], rows, old[1], classes) is not None
    assert two_sample_test(old[0], rows[1:], old[1], classes[1:]) is None
    assert two_sample_test(old[0], rows, old[1], classes + 3) is None
