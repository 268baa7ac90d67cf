"""The minimiser and its line search: step for step those of SciPy, which nothing of ours loads for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.training.lbfgs import minimise
from pawsight.training.line_search import Trial, search

LEAST_GAIN = 64 * np.finfo(float).eps


def valley(x):
    """Rosenbrock's: bent, so that steps of several lengths are tried."""
    gap, rest = x[1:] - x[:-1] ** 2, 1 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * x[:-1] * gap - 2 * rest
    gradient[1:] += 200 * gap
    return float((100 * gap**2 + rest**2).sum()), gradient


def waves(x):
    """Has many minima, and places where it curves the other way."""
    return float((x**4).sum() + 5 * np.cos(3 * x).sum()), 4 * x**3 - 15 * np.sin(3 * x)


def slope_without_end(x):
    """Falls for ever, ever less."""
    return float(np.exp(-x).sum()), -np.exp(-x)


def gentle(x):
    """Flat enough that the first step is longer than the gradient."""
    value, gradient = valley(x)
    return 1e-3 * value, 1e-3 * gradient


def by_both(function, start, *, tolerance=1e-6, steps=60):
    """Return what SciPy and we ask for on the way, and where each ends."""
    from scipy.optimize import minimize

    theirs, ours = [], []

    def watched(asked):
        return lambda x: (asked.append(x.copy()), function(x))[1]

    options = {"maxiter": steps, "maxls": 50, "gtol": tolerance, "ftol": LEAST_GAIN}
    expected = minimize(watched(theirs), start, method="L-BFGS-B", jac=True, options=options).x
    found = minimise(watched(ours), start, tolerance=tolerance, least_gain=LEAST_GAIN, most_steps=steps, most_tries=50)
    return theirs, ours, expected, found


@pytest.mark.parametrize("function", [valley, waves, gentle, slope_without_end])
@pytest.mark.parametrize("seed", range(8))
def test_every_place_asked_for_is_scipys(function, seed):
    start = 2 * np.random.default_rng(seed).normal(size=6)
    theirs, ours, expected, found = by_both(function, start)
    assert len(theirs) == len(ours)
    assert all(np.allclose(one, two, rtol=1e-6, atol=1e-8) for one, two in zip(theirs, ours, strict=True))
    assert np.allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_no_more_steps_than_allowed():
    start = np.full(6, 3.0)
    one, two = (
        minimise(valley, start, tolerance=1e-9, least_gain=0.0, most_steps=most, most_tries=20) for most in (1, 2)
    )
    assert valley(two)[0] < valley(one)[0] < valley(start)[0]


def test_at_a_minimum_it_stays():
    start = np.ones(4)
    found = minimise(valley, start, tolerance=1e-9, least_gain=LEAST_GAIN, most_steps=9, most_tries=20)
    assert np.array_equal(found, start)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_function_without_a_number_ends(value):
    start = np.ones(3)
    found = minimise(
        lambda x: (value if (x != 1).any() else 1.0, np.full(3, 0.5)),
        start,
        tolerance=1e-9,
        least_gain=LEAST_GAIN,
        most_steps=9,
        most_tries=20,
    )
    assert np.array_equal(found, start)


coefficients = st.floats(-10, 10, allow_nan=False)


@settings(max_examples=300, deadline=None)
@given(st.lists(coefficients, min_size=4, max_size=4), st.floats(0.01, 100), st.floats(1e-4, 100))
def test_a_line_search_ends_lower_and_flatter_or_where_no_better_is_told(terms, steep, first):
    """Moré and Thuente's two conditions, for polynomials that fall at first and rise in the end."""
    a, b, c, d = terms
    powers = np.polynomial.Polynomial([0.0, -steep, a, b, c, d, 1.0])
    slopes, asked = powers.deriv(), []

    def ask(length):
        asked.append(length)
        return Trial(length, float(powers(length)), float(slopes(length)))

    found = search(ask, Trial(0.0, 0.0, -steep), first, most=60)
    assert found is not None
    assert asked[-1] == found.length
    assert all(length >= 0 for length in asked)
    lower = found.value <= -1e-3 * steep * found.length
    flat = abs(found.slope) <= 0.9 * steep
    assert (lower and flat) or found.value <= min(float(powers(length)) for length in asked) + 1e-9
