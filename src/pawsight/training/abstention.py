"""Which pictures to answer, so that at most a promised share of the answers is wrong.

Enters: of each held-out picture how sure the answer is and whether it is right. Leaves: a `Promise`, or None. Does not
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

import numpy as np
from numpy.typing import NDArray

from pawsight.trust import CONFIDENCE, Promise

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]
_HALVINGS = 60
_ROUNDING = 1 + 1e-9


def choose(
    sureness: Floats, right: Flags, *, max_error: float, pictures: int | None = None, confidence: float = CONFIDENCE
) -> Promise | None:
    """Return the lowest threshold that keeps the promise, None where none does.

    Args:
        sureness: probability of the best class (K,), of pictures not fitted to.
        right: whether the best class is the true one (K,).
        max_error: promised share of errors among the answered.
        pictures: how many there were, those included that are never answered; K where it is left out.
        confidence: that the promise holds, over the choice of the held-out pictures.
    """
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
    return Promise(
        max_error=max_error,
        confidence=confidence,
        threshold=_between(sure, answered),
        pictures=pictures,
        answered=answered,
        errors=wrong,
        coverage=answered / pictures,
        coverage_interval=clopper_pearson(answered, pictures),
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
    shares = (tenths / 1000 for tenths in range(1, 500))
    return next((share for share in shares if _passes(errors, answered, pictures, share, luck)), None)


def binomial_tail(errors: int, pictures: int, rate: float) -> float:
    """Return the probability of at most `errors` errors in `pictures` answers at an error rate."""
    if errors < 0 or (rate >= 1 and errors < pictures):
        return 0.0
    if errors >= pictures or rate <= 0:
        return 1.0
    if 2 * errors > pictures:  # the other tail is shorter
        return 1 - binomial_tail(pictures - errors - 1, pictures, 1 - rate)
    counts = np.arange(1, errors + 1)
    steps = np.log((pictures - counts + 1) / counts) + math.log(rate) - math.log1p(-rate)
    logs = pictures * math.log1p(-rate) + np.concatenate([[0.0], np.cumsum(steps)])
    top = float(logs.max())
    return min(1.0, math.exp(top) * float(np.exp(logs - top).sum()))


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a proportion, by halving on the binomial tail.

    Source: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934.
    """
    side = (1 - level) / 2
    low = 0.0 if successes == 0 else 1 - _limit(trials - successes, trials, side)
    return low, 1.0 if successes == trials else _limit(successes, trials, side)


def _limit(successes: int, trials: int, side: float) -> float:
    """Return the rate at which no more than so many successes have the probability `side`."""
    low, high = successes / trials, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(successes, trials, middle) > side else (low, middle)
    return (low + high) / 2


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
    passed = 0
    distinct = np.append(sure[:-1] > sure[1:], True)[start - 1 :] if len(sure) >= start else np.empty(0, bool)
    for count in (np.flatnonzero(distinct) + start).tolist():
        wrong = int(errors[count - 1])
        no_more = passed and wrong == errors[passed - 1]  # more pictures, and not one error more
        if not no_more and not _passes(wrong, count, pictures, max_error, luck):
            break
        passed = count
    return passed


def _passes(wrong: int, answered: int, pictures: int, max_error: float, luck: float) -> bool:
    if (wrong + 1) / (pictures + 1) > max_error:  # conformal risk control
        return False
    return binomial_tail(wrong, answered, max_error) <= luck * _ROUNDING


def _between(sure: Floats, answered: int) -> float:
    """Return a threshold between the last that is answered and the first that is not; 0 where all are."""
    if answered == len(sure):
        return 0.0
    middle = (float(sure[answered - 1]) + float(sure[answered])) / 2
    return middle if float(sure[answered]) < middle else float(sure[answered - 1])
