"""Accuracy by kind of picture (slices): which pictures belong to a slice, and each slice tested against the rest.

Among twenty slices one is worse by chance alone, so p values are corrected for their number, and slices of fewer than
ten pictures are reported but not tested. Where pictures come in groups, the test and the intervals are of groups.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.statistics import holm
from pawsight.data.facts import QUALITY_FLAGS, Facts, quality_flags
from pawsight.data.groups import numbers_of
from pawsight.evaluation.comparison import BETTER, SIGNIFICANCE, WORSE, Answer
from pawsight.evaluation.intervals import Interval, share_interval

LEAST_TESTED = 10  # pictures: with fewer, even none right would prove nothing against an average classifier
MOST_SHOWN = 12  # wrong pictures named for each slice
LIKE_THE_REST, NOT_TESTED = "like the rest", "too few to test"
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
SliceKey = tuple[str, str]  # kind and name, e.g. "trait" and "dark"
_FOLDERS = (2, 50)  # fewest and most folders that make slices: one cannot be compared, hundreds are too small to test
_SHARE = 5  # a fifth stands in for a trait that too few pictures have
_STAND_INS: Mapping[str, tuple[str, Callable[[Facts], float]]] = {
    # trait -> the name of the extreme fifth, and a figure that is lowest there
    "tiny": ("smallest fifth", lambda facts: float(facts.width * facts.height)),
    "dark": ("darkest fifth", lambda facts: facts.statistics.brightness),
    "bright": ("brightest fifth", lambda facts: -facts.statistics.brightness),
    "blurry": ("least sharp fifth", lambda facts: facts.statistics.sharpness),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Accuracy on one kind of picture."""

    name: str
    kind: str  # "trait", "format", "folder" or "fifth"
    pictures: int
    right: int
    accuracy: float
    interval: Interval  # Wilson, 95 %
    rest_accuracy: float | None  # on all other pictures; None where there are none
    difference: float | None  # accuracy minus that of the rest, in percentage points
    p_value: float | None  # Fisher's exact test against the rest, two-sided; None where it was not tested
    p_holm: float | None  # corrected for all slices that were tested
    verdict: str  # "worse", "better", "like the rest" or "too few to test"
    worst: tuple[Answer, ...]  # answered wrong, the most confident first

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "pictures": self.pictures,
            "right": self.right,
            "accuracy": self.accuracy,
            "interval": self.interval.as_list(),
            "rest_accuracy": self.rest_accuracy,
            "difference": self.difference,
            "p_value": self.p_value,
            "p_holm": self.p_holm,
            "verdict": self.verdict,
            "worst": [
                {
                    "path": answer.path,
                    "label": answer.label,
                    "predicted": answer.predicted,
                    "probability": answer.probability if math.isfinite(answer.probability) else None,
                }
                for answer in self.worst
            ],
        }


def measure_slices(answers: Sequence[Answer], members: Mapping[SliceKey, Mask]) -> tuple[Slice, ...]:
    """Measure every slice and test it against the pictures outside it.

    Args:
        answers: to N pictures.
        members: which of them belong to each slice (N,); empty slices are left out.

    Returns:
        the slices: those that are worse first, then by accuracy, the lowest first.

    Raises:
        ValueError: a mask is not of N pictures.

    Source of the test: R. A. Fisher, "The design of experiments", 1935; of the correction: S. Holm, 1979.
    """
    right = np.array([answer.is_right for answer in answers], dtype=bool)
    if any(mask.shape != right.shape for mask in members.values()):
        raise ValueError(f"a slice is not one of {len(answers)} pictures")
    groups = numbers_of([answer.group for answer in answers])
    slices = [_measured(key, mask, right, answers, groups) for key, mask in members.items() if mask.any()]
    p_values = iter(holm([part.p_value for part in slices if part.p_value is not None]))
    tested = []
    for part in slices:
        if part.p_value is not None:
            p_holm = next(p_values)
            differs = p_holm < SIGNIFICANCE and part.difference
            verdict = LIKE_THE_REST if not differs else WORSE if part.difference and part.difference < 0 else BETTER
            tested.append(replace(part, p_holm=p_holm, verdict=verdict))
        else:
            tested.append(part)
    return tuple(sorted(tested, key=lambda part: (part.verdict != WORSE, part.accuracy, -part.pictures, part.name)))


def _measured(key: SliceKey, mask: Mask, right: Mask, answers: Sequence[Answer], groups: Ints | None) -> Slice:
    count, correct = int(mask.sum()), int(right[mask].sum())
    others, others_correct = len(right) - count, int(right[~mask].sum())
    rest = others_correct / others if others else None
    is_tested = min(count, others) >= LEAST_TESTED
    wrong = [answer for answer, is_within in zip(answers, mask, strict=True) if is_within and not answer.is_right]
    # The most confident first; a set of labels has no probability of its own and comes last.
    wrong.sort(key=lambda answer: (not math.isfinite(answer.probability), -answer.probability, answer.path))
    kind, name = key
    p_value = None
    if is_tested:
        p_value = (
            fisher(correct, count, others_correct, others) if groups is None else group_p_value(mask, right, groups)
        )
    return Slice(
        name=name,
        kind=kind,
        pictures=count,
        right=correct,
        accuracy=correct / count,
        interval=share_interval(right[mask], None if groups is None else groups[mask]),
        rest_accuracy=rest,
        difference=None if rest is None else 100 * (correct / count - rest),
        p_value=p_value,
        p_holm=None,
        verdict=NOT_TESTED,
        worst=tuple(wrong[:MOST_SHOWN]),
    )


