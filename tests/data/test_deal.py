"""Quotas that add up, and dealing that tears no group apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.data.deal import Ints, deal, quotas

SHARES = [(0.7, 0.15, 0.15), (0.8, 0.2), (0.85, 0.15), (0.808, 0.192), (0.5, 0.5), (0.1, 0.9), (0.4, 0.3, 0.2, 0.1)]
shares_of = st.sampled_from(SHARES)
counts_of = st.lists(st.integers(1, 200), min_size=1, max_size=30)


def ints(values: object) -> Ints:
    return np.array(values, dtype=np.int64)


@settings(deadline=None)
@given(counts_of, shares_of)
def test_quotas_add_up_and_are_within_one_of_the_shares(counts: list[int], shares: tuple[float, ...]) -> None:
    dealt = quotas(ints(counts), shares)
    assert dealt.shape == (len(counts), len(shares))
    assert (dealt >= 0).all()
    assert dealt.sum(axis=1).tolist() == counts
    assert np.abs(dealt - np.outer(counts, shares)).max() < 1 + 1e-6


@settings(deadline=None)
@given(counts_of, shares_of)
def test_every_class_has_something_to_learn_from(counts: list[int], shares: tuple[float, ...]) -> None:
    assert (quotas(ints(counts), shares)[:, 0] >= 1).all()


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [1, 0, 0]),
        (2, [2, 0, 0]),
        (3, [2, 1, 0]),
        (4, [3, 1, 0]),
        (7, [5, 1, 1]),
        (20, [14, 3, 3]),
        (100, [70, 15, 15]),
    ],
)
def test_a_single_class_is_cut_as_one_would_by_hand(count: int, expected: list[int]) -> None:
    dealt = quotas(ints([count]), (0.7, 0.15, 0.15))[0]
    assert dealt.tolist() == expected


def test_many_small_classes_do_not_starve_the_smaller_parts() -> None:
    for size in (2, 3, 5):
        total = quotas(ints([size] * 200), (0.7, 0.15, 0.15)).sum(axis=0)
        assert np.abs(total - np.array([0.7, 0.15, 0.15]) * size * 200).max() <= 2


def test_classes_of_one_all_go_to_the_first_part() -> None:
    assert quotas(ints([1] * 50), (0.7, 0.15, 0.15)).sum(axis=0).tolist() == [50, 0, 0]


def test_the_shares_of_the_exercise_are_met_exactly() -> None:
    assert quotas(ints([500, 500]), (0.808, 0.192)).tolist() == [[404, 96], [404, 96]]
    assert quotas(ints([1000, 1000]), (0.7, 0.15, 0.15)).tolist() == [[700, 150, 150]] * 2


def counted(labels: Ints, parts: Ints, shape: tuple[int, int]) -> Ints:
    table = np.zeros(shape, dtype=np.int64)
    np.add.at(table, (labels, parts), 1)
    return table


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), shares_of)
def test_without_groups_the_quotas_are_met_exactly(labels: list[int], shares: tuple[float, ...]) -> None:
    known = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    wanted = quotas(np.bincount(known), shares)
    parts = deal(known, np.arange(len(known)), wanted)
    assert np.array_equal(counted(known, parts, wanted.shape), wanted)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Ints, Ints, tuple[float, ...]]:
    count = draw(st.integers(1, 60))
    labels = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(0, count), min_size=count, max_size=count))
    return np.unique(labels, return_inverse=True)[1].astype(np.int64), ints(groups), draw(shares_of)


@settings(max_examples=150)
@given(grouped())
def test_no_group_is_torn_and_everything_has_a_part(things: tuple[Ints, Ints, tuple[float, ...]]) -> None:
    labels, groups, shares = things
    parts = deal(labels, groups, quotas(np.bincount(labels), shares))
    assert ((parts >= 0) & (parts < len(shares))).all()
    for group in set(groups.tolist()):
        assert len(set(parts[groups == group].tolist())) == 1


@settings(max_examples=250)
@given(grouped())
def test_whatever_the_groups_every_class_has_something_to_learn_from(
    things: tuple[Ints, Ints, tuple[float, ...]],
) -> None:
    labels, groups, shares = things
    parts = deal(labels, groups, quotas(np.bincount(labels), shares))
    assert set(labels[parts == 0].tolist()) == set(labels.tolist())


@given(grouped(), st.integers(1, 1000))
def test_the_numbers_of_the_groups_do_not_matter(things: tuple[Ints, Ints, tuple[float, ...]], factor: int) -> None:
    labels, groups, shares = things
    wanted = quotas(np.bincount(labels), shares)
    assert np.array_equal(deal(labels, groups, wanted), deal(labels, (10_000 - groups) * factor, wanted))


def test_small_groups_hardly_disturb_the_quotas() -> None:
    labels = np.repeat([0, 1], 300)
    groups = np.arange(600)
    groups[:60] = np.repeat(np.arange(30), 2)  # thirty pairs in the first class
    wanted = quotas(np.bincount(labels), (0.7, 0.15, 0.15))
    assert np.array_equal(counted(labels, deal(labels, groups, wanted), wanted.shape), wanted)


def test_a_group_that_fits_nowhere_goes_where_it_overflows_least() -> None:
    labels, groups = ints([0] * 10), ints([1] * 9 + [2])
    wanted = quotas(np.bincount(labels), (0.7, 0.15, 0.15))
    assert deal(labels, groups, wanted).tolist()[:9] == [0] * 9


def test_groups_are_shared_among_the_parts() -> None:
    labels, groups = np.zeros(100, dtype=np.int64), np.repeat(np.arange(50), 2)
    wanted = quotas(np.bincount(labels), (0.6, 0.2, 0.2))
    assert counted(labels, deal(labels, groups, wanted), wanted.shape).tolist() == [[60, 20, 20]]


def test_nothing_can_be_dealt() -> None:
    assert deal(ints([]), ints([]), quotas(ints([]), (0.7, 0.3))).tolist() == []
