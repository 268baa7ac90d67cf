"""Intervals: how far a measured share may lie from the truth.

Enters: counts. Leaves: intervals. Does not know: what was counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054  # the 97.5 % point of the standard normal distribution


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


def wilson(successes: int, trials: int, *, z: float = Z_95) -> Interval:
    """Return Wilson's score interval for a proportion.

    Args:
        successes, trials: counts, 0 <= successes <= trials, trials at least 1.
        z: width in standard deviations.

    Raises:
        ValueError: the counts are impossible.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} is no proportion")
    share, spread = successes / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(low, high)
