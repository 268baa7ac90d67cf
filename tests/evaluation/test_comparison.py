"""Tests of `evaluation.comparison`."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from pawsight.core.statistics import holm
from pawsight.evaluation.comparison import (
    Answer,
    compare,
    corrected,
    gain,
    mcnemar,
    paired_interval,
    pictures_to_settle,
    sign_flip,
)
from pawsight.evaluation.intervals import wilson

COUNT = st.integers(0, 400)
TABLES = st.tuples(COUNT, COUNT, COUNT, COUNT).filter(any)


# statsmodels 0.15.0, stats.contingency_tables.mcnemar(table, exact=True).
@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [
        (7, 1, 0.0703125),
        (3, 23, 8.797645568847656e-05),
        (30, 52, 0.0198269158458416),
        (8, 3, 0.2265625),
        (0, 6, 0.03125),
        (12, 12, 1.0),
    ],
)
def test_the_p_value_is_that_of_statsmodels(only_first: int, only_second: int, expected: float) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-9)


# Wilson's ends from statsmodels 0.15.0 proportion_confint(method="wilson"), joined by Newcombe's formula outside this
# project. The first table is the airway data of Bentur et al. 2009, a worked example in the literature on such pairs.
@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        ((1, 7, 1, 12), -0.506920226686141, -0.025559124164859837),
        ((59, 3, 23, 37), 0.08469003156555317, 0.2392361244912483),
        ((700, 30, 52, 26), 0.005169489379174157, 0.04980236857522062),
        ((396, 8, 3, 401), -0.014556762238029897, 0.0021876342883788945),
        ((50, 0, 0, 0), -0.07134759913335875, 0.07134759913335875),
        ((40, 0, 6, 4), 0.02015537519976411, 0.23426999249067704),
        ((200, 12, 12, 30), -0.039570453025846226, 0.039570453025846226),
    ],
)
def test_the_interval_is_newcombes(table: tuple[int, int, int, int], low: float, high: float) -> None:
    assert paired_interval(*table) == pytest.approx((low, high), abs=1e-12)


# statsmodels 0.15.0, stats.multitest.multipletests(method="holm").
def test_holms_correction_is_that_of_statsmodels() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(TABLES)
def test_the_interval_holds_the_difference_and_stays_within_its_bounds(table: tuple[int, int, int, int]) -> None:
    low, high = paired_interval(*table)
    difference = (table[2] - table[1]) / sum(table)
    assert -1 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1
    assert low < high


@given(TABLES)
def test_changing_places_turns_everything_round(table: tuple[int, int, int, int]) -> None:
    both, only_first, only_second, neither = table
    one, other = gain(*table), gain(both, only_second, only_first, neither)
    assert other.points == pytest.approx(-one.points)
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert other.p_value == pytest.approx(one.p_value)
    assert {"better": "worse", "worse": "better", "tie": "tie"}[one.verdict] == other.verdict


@given(TABLES)
def test_a_tie_is_what_chance_alone_explains(table: tuple[int, int, int, int]) -> None:
    one = gain(*table)
    assert 0 < one.p_value <= 1
    assert (one.verdict == "tie") == (one.p_value >= 0.05)
    assert one.pictures == sum(table)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_correcting_never_lowers_a_p_value_nor_changes_their_order(values: list[float]) -> None:
    result = holm(values)
    assert all(before <= after <= 1 for before, after in zip(values, result, strict=True))
    ranked = [after for _, after in sorted(zip(values, result, strict=True))]
    assert ranked == sorted(ranked)


def answer(sha256: str, label: str, predicted: str) -> Answer:
    return Answer("", sha256, label, predicted, 1.0)


def test_pictures_are_matched_by_content_and_label_in_any_order() -> None:
    first = [answer("a", "cats", "cats"), answer("b", "dogs", "cats"), answer("c", "dogs", "dogs")]
    second = [answer("b", "dogs", "dogs"), answer("a", "cats", "cats"), answer("d", "dogs", "dogs")]
    found = compare(first, second)
    assert found is not None
    assert (found.pictures, found.only_first, found.only_second) == (2, 0, 1)
    assert found.points == 50


def test_a_picture_with_another_label_is_another_picture() -> None:
    assert compare([answer("a", "cats", "cats")], [answer("a", "dogs", "cats")]) is None


def test_copies_of_a_picture_count_as_often_as_both_have_them() -> None:
    twice = [answer("a", "cats", "cats")] * 2
    assert compare(twice, [*twice, *twice]).pictures == 2  # type: ignore[union-attr]


def test_one_comparison_is_not_corrected() -> None:
    one = gain(40, 0, 6, 4)
    assert corrected([None, one]) == [None, one]


def test_several_comparisons_are_corrected_together_and_may_become_a_tie() -> None:
    weak, strong = gain(40, 0, 6, 4), gain(59, 3, 23, 37)
    result = corrected([weak, None, strong, weak])
    assert [item and item.verdict for item in result] == ["tie", None, "better", "tie"]
    assert [item and item.p_value for item in result] == [weak.p_value, None, strong.p_value, weak.p_value]
    assert result[0] is not None
    assert result[0].p_holm == pytest.approx(0.0625)


@pytest.mark.parametrize("table", [(0, 0, 0, 0), (3, -1, 2, 0)])
def test_impossible_counts_are_refused(table: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=str(table[1])):
        gain(*table)


def test_a_gain_is_plain_json() -> None:
    plain = gain(700, 30, 52, 26).to_json()
    assert plain["verdict"] == "better"
    assert plain["interval"] == pytest.approx([0.5169489, 4.9802369])
    assert plain["points"] == pytest.approx(100 * 22 / 808)


@given(COUNT, COUNT)
@settings(max_examples=40, deadline=None)
def test_every_p_value_is_that_of_scipys_binomial_test(only_first: int, only_second: int) -> None:
    if only_first + only_second:
        expected = binomtest(only_first, only_first + only_second, 0.5).pvalue
        assert mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
@settings(max_examples=40, deadline=None)
def test_every_correction_is_holms_by_its_definition(values: list[float]) -> None:
    """S. Holm 1979: the k-th smallest of m is multiplied by m - k + 1, and is never below a smaller one's."""
    order = sorted(range(len(values)), key=values.__getitem__)
    for place, own in enumerate(order):
        below = [(len(values) - other) * values[order[other]] for other in range(place + 1)]
        assert holm(values)[own] == pytest.approx(min(1.0, max(below)), abs=1e-12)


