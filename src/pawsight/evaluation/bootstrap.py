"""95 % intervals by resampling, for figures that are no plain shares; and the area under the ROC curve, by ranks.

Pictures are drawn with replacement (B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 1993), and whole
groups where pictures come in groups (A. C. Davison, D. V. Hinkley, "Bootstrap methods", 1997, section 3.8). Which
method holds the truth 95 times in 100 was measured, see docs/decisions/0007-intervals.md: means are studentised, F1
and the area under the curve are BCa, and the calibration error has its own method in `calibration.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pawsight.evaluation.calibration import TINY, ece_interval, log_losses, squared_distances
from pawsight.evaluation.intervals import Interval, design_effect

MOST, LEAST = 1000, 200  # resamples
_ALL = 10_000_000  # pictures times resamples; more pictures get fewer resamples, down to the least
_RANKED = 20_000_000  # pictures times resamples times curves
_AT_ONCE = 200_000  # pictures times resamples at a time: what stays in the processor's cache is quicker
_LEAST_SPREAD = 0.2  # of the sample's, see _studentised
_ENDS = (0.025, 0.975)
_WORST_LOSS, _WORST_BRIER = -float(np.log(TINY)), 2.0
Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Weights = NDArray[np.float32]
Flags = NDArray[np.bool_]
# Pictures in the order of their scores: their rows (N,), whether each is of the class (N,), and the last place of each
# group of equal scores, None where no two are equal.
Ranked = tuple[Ints, Flags, Ints | None]


def intervals(
    true: Ints, probabilities: Floats, *, seed: int = 0, groups: Ints | None = None
) -> dict[str, Interval | None]:
    """Return the 95 % intervals, by name, of all that `measure` measures and that is no plain share.

    Args:
        true: class indices (N,), each in [0, C), N at least 1.
        probabilities: (N, C), rows adding up to 1.
        seed: of the resampling. The pictures' order changes the draws too, within the noise of so many of them.
        groups: group numbers (N,) of pictures that are drawn together; None draws each alone.

    Returns:
        the intervals of log_loss, roc_auc, macro_f1, brier and ece; None where a figure is unknown or no resample
        differs from another.

    1,000 resamples, fewer for large data, never below 200. Time and memory grow no faster than N x C.
    """
    pictures, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    losses = log_losses(true, probabilities)
    distances = squared_distances(true, probabilities)
    curves, area, area_pulls, exact = _curves(true, probabilities)
    which = None if groups is None else np.unique(groups, return_inverse=True)[1]
    columns = np.stack([*_centred(losses), *_centred(distances), area_pulls], axis=1).astype(np.float32)
    means: list[Doubles] = []
    spreads: list[Doubles] = []
    f1s: list[Doubles] = []
    tops: list[Doubles] = []
    for weights in resample_weights(pictures, resamples(pictures), seed, which):
        if which is None:
            means.append((weights @ columns / pictures).astype(np.float64))
        else:
            means.append((weights @ columns / weights.sum(axis=1, keepdims=True)).astype(np.float64))
            spreads.append(_group_variances(weights, columns[:, [0, 2]], means[-1][:, [0, 2]], which))
        f1s.append(_macro_f1s(weights, true, predicted, classes))
        done = sum(len(chunk) for chunk in tops)
        tops.append(_mean_areas(curves, weights[: max(0, exact - done)]))
    drawn = np.concatenate(means)
    if which is None:
        variances = drawn[:, [1, 3]] - drawn[:, [0, 2]] ** 2
    else:
        variances = np.concatenate(spreads)
        area_pulls = np.bincount(which, area_pulls).astype(np.float64)
    f1_pulls = _f1_pulls(true, predicted, classes)
    f1_pulls = f1_pulls if which is None else np.bincount(which, f1_pulls).astype(np.float64)
    right = (predicted == true) - probabilities.max(axis=1)
    measured_f1 = _macro_f1s(np.ones((1, pictures), np.float32), true, predicted, classes)[0]
    return {
        "log_loss": _studentised(losses, drawn[:, 0], variances[:, 0], most=_WORST_LOSS),
        "roc_auc": bca(area, area_pulls, np.concatenate(tops) if exact else area + drawn[:, 4]),
        "macro_f1": bca(measured_f1, f1_pulls, np.concatenate(f1s)),
        "brier": _studentised(distances, drawn[:, 2], variances[:, 1], most=_WORST_BRIER),
        "ece": ece_interval(true, probabilities, seed=seed, effect=design_effect(right, groups)),
    }


def resamples(pictures: int) -> int:
    """Return how many resamples so many pictures get."""
    return int(np.clip(_ALL // pictures, LEAST, MOST))


def macro_f1(true: Ints, predicted: Ints, classes: int) -> float:
    """Return the mean F1 over the classes that have a picture or an answer, as scikit-learn's `f1_score` has it."""
    return float(_macro_f1s(np.ones((1, len(true)), np.float32), true, predicted, classes)[0])


