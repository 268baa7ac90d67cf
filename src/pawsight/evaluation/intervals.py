"""Intervals of shares (Wilson's), also of pictures that come in groups. Others are in `bootstrap.py`.

Ten pictures of one patient say less than ten of ten. How much less is their design effect (L. Kish, "Survey
sampling", 1965): so many pictures are worth one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z95 = 1.959963984540054  # standard errors either side of a mean that make a 95 % interval
_ADDED = 0.1  # of a group, see `design_effect`
Ints = NDArray[np.int64]


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


def wilson(successes: float, trials: float) -> Interval:
    """Return Wilson's 95 % score interval for a proportion.

    Args:
        successes, trials: counts, 0 <= successes <= trials, trials above 0; both divided by the design effect where
            pictures come in groups, so they need not be whole numbers.

    Raises:
        ValueError: the counts are impossible.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927. The
    order of the arithmetic is that of SciPy's `proportion_ci`, to the last bit.
    """
    if not (0 <= successes <= trials and trials > 0):
        raise ValueError(f"{successes} of {trials} is no proportion")
    share = successes / trials
    scale = 2 * (trials + _Z95**2)
    centre = (2 * trials * share + _Z95**2) / scale
    half = _Z95 / scale * math.sqrt(4 * trials * share * (1 - share) + _Z95**2)
    return Interval(0.0 if successes == 0 else centre - half, 1.0 if successes == trials else centre + half)


def share_interval(flags: NDArray[np.bool_], groups: Ints | None) -> Interval:
    """Return the 95 % interval of the share of pictures (N,) with a flag, N at least 1.

    Groups are as for `design_effect`.
    """
    effect = design_effect(flags, groups)
    return wilson(int(flags.sum()) / effect, len(flags) / effect)


def design_effect(values: NDArray[Any], groups: Ints | None) -> float:
    """Return how many pictures of groups say as much about the mean of values as one independent picture: 1 or more.

    Args:
        values: one a picture (N,), such as whether its answer is right; N at least 1.
        groups: group numbers (N,); None where each picture is alone.

    The variance between groups over that of independent pictures, with the t distribution's wider quantile where groups
    are few (E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data", Survey Methodology 24, 1998). A few wrong answers do not tell how alike a group
    is, so a tenth of a group whose answers are all wrong is added; where all values are equal, a group counts as one
    picture. With that, intervals of accuracy held the truth 94 to 98 times in 100 (docs/experiments.md, Groups).
    """
    if groups is None:
        return 1.0
    _, which = np.unique(groups, return_inverse=True)
    sizes = np.bincount(which).astype(np.float64)
    alone = float((sizes**2).sum() / sizes.sum())  # what it is where all pictures of a group are as one
    rest = values - values.mean()
    spread = float((rest**2).sum())
    if len(sizes) < 2:
        return alone
    from scipy.stats import t

    between = float((np.bincount(which, rest) ** 2).sum()) * len(sizes) / (len(sizes) - 1)
    effect = (between + _ADDED * alone**2) / (spread + _ADDED * alone)
    return max(1.0, effect * (float(t.ppf(0.975, len(sizes) - 1)) / _Z95) ** 2)
