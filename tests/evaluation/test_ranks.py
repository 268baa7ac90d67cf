"""The area under the ROC curve by ranks, counted by hand where one side has a single picture."""

from __future__ import annotations

import numpy as np
import pytest

from pawsight.evaluation.ranks import area, areas, influence, ranked

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