def fisher(right: int, pictures: int, other_right: int, others: int) -> float:
    """Return the two-sided p value of Fisher's exact test: are two groups of pictures equally often right?"""
    from scipy.stats import fisher_exact

    table = [[right, pictures - right], [other_right, others - other_right]]
    return float(fisher_exact(table).pvalue)


def group_p_value(mask: Mask, right: Mask, groups: Ints) -> float:
    """Return the two-sided p value of a slice's accuracy against that of the rest, of pictures that come in groups.

    Args:
        mask: which pictures (N,) are in the slice; some are and some are not.
        right: which were answered right (N,).
        groups: group numbers (N,).

    A t test whose standard error is that between groups (K.-Y. Liang, S. L. Zeger, "Longitudinal data analysis using
    generalized linear models", Biometrika 73, 1986). Where none differs, the two are alike: 1.
    """
    from scipy.stats import t

    inside, outside = right[mask].mean(), right[~mask].mean()
    pulls = np.where(mask, (right - inside) / mask.sum(), (outside - right) / (~mask).sum())
    _, which = np.unique(groups, return_inverse=True)
    sums = np.bincount(which, pulls)
    if len(sums) < 2 or inside == outside:
        return 1.0
    error = float((sums**2).sum() * len(sums) / (len(sums) - 1)) ** 0.5
    return float(2 * t.sf(abs(inside - outside) / max(error, 1e-12), len(sums) - 1))


def slice_members(names: Sequence[str], labels: Sequence[str], facts: Sequence[Facts]) -> dict[SliceKey, Mask]:
    """Return the slices of N pictures and which belong to each (N,).

    Args:
        names: paths below the root of the data.
        labels: class names.
        facts: of the same pictures.

    Traits are those of the audit. Where fewer than ten pictures are tiny, dark, bright or blurry, the extreme fifth
    of all is a slice as well, unless it would hold fewer than ten too. Formats are slices where there are several;
    folders where 2 to 50 have ten pictures or more and they are not just the classes over again.
    """
    if not len(names) == len(labels) == len(facts):
        raise ValueError(f"{len(names)} names, {len(labels)} labels and {len(facts)} facts do not belong together")
    flags = [quality_flags(fact) for fact in facts]
    members: dict[SliceKey, Mask] = {
        ("trait", trait): np.array([trait in own for own in flags], dtype=bool) for trait in QUALITY_FLAGS
    }
    fifth = len(facts) // _SHARE
    for trait, (name, figure) in _STAND_INS.items():
        if sum(trait in own for own in flags) < LEAST_TESTED <= fifth:
            members["fifth", name] = _lowest([figure(fact) for fact in facts], fifth)
    formats = [row.format for row in facts]
    if len(set(formats)) > 1:
        members |= _by_word("format", formats)
    members |= _by_folder(names, labels)
    return {key: mask for key, mask in members.items() if mask.any()}


def _lowest(values: Sequence[float], count: int) -> Mask:
    """Return which of the values are the `count` lowest; none where ties make that a matter of order alone."""
    figures: NDArray[np.float64] = np.array(values)
    limit = np.sort(figures)[count - 1]
    mask: Mask = figures <= limit
    return mask if mask.sum() <= 2 * count else np.zeros(len(values), dtype=bool)


def _by_word(kind: str, words: Sequence[str]) -> dict[SliceKey, Mask]:
    """Return a slice for each word, of the pictures (N,) that have it."""
    names = sorted(set(words))
    return {(kind, name): np.array([word == name for word in words], dtype=bool) for name in names}


def _by_folder(names: Sequence[str], labels: Sequence[str]) -> dict[SliceKey, Mask]:
    """Return the folders at the deepest level at which few enough of them hold enough pictures."""
    parents = [PurePosixPath(name).parent.parts for name in names]
    for depth in range(max(map(len, parents), default=0), 0, -1):
        folders = ["/".join(parts[:depth]) for parts in parents]
        counted = Counter(folders)
        pairs = set(zip(folders, labels, strict=True))  # folders and classes may be the same partition
        only_classes = len(pairs) == len(counted) == len(set(labels))
        large = [folder for folder, count in counted.items() if count >= LEAST_TESTED]
        if _FOLDERS[0] <= len(large) <= _FOLDERS[1] and not only_classes:
            slices = _by_word("folder", folders)
            return {key: mask for key, mask in slices.items() if key[1] in large}
    return {}