@given(st.integers(1, 5000), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_every_share_has_the_interval_of_scipy(trials: int, share: float) -> None:
    successes = round(share * trials)
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials).as_list() == pytest.approx([expected.low, expected.high], abs=1e-12)


def test_the_number_that_settles_a_tie_finds_the_difference_four_times_in_five() -> None:
    tie = gain(700, 30, 42, 36)
    more = pictures_to_settle(tie)
    assert more is not None
    pictures = 808 + more
    drawn = np.random.default_rng(0).multinomial(pictures, np.array([736, 30, 42]) / 808, 1500)
    found = [mcnemar(int(first), int(second)) < 0.05 and first < second for _, first, second in drawn]
    assert 0.76 <= np.mean(found) <= 0.83  # the exact test finds a little less than the formula's


def test_what_is_settled_needs_no_more_and_what_shows_no_difference_never_is() -> None:
    assert pictures_to_settle(gain(59, 3, 23, 37)) == 0
    assert pictures_to_settle(gain(100, 5, 5, 1)) is None
    assert pictures_to_settle(gain(100, 0, 0, 1)) is None


@given(TABLES)
def test_more_comparisons_never_need_fewer_pictures(table: tuple[int, int, int, int]) -> None:
    one = gain(*table)
    alone, together = pictures_to_settle(one), pictures_to_settle(one, comparisons=6)
    assert (alone is None) == (together is None)
    if alone is not None and together is not None:
        assert 0 <= alone <= together
        assert (alone == 0) == (one.verdict != "tie")


def test_each_picture_is_counted_in_the_cell_of_who_was_right() -> None:
    cells = [(True, True)] * 5 + [(True, False)] * 3 + [(False, True)] * 2 + [(False, False)]
    first, second = (
        [answer(str(number), "cat", "cat" if cell[side] else "dog") for number, cell in enumerate(cells)]
        for side in (0, 1)
    )
    assert compare(first, second) == gain(5, 3, 2, 1)


def test_every_field_of_a_gain_has_its_own_name_in_json() -> None:
    one = gain(5, 3, 2, 1)
    assert one.to_json() == asdict(one) | {"interval": list(one.interval)}


@pytest.mark.parametrize("place", range(4))
def test_no_count_may_be_negative(place: int) -> None:
    counts = [5, 5, 5, 5]
    counts[place] = -1
    with pytest.raises(ValueError, match="-1"):
        gain(*counts)


def test_what_is_not_chance_has_a_verdict_however_small() -> None:
    assert [gain(9900, 5, 50, 45).verdict, gain(9900, 50, 5, 45).verdict] == ["better", "worse"]
    assert gain(890, 0, 10, 100).verdict == "better"  # by one point exactly


def test_two_comparisons_are_corrected_already() -> None:
    one, other = gain(50, 2, 10, 38), gain(50, 1, 12, 37)
    expected = holm([one.p_value, other.p_value])
    assert [found.p_holm for found in corrected([one, other]) if found] == expected
    assert expected[1] == 2 * other.p_value


# Groups


@given(COUNT, COUNT)
def test_of_single_pictures_flipping_signs_is_mcnemars_test(only_first: int, only_second: int) -> None:
    signs = np.repeat([-1, 1, 0], [only_first, only_second, 5])
    assert sign_flip(signs) == pytest.approx(mcnemar(only_first, only_second), abs=1e-9)


@given(st.lists(st.integers(-6, 6), min_size=1, max_size=10))
def test_flipping_signs_is_what_all_flips_give(sums: list[int]) -> None:
    flips = np.array(np.meshgrid(*([[-1, 1]] * len(sums)))).reshape(len(sums), -1)
    exact = (np.abs(np.array(sums) @ flips) >= abs(sum(sums))).mean()
    assert sign_flip(np.array(sums)) == pytest.approx(exact)


def pairs(groups: bool) -> list[list[Answer]]:
    """Six groups of ten; the second classifier is better on one of them as a whole, and on one picture of another."""
    truth = [(row, f"g{row // 10}" if groups else "") for row in range(60)]
    wrong = (set(range(11)), set())
    return [
        [Answer("", str(row), "cat", "dog" if row in misses else "cat", 1.0, group) for row, group in truth]
        for misses in wrong
    ]


def test_one_group_that_changes_sides_settles_nothing() -> None:
    alone, together = compare(*pairs(groups=False)), compare(*pairs(groups=True))
    assert alone is not None
    assert together is not None
    assert (alone.verdict, together.verdict) == ("better", "tie")
    assert together.points == alone.points
    assert together.p_value == pytest.approx(
        0.5
    )  # two groups differ, by 10 and by 1: of four ways to flip them two are as far out
    assert alone.design_effect is None
    assert together.design_effect is not None
    assert together.interval[0] < alone.interval[0] < together.points < alone.interval[1] < together.interval[1]
    more = pictures_to_settle(together)
    assert more is not None
    assert more > 60
