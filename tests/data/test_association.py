"""Associations: found where something gives the class away, and not where chance alone could."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.data.association import FEWEST_OF_CLASS, SIGNIFICANT, _beyond, _p_value, _strength, associations


def labels(*counts):
    return [name for name, count in zip("abcdef", counts, strict=False) for _ in range(count)]


def test_a_format_of_its_own_is_found_and_named():
    found = associations(labels(20, 20), {"format": ["JPEG"] * 20 + ["PNG"] * 20})["format"]
    assert found.strength == pytest.approx(1.0, abs=0.02)
    assert found.p_value < SIGNIFICANT
    assert (found.share, found.elsewhere) == (1.0, 0.0)
    assert (found.label, found.category) in (("a", "JPEG"), ("b", "PNG"))


def test_the_class_that_stands_out_is_named_with_its_shares():
    values = ["x"] * 50 + ["x"] * 45 + ["y"] * 5 + ["y"] * 40 + ["x"] * 10
    found = associations(labels(50, 50, 50), {"camera": values})["camera"]
    assert (found.label, found.category) == ("c", "y")
    assert (found.share, found.elsewhere) == (0.8, 0.05)


def test_what_does_not_vary_and_what_is_the_same_in_each_class_is_no_association():
    values = {"one": ["JPEG"] * 60, "even": ["x", "y"] * 30}
    assert associations(labels(30, 30), values) == {}


def test_rare_categories_are_counted_together():
    """Each picture with a camera of its own: forty categories, and nothing is told."""
    assert associations(labels(20, 20), {"camera": [f"camera {number}" for number in range(40)]}) == {}


@pytest.mark.parametrize("pictures", [60, 3_000])
def test_chance_is_called_an_association_in_one_of_a_hundred_at_most(pictures):
    """60 data sets in which five things are dealt out by chance; Holm's correction keeps all five together below 1 %."""
    chance, wrong = np.random.default_rng(5), 0
    rounds = 60
    for _ in range(rounds):
        features = {name: chance.choice(["p", "q", "r"], pictures).tolist() for name in "uvwxy"}
        wrong += bool(associations(labels(pictures // 2, pictures // 2), features))
    assert wrong <= 3


def test_both_ways_to_a_p_value_agree():
    counts = np.array([[30, 20, 14], [18, 26, 20]])
    by_shuffling = _p_value(counts)
    from scipy.stats import chi2_contingency

    assert by_shuffling == pytest.approx(chi2_contingency(counts, correction=False).pvalue, abs=0.03)
    many = counts * 40
    assert _p_value(many) == pytest.approx(chi2_contingency(many, correction=False).pvalue, rel=1e-6)


def test_strength_is_cramers_v_without_its_bias():
    from scipy.stats.contingency import association

    counts = np.array([[3_000, 1_000], [1_500, 2_500]])
    assert _strength(counts) == pytest.approx(association(counts, method="cramer"), abs=0.001)
    chance = np.random.default_rng(0)
    by_chance = [_strength(chance.multinomial(80, [1 / 8] * 8).reshape(2, 4)) for _ in range(50)]
    assert np.median(by_chance) < 0.05


def test_the_same_data_give_the_same_answer():
    features = {"format": ["JPEG"] * 12 + ["PNG"] * 28}
    assert associations(labels(20, 20), features) == associations(labels(20, 20), features)


def test_a_class_of_a_few_pictures_hides_nothing_and_is_not_called_a_shortcut_itself():
    values = ["upright"] * 40 + ["turned"] * 20 + ["upright"] * 20
    alone = associations(labels(40, 40), {"rotation": values})
    assert associations(labels(40, 40, FEWEST_OF_CLASS - 1), {"rotation": values + ["upright"] * 9}) == alone != {}
    assert associations(labels(9, 9), {"format": ["JPEG"] * 9 + ["PNG"] * 9}) == {}


@settings(deadline=None)
@given(st.floats(0, 5_000), st.integers(1, 3_000))
def test_chances_of_a_chi_square_are_those_of_scipy(value, freedom):
    from scipy.special import chdtrc

    assert _beyond(value, freedom) == pytest.approx(float(chdtrc(freedom, value)), rel=1e-9, abs=1e-300)
