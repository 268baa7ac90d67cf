"""Which pictures to answer, so that at most a promised share of the answers is wrong.

Enters: how sure answers are and whether they are right. Leaves: a `RiskGuarantee`, or None. Does not
know: models, parts, why a picture is unsure.

Thresholds are tried from sure answers to less sure ones, each only if all before it passed, so nothing is paid for
trying many; there are two beginnings, and the luck allowed is halved between them: A. Angelopoulos, S. Bates,
E. Candes, M. Jordan, L. Lei, "Learn then test", Annals of Applied Statistics 19, 2025.

A threshold passes when so few errors above it would be a rare luck at an error rate of `max_error` (the exact binomial
tail, as in Y. Geifman, R. El-Yaniv, "Selective classification for deep neural networks", NIPS 2017), and when the
expected share of pictures answered and wrong is bounded too (A. Angelopoulos, S. Bates, A. Fisch, L. Lei, T. Schuster,
"Conformal risk control", ICLR 2024). docs/decisions/0008 says what that promises and what not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.trust import CONFIDENCE, RiskGuarantee

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]
_ROUNDING = 1 + 1e-9


def choose(
    sureness: Floats, right: Flags, *, max_error: float, pictures: int | None = None, confidence: float = CONFIDENCE
) -> RiskGuarantee | None:
    """Return the lowest threshold that keeps the promise, None where none does.

    Args:
        sureness: probability of the best class (K,), of pictures not fitted to.
        right: whether the best class is the true one (K,).
        max_error: promised share of errors among the answered.
        pictures: how many there were, those included that are never answered; K where it is left out.
        confidence: that the promise holds, over the choice of the held-out pictures.
    """
    from scipy.stats import binomtest

    pictures = len(sureness) if pictures is None else pictures
    order = np.argsort(-sureness, kind="stable")
    sure, errors = sureness[order], np.cumsum(~right[order], dtype=np.int64)
    answered = max(
        _last_passed(sure, errors, start, pictures, max_error, luck)
        for start, luck in _starts(len(sure), max_error, confidence)
    )
    if not answered:
        return None
    wrong = int(errors[answered - 1])
    ends = binomtest(answered, pictures).proportion_ci(0.95, method="exact")  # Clopper and Pearson, Biometrika 26, 1934
    return RiskGuarantee(
        max_error=max_error,
        confidence=confidence,
        threshold=_between(sure, answered),
        pictures=pictures,
        answered=answered,
        errors=wrong,
        coverage=answered / pictures,
        coverage_interval=(float(ends.low), float(ends.high)),
        expected_risk=(wrong + 1) / (pictures + 1),
    )


def least_pictures(max_error: float, confidence: float = CONFIDENCE) -> int:
    """Return how many answered pictures without an error are needed to promise anything: 230 for 1 % at 90 %."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-max_error))


def least_promise(answered: int, pictures: int, *, errors: int = 2, confidence: float = CONFIDENCE) -> float | None:
    """Return the least share of errors, in tenths of a per cent, that can be promised with a few errors.

    Args:
        answered: pictures that may be answered, of `pictures`.
        errors: among them.

    Returns:
        the share, None where it would be half of the answers or more.
    """
    luck = (1 - confidence) / 2  # a walk from either of two beginnings has half
    shares = np.arange(1, 500) / 1000
    possible = shares[_passes(errors, answered, pictures, shares, luck)]
    return float(possible[0]) if len(possible) else None


def _starts(count: int, max_error: float, confidence: float) -> list[tuple[int, float]]:
    """Return where to begin, as counts of answered pictures, and how much luck each beginning may need.

    The fewest pictures that can show anything, or an eighth of all where that is more, and three quarters: one wrong
    label among the surest would end a walk that begins with few. With so few pictures that the two are one, all of the
    luck goes there.
    """
    luck = 1 - confidence
    least, later = least_pictures(max_error, 1 - luck / 2), -(-3 * count // 4)
    if later <= least:
        return [(least_pictures(max_error, confidence), luck)]
    return [(max(least, count // 8), luck / 2), (later, luck / 2)]


def _last_passed(
    sure: Floats, errors: NDArray[np.int64], start: int, pictures: int, max_error: float, luck: float
) -> int:
    """Walk from `start` answered pictures to more and return the last count that passed before one did not; 0: none.

    Args:
        sure: sureness in falling order (K,).
        errors: wrong among the surest 1, 2, ... K.
        luck: probability that a threshold may pass at an error rate of `max_error`.
    """
    counts = np.flatnonzero(np.append(sure[:-1] > sure[1:], True)[: len(sure)]) + 1
    counts = counts[counts >= start]
    failed = np.flatnonzero(~_passes(errors[counts - 1], counts, pictures, max_error, luck))
    passed = counts[: failed[0]] if len(failed) else counts
    return int(passed[-1]) if len(passed) else 0


def _passes(wrong: Any, answered: Any, pictures: int, max_error: Any, luck: float) -> Flags:
    """Say of each count of errors among so many answers, or of each share, whether the promise would hold."""
    from scipy.stats import binom

    has_few_errors = binom.cdf(wrong, answered, max_error) <= luck * _ROUNDING
    is_bounded = (wrong + 1) / (pictures + 1) <= max_error  # conformal risk control
    passes: Flags = has_few_errors & is_bounded
    return passes


def _between(sure: Floats, answered: int) -> float:
    """Return a threshold between the last that is answered and the first that is not; 0 where all are."""
    if answered == len(sure):
        return 0.0
    middle = (float(sure[answered - 1]) + float(sure[answered])) / 2
    return middle if float(sure[answered]) < middle else float(sure[answered - 1])
