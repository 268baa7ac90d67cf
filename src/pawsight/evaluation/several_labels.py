"""Metrics of a classifier with several labels a picture: average precision, F1, exact match; and labels of one picture.

Those of a classifier with one class a picture are in `metrics.py`; what resampling has to do with intervals is in
`bootstrap.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.trust import HAS, HAS_NOT, NOT_SURE, LabelRule
from pawsight.core.text import plural
from pawsight.evaluation.bootstrap import Weights, bca, resample_weights, resamples, spread
from pawsight.evaluation.calibration import TINY
from pawsight.evaluation.intervals import Interval, share_interval

Flags = NDArray[np.bool_]
Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
_WORST_LOSS = -float(np.log(TINY))


@dataclass(frozen=True, slots=True)
class AnswerFigures:
    """How many pictures got one of the two answers about a label, and how many of these answers are wrong."""

    answered: int
    wrong: int
    error: float | None  # share of the answered; None where there is none
    interval: Interval | None  # of the error, Wilson, 95 %


@dataclass(frozen=True, slots=True)
class LabelMetrics:
    """The metrics of one label; of one that no picture has all shares are None."""

    name: str
    pictures: int  # that have it
    threshold: float  # probability from which on a picture is said to have it
    average_precision: float | None
    precision: float | None  # share of the pictures said to have it that do; 0 where there is none
    recall: float | None  # share of the pictures with it that are found
    f1: float | None
    intervals: Mapping[str, Interval | None]  # of average_precision, precision and recall, 95 %
    has: AnswerFigures | None = None  # of sure answers, where a guarantee was asked for
    has_not: AnswerFigures | None = None
    unsure: int | None = None  # pictures of which neither is sure enough


@dataclass(frozen=True, slots=True, repr=False)
class SeveralLabelsMetrics:
    """The metrics of a classifier with several labels a picture on one subset; answers are those by thresholds."""

    pictures: int
    mean_average_precision: float | None  # over labels that a picture has; None where there is none
    micro_f1: float  # of all answers about all labels together; 0 where no label is there or answered
    macro_f1: float | None  # mean over labels that a picture has
    exact_match: float  # share of the pictures of which every label is right
    log_loss: float  # mean over labels, in nats
    intervals: Mapping[str, Interval | None]  # of the five above, 95 %
    labels: tuple[LabelMetrics, ...]
    absent: tuple[str, ...]  # labels that no picture has
    groups: int | None = None  # that were resampled as a whole; None where pictures come one by one

    def __repr__(self) -> str:
        return f"SeveralLabelsMetrics({sentence(self)})"


def measure_labels(
    truth: Flags,
    probabilities: Floats,
    rules: Sequence[LabelRule],
    names: Sequence[str],
    *,
    seed: int = 0,
    groups: Ints | None = None,
) -> SeveralLabelsMetrics | None:
    """Measure a classifier with several labels a picture on one subset.

    Args:
        truth: whether each picture has each label (N, L).
        probabilities: (N, L), each in [0, 1].
        rules: (L,) with the thresholds, and the guarantees where they were asked for.
        names: the L names in order.
        seed: of the resampling behind the intervals.
        groups: group numbers (N,) of pictures that are not independent; None where all are.

    Returns:
        the metrics, or None where there are no pictures. Intervals are BCa of up to 1,000 resamples of pictures, or of
        whole groups; that of the mean average precision is by their spread; those of shares are Wilson's.

    Raises:
        ValueError: the shapes do not fit each other.

    Source: scikit-learn's `average_precision_score` and `f1_score`.
    """
    if truth.shape != probabilities.shape or truth.shape[1] != len(names) or len(rules) != len(names):
        raise ValueError(
            f"truth has shape {truth.shape}, probabilities {probabilities.shape}: there are {len(names)} names and"
            f" {len(rules)} rules"
        )
    if not len(truth):
        return None
    thresholds = np.array([rule.threshold for rule in rules])
    answered = probabilities.astype(np.float64) >= thresholds
    present: Flags = truth.sum(axis=0) > 0
    losses = log_losses(truth, probabilities).mean(axis=1)
    curves = [_Curve(own, scores) for own, scores in zip(truth.T, probabilities.T, strict=True)]
    which = None if groups is None else np.unique(groups, return_inverse=True)[1]
    every = np.ones((1, len(truth)), np.float32)
    measured = _figures(every, curves, truth, answered, losses, present)
    chunks = [
        _figures(weights, curves, truth, answered, losses, present)
        for weights in resample_weights(len(truth), resamples(truth.size), seed, which)
    ]
    drawn = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in measured}

    def interval(name: str, pulls: Doubles, column: int | None = None, most: float = 1.0) -> Interval | None:
        together = pulls if which is None else np.bincount(which, pulls).astype(np.float64)
        values, again = (table[name] if column is None else table[name][:, column] for table in (measured, drawn))
        return bca(float(values[0]), together, again, most=most)

    f1_pulls = _f1_pulls(truth, answered)
    labels = []
    for column, (name, rule) in enumerate(zip(names, rules, strict=True)):
        average, ends = None, None
        if present[column]:
            average = float(measured["average_precision"][0, column])
            ends = interval("average_precision", curves[column].pulls, column)
        own, scores = truth[:, column], probabilities[:, column]
        labels.append(_measure_label(name, rule, own, scores, average, ends, groups))
    exact = (truth == answered).all(axis=1)
    has_any = bool(present.any())
    micro_pulls = 2 * (truth & answered).sum(axis=1) - measured["micro_f1"][0] * (
        truth.sum(axis=1) + answered.sum(axis=1)
    )
    return SeveralLabelsMetrics(
        pictures=len(truth),
        mean_average_precision=float(measured["mean_average_precision"][0]) if has_any else None,
        micro_f1=float(measured["micro_f1"][0]),
        macro_f1=float(measured["macro_f1"][0]) if has_any else None,
        exact_match=float(exact.mean()),
        log_loss=float(losses.mean()),
        intervals={
            "mean_average_precision": spread(
                float(measured["mean_average_precision"][0]), drawn["mean_average_precision"]
            ),
            "micro_f1": interval("micro_f1", micro_pulls.astype(np.float64)),
            "macro_f1": interval("macro_f1", f1_pulls[:, present].sum(axis=1)),
            "exact_match": share_interval(exact, groups),
            "log_loss": interval("log_loss", losses - losses.mean(), most=_WORST_LOSS),
        },
        labels=tuple(labels),
        absent=tuple(name for name, is_there in zip(names, present, strict=True) if not is_there),
        groups=None if which is None else int(which.max()) + 1,
    )


def log_losses(truth: Flags, probabilities: Floats) -> Doubles:
    """Return -ln(probability of what is true) of each label of each picture (N, L), in nats."""
    exact = np.asarray(probabilities, np.float64)
    losses: Doubles = -np.log(np.maximum(np.where(truth, exact, 1 - exact), TINY))
    return losses


def _measure_label(
    name: str,
    rule: LabelRule,
    truth: Flags,
    probabilities: Floats,
    average_precision: float | None,
    interval: Interval | None,
    groups: Ints | None,
) -> LabelMetrics:
    """Return the metrics of one label.

    Args:
        name, rule: of the label.
        truth: whether each picture has it (N,).
        probabilities: of it (N,).
        average_precision, interval: as they were measured; None where no picture has the label.
        groups: as for `measure_labels`.
    """
    answered = probabilities.astype(np.float64) >= rule.threshold
    right = truth & answered
    precision, recall, f1 = None, None, None
    ends: dict[str, Interval | None] = {"average_precision": interval, "precision": None, "recall": None}
    if truth.any():
        precision, recall = int(right.sum()) / max(int(answered.sum()), 1), int(right.sum()) / int(truth.sum())
        f1 = 2 * int(right.sum()) / (int(truth.sum()) + int(answered.sum()))
        for figure, rows in (("precision", answered), ("recall", truth)):
            if rows.any():
                ends[figure] = share_interval(right[rows], None if groups is None else groups[rows])
    sides = _sides(truth, rule.decide(probabilities), groups) if rule.max_error is not None else {}
    return LabelMetrics(name, int(truth.sum()), rule.threshold, average_precision, precision, recall, f1, ends, **sides)


def _sides(truth: Flags, decided: Ints, groups: Ints | None) -> dict[str, Any]:
    """Return how many pictures got each answer about a label, and how many of these are wrong."""
    found: dict[str, Any] = {"unsure": int((decided == NOT_SURE).sum())}
    for name, answer in (("has", HAS), ("has_not", HAS_NOT)):
        rows = decided == answer
        wrong = truth[rows] != (answer == HAS)
        count, errors = int(rows.sum()), int(wrong.sum())
        ends = share_interval(wrong, None if groups is None else groups[rows]) if count else None
        found[name] = AnswerFigures(count, errors, errors / count if count else None, ends)
    return found


class _Curve:
    """The precision-recall curve of a label: its pictures in falling order of probability, sorted once.

    Args:
        is_own: whether each picture has the label (N,).
        scores: their probabilities (N,).
    """

    def __init__(self, is_own: Flags, scores: Floats) -> None:
        self._order = np.argsort(-scores, kind="stable")
        self._own = is_own[self._order].astype(np.float32)
        self._ends = np.append(np.flatnonzero(np.diff(scores[self._order])), len(scores) - 1)  # of equal scores

    def average_precisions(self, weights: Weights) -> Doubles:
        """Return the average precision for each row of weights (R, N), NaN where no picture with the label has any."""
        ordered = np.take(weights, self._order, axis=1)
        own, every = (np.cumsum(part, axis=1)[:, self._ends] for part in (ordered * self._own, ordered))
        gained = np.diff(own, axis=1, prepend=0)
        sums = (gained * (own / np.maximum(every, 1e-6))).sum(axis=1, dtype=np.float64)
        totals = own[:, -1]
        return np.asarray(np.divide(sums, totals, out=np.full(len(weights), np.nan), where=totals > 0))

    @property
    def pulls(self) -> Doubles:
        """How much each picture (N,) pulls at the average precision, up to a factor: its empirical influence."""
        own, every = np.cumsum(self._own, dtype=np.float64)[self._ends], self._ends + 1.0
        gained = np.diff(own, prepend=0)
        total = max(own[-1], 1.0)
        ratio = own / every
        average = (gained * ratio).sum() / total
        later = np.cumsum((gained / every)[::-1])[::-1]  # of this place in the order and those below
        lost = np.cumsum((gained * own / every**2)[::-1])[::-1]
        place = np.searchsorted(self._ends, np.arange(len(self._own)))
        pulls = np.empty(len(self._own))
        pulls[self._order] = (self._own * (ratio + later - average)[place] - lost[place]) / total
        return pulls


def _figures(
    weights: Weights, curves: Sequence[_Curve], truth: Flags, answered: Flags, losses: Doubles, present: Flags
) -> dict[str, Doubles]:
    """Return the figures of each resample: (R,), or (R, L) of average_precision.

    A mean over labels leaves out those that no picture of the subset has, or none of the resample.
    """
    counts = [weights @ flags.astype(np.float32) for flags in (truth & answered, truth, answered)]
    right, given, claimed = (count.astype(np.float64) for count in counts)
    both = given + claimed
    f1 = np.divide(2 * right, both, out=np.full(both.shape, np.nan), where=both > 0)
    averages = np.stack([curve.average_precisions(weights) for curve in curves], axis=1)
    sums = both.sum(axis=1)
    return {
        "average_precision": averages,
        "mean_average_precision": _mean_of_known(averages[:, present]),
        "micro_f1": np.divide(2 * right.sum(axis=1), sums, out=np.zeros(len(sums)), where=sums > 0),
        "macro_f1": _mean_of_known(f1[:, present]),
        "log_loss": weights @ losses / weights.sum(axis=1),
    }


def _mean_of_known(values: Doubles) -> Doubles:
    """Return the mean of each row (R, K) over its values that are no NaN; NaN where there is none."""
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0).sum(axis=1)
    return np.asarray(np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0))


def _f1_pulls(truth: Flags, answered: Flags) -> Doubles:
    """Return the influence (N, L) of each picture on the F1 of each label, up to a common factor."""
    both = truth.astype(np.float64) + answered
    sums = np.maximum(both.sum(axis=0), 1)
    right = (truth & answered).astype(np.float64)
    f1 = 2 * right.sum(axis=0) / sums
    pulls: Doubles = (2 * right - f1 * both) / sums
    return pulls


def co_occurrence(truth: Flags, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how often each two labels occur together, from those that do so more often than expected to less.

    Args:
        truth: whether each picture has each label (N, L).
        names: the L names in order.

    Returns:
        for each pair: `labels`, `pictures` with both, `expected` if the two were independent, and `deviation` from that
        in standard deviations (of the hypergeometric distribution; 0 where it cannot deviate).
    """
    count, given = len(truth), truth.sum(axis=0).astype(np.float64)
    together = truth.T.astype(np.float64) @ truth.astype(np.float64)
    rows = []
    for first in range(len(names)):
        for second in range(first + 1, len(names)):
            pair = given[[first, second]]
            expected = float(pair.prod() / max(count, 1))
            variance = expected * float((count - pair).prod()) / max(count * (count - 1), 1)
            both = int(together[first, second])
            deviation = (both - expected) / variance**0.5 if variance > 0 else 0.0
            rows.append(
                {
                    "labels": [names[first], names[second]],
                    "pictures": both,
                    "expected": expected,
                    "deviation": deviation,
                }
            )
    return sorted(rows, key=lambda row: -row["deviation"])


