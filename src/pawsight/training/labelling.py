"""Which unnamed pictures a person names next: alike ones together, then those that teach a probe most.

Arrays in, rows out; the page that asks for names is in web/label_page.py.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.learning_curve import LEAST_WRONG, LearningCurve, Trial, trace_curve
from pawsight.models.efficientnet_lite import Channels
from pawsight.training.features import FeatureTable
from pawsight.training.folds import folds_for_fits
from pawsight.training.learning_curve import subset_order
from pawsight.training.logistic import blas_threads_for, fit_logistic
from pawsight.training.relevance import standardised

UNNAMED = -1
_SAMPLE = 2048  # pictures that the principal components are computed from
_COMPONENTS = 256
_COMPARED = 64  # components of which distances are made; more add noise
_ROWS_AT_ONCE = 1024
_STRENGTH = 0.01  # of the probe while names come in: too few for folds to choose it
_SHARES, _FOLDS = (0.25, 0.5, 1.0), 5  # of the learning curve
LEAST_NAMED = 100  # below this no learning curve is drawn
LEAST_DRAWN = 40  # pictures drawn at random; below this their accuracy is not told
_CLUSTERS, _TYPICAL = 24, 4  # shown first, and pictures of each; measured, see docs/experiments.md
BATCH = 24  # pictures asked for at a time
_DRAWN = 4  # of these at random: on them alone it can be measured how often the probe is right
_BATCHES, _STABLE = 3, 0.005  # batches of names that change fewer answers than this share say that more hardly pay
_RUN_COUNTS = 10  # named pictures a class that an earlier classifier counts as much as

AUTO, ALIKE, TEACH, SURE = WAYS = ("auto", "alike", "teach", "sure")

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
# Pictures to be shown together: rows (M,), and the class index that is suggested for them, None where nothing is known.
Group = tuple[Labels, int | None]


def principal_components(features: FeatureTable, columns: Channels, *, seed: int) -> Floats:
    """Project features on their principal components, so that 20,000 pictures take 20 MB.

    Args:
        features: of N pictures at every depth.
        columns: which of them are read, D.
        seed: of the 2,048 pictures that the components are computed from.

    Returns:
        scores (N, K), K = min(256, N, D), of the standardised features. A regularised probe on all components is the
        one on the features, since the penalty does not depend on the rotation.
    """
    from scipy.linalg import eigh

    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:_SAMPLE])
    scaled, centre, spread = standardised(features.part(rows).read(columns))
    count = min(_COMPONENTS, *scaled.shape)
    values, vectors = eigh(scaled @ scaled.T, subset_by_index=(len(rows) - count, len(rows) - 1))
    axes = scaled.T @ (vectors / np.sqrt(np.maximum(values, np.finfo(np.float32).eps * max(values[-1], 1.0))))
    scores = np.empty((len(features), count), np.float32)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        block = np.arange(start, min(start + _ROWS_AT_ONCE, len(features)))
        scores[block] = ((features.part(block).read(columns) - centre) / spread) @ axes
    return scores[:, ::-1]


def directions(scores: Floats) -> Floats:
    """Return the first 64 components (N, 64) as vectors of length 1: their distances tell what looks alike."""
    first = scores[:, :_COMPARED]
    lengths = np.linalg.norm(first, axis=1, keepdims=True).astype(np.float32)
    units: Floats = first / np.maximum(lengths, np.float32(1e-9))
    return units


def clusters_of(points: Floats, count: int, *, seed: int) -> Labels:
    """Return the cluster (N,) of each picture by k-means, numbered from 0 without gaps, the largest first.

    Args:
        points: (N, D), from `directions`.
        count: of clusters wanted; fewer where there are fewer pictures.
        seed: of the first centres.

    Source: D. Arthur, S. Vassilvitskii, "k-means++", SODA 2007; scipy.cluster.vq.
    """
    from scipy.cluster.vq import kmeans, vq

    random, rows = np.random.default_rng(seed), [0]
    distances = np.full(len(points), np.inf)
    while len(rows) < min(count, len(points)):  # k-means++: the next centre is drawn by its squared distance
        distances = np.minimum(distances, ((points - points[rows[-1]]) ** 2).sum(axis=1, dtype=np.float64))
        if not distances.any():  # the others are copies of the centres
            break
        rows.append(int(random.choice(len(points), p=distances / distances.sum())))
    exact = points.astype(np.float64)
    found, _ = vq(exact, kmeans(exact, exact[rows])[0])
    _, numbers, sizes = np.unique(found, return_inverse=True, return_counts=True)
    places = np.empty(len(sizes), np.int64)
    places[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return places[numbers]


def most_typical(points: Floats, rows: Labels, count: int) -> Labels:
    """Return the rows nearest to the mean of all of them, the nearest first."""
    distances = np.linalg.norm(points[rows] - points[rows].mean(axis=0), axis=1)
    return rows[np.argsort(distances, kind="stable")[:count]]


def answers(scores: Floats, names: Labels, classes: int, earlier: Floats | None = None, weight: float = 0.0) -> Floats:
    """Fit a probe to the named pictures and answer for all.

    Args:
        scores: (N, K), from `principal_components`.
        names: class index (N,), `UNNAMED` where there is none.
        classes: how many there are, C; those without a named picture get 0.
        earlier: probabilities (N, C) of a classifier that was there before; None without one.
        weight: named pictures that it counts as much as.

    Returns:
        probabilities (N, C); without names of two classes those of `earlier`, or all the same.
    """
    from scipy.special import softmax

    named = np.flatnonzero(names != UNNAMED)
    present, indices = np.unique(names[named], return_inverse=True)
    found: Floats = np.full((len(scores), classes), 1 / max(classes, 1), np.float32)
    if len(present) < 2:
        return found if earlier is None else earlier
    with blas_threads_for(len(named), len(present)):
        table, bias = fit_logistic(scores[named], indices, strength=_STRENGTH)
    found[:] = 0
    found[:, present] = softmax(scores @ table + bias, axis=1)
    if earlier is not None:
        share = len(named) / (len(named) + weight)
        found = (share * found + (1 - share) * earlier).astype(np.float32)
    return found


def most_informative(points: Floats, probabilities: Floats, is_done: Mask, count: int) -> Labels:
    """Return the pictures whose names teach the probe most, the first first.

    Each is the one with the largest product of doubt, 1 minus the margin between the two likeliest classes, and
    distance to what is named or chosen already: doubt alone chooses pictures that are all alike.

    Args:
        points: (N, D), from `directions`.
        probabilities: (N, C).
        is_done: named or put aside (N,).
        count: how many at most.

    Source: margin sampling, T. Scheffer, C. Decomain, S. Wrobel, IDA 2001; coverage, O. Sener, S. Savarese, ICLR 2018.
    """
    if probabilities.shape[1] > 1:
        two = np.partition(probabilities, -2, axis=1)[:, -2:]
        doubt = 1 - np.abs(two[:, 1] - two[:, 0])
    else:
        doubt = np.ones(len(points), np.float32)
    doubt = np.where(is_done, -1.0, doubt + 1e-6)
    distances = _distances_to(points, np.flatnonzero(is_done))
    chosen: list[int] = []
    for _ in range(min(count, int((~is_done).sum()))):
        row = int(np.argmax(doubt * distances))
        chosen.append(row)
        doubt[row] = -1.0
        distances = np.minimum(distances, np.linalg.norm(points - points[row], axis=1) + 1e-9)
    return np.array(chosen, np.int64)


def _distances_to(points: Floats, rows: Labels) -> Floats:
    """Return the distance (N,) of each point to the nearest of some others; 2, the largest there is, without any."""
    nearest = np.full(len(points), 2.0, np.float32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        cosines = points @ points[rows[start : start + _ROWS_AT_ONCE]].T
        nearest = np.minimum(nearest, np.sqrt(np.maximum(2 - 2 * cosines.max(axis=1), 0)) + np.float32(1e-9))
    return nearest


def errors_of_names(scores: Floats, names: Labels, *, seed: int) -> tuple[Labels, NDArray[np.bool_]] | None:
    """Answer each named picture by probes that were not fitted to it, nor to more than a share of the others.

    Args:
        scores: (N, K), from `principal_components`.
        names: class index (N,), `UNNAMED` where there is none.
        seed: of the folds and subsets.

    Returns:
        rows (M,) of the named pictures, and whether they are answered wrong (3, M) by probes of a quarter, half and all
        of the others; None with fewer than 100 named pictures or a class of a single one.
    """
    named = np.flatnonzero(names != UNNAMED)
    _, labels = np.unique(names[named], return_inverse=True)
    fold = folds_for_fits(labels, None, _FOLDS, seed) if len(named) >= LEAST_NAMED and labels.max() else None
    if fold is None:
        return None
    wrong = np.empty((len(_SHARES), len(named)), bool)
    for number in range(int(fold.max()) + 1):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        order = subset_order(labels[inside], seed=seed + number)
        for place, share in enumerate(_SHARES):
            rows = inside[order <= share]
            with blas_threads_for(len(rows), int(labels.max()) + 1):
                table, bias = fit_logistic(scores[named[rows]], labels[rows], strength=_STRENGTH)
            wrong[place, outside] = (scores[named[outside]] @ table + bias).argmax(axis=1) != labels[outside]
    return named, wrong


def curve_of(wrong: NDArray[np.bool_], *, seed: int) -> LearningCurve:
    """Draw the learning curve of answers (3, M) as `errors_of_names` gives them.

    Pictures that were chosen because they are doubtful gain more by names than others: the curve is a cautious one.
    """
    trials: list[Trial] = [
        (share, max(1, round(share * wrong.shape[1])), wrong[place : place + 1]) for place, share in enumerate(_SHARES)
    ]
    return trace_curve(trials, seed=seed)


def more_pays(curve: LearningCurve) -> bool:
    """Say whether the curve shows that twice the names would gain anything that can be measured."""
    return curve.is_measurable if curve.interval is not None else curve.wrong >= LEAST_WRONG


class Adviser:
    """Says which pictures to show next.

    Args:
        scores: (N, K) of all pictures, from `principal_components`.
        seed: of clusters and folds.
        earlier: probabilities (N, C) of a classifier that was there before, for the first C names; None without one.
    """

    def __init__(self, scores: Floats, *, seed: int = 0, earlier: Floats | None = None) -> None:
        self._scores, self._seed, self._earlier = scores, seed, earlier
        self._points = directions(scores)
        self._clusters = clusters_of(self._points, _CLUSTERS, seed=seed)
        self._order = np.random.default_rng(seed).permutation(len(scores))
        self._seen: list[tuple[int, Labels]] = []  # how many names there were, and the answers (N,) then

    def next(
        self, names: Labels, is_aside: Mask, classes: int, way: str = AUTO, *, most: int = BATCH
    ) -> tuple[str, list[Group]]:
        """Return the pictures to show next, in groups that may have one name.

        Args:
            names: class index (N,), `UNNAMED` where there is none.
            is_aside: pictures that are not asked about again (N,).
            classes: how many names there are, C.
            way: "alike": the most typical pictures of 6 clusters; "teach": the most informative ones, and 4 that are
                drawn at random; "sure": those of each class that the probe is most confident of; "auto": alike until
                each cluster has a name, then teach.
            most: pictures in a group, and in all where those are the most informative.

        Returns:
            the way that was taken, and the groups; none where every picture is done.

        Raises:
            ValueError: there is no such way.
        """
        if way not in WAYS:
            raise ValueError(f"the way must be one of {', '.join(WAYS)}")
        is_done = (names != UNNAMED) | is_aside
        unseen = np.setdiff1d(self._clusters, self._clusters[is_done])
        if way == AUTO:
            way = ALIKE if len(unseen) and self._earlier is None else TEACH
        if way == ALIKE and len(unseen):
            rows_of = (np.flatnonzero(self._clusters == number) for number in unseen[: BATCH // _TYPICAL])
            return way, [(most_typical(self._points, rows, _TYPICAL), None) for rows in rows_of]
        probabilities = self._answers(names, max(classes, 1))
        suggested, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        is_known = self._earlier is not None or len(np.unique(names[names != UNNAMED])) > 1
        if way == ALIKE:
            left = np.flatnonzero(~is_done)
            rows_of = (left[self._clusters[left] == number] for number in np.unique(self._clusters[left]))
            groups = [most_typical(self._points, rows, most) for rows in rows_of]
            return way, [(rows, _commonest(suggested[rows]) if is_known else None) for rows in groups]
        if way == TEACH:
            drawn = self._order[~is_done[self._order]][:_DRAWN]
            is_done[drawn] = True
            rows = np.append(most_informative(self._points, probabilities, is_done, most - len(drawn)), drawn)
            by_class = [rows[suggested[rows] == number] for number in dict.fromkeys(suggested[rows].tolist())]
        else:
            left = np.flatnonzero(~is_done)
            left = left[np.argsort(-confidence[left], kind="stable")]
            by_class = [left[suggested[left] == number][:most] for number in np.unique(suggested[left])]
        return way, [(rows, int(suggested[rows[0]]) if is_known else None) for rows in by_class]

    def progress(self, names: Labels) -> dict[str, Any] | None:
        """Return what the names that were given say about more of them, as JSON values; None with too few.

        `accuracy` is that of the named pictures that were drawn at random, with its 95 % interval; None below 40 of
        them, and `commonest` what always answering their commonest name scores. `gain`, in percentage points by twice
        as many names, is of all named pictures, most of which are doubtful.
        `changed` is the share of the answers about unnamed pictures that a batch of names changed; None at first.
        """
        found = errors_of_names(self._scores, names, seed=self._seed)
        if found is None:
            return None
        named, wrong = found
        curve, changed = curve_of(wrong, seed=self._seed), self._changed(names)
        is_open = names[self._order] == UNNAMED
        drawn = self._order[: int(np.argmax(is_open))] if is_open.any() else self._order
        is_drawn = np.isin(named, drawn)
        mistakes, truth = wrong[-1][is_drawn], names[named[is_drawn]]
        interval = wilson(len(mistakes) - int(mistakes.sum()), len(mistakes)) if len(mistakes) >= LEAST_DRAWN else None
        return {
            "named": len(named),
            "drawn": len(mistakes),
            "accuracy": None if interval is None else float(1 - mistakes.mean()),
            "interval": None if interval is None else interval.as_list(),
            "commonest": None if interval is None else float((truth == _commonest(truth)).mean()),
            "gain": curve.gain,
            "gain_interval": curve.interval and list(curve.interval),
            "changed": changed,
            "stable": changed is not None and changed < _STABLE,
            "pays": more_pays(curve) and (changed is None or changed >= _STABLE),
        }

    def _changed(self, names: Labels) -> float | None:
        """Return the share of pictures without a name whose answer the last names changed, a mean of three batches.

        Source: M. Bloodgood, K. Vijay-Shanker, "A method for stopping active learning based on stabilizing
        predictions", CoNLL 2009.
        """
        named = names != UNNAMED
        count = int(named.sum())
        self._seen = [(before, found) for before, found in self._seen if before + BATCH <= count]
        self._seen.append((count, self._answers(names, int(names.max()) + 1).argmax(axis=1)))
        self._seen = self._seen[-_BATCHES - 1 :]
        if len(self._seen) <= _BATCHES or named.all():
            return None
        answers = [found[~named] for _, found in self._seen]
        return float(np.mean([(before != after).mean() for before, after in pairwise(answers)]))

    def _answers(self, names: Labels, classes: int) -> Floats:
        if self._earlier is None:
            return answers(self._scores, names, classes)
        padded = np.zeros((len(names), classes), np.float32)
        padded[:, : self._earlier.shape[1]] = self._earlier
        return answers(self._scores, names, classes, padded, float(_RUN_COUNTS * self._earlier.shape[1]))


def _commonest(numbers: Labels) -> int:
    return int(np.bincount(numbers).argmax())
