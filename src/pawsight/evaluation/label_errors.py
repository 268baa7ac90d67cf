"""Labels that are likely wrong: a ranking from out-of-fold probabilities and the labels of similar pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pawsight.core.text import percent

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
# The most similar pictures of each picture: rows (N, K) and cosines (N, K), both -1 where there are fewer than K.
Neighbours = tuple[Labels, Floats]

NEIGHBOURS = 10  # whose labels are asked for each picture
# What the neighbours' votes count beside the margin. On flipped labels among photographs the margin alone is as good
# where pictures are many; with 80 to 300 pictures the votes find more, see docs/experiments.md.
VOTE = 0.25
SUSPECT_FROM = 0.5  # score from which probabilities and neighbours together are against the label
_COMPARED = 1 << 24  # similarities held at once: 64 MB of float32, and as much again while the largest are found


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label in the ranking."""

    row: int  # of the arrays
    given: int  # class index of its label
    suggested: int  # the likeliest other class
    score: float  # 0..1; from 0.5 on more speaks against the label than for it
    given_probability: float  # out of fold; NaN where nothing is known
    suggested_probability: float
    neighbours: tuple[int, ...]  # rows of the most similar pictures of other duplicate groups, the nearest first
    similarities: tuple[float, ...]  # cosines of the neighbours, -1..1
    reason: str

    @property
    def is_suspect(self) -> bool:
        """Whether more speaks against the label than for it."""
        return self.score >= SUSPECT_FROM


def rank(probabilities: Floats, labels: Labels, near: Neighbours, names: Sequence[str]) -> tuple[Suspect, ...]:
    """Rank all pictures by how likely their label is wrong.

    Args:
        probabilities: out of fold (N, C); a row of NaN where there is none.
        labels: class indices (N,).
        near: of the same pictures.
        names: of the C >= 2 classes.

    Returns:
        one `Suspect` a picture, the most suspicious first; equal scores in the order of the rows.

    The score joins the margin (probability of the likeliest other class minus that of the given one) with the share
    of neighbours called that other class minus the share called the given one.

    Source: the margin is the "normalized margin" of C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning",
    Journal of Artificial Intelligence Research 70, 2021; the weight of the votes is measured.
    """
    near_rows, similarities = near
    rows = np.arange(len(labels))
    known = np.isfinite(probabilities[rows, labels])
    shares = np.where(known[:, None], probabilities, 0.0).astype(np.float32)
    others = shares.copy()
    others[rows, labels] = -1.0
    suggested = others.argmax(axis=1)
    margin = np.where(known, shares[rows, suggested] - shares[rows, labels], -1.0)
    votes = _votes(near, labels, suggested)
    scores = np.where(known, (margin + VOTE * votes + 1 + VOTE) / (2 + 2 * VOTE), 0.0)
    order = np.argsort(-scores, kind="stable")
    return tuple(
        Suspect(
            row=row,
            given=int(labels[row]),
            suggested=int(suggested[row]),
            score=float(scores[row]),
            given_probability=float(probabilities[row, labels[row]]),
            suggested_probability=float(probabilities[row, suggested[row]]),
            neighbours=tuple(int(neighbour) for neighbour in near_rows[row] if neighbour >= 0),
            similarities=tuple(
                float(value)
                for neighbour, value in zip(near_rows[row], similarities[row], strict=True)
                if neighbour >= 0
            ),
            reason=_reason(probabilities[row], labels, near_rows[row], row, int(suggested[row]), names),
        )
        for row in order.tolist()
    )


def rank_labels(
    probabilities: Floats, truth: NDArray[np.bool_], near: Neighbours, names: Sequence[str]
) -> tuple[tuple[Suspect, int], ...]:
    """Rank pictures with several labels by the one label of each that is most likely wrong, missing ones included.

    Args:
        probabilities: of each label, out of fold (N, L); NaN where there is none.
        truth: whether each picture is said to have each label (N, L).
        near: of the same pictures.
        names: of the L labels.

    Returns:
        one `Suspect` a picture, whose classes are 0, it has not, and 1, it has, with the column of the label; the most
        suspicious first.
    """
    worst: dict[int, tuple[Suspect, int]] = {}
    for column, name in enumerate(names):
        shares = np.stack([1 - probabilities[:, column], probabilities[:, column]], axis=1)
        for suspect in rank(shares, truth[:, column].astype(np.int64), near, (f"not {name}", name)):
            if suspect.row not in worst or suspect.score > worst[suspect.row][0].score:
                worst[suspect.row] = suspect, column
    return tuple(sorted(worst.values(), key=lambda pair: (-pair[0].score, pair[0].row)))


