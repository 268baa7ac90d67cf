"""The interval of the calibration error, pinned for fixed samples: how often it holds the truth is measured elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pawsight.evaluation.ece_interval import ece_interval

# Made by the code under test. Whoever moves them runs benchmarks/coverage.py, which says how often such intervals hold.
MEASURED = [
    (400, 0.15, {}, (0.096324, 0.189143)),
    (400, 0.15, {"seed": 1}, (0.092203, 0.189213)),
    (400, 0.15, {"bins": 4}, (0.098500, 0.192224)),
    (400, 0.0, {}, (0.000000, 0.081571)),
    (60, -0.1, {}, (0.012178, 0.192590)),
    (400, -0.15, {}, (0.114934, 0.165493)),
]


def skewed(pictures: int, pull: float) -> tuple[Any, Any]:
    """Truths and probabilities of two classes, right less often than they are sure by `pull`."""
    chance = np.random.default_rng(4)
    sure = chance.uniform(0.5, 1.0, pictures)
    wrong = chance.random(pictures) > sure - pull
    return wrong.astype(np.int64), np.stack([sure, 1 - sure], axis=1)


@pytest.mark.parametrize(("pictures", "pull", "options", "ends"), MEASURED)
def test_the_interval_of_a_fixed_sample_is_pinned(pictures, pull, options, ends):
    assert ece_interval(*skewed(pictures, pull), **options).as_list() == pytest.approx(list(ends), abs=2e-6)


def test_answers_that_are_wholly_sure_have_none_when_right_and_all_when_wrong():
    sure = np.tile([[1.0, 0.0]], (20, 1))
    assert ece_interval(np.zeros(20, np.int64), sure) is None
    assert ece_interval(np.ones(20, np.int64), sure).high == 1.0


@pytest.mark.parametrize("pictures", [12, 40])
def test_a_gap_that_chance_explains_may_be_none_at_all(pictures):
    sure = np.tile([[0.75, 0.25]], (pictures, 1))
    true = (np.arange(pictures) % 4 == 0).astype(np.int64)
    true[0] = 0  # one more is right than three in four
    found = ece_interval(true, sure)
    assert found.low == 0 < 1 / pictures < found.high
