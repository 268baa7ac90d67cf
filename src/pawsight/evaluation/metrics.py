"""Metrics of a classifier on one subset: `measure`, log loss, ROC AUC, confusion matrix; their JSON, sentence, table.

Brier score and calibration error are in `calibration.py`, the intervals in `bootstrap.py` and `intervals.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.text import plural
from pawsight.evaluation.bootstrap import area, intervals, macro_f1
from pawsight.evaluation.calibration import brier_score, expected_calibration_error, log_losses
from pawsight.evaluation.intervals import Interval, design_effect, wilson

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.floating]
_NAMED = 3  # classes in a message


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """The metrics of one class."""

    name: str
    pictures: int
    precision: float | None  # share of the answers with this name that are right; 0 when it is never answered
    recall: float | None  # share of the pictures of this class that are found
    f1: float | None  # of a class without pictures all three are None


@dataclass(frozen=True, slots=True, repr=False)
class Metrics:
    """The metrics of a classifier on one subset."""

    pictures: int
    accuracy: float
    interval: Interval  # Wilson, 95 %, of so many pictures over their design effect
    log_loss: float  # nats
    roc_auc: float | None  # of more than two classes macro one-against-rest; None when a class is missing
    macro_f1: float  # mean F1 of the classes that have a picture or an answer
    brier: float  # squared distance from the truth, summed over classes, in [0, 2]
    ece: float  # expected calibration error, a share; in small samples above the truth
    intervals: Mapping[str, Interval | None]  # of log_loss, roc_auc, macro_f1, brier and ece, 95 %
    baseline: float  # accuracy of always answering the training subset's commonest class
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]  # row = truth, column = answer
    groups: int | None = None  # that were resampled as a whole; None where pictures come one by one
    design_effect: float | None = None  # of the accuracy: so many pictures of groups say as much as one

    def __repr__(self) -> str:
        return f"Metrics({sentence(self)})"


def measure(
    true: IntArray,
    probabilities: FloatArray,
    names: Sequence[str],
    *,
    commonest: int | None = None,
    seed: int = 0,
    groups: IntArray | None = None,
) -> Metrics | None:
    """Measure a classifier on one subset.

    Args:
        true: class indices (N,), each in [0, C).
        probabilities: (N, C), rows adding up to 1.
        names: the C class names in order.
        commonest: class that the training subset has most pictures of; None where that is not known, then the
            commonest of these pictures is the baseline.
        seed: of the resampling behind the intervals.
        groups: group numbers (N,) of pictures that are not independent, as `data.groups.numbers_of` gives them; None
            where all are.

    Returns:
        the metrics, or None where there are no pictures.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    if probabilities.shape != (len(true), len(names)):
        raise ValueError(f"probabilities have shape {probabilities.shape}, not {(len(true), len(names))}")
    if not len(true):
        return None
    answered = probabilities.argmax(axis=1)
    confusion = confusion_matrix(true, answered, num_classes=len(names))
    right, given = int(np.trace(confusion)), confusion.sum(axis=1)
    effect = design_effect(answered == true, groups)
    return Metrics(
        pictures=len(true),
        accuracy=right / len(true),
        interval=wilson(right / effect, len(true) / effect),
        log_loss=log_loss(true, probabilities),
        roc_auc=roc_auc(true, probabilities),
        macro_f1=macro_f1(true, answered, len(names)),
        brier=brier_score(true, probabilities),
        ece=expected_calibration_error(true, probabilities),
        intervals=intervals(true, probabilities, seed=seed, groups=groups),
        baseline=float(given[given.argmax() if commonest is None else commonest] / len(true)),
        classes=_per_class(confusion, names),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        groups=None if groups is None else len(np.unique(groups)),
        design_effect=None if groups is None else effect,
    )


def confusion_matrix(true: IntArray, predicted: IntArray, *, num_classes: int) -> IntArray:
    """Count how often each class was taken for each other.

    Args:
        true, predicted: class indices (N,), each in [0, num_classes).

    Returns:
        counts (C, C): row = truth, column = answer; the sum is N.

    Raises:
        ValueError: the two differ in shape or are not one-dimensional.
    """
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(f"shapes {true.shape} and {predicted.shape} are not two equal rows")
    counts = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def log_loss(true: IntArray, probabilities: FloatArray) -> float:
    """Return the mean of -ln(probability of the truth), in nats, over N pictures."""
    return float(log_losses(true, probabilities).mean())