def to_jsonable(metrics: SeveralLabelsMetrics | None) -> dict[str, Any] | None:
    """Return metrics as plain JSON values, None where there was nothing to measure."""
    plain: dict[str, Any] | None = _plain(metrics)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return value.as_list()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def sentence(metrics: SeveralLabelsMetrics | None) -> str:
    """Return mean average precision, F1 and exact match on one subset, as one line."""
    if metrics is None:
        return "no pictures to measure"
    groups = f" in {plural(metrics.groups, 'group')}" if metrics.groups is not None else ""
    of = f"{metrics.pictures:,} pictures{groups}, {plural(len(metrics.labels), 'label')}"
    if metrics.mean_average_precision is None or metrics.macro_f1 is None:
        return f"{of}: no picture has any of them; {100 * metrics.exact_match:.1f} % of the pictures all right"
    averages, f1 = metrics.intervals["mean_average_precision"], metrics.intervals["micro_f1"]
    return (
        f"{of}: mean average precision {100 * metrics.mean_average_precision:.1f} %{_ends(averages)}, "
        f"F1 {100 * metrics.micro_f1:.1f} %{_ends(f1)} over all labels, {100 * metrics.macro_f1:.1f} % by label; "
        f"{100 * metrics.exact_match:.1f} % of the pictures have every label right"
    )


def _ends(interval: Interval | None) -> str:
    return f" ({interval})" if interval is not None else ""
