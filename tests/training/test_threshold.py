"""The guarantee is kept as often as it says, on simulated answers whose true error is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from pawsight.training.threshold import choose_threshold, fewest_for_guarantee, smallest_guarantee


def simulated(count, rng, *, floor):
    """Sureness uniform on (0, 1), and right with a chance that grows with it; `floor` is wrong however sure."""
    sure = rng.random(count)
    return sure, rng.random(count) >= error_at(sure, floor)


def error_at(sure, floor):
    return floor + 0.1 * (1 - sure) ** 2


def true_error_above(threshold, floor):
    """The error among all answers at least as sure as the threshold, by integral."""
    return floor + 0.1 * (1 - threshold) ** 2 / 3


@pytest.mark.parametrize(
    ("max_error", "floor", "count"), [(0.01, 0.0, 800), (0.01, 0.004, 2000), (0.02, 0.01, 1500), (0.05, 0.03, 400)]
)
def test_the_guarantee_is_broken_in_at_most_one_run_of_ten(max_error, floor, count):
    broken = made = 0
    for seed in range(1000):
        guarantee = choose_threshold(*simulated(count, np.random.default_rng(seed), floor=floor), max_error=max_error)
        made += guarantee is not None
        broken += guarantee is not None and true_error_above(guarantee.threshold, floor) > max_error
    assert made > 50
    assert broken / 1000 <= 0.1 + 0.02  # two standard deviations of 1,000 runs


def test_it_is_not_so_careful_that_nothing_is_answered():
    """The true error is 1 % at a coverage of 55 %."""
    shares = [
        choose_threshold(*simulated(8000, np.random.default_rng(s), floor=0.0), max_error=0.01) for s in range(50)
    ]
    assert 0.4 < np.mean([guarantee.coverage if guarantee else 0 for guarantee in shares]) < 0.55


def test_the_expected_share_answered_and_wrong_is_bounded_too():
    shares = []
    for seed in range(500):
        guarantee = choose_threshold(*simulated(800, np.random.default_rng(seed), floor=0.004), max_error=0.01)
        if guarantee:
            assert guarantee.expected_risk == (guarantee.errors + 1) / 801 <= 0.01
            shares.append((1 - guarantee.threshold) * true_error_above(guarantee.threshold, 0.004))
    assert np.mean(shares) <= 0.01


@pytest.mark.parametrize(("max_error", "needed"), [(0.01, 230), (0.005, 460), (0.02, 114), (0.05, 45), (0.1, 22)])
def test_a_guarantee_needs_so_many_pictures_though_none_is_wrong(max_error, needed):
    assert fewest_for_guarantee(max_error) == needed
    sure = np.linspace(0.6, 0.9, needed)
    assert choose_threshold(sure[1:], np.ones(needed - 1, bool), max_error=max_error) is None
    guarantee = choose_threshold(sure, np.ones(needed, bool), max_error=max_error)
    assert (guarantee.answered, guarantee.errors, guarantee.threshold, guarantee.coverage) == (needed, 0, 0.0, 1.0)


def test_one_wrong_label_among_the_surest_does_not_end_it():
    right = np.ones(800, bool)
    right[0] = False
    guarantee = choose_threshold(np.linspace(1, 0.5, 800), right, max_error=0.01)
    assert (guarantee.answered, guarantee.errors) == (800, 1)


def test_equal_sureness_is_answered_together_or_not_at_all():
    sure = np.repeat([0.99, 0.8, 0.7], [400, 100, 100])
    right = np.ones(600, bool)
    right[420:440] = False
    guarantee = choose_threshold(sure, right, max_error=0.01)
    assert guarantee.answered == 400
    assert 0.8 < guarantee.threshold < 0.99


def test_pictures_that_are_never_answered_count_for_the_coverage():
    guarantee = choose_threshold(np.linspace(1, 0.5, 500), np.ones(500, bool), max_error=0.01, pictures=1000)
    assert (guarantee.pictures, guarantee.answered, guarantee.coverage) == (1000, 500, 0.5)
    assert guarantee.coverage_interval == pytest.approx((0.4685, 0.5315), abs=1e-3)


def test_nothing_at_all_guarantees_nothing():
    assert choose_threshold(np.empty(0), np.empty(0, bool), max_error=0.01) is None
    assert choose_threshold(np.empty(0), np.empty(0, bool), max_error=0.99) is None


@pytest.mark.parametrize("seed", range(6))
def test_thresholds_are_walked_from_sure_to_less_sure_until_one_does_not_pass(seed):
    """One by one, with the tail of the binomial distribution added up from its terms."""
    sure, right = simulated(800, np.random.default_rng(seed), floor=0.004)
    wrong = np.cumsum(~right[np.argsort(-sure)]).tolist()

    def passes(count, luck):
        errors = wrong[count - 1]
        tail = math.fsum(math.comb(count, k) * 0.02**k * 0.98 ** (count - k) for k in range(errors + 1))
        return tail <= luck and (errors + 1) / 801 <= 0.02

    def last_passed(start, luck):
        counts = list(itertools.takewhile(lambda count: passes(count, luck), range(start, 801)))
        return counts[-1] if counts else 0

    expected = max(last_passed(start, 0.05) for start in (149, 600))
    guarantee = choose_threshold(sure, right, max_error=0.02)
    assert (guarantee.answered if guarantee else 0) == expected


@pytest.mark.parametrize("pictures", [16, 50, 230, 500])
def test_the_smallest_guarantee_can_be_kept_with_two_errors(pictures):
    share = smallest_guarantee(pictures, pictures)
    right = np.arange(pictures) < pictures - 2
    kept = choose_threshold(np.linspace(0.99, 0.6, pictures), right, max_error=share)
    assert kept is not None
    assert kept.answered == pictures
    assert smallest_guarantee(3, 3) is None
