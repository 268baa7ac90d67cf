"""Costs of mistakes: the table, its faults by line, and the answer of least expected cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.classifier.costs import Costs, costs_for, read_costs
from pawsight.core.errors import DataError, StorageError, WrongUsage


def test_a_table_is_read_and_pairs_that_are_not_listed_cost_one(tmp_path):
    file = tmp_path / "costs.csv"
    file.write_text("true,predicted,cost\nmushroom,berry,20\nberry,mushroom,0.5\n")
    costs = costs_for(read_costs(file), ("berry", "leaf", "mushroom"))
    assert costs == Costs(((2, 0, 20.0), (0, 2, 0.5)))
    np.testing.assert_allclose(costs.expected(np.array([[0.7, 0.1, 0.2]])), [[0.1 + 4.0, 0.9, 0.35 + 0.1]])
    assert costs.of(np.array([2, 0, 1, 1]), np.array([0, 2, 1, 2])).tolist() == [20, 0.5, 0, 1]
    assert read_costs({("a", "b"): 2}) == {("a", "b"): 2.0}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("true,cost\na,1\n", ["Line 1", "'predicted'"]),
        ("true,predicted,cost\na,b,-1\na,b,much\n", ["Line 2", "'-1'", "Line 3", "'much'"]),
        ("true,predicted,cost\na,b,1\na,b,2\n", ["Line 3", "twice"]),
        ("true,predicted,cost\na,b\n", ["Line 2", "too few columns"]),
        ("true,predicted,cost\na,b,nan\na,b,1e7\n", ["Line 2", "Line 3"]),
        ("true,predicted,cost\n", ["no costs"]),
        ("", ["Line 1"]),
    ],
)
def test_all_faults_of_a_table_are_named_by_line(tmp_path, text, faults):
    file = tmp_path / "costs.csv"
    file.write_text(text)
    with pytest.raises(DataError) as error:
        read_costs(file)
    assert all(fault in error.value.why for fault in faults)
    assert "costs.csv" in error.value.what


def test_what_is_no_table_and_classes_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(StorageError, match=r"none\.csv"):
        read_costs(tmp_path / "none.csv")
    with pytest.raises(WrongUsage, match="'wolf'"):
        costs_for({("cat", "wolf"): 3.0}, ("cat", "dog"))
    for wrong in ({"cat": 3.0}, {("cat", "dog"): -1}, {("cat", "dog"): "3"}):
        with pytest.raises(WrongUsage, match="costs"):
            read_costs(wrong)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.floats(0, 50)), max_size=9, unique_by=lambda pair: pair[:2]
    ),
    st.integers(0, 10**6),
)
def test_expected_costs_are_those_of_the_whole_matrix(listed, seed):
    shares = np.random.default_rng(seed).dirichlet(np.ones(4), size=5)
    matrix = 1 - np.eye(4)
    for true, answer, cost in listed:
        matrix[true, answer] = cost
    np.testing.assert_allclose(Costs(tuple(listed)).expected(shares), shares @ matrix, atol=1e-9)
