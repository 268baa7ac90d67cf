"""Intervals of shares (Wilson's). Intervals of other figures are in `bootstrap.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """Two ends of a 95 % interval."""

    low: float
    high: float

    def as_list(self) -> list[float]:
        """Return the ends for JSON."""
        return [self.low, self.high]

    def __str__(self) -> str:
        return f"{100 * self.low:.1f}-{100 * self.high:.1f} %"


def wilson(successes: int, trials: int) -> Interval:
    """Return Wilson's 95 % score interval for a proportion.

    Args:
        successes, trials: counts, 0 <= successes <= trials, trials at least 1.

    Raises:
        ValueError: the counts are impossible.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    from scipy.stats import binomtest

    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} is no proportion")
    ends = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(float(ends.low), float(ends.high))