def nearest(features: Floats, groups: Labels, *, count: int = NEIGHBOURS) -> Neighbours:
    """Find the most similar pictures of each picture among those of other duplicate groups.

    Args:
        features: (N, D); similarity is the cosine.
        groups: group numbers (N,): copies of a picture are no witnesses for its label.
        count: how many at most, K = min(count, N - 1).

    Memory: beside two copies of the features, blocks of 16 million similarities, whatever N is.
    """
    total = len(features)
    count = max(0, min(count, total - 1))
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    units = np.ascontiguousarray(features / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)
    rows = np.full((total, count), -1, dtype=np.int64)
    similarities = np.full((total, count), -1.0, dtype=np.float32)
    if not count:
        return rows, similarities
    step = max(1, _COMPARED // total)
    for start in range(0, total, step):
        block = slice(start, min(start + step, total))
        cosines = units[block] @ units.T
        cosines[groups[block][:, None] == groups[None, :]] = -np.inf
        rows[block], similarities[block] = _best(cosines, count)
    return rows, similarities


def oddness(near: Neighbours) -> Floats:
    """Return how unlike all others each picture is (N,): 1 minus the mean cosine of its neighbours, 0..2."""
    rows, similarities = near
    there = rows >= 0
    total = np.where(there, similarities, 0.0).sum(axis=1)
    odd: Floats = (1 - total / np.maximum(there.sum(axis=1), 1)).astype(np.float32)
    return odd


def _best(cosines: Floats, count: int) -> tuple[Labels, Floats]:
    """Return the columns and values of the largest cosines of each row, the largest first; -1 where there are fewer.

    The value of the last place first, then what reaches it: NumPy finds values ten times as fast as their places.
    """
    last = np.partition(cosines, -count, axis=1)[:, -count]
    rows, columns = np.nonzero(cosines >= np.maximum(last, np.float32(-2.0))[:, None])
    values = cosines[rows, columns]
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = place < count  # equal values may reach the last place together
    best = np.full((len(cosines), count), -1, dtype=np.int64)
    found = np.full((len(cosines), count), -1.0, dtype=np.float32)
    best[rows[kept], place[kept]] = columns[kept]
    found[rows[kept], place[kept]] = np.clip(values[kept], -1.0, 1.0)
    return best, found


def _votes(near: Neighbours, labels: Labels, suggested: Labels) -> Floats:
    """Return the share of neighbours called as suggested minus the share called as given (N,), -1..1."""
    rows, _ = near
    there = rows >= 0
    called = np.where(there, labels[rows], -1)
    against = (called == suggested[:, None]).sum(axis=1)
    for_it = (called == labels[:, None]).sum(axis=1)
    votes: Floats = ((against - for_it) / np.maximum(there.sum(axis=1), 1)).astype(np.float32)
    return votes


def _reason(answer: Floats, labels: Labels, near: Labels, row: int, suggested: int, names: Sequence[str]) -> str:
    """Return what speaks for and against a label, as text."""
    given = int(labels[row])
    if not np.isfinite(answer).all():
        return f"there are too few other pictures of “{names[given]}” to judge"
    text = f"a model that was not trained on it says “{names[suggested]}” {_percent(answer[suggested])}"
    text += f" and “{names[given]}” {_percent(answer[given])}"
    called = Counter(int(labels[neighbour]) for neighbour in near if neighbour >= 0)
    if not called:
        return text
    total = sum(called.values())
    if total == 1:
        return f"{text}; the most similar picture is called “{names[next(iter(called))]}”"
    return f"{text}; of the {total} most similar pictures, {_counted(called, given, suggested, names)}"


def _counted(called: Counter[int], given: int, suggested: int, names: Sequence[str]) -> str:
    """Return how often neighbours have the suggested class, the given one, or another."""
    others = sum(called.values()) - called[given] - called[suggested]
    if len(called) == 1:
        return f"all are called “{names[next(iter(called))]}”"
    parts = [
        (called[suggested], f"“{names[suggested]}”"),
        (called[given], f"“{names[given]}”"),
        (others, "something else"),
    ]
    (first, name), *more = [part for part in parts if part[0]]
    *middle, last = [f"{first} {'is' if first == 1 else 'are'} called {name}", *(f"{n} {other}" for n, other in more)]
    return " and ".join(filter(None, [", ".join(middle), last]))


def _percent(share: float) -> str:
    return percent(share) if share >= 0.001 else "under 0.1 %"
