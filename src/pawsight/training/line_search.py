"""How far to go in one direction: the line search of Moré and Thuente.

Enters: a function of one number that gives value and slope, its value and slope at zero, a length to try first.
Leaves: a length at which the value has fallen enough and the slope is flat enough. Does not know: what is minimised,
directions.

Source: J. J. Moré and D. J. Thuente, "Line Search Algorithms with Guaranteed Sufficient Decrease", ACM Transactions on
Mathematical Software 20, 1994, with the bounds of L-BFGS-B (Byrd, Lu, Nocedal and Zhu, 1995): the numbers below are
theirs, so that the steps are those of every program that follows them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

_DECREASE = 1e-3  # of the decrease that the first slope promises, at least
_FLATNESS = 0.9  # of the first slope's size, at most
_NARROW = 0.1  # an interval this small a share of its upper end is not divided further
_LONGEST = 1e10
_SHRINK = 0.66  # an interval that did not shrink by so much is halved; no step goes further towards its other end
_LEAST_GROWTH, _MOST_GROWTH = 1.1, 4.0  # where the next length is looked for while no interval holds a minimum


@dataclass(frozen=True, slots=True)
class Trial:
    """A length, and the function there."""

    length: float
    value: float
    slope: float

    def tilted(self, slope: float) -> Trial:
        """Return the trial of the function less a straight line of that slope."""
        return Trial(self.length, self.value - slope * self.length, self.slope - slope)


@dataclass(frozen=True, slots=True)
class _Interval:
    best: Trial  # the end with the lowest value
    other: Trial
    holds_minimum: bool = False
    widths: tuple[float, float] = (_LONGEST, 2 * _LONGEST)  # the last one, and the one before it
    promised: bool = True  # no trial had a sufficient decrease and a rising slope yet

    @property
    def ends(self) -> tuple[float, float]:
        one, two = self.best.length, self.other.length
        return min(one, two), max(one, two)

    def is_closed_to(self, length: float, low: float, high: float) -> bool:
        """Say whether a length lies outside of what holds the minimum, or that is too narrow to be divided."""
        return self.holds_minimum and (not low < length < high or high - low <= _NARROW * high)


def search(function: Callable[[float], Trial], start: Trial, first: float, *, most: int) -> Trial | None:
    """Find a length with a sufficient decrease and a flat slope, by trying `most` lengths at most.

    Args:
        function: gives the trial of a length.
        start: the trial of length zero; its slope is negative.
        first: the length to try first.
        most: how often `function` may be asked.

    Returns:
        the trial at that length, or one beside which no better can be told; None if no length was found.
    """
    promise = _DECREASE * start.slope
    interval, length = _Interval(start, start), first
    low, high = 0.0, first + _MOST_GROWTH * first
    for _ in range(most):
        trial = function(length)
        enough = trial.value <= start.value + length * promise
        interval = replace(interval, promised=interval.promised and not (enough and trial.slope >= 0))
        flat = enough and abs(trial.slope) <= -_FLATNESS * start.slope
        if flat or _is_spent(interval, trial, low, high, enough and trial.slope <= promise):
            return trial
        interval, length = _narrowed(interval, trial, promise, (low, high), enough=enough)
        if interval.holds_minimum:
            low, high = interval.ends
        else:
            gone = length - interval.best.length
            low, high = length + _LEAST_GROWTH * gone, length + _MOST_GROWTH * gone
        length = min(max(length, 0.0), _LONGEST)
        if interval.is_closed_to(length, low, high):
            length = interval.best.length
    return None


def _is_spent(interval: _Interval, trial: Trial, low: float, high: float, falls_on: bool) -> bool:
    """Say whether no better length can be told: rounding, a narrow interval, or an end of all lengths."""
    within = interval.is_closed_to(trial.length, low, high)
    return within or (trial.length == _LONGEST and falls_on) or (trial.length == 0.0 and not falls_on)


def _narrowed(
    interval: _Interval, trial: Trial, promise: float, bounds: tuple[float, float], *, enough: bool
) -> tuple[_Interval, float]:
    """Put a trial in the place of one end, and return the interval with the next length."""
    slope = promise if interval.promised and trial.value <= interval.best.value and not enough else 0.0
    best, other, latest = (one.tilted(slope) for one in (interval.best, interval.other, trial))
    length, closed = _next(best, other, latest, interval.holds_minimum, bounds)
    holds = interval.holds_minimum or closed
    if latest.value > best.value:
        best, other = interval.best, trial
    else:
        best, other = trial, interval.best if latest.slope * best.slope < 0 else interval.other
    widths = interval.widths
    if holds:
        width = abs(other.length - best.length)
        if width >= _SHRINK * widths[1]:
            length = best.length + 0.5 * (other.length - best.length)
        widths = (width, widths[0])
    return replace(interval, best=best, other=other, holds_minimum=holds, widths=widths), length


def _next(best: Trial, other: Trial, trial: Trial, holds: bool, bounds: tuple[float, float]) -> tuple[float, bool]:
    """Return the length to try next, and whether best and trial have a minimum between them."""
    if trial.value > best.value:
        cubic, square = _cubic(best, trial), _square(best, trial)
        nearer = abs(cubic - best.length) < abs(square - best.length)
        return cubic if nearer else cubic + (square - cubic) / 2, True
    if trial.slope * best.slope < 0:
        return _of_two(trial, _cubic(trial, best), _secant(best, trial), further=True), True
    if abs(trial.slope) < abs(best.slope):
        return _flatter(best, other, trial, holds, bounds), False
    if holds:
        return _cubic(trial, other), False
    return bounds[1] if trial.length > best.length else bounds[0], False


def _flatter(best: Trial, other: Trial, trial: Trial, holds: bool, bounds: tuple[float, float]) -> float:
    """Return the next length where value and slope have fallen with the same sign: beyond the trial, with care."""
    cubic, secant = _beyond(best, trial, bounds), _secant(best, trial)
    length = _of_two(trial, cubic, secant, further=not holds)
    if holds:
        limit = trial.length + _SHRINK * (other.length - trial.length)
        return min(limit, length) if trial.length > best.length else max(limit, length)
    return min(max(length, bounds[0]), bounds[1])


def _of_two(trial: Trial, one: float, two: float, *, further: bool) -> float:
    """Return the length further from the trial, or the nearer one."""
    is_further = abs(one - trial.length) > abs(two - trial.length)
    return one if is_further == further else two


def _theta(a: Trial, b: Trial) -> float:
    return 3.0 * (a.value - b.value) / (b.length - a.length) + a.slope + b.slope


def _gamma(a: Trial, b: Trial, theta: float) -> float:
    scale = max(abs(theta), abs(a.slope), abs(b.slope)) or 1.0
    inside = (theta / scale) ** 2 - (a.slope / scale) * (b.slope / scale)
    return float(scale * max(0.0, inside) ** 0.5)


def _cubic(a: Trial, b: Trial) -> float:
    """Return the minimiser, between both, of the cubic through two trials, counted from the first."""
    theta = _theta(a, b)
    gamma = _gamma(a, b, theta) * (1.0 if b.length > a.length else -1.0)
    share = (gamma - a.slope + theta) / (gamma - a.slope + gamma + b.slope)
    return a.length + share * (b.length - a.length)


def _beyond(best: Trial, trial: Trial, bounds: tuple[float, float]) -> float:
    """Return the minimiser of that cubic beyond the trial; the bound on that side where it has none."""
    theta = _theta(best, trial)
    gamma = _gamma(best, trial, theta) * (-1.0 if trial.length > best.length else 1.0)
    share = (gamma - trial.slope + theta) / (gamma + (best.slope - trial.slope) + gamma)
    if share < 0 and gamma != 0:
        return trial.length + share * (best.length - trial.length)
    return bounds[1] if trial.length > best.length else bounds[0]


def _square(a: Trial, b: Trial) -> float:
    """Return the minimiser of the parabola through both values and the first slope."""
    gone = b.length - a.length
    return a.length + a.slope / ((a.value - b.value) / gone + a.slope) / 2 * gone


def _secant(a: Trial, b: Trial) -> float:
    """Return where the line through both slopes crosses zero."""
    return b.length + b.slope / (b.slope - a.slope) * (a.length - b.length)