def roc_auc(true: IntArray, probabilities: FloatArray) -> float | None:
    """Return the area under the ROC curve; of more than two classes the mean of each against the rest.

    None where a class has no picture. Of two classes the second alone is asked, because probabilities near 0 still
    differ in float32 where those near 1 are all 1.
    """
    classes = probabilities.shape[1]
    if len(np.unique(true)) < max(classes, 2):
        return None
    asked = range(classes) if classes > 2 else [1]
    return float(np.mean([area(true == index, probabilities[:, index]) for index in asked]))


def _per_class(confusion: IntArray, names: Sequence[str]) -> tuple[ClassMetrics, ...]:
    right = np.diag(confusion)
    given, answered = confusion.sum(axis=1), confusion.sum(axis=0)
    precision = right / np.maximum(answered, 1)
    recall = right / np.maximum(given, 1)
    f1 = 2 * right / np.maximum(given + answered, 1)
    return tuple(
        ClassMetrics(name, pictures, *scores) if pictures else ClassMetrics(name, 0, None, None, None)
        for name, pictures, *scores in zip(
            names, given.tolist(), precision.tolist(), recall.tolist(), f1.tolist(), strict=True
        )
    )


def to_jsonable(metrics: Metrics | None) -> dict[str, Any] | None:
    """Return metrics as plain JSON values, None where there was nothing to measure."""
    if metrics is None:
        return None
    plain = asdict(metrics)
    intervals = {name: ends.as_list() if ends is not None else None for name, ends in metrics.intervals.items()}
    return plain | {"interval": metrics.interval.as_list(), "intervals": intervals}


def sentence(metrics: Metrics | None) -> str:
    """Return the accuracy, log loss and baseline on one subset, as one line."""
    if metrics is None:
        return "no pictures to measure"
    groups = f" in {plural(metrics.groups, 'group')}" if metrics.groups is not None else ""
    return (
        f"{100 * metrics.accuracy:.1f} % right of {metrics.pictures:,}{groups} (95 % interval {metrics.interval}), "
        f"log loss {metrics.log_loss:.3f}{_ends(metrics)}; always the commonest class: {100 * metrics.baseline:.1f} %"
    )


def _ends(metrics: Metrics) -> str:
    known = metrics.intervals.get("log_loss")
    return f" ({known.low:.3f}-{known.high:.3f})" if known is not None else ""


def aligned(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Return the lines of a table whose first `left` columns stand to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def table_rows(metrics: Metrics) -> list[tuple[str, ...]]:
    """Return class, pictures, precision, recall and F1 as text, one row a class."""
    return [
        (row.name, f"{row.pictures:,}", *(as_text(share) for share in (row.precision, row.recall, row.f1)))
        for row in metrics.classes
    ]


def as_text(share: float | None) -> str:
    """Return a share of a class with three digits, "-" where the class has no pictures to tell."""
    return "-" if share is None else f"{share:.3f}"


def why_no_auc(counts: Mapping[str, int | None]) -> str:
    """Say why there is no area under the ROC curve: of some classes there is no picture.

    Args:
        counts: class name -> pictures.
    """
    absent = [name for name, pictures in counts.items() if not pictures]
    more = f" and {len(absent) - _NAMED:,} more" if len(absent) > _NAMED else ""
    names = f"{', '.join(map(repr, absent[:_NAMED]))}{more}"
    return f"class {names} has no pictures" if len(absent) == 1 else f"classes {names} have no pictures"


def confusions(metrics: Metrics, *, most: int = 5) -> list[tuple[str, str, int]]:
    """Return the commonest mistakes: truth, answer, how often; at most `most`."""
    names = [row.name for row in metrics.classes]
    wrong = [
        (names[row], names[column], count)
        for row, counts in enumerate(metrics.confusion)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(wrong, key=lambda mistake: (-mistake[2], mistake[0], mistake[1]))[:most]
