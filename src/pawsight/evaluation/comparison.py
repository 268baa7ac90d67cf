"""Two classifiers on the same pictures: the gain in accuracy, its interval, McNemar's test, Holm's correction.

Where pictures come in groups, whole groups change sides in the test, and the interval is wider by their design effect.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.statistics import holm
from pawsight.data.groups import numbers_of
from pawsight.evaluation.intervals import design_effect, wilson

Ints = NDArray[np.int64]
SIGNIFICANCE = 0.05
POWER = 0.8  # of the test for which `pictures_to_settle` asks
BETTER, WORSE, TIE = "better", "worse", "tie"


@dataclass(frozen=True, slots=True)
class Answer:
    """A classifier's answer to one labelled picture."""

    path: str  # below the root of the data
    sha256: str  # of the file
    label: str
    predicted: str
    probability: float  # of the answer; NaN where it is not known
    group: str = ""  # of pictures that are not independent; empty: of none

    @property
    def is_right(self) -> bool:
        """Whether the answer is the truth."""
        return self.label == self.predicted


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain of the second of two classifiers over the first, on the pictures that both answered."""

    points: float  # accuracy of the second minus that of the first, in percentage points
    interval: tuple[float, float]  # 95 %, in percentage points
    p_value: float  # exact McNemar test, two-sided
    verdict: str  # of the second: "better", "worse" or "tie"
    only_first: int  # pictures that only the first got right
    only_second: int
    pictures: int
    p_holm: float | None = None  # p value after Holm's correction; None where only two were compared
    design_effect: float | None = None  # so many pictures of groups say as much as one; None where there are no groups

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "points": self.points,
            "interval": list(self.interval),
            "p_value": self.p_value,
            "p_holm": self.p_holm,
            "verdict": self.verdict,
            "only_first": self.only_first,
            "only_second": self.only_second,
            "pictures": self.pictures,
            "design_effect": self.design_effect,
        }


def compare(first: Iterable[Answer], second: Iterable[Answer]) -> Gain | None:
    """Compare two classifiers on the pictures that both answered.

    Args:
        first, second: answers in any order; pictures are matched by content and label, copies of one picture as
            often as both have them.

    Returns:
        the gain of the second, or None where they share no picture.
    """
    waiting: dict[tuple[str, str], list[Answer]] = {}
    for answer in first:
        waiting.setdefault((answer.sha256, answer.label), []).append(answer)
    pairs: list[tuple[bool, bool]] = []  # whether the first and whether the second was right
    groups: list[str] = []
    for answer in second:
        if waiting.get((answer.sha256, answer.label)):
            other = waiting[answer.sha256, answer.label].pop()
            pairs.append((other.is_right, answer.is_right))
            groups.append(answer.group or other.group)
    if not pairs:
        return None
    cells = Counter(pairs)
    table = (cells[True, True], cells[True, False], cells[False, True], cells[False, False])
    numbers = numbers_of(groups)
    return gain(*table) if numbers is None else _gain_of_groups(table, pairs, numbers)


def _gain_of_groups(table: tuple[int, int, int, int], pairs: Sequence[tuple[bool, bool]], groups: Ints) -> Gain:
    """Compare two classifiers on pictures that come in groups.

    Args:
        table: as for `gain`.
        pairs: whether the first and whether the second was right (N,).
        groups: group numbers (N,).
    """
    differences = np.array([int(second) - int(first) for first, second in pairs])
    effect = design_effect(differences, groups)
    both, only_first, only_second, neither = (count / effect for count in table)
    low, high = paired_interval(both, only_first, only_second, neither)
    _, which = np.unique(groups, return_inverse=True)
    p_value = sign_flip(np.rint(np.bincount(which, differences)).astype(np.int64))
    counted = gain(*table)
    return replace(
        counted,
        interval=(100 * low, 100 * high),
        p_value=p_value,
        verdict=_verdict(counted.points, p_value),
        design_effect=effect,
    )


def gain(both: int, only_first: int, only_second: int, neither: int) -> Gain:
    """Compare two classifiers by how often both, one or none of them was right.

    Args:
        both, only_first, only_second, neither: counts of pictures, adding up to at least 1.

    Raises:
        ValueError: a count is negative or all are 0.
    """
    pictures = both + only_first + only_second + neither
    if min(both, only_first, only_second, neither) < 0 or not pictures:
        raise ValueError(f"{both}, {only_first}, {only_second} and {neither} are no counts of pictures")
    low, high = paired_interval(both, only_first, only_second, neither)
    points = 100 * (only_second - only_first) / pictures
    p_value = mcnemar(only_first, only_second)
    verdict = _verdict(points, p_value)
    return Gain(points, (100 * low, 100 * high), p_value, verdict, only_first, only_second, pictures)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p value of McNemar's exact test: is one of two as often alone in being right as the other?

    1.0 where they never differ. Source: Q. McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12, 1947; exact form: binomial with probability 1/2.
    """
    from scipy.stats import binomtest

    different = only_first + only_second
    return float(binomtest(only_first, different, 0.5).pvalue) if different else 1.0


