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
    mean, pulls = influence(np.array([True, True, False, False]), np.array([0.9, 0.4, 0.5, 0.1]))
    assert mean == 0.75  # of four pairs only 0.4 beside 0.5 is the wrong way round
    assert pulls == pytest.approx([0.5, -0.5, -0.5, 0.5])


def test_equal_scores_count_half() -> None:
    own, scores = np.array([True, False, True, False]), np.array([0.5, 0.5, 0.5, 0.1])
    assert area(own, scores) == 0.75
    assert areas(ranked(own, scores), np.ones((2, 4), np.float32)).tolist() == [0.75, 0.75]