def resample_weights(pictures: int, count: int, seed: int, which: Ints | None = None) -> Iterator[Weights]:
    """Yield how often each picture is drawn, (R, N), in chunks of R that fit in memory.

    Args:
        pictures: how many, N.
        count: of resamples.
        seed: of the draws.
        which: the group (N,) of each picture, numbered from 0 without gaps; as many groups are drawn as there are.
    """
    if which is not None:
        for weights in resample_weights(int(which.max()) + 1, count, seed):
            rows = max(1, _AT_ONCE // pictures)
            yield from (weights[start : start + rows][:, which] for start in range(0, len(weights), rows))
        return
    chance = np.random.default_rng(seed)
    rows = max(1, _AT_ONCE // pictures)
    for start in range(0, count, rows):
        height = min(rows, count - start)
        drawn = chance.integers(0, pictures, (height, pictures), dtype=np.int64)
        drawn += pictures * np.arange(height)[:, None]
        yield np.bincount(drawn.ravel(), minlength=height * pictures).reshape(height, pictures).astype(np.float32)


def _centred(values: Doubles) -> tuple[Doubles, Doubles]:
    """Return values less their mean, in standard deviations, and their squares: small enough for float32."""
    scaled = (values - values.mean()) / max(float(values.std()), 1e-12)
    return scaled, scaled**2


def _group_variances(weights: Weights, values: Weights, means: Doubles, which: Ints) -> Doubles:
    """Return the variance (R, K) of the means of each resample between its groups, over that of the sample.

    Args:
        weights: of the pictures, (R, N), the same for all of a group.
        values: (N, K), 0 on average.
        means: of them in each resample, (R, K).
        which: the group (N,) of each picture, numbered from 0 without gaps.
    """
    _, first = np.unique(which, return_index=True)
    drawn, sizes = weights[:, first].astype(np.float64), np.bincount(which).astype(np.float64)
    found = []
    for column, mean in zip(values.T.astype(np.float64), means.T, strict=True):
        sums = np.bincount(which, column)
        squares = drawn @ sums**2 - 2 * mean * (drawn @ (sums * sizes)) + mean**2 * (drawn @ sizes**2)
        of_sample = float((sums**2).sum()) / len(which) ** 2
        found.append(squares / (drawn @ sizes) ** 2 / max(of_sample, 1e-12))
    return np.stack(found, axis=1)


def _studentised(values: Doubles, shifts: Doubles, variances: Doubles, *, most: float) -> Interval | None:
    """Return the bootstrap-t interval of a mean of values in [0, most]; Efron and Tibshirani, chapter 12.

    Args:
        values: of each picture (N,).
        shifts: means (R,) of `_centred` values in each resample.
        variances: of that mean in each resample (R,), over that in the sample.

    A resample's spread counts as at least a fifth of the sample's: without that a figure that hangs on one picture,
    absent from every third resample, would reach up to `most`. With it one lone mistake among N gives an upper end of
    6 / N, where Wilson's is 5.6 / N.
    """
    mean, spread = float(values.mean()), float(values.std())
    if not spread > 1e-12:
        return None
    spreads = np.sqrt(np.maximum(variances, _LEAST_SPREAD**2))
    low, high = np.quantile(shifts / spreads, _ENDS)
    return _holding(mean, max(0.0, mean - high * spread), min(most, mean - low * spread))


def bca(measured: float, pulls: Doubles, drawn: Doubles, *, most: float = 1.0) -> Interval | None:
    """Return the bias-corrected and accelerated interval (B. Efron, JASA 82, 1987) of a figure in [0, most].

    Args:
        measured: the figure; NaN where it is unknown.
        pulls: its empirical influence (N,), for the acceleration.
        drawn: the figure of each resample, NaN where unknown.
    """
    known = drawn[np.isfinite(drawn)]
    power = float((pulls**2).sum()) if np.isfinite(measured) else 0.0
    if not len(known) or not power > 1e-12 or not np.ptp(known) > 1e-12:
        return None
    normal, edge = NormalDist(), 0.5 / len(known)
    below = float((known < measured - 1e-12).mean() + (np.abs(known - measured) <= 1e-12).mean() / 2)
    shift = normal.inv_cdf(min(max(below, edge), 1 - edge))
    skew = float((pulls**3).sum()) / (6 * power**1.5)
    ends = [normal.cdf(shift + (shift + z) / (1 - skew * (shift + z))) for z in map(normal.inv_cdf, _ENDS)]
    low, high = np.quantile(known, ends)
    return _holding(measured, max(0.0, float(low)), min(most, float(high)))


def spread(measured: float, drawn: Doubles, *, most: float = 1.0) -> Interval | None:
    """Return the interval of 1.96 standard deviations of the resamples about a figure in [0, most].

    It is for figures that resampling pushes to one side, such as a mean of average precisions over labels with few
    pictures: a picture that is drawn twice stands beside itself. `bca` takes that push for an error of the figure.

    Args:
        measured: the figure; NaN where it is unknown.
        drawn: the figure of each resample, NaN where unknown.
    """
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(measured) or not len(known) or not np.ptp(known) > 1e-12:
        return None
    reach = NormalDist().inv_cdf(_ENDS[1]) * float(known.std())
    return _holding(measured, max(0.0, measured - reach), min(most, measured + reach))


def _holding(measured: float, low: float, high: float) -> Interval:
    return Interval(min(float(low), measured), max(float(high), measured))


def _curves(true: Ints, probabilities: Floats) -> tuple[list[Ranked], float, Doubles, int]:
    """Return the curves whose areas are averaged: one of two classes, of more each class against the rest.

    Returns:
        the ranked pictures of each curve; the mean area, NaN where a class has no picture; how much each picture pulls
        at it (N,); and the number of resamples to be ranked anew, 0 where only the first-order change is affordable.
    """
    pictures, classes = probabilities.shape
    asked = range(classes) if classes > 2 else range(1, 2)
    if len(np.unique(true)) < max(classes, 2):
        return [], np.nan, np.zeros(pictures), 0
    total, pulls = 0.0, np.zeros(pictures)
    for index in asked:
        own, pull = influence(true == index, probabilities[:, index])
        total, pulls = total + own / len(asked), pulls + pull / len(asked)
    affordable = _RANKED // (pictures * len(asked))
    if affordable < LEAST // 4:
        return [], total, pulls, 0
    curves = [ranked(true == index, probabilities[:, index]) for index in asked]
    return curves, total, pulls, max(LEAST, min(affordable, resamples(pictures)))


def _mean_areas(curves: Sequence[Ranked], weights: Weights) -> Doubles:
    """Return the mean area of each resample (R,); a class that was not drawn is left out of the mean."""
    total, known = np.zeros(len(weights)), np.zeros(len(weights))
    for pictures in curves if len(weights) else ():
        drawn = areas(pictures, weights)
        total, known = total + np.nan_to_num(drawn), known + np.isfinite(drawn)
    return np.asarray(np.divide(total, known, out=np.full(len(weights), np.nan), where=known > 0))


def _macro_f1s(weights: Weights, true: Ints, predicted: Ints, classes: int) -> Doubles:
    """Return the macro F1 of each resample (R,)."""
    given, right = _sums(weights, true, classes), _sums(weights * (true == predicted).astype(np.float32), true, classes)
    both = given + _sums(weights, predicted, classes)
    shares = np.divide(2 * right, both, out=np.zeros_like(both), where=both > 0)
    return np.asarray(shares.sum(axis=1) / (both > 0).sum(axis=1))


def _sums(weights: Weights, classes_of: Ints, classes: int) -> Doubles:
    """Sum weights (R, N) by the class of each picture: (R, C)."""
    order = np.argsort(classes_of, kind="stable")
    present, starts = np.unique(classes_of[order], return_index=True)
    sums = np.zeros((len(weights), classes))
    sums[:, present] = np.add.reduceat(np.take(weights, order, axis=1), starts, axis=1)
    return sums


def _f1_pulls(true: Ints, predicted: Ints, classes: int) -> Doubles:
    """Return the influence (N,) of each picture on the macro F1."""
    counts = np.bincount(true, minlength=classes) + np.bincount(predicted, minlength=classes)
    hits = np.bincount(true[true == predicted], minlength=classes)
    f1 = 2 * hits / np.maximum(counts, 1)
    rate = len(true) / np.maximum(counts, 1) / (counts > 0).sum()  # each class's share in the mean, for one picture
    pulls = 2 * (true == predicted) * rate[true] - f1[true] * rate[true] - f1[predicted] * rate[predicted]
    return np.asarray(pulls)


def ranked(is_own: Flags, scores: NDArray[np.floating]) -> Ranked:
    """Sort pictures once.

    Args:
        is_own: whether a picture is of the class, (N,).
        scores: (N,), higher for the class.
    """
    order = np.argsort(scores, kind="stable")
    steps = np.diff(scores[order]) != 0
    ends = None if steps.all() else np.append(np.flatnonzero(steps), len(scores) - 1)
    return order, is_own[order], ends


def areas(pictures: Ranked, weights: NDArray[np.float32]) -> Doubles:
    """Return the area for each row of weights (R, N), NaN where a row gives one of the two sides no weight."""
    order, is_own, ends = pictures
    sorted_weights = np.take(weights, order, axis=1)
    own = sorted_weights * is_own.astype(np.float32)
    others = sorted_weights - own
    if ends is not None:
        starts = np.concatenate([[0], ends[:-1] + 1])
        own, others = np.add.reduceat(own, starts, axis=1), np.add.reduceat(others, starts, axis=1)
    # Counts below 2^24 are exact in float32; the share beaten keeps the sum of products small enough for it.
    below = np.cumsum(others, axis=1)
    sides = own.sum(axis=1), below[:, -1].copy()
    below -= others / 2
    won = np.einsum("ij,ij->i", own, below / np.maximum(sides[1], 1)[:, None])
    is_known = (sides[0] > 0) & (sides[1] > 0)
    return np.asarray(np.divide(won, sides[0], out=np.full(len(weights), np.nan), where=is_known))


def area(is_own: Flags, scores: NDArray[np.floating]) -> float:
    """Return the area of equally weighted pictures, NaN where one of the two sides is empty."""
    return float(_placements(ranked(is_own, scores))[0])


def influence(is_own: Flags, scores: NDArray[np.floating]) -> tuple[float, Doubles]:
    """Return the area and how much each picture (N,) pulls at it, 0 on average; NaN where a side is empty.

    Their mean square over N is the variance of E. R. DeLong et al., Biometrics 44, 1988, with N where that has N - 1.
    """
    pictures = order, is_sorted_own, _ = ranked(is_own, scores)
    mean, placements = _placements(pictures)
    pulls = np.empty(len(scores))
    sides = np.where(is_sorted_own, is_own.sum(), len(is_own) - is_own.sum())
    pulls[order] = (placements - mean) * len(scores) / np.maximum(sides, 1)
    return mean, pulls


def _placements(pictures: Ranked) -> tuple[float, Doubles]:
    """Return the area and each picture's share of the other side that it is rightly above or below, in order."""
    _, is_own, ends = pictures
    own = is_own.astype(np.float64)
    places = np.arange(len(own))
    group = places if ends is None else np.searchsorted(ends, places)
    shares = []
    for side in (1 - own, own):
        counts = np.bincount(group, weights=side)
        shares.append(
            ((np.cumsum(counts) - counts / 2) / side.sum())[group] if side.any() else np.full(len(own), np.nan)
        )
    below, above = shares
    placements = np.where(is_own, below, 1 - above)
    return (float(placements[is_own].mean()) if own.any() else np.nan), placements