def sign_flip(sums: Ints) -> float:
    """Return the exact two-sided p value of differences summed by group (G,): do the signs of whole groups matter?

    Each group's sum had the other sign as likely if the two classifiers were equally good. Where each group is one
    picture this is McNemar's exact test.

    Source: E. J. G. Pitman, "Significance tests which may be applied to samples from any populations", 1937.
    """
    from scipy.stats import binom

    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    chances = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        own = np.zeros(2 * size * count + 1)
        own[:: 2 * size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, own)
    totals = np.arange(len(chances)) - len(chances) // 2
    return min(1.0, float(chances[np.abs(totals) >= abs(int(sums.sum()))].sum()))


def paired_interval(both: float, only_first: float, only_second: float, neither: float) -> tuple[float, float]:
    """Return the 95 % interval of the second's accuracy minus the first's, as shares in [-1, 1].

    Args:
        both, only_first, only_second, neither: counts of pictures, over their design effect, adding up to more than 0.

    Source: R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17, 1998, pages 2635-2650, method 10: Wilson's intervals of the two shares,
    joined with the correlation of the two, which is shrunk towards 0 by a continuity correction.
    """
    pictures = both + only_first + only_second + neither
    first, second = (both + only_first) / pictures, (both + only_second) / pictures
    ends_first, ends_second = wilson(both + only_first, pictures), wilson(both + only_second, pictures)
    correlation = _correlation(both, only_first, only_second, neither)
    below = _joined(second - ends_second.low, ends_first.high - first, correlation)
    above = _joined(ends_second.high - second, first - ends_first.low, correlation)
    difference = (only_second - only_first) / pictures
    return max(-1.0, difference - below), min(1.0, difference + above)


def pictures_to_settle(gain: Gain, *, comparisons: int = 1) -> int | None:
    """Return how many more pictures of the same kind would settle a tie, if the two differ as much as they seem to.

    Args:
        gain: of the second over the first.
        comparisons: how many are made at once; each is then tested at 0.05 / comparisons.

    Returns:
        0 for what is settled, None for a tie in which no difference was seen: then no number would. With the returned
        number the difference is found four times in five (80 % power), given that both the share of pictures on which
        the two differ and the difference itself are as observed, which is itself uncertain.

    Source: R. J. Connor, "Sample size for testing differences in proportions for the paired-sample design", Biometrics
    43, 1987, pages 207-211; two-sided, with his variances under both hypotheses.
    """
    if gain.verdict != TIE:
        return 0
    if gain.only_first == gain.only_second:
        return None
    different = (gain.only_first + gain.only_second) / gain.pictures
    difference = abs(gain.only_second - gain.only_first) / gain.pictures
    normal = NormalDist()
    alpha, power = normal.inv_cdf(1 - SIGNIFICANCE / comparisons / 2), normal.inv_cdf(POWER)
    spread = alpha * math.sqrt(different) + power * math.sqrt(different - difference**2)
    needed = math.ceil((spread / difference) ** 2 * (gain.design_effect or 1.0))
    return max(1, needed - gain.pictures)


def corrected(gains: Sequence[Gain | None]) -> list[Gain | None]:
    """Return gains whose verdicts hold together: Holm's correction where there are two comparisons or more.

    Args:
        gains: in any order; None, where nothing could be compared, stays None.
    """
    several = [gain for gain in gains if gain is not None]
    if len(several) < 2:
        return list(gains)
    values = iter(holm([gain.p_value for gain in several]))
    return [
        None if gain is None else replace(gain, p_holm=(p_holm := next(values)), verdict=_verdict(gain.points, p_holm))
        for gain in gains
    ]


def _verdict(points: float, p_value: float) -> str:
    if p_value >= SIGNIFICANCE or points == 0:
        return TIE
    return BETTER if points > 0 else WORSE


def _correlation(both: float, only_first: float, only_second: float, neither: float) -> float:
    """Return the phi coefficient with Newcombe's continuity correction, 0 where a margin is empty."""
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if not margins:
        return 0.0
    product = both * neither - only_first * only_second
    half = (both + only_first + only_second + neither) / 2
    shrunk = max(product - half, 0.0) if product > 0 else float(product)
    return shrunk / math.sqrt(margins)


def _joined(below: float, above: float, correlation: float) -> float:
    return math.sqrt(max(0.0, below * below - 2 * correlation * below * above + above * above))
