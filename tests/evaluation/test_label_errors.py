"""The ranking of labels: wrong ones first, in words that can be checked, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.evaluation import label_errors
from pawsight.evaluation.label_errors import NEIGHBOURS, VOTE, nearest, oddness, rank, rank_labels

NAMES = ("cats", "dogs", "geese")


def near_of(*rows):
    return np.array(rows), np.full((len(rows), len(rows[0])), 0.5, np.float32)


def test_the_label_with_most_against_it_comes_first():
    answers = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.5, 0.4, 0.1]], np.float32)
    found = rank(answers, np.array([0, 0, 0]), near_of([1], [2], [0]), NAMES)
    assert [item.row for item in found] == [1, 2, 0]
    assert [item.is_suspect for item in found] == [True, False, False]
    assert (found[0].given, found[0].suggested) == (0, 1)
    assert found[0].given_probability == pytest.approx(0.2)
    assert found[0].suggested_probability == pytest.approx(0.8)


def test_neighbours_decide_where_probabilities_do_not():
    answers = np.array([[0.5, 0.5], [0.5, 0.5], [1, 0], [0, 1]], np.float32)
    labels = np.array([0, 0, 0, 1])
    found = rank(answers, labels, near_of([2, 2], [3, 3], [0, 0], [3, 3]), ("cats", "dogs"))
    assert [item.row for item in found[:2]] == [1, 0]
    assert found[0].is_suspect
    assert not found[1].is_suspect


def test_the_reason_says_what_speaks_against_the_label(snapshot):
    answers = np.array([[0.04, 0.95, 0.01], *[[0, 1, 0]] * 3], np.float32)
    labels = np.array([0, 1, 1, 2])
    found = rank(answers, labels, near_of([1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]), NAMES)
    assert found[1].row == 0
    assert found[1].reason == snapshot


def test_neighbours_that_agree_are_told_in_one_word(snapshot):
    answers = np.array([[0.0001, 0.9999], [0, 1]], np.float32)
    (first, _) = rank(answers, np.array([0, 1]), near_of([1, -1], [0, -1]), ("cats", "dogs"))
    assert first.reason == snapshot
    assert first.neighbours == (1,)


def test_what_cannot_be_judged_comes_last_and_says_why(snapshot):
    answers = np.array([[np.nan, np.nan], [0.9, 0.1]], np.float32)
    found = rank(answers, np.array([1, 0]), near_of([1], [0]), ("cats", "dogs"))
    assert found[-1].row == 0
    assert found[-1].score == 0
    assert not found[-1].is_suspect
    assert found[-1].reason == snapshot


@given(st.integers(2, 40), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_every_picture_is_ranked_once_with_a_score_between_0_and_1(pictures, classes, seed):
    random = np.random.default_rng(seed)
    answers = random.dirichlet(np.ones(classes), pictures).astype(np.float32)
    labels = random.integers(0, classes, pictures)
    groups = random.integers(0, pictures, pictures)
    near = nearest(random.normal(size=(pictures, 4)).astype(np.float32), groups)
    found = rank(answers, labels, near, [str(number) for number in range(classes)])
    assert sorted(item.row for item in found) == list(range(pictures))
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(item.given != item.suggested for item in found)
    assert all(groups[other] != groups[item.row] for item in found for other in item.neighbours)


def test_neighbours_are_those_of_the_largest_cosine_and_no_copies():
    features = np.array([[1, 0], [2, 0.01], [1, 0.1], [0, 1], [-1, 0]], np.float32)
    found = nearest(features, np.array([0, 0, 1, 2, 3]), count=3)
    assert found[0][0].tolist() == [2, 3, 4]
    assert found[1][0] == pytest.approx([1 / np.sqrt(1.01), 0, -1], abs=1e-6)
    assert (found[0] >= 0).all()


def test_where_all_are_copies_there_are_no_neighbours():
    found = nearest(np.ones((4, 2), np.float32), np.zeros(4, np.int64))
    assert (found[0] == -1).all()
    assert oddness(found).tolist() == [1.0] * 4


def test_blocks_change_nothing(monkeypatch):
    random = np.random.default_rng(1)
    features, groups = random.normal(size=(50, 6)).astype(np.float32), random.integers(0, 40, 50)
    whole = nearest(features, groups)
    monkeypatch.setattr(label_errors, "_COMPARED", 130)  # two rows at a time
    blocks = nearest(features, groups)
    assert np.array_equal(whole[0], blocks[0])
    assert np.allclose(whole[1], blocks[1], atol=1e-6)
    assert whole[0].shape == (50, NEIGHBOURS)


def test_the_picture_unlike_all_others_is_the_oddest():
    random = np.random.default_rng(2)
    features = random.normal(size=(30, 12)).astype(np.float32) * 0.1 + np.float32(1)
    features[17] = -1
    assert oddness(nearest(features, np.arange(30))).argmax() == 17


def test_one_picture_alone_has_no_neighbours():
    assert nearest(np.ones((1, 3), np.float32), np.zeros(1, np.int64))[0].shape == (1, 0)


def test_scores_are_the_margin_and_a_quarter_of_the_votes_brought_to_0_and_1(snapshot):
    answers = np.array([[0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]], np.float32)
    labels = np.array([0, 0, 2, 1])
    near = (
        np.array([[3, 1, 2], [0, 2, -1], [0, -1, -1], [-1, -1, -1]]),
        np.array([[0.9, 0.5, 0.1], [0.8, 0.2, -1], [0.7, -1, -1], [-1, -1, -1]], np.float32),
    )
    found = {item.row: item for item in rank(answers, labels, near, NAMES)}
    margins, votes = [0.5, -0.3, -0.7, 0.1], [(1 - 1) / 3, (0 - 1) / 2, 1 / 1, 0.0]
    for row, (margin, vote) in enumerate(zip(margins, votes, strict=True)):
        assert found[row].score == pytest.approx((margin + VOTE * vote + 1 + VOTE) / (2 + 2 * VOTE), abs=1e-6)
    assert [found[row].neighbours for row in range(4)] == [(3, 1, 2), (0, 2), (0,), ()]
    assert found[0].similarities == pytest.approx((0.9, 0.5, 0.1))
    assert found[1].similarities == pytest.approx((0.8, 0.2))
    assert found[3].similarities == ()
    assert [found[row].suggested for row in range(4)] == [1, 1, 0, 2]
    assert found[3].reason == snapshot


def test_equal_scores_keep_the_order_of_the_rows():
    answers = np.full((9, 2), 0.5, np.float32)
    found = rank(answers, np.arange(9) % 2, near_of(*[[-1]] * 9), ("cats", "dogs"))
    assert [item.row for item in found] == list(range(9))
    assert all(item.score == 0.5 and item.is_suspect for item in found)


@pytest.mark.parametrize(
    "others", [[1, 1, 1], [2, 2], [1, 0, 0], [0, 0, 2], [1, 1, 0, 2, 2]], ids=lambda others: "".join(map(str, others))
)
def test_neighbours_are_counted_by_what_they_are_called(others, snapshot):
    answers = np.array([[0.001, 0.99, 0.009], *[[0.4, 0.3, 0.3]] * len(others)], np.float32)
    near = near_of([*range(1, len(others) + 1)], *[[0] * len(others)] * len(others))
    first, *rest = rank(answers, np.array([0, *others]), near, NAMES)
    assert first.row == 0
    assert all(item.reason.endswith("“cats”") for item in rest)  # the neighbour of all others is row 0
    assert first.reason == snapshot


@given(st.integers(2, 30), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_neighbours_are_those_of_a_search_through_all(pictures, count, seed):
    random = np.random.default_rng(seed)
    features = random.integers(-2, 3, (pictures, 3)).astype(np.float32)  # with ties, and pictures of no length
    groups = random.integers(0, pictures, pictures)
    found = nearest(features, groups, count=count)
    units = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-30)
    count = min(count, pictures - 1)
    assert found[0].shape == found[1].shape == (pictures, count)
    assert found[0].dtype == np.int64
    assert found[1].dtype == np.float32
    for row in range(pictures):
        there = found[0][row][found[0][row] >= 0]
        allowed = np.flatnonzero(groups != groups[row])
        cosines = np.sort((units[allowed] @ units[row]).clip(-1, 1))[::-1][:count]
        assert set(there) <= set(allowed)
        assert len(set(there)) == len(there) == len(cosines)
        assert found[1][row][: len(there)] == pytest.approx(cosines, abs=1e-6)
        assert found[1][row][: len(there)] == pytest.approx((units[there] @ units[row]).clip(-1, 1), abs=1e-6)
        assert (found[0][row][len(there) :] == -1).all()
        assert (found[1][row][len(there) :] == -1).all()


def test_of_equal_neighbours_the_first_rows_are_taken():
    features = np.array([[1, 0], *[[1, 1]] * 6], np.float32)
    assert nearest(features, np.arange(7), count=3)[0][0].tolist() == [1, 2, 3]
    opposite = nearest(np.array([[1, 0], [-1, 0], [1, 0]], np.float32), np.arange(3), count=2)
    assert opposite[0].tolist() == [[2, 1], [0, 2], [0, 1]]
    assert opposite[1].tolist() == [[1, -1], [-1, -1], [1, -1]]


def test_oddness_is_one_minus_the_mean_cosine_of_the_neighbours_there_are():
    rows = np.array([[1, 2], [0, -1], [-1, -1]])
    found = oddness((rows, np.array([[0.5, 0.25], [0.5, -1], [-1, -1]], np.float32)))
    assert found == pytest.approx([0.625, 0.5, 1.0])
    assert found.dtype == np.float32


def test_of_several_labels_the_most_doubtful_of_each_picture_is_ranked():
    truth = np.array([[True, False], [True, True], [False, False], [True, True]])
    probabilities = np.array([[0.9, 0.8], [0.05, 0.9], [0.1, 0.2], [np.nan, 0.9]], np.float32)
    near = np.full((4, 0), -1), np.zeros((4, 0), np.float32)
    ranked = rank_labels(probabilities, truth, near, ("red", "round"))
    assert [(suspect.row, column, suspect.given, suspect.suggested) for suspect, column in ranked] == [
        (1, 0, 1, 0),  # is not red
        (0, 1, 0, 1),  # is round too
        (2, 1, 0, 1),
        (3, 1, 1, 0),
    ]
    assert [suspect.is_suspect for suspect, _ in ranked] == [True, True, False, False]
    assert "not red" in ranked[0][0].reason
