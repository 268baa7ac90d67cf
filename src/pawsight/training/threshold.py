"""How the threshold of an answer is chosen, so that at most a guaranteed share of the answers is wrong.

The probability from which on one of several labels is given is chosen in several_labels.py.

Thresholds are tried from high confidence to low, each only if all before it passed, so trying many costs no
significance; there are two starting points, and the failure probability is split between them: A. Angelopoulos,
S. Bates, E. Candes, M. Jordan, L. Lei, "Learn then test", Annals of Applied Statistics 19, 2025.

A threshold passes when so few errors above it would be improbable at an error rate of `max_error` (the exact binomial
tail, as in Y. Geifman, R. El-Yaniv, "Selective classification for deep neural networks", NIPS 2017), and when the
expected share of pictures answered and wrong is bounded too (A. Angelopoulos, S. Bates, A. Fisch, L. Lei, T. Schuster,
"Conformal risk control", ICLR 2024). docs/decisions/0008 says what that guarantees and what not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.trust import CONFIDENCE, VALIDATION, RiskGuarantee

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]
_ROUNDING = 1 + 1e-9


def choose_threshold(
    probabilities: Floats,
    right: Flags,
    *,
    max_error: float,
    pictures: int | None = None,
    confidence: float = CONFIDENCE,
    measured_on: str = VALIDATION,
) -> RiskGuarantee | None:
    """Return the guarantee with the lowest threshold that keeps it, None where no threshold does.

    Args:
        probabilities: of the answers (K,), to pictures not fitted to.
        right: whether the answer is the true class (K,).
        max_error: guaranteed share of errors among the answered.
        pictures: how many there were, those included that are never answered; K where it is left out.
        confidence: that the guarantee holds, over the draw of the held-out pictures.
        measured_on: where the pictures are from.
    """
    from scipy.stats import binomtest

    pictures = len(probabilities) if pictures is None else pictures
    order = np.argsort(-probabilities, kind="stable")
    ranked, errors = probabilities[order], np.cumsum(~right[order], dtype=np.int64)
    answered = max(
        _last_passed(ranked, errors, start, pictures, max_error, failure)
        for start, failure in _starts(len(ranked), max_error, confidence)
    )
    if not answered:
        return None
    wrong = int(errors[answered - 1])
    ends = binomtest(answered, pictures).proportion_ci(0.95, method="exact")  # Clopper and Pearson, Biometrika 26, 1934
    return RiskGuarantee(
        max_error=max_error,
        confidence=confidence,
        threshold=_between(ranked, answered),
        pictures=pictures,
        answered=answered,
        errors=wrong,
        coverage=answered / pictures,
        coverage_interval=(float(ends.low), float(ends.high)),
        expected_risk=(wrong + 1) / (pictures + 1),
        measured_on=measured_on,
    )


def fewest_for_guarantee(max_error: float, confidence: float = CONFIDENCE) -> int:
    """Return how many answered pictures without an error any guarantee needs: 230 for 1 % at 90 %."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-max_error))


def smallest_guarantee(
    answered: int, pictures: int, *, errors: int = 2, confidence: float = CONFIDENCE
) -> float | None:
    """Return the smallest share of errors, in tenths of a per cent, that can be guaranteed with a few errors.

    Args:
        answered: pictures that may be answered, of `pictures`.
        errors: among their answers.

    Returns:
        the share, None where it would be half of the answers or more.
    """
    failure = (1 - confidence) / 2  # each of the two starting points has half
    shares = np.arange(1, 500) / 1000
    possible = shares[_passes(errors, answered, pictures, shares, failure)]
    return float(possible[0]) if len(possible) else None


def _starts(count: int, max_error: float, confidence: float) -> list[tuple[int, float]]:
    """Return the starting points, as counts of answered pictures, and the failure probability of each.

    They are the fewest pictures that can show anything, or an eighth of all where that is more, and three quarters: one
    wrong label among the most confident would end a search that starts with few. With so few pictures that the two
    coincide, there is one starting point with all of the failure probability.
    """
    failure = 1 - confidence
    fewest, later = fewest_for_guarantee(max_error, 1 - failure / 2), -(-3 * count // 4)
    if later <= fewest:
        return [(fewest_for_guarantee(max_error, confidence), failure)]
    return [(max(fewest, count // 8), failure / 2), (later, failure / 2)]


def _last_passed(
    ranked: Floats, errors: NDArray[np.int64], start: int, pictures: int, max_error: float, failure: float
) -> int:
    """Go from `start` answered pictures to more and return the last count that passed before one did not; 0: none.

    Args:
        ranked: probabilities in falling order (K,).
        errors: wrong among the first 1, 2, ... K.
        failure: probability with which a threshold may pass at an error rate of `max_error`.
    """
    counts = np.flatnonzero(np.append(ranked[:-1] > ranked[1:], True)[: len(ranked)]) + 1
    counts = counts[counts >= start]
    failed = np.flatnonzero(~_passes(errors[counts - 1], counts, pictures, max_error, failure))
    passed = counts[: failed[0]] if len(failed) else counts
    return int(passed[-1]) if len(passed) else 0


def _passes(wrong: Any, answered: Any, pictures: int, max_error: Any, failure: float) -> Flags:
    """Say for each count of errors among so many answers, or for each share, whether the guarantee would hold."""
    from scipy.stats import binom

    has_few_errors = binom.cdf(wrong, answered, max_error) <= failure * _ROUNDING
    is_bounded = (wrong + 1) / (pictures + 1) <= max_error  # conformal risk control
    passes: Flags = has_few_errors & is_bounded
    return passes


def _between(ranked: Floats, answered: int) -> float:
    """Return a threshold between the last that is answered and the first that is not; 0 where all are."""
    if answered == len(ranked):
        return 0.0
    middle = (float(ranked[answered - 1]) + float(ranked[answered])) / 2
    return middle if float(ranked[answered]) < middle else float(ranked[answered - 1])
