"""L-BFGS: the minimum of a smooth function of many numbers, from values and slopes alone.

Enters: the function, where to begin, when to end. Leaves: the numbers at the end. Does not know: what they mean.

The steps are those of SciPy's `minimize(method="L-BFGS-B")` without bounds, to rounding. Importing `scipy.optimize`
takes longer than all the fits of a warm `train`, hence this one. Where the steps end is part of what the head is, so
another minimiser, as good by the same tolerance, would be another head (docs/experiments.md).

Source: D. C. Liu and J. Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", Mathematical
Programming 45, 1989; restarts and ends as in R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, "A Limited Memory Algorithm for
Bound Constrained Optimization", SIAM Journal on Scientific Computing 16, 1995.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pawsight.training.line_search import Trial, search

Exact = NDArray[np.float64]
Function = Callable[[Exact], tuple[float, Exact]]  # numbers (D,) -> value, gradient (D,)
Pair = tuple[Exact, Exact]  # a step, and how the gradient changed over it

_MEMORY = 10  # steps that the curvature is told from
_EPSILON = float(np.finfo(float).eps)


def minimise(
    function: Function, start: Exact, *, tolerance: float, least_gain: float, most_steps: int, most_tries: int
) -> Exact:
    """Go down from a place until it is flat.

    Args:
        function: gives value and gradient.
        start: where to begin (D,).
        tolerance: steps end when no part of the gradient is larger.
        least_gain: or when a step lowers the value by no more than this share of it, or of one where it is less.
        most_steps: or after so many.
        most_tries: lengths of one step.

    Returns:
        the last place (D,).
    """
    place = start.astype(np.float64)
    value, slope = function(place)
    pairs: deque[Pair] = deque(maxlen=_MEMORY)
    steps = 0
    while steps < most_steps and float(np.abs(slope).max()) > tolerance:
        way = _direction(slope, pairs)
        first = 1.0 if steps else 1.0 / float(np.linalg.norm(way))
        found = _step(function, place, Trial(0.0, value, float(slope @ way)), way, first, most_tries)
        if found is None and not pairs:
            break
        if found is None:  # the curvature misleads: begin again with none
            pairs.clear()
            continue
        steps += 1
        before, (length, place, lower, after) = value, found
        change = after - slope
        if float(change @ way) > -_EPSILON * float(slope @ way):
            pairs.append((length * way, change))
        value, slope = lower, after
        if before - value <= least_gain * max(abs(before), abs(value), 1.0):
            break
    return place


def _step(
    function: Function, place: Exact, start: Trial, way: Exact, first: float, most: int
) -> tuple[float, Exact, float, Exact] | None:
    """Return length, place, value and gradient of a step that a line search accepts."""
    if start.slope >= 0:
        return None
    seen: list[tuple[Exact, Exact]] = []

    def ask(length: float) -> Trial:
        there = place + length * way
        value, slope = function(there)
        seen[:] = [(there, slope)]
        return Trial(length, value, float(slope @ way))

    found = search(ask, start, first, most=most)
    return None if found is None else (found.length, seen[0][0], found.value, seen[0][1])


def _direction(slope: Exact, pairs: Sequence[Pair]) -> Exact:
    """Return minus the gradient times the inverse curvature that the pairs tell: the two loops of the method."""
    way, shares = -slope, []
    for step, change in reversed(pairs):
        share = float(step @ way) / float(step @ change)
        way = way - share * change
        shares.append(share)
    if pairs:
        step, change = pairs[-1]
        way = way * (float(step @ change) / float(change @ change))
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        way = way + (share - float(change @ way) / float(step @ change)) * step
    return way
