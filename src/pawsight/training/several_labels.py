"""The linear probe of pictures with several labels each: a sigmoid for every label, over the same features.

Depth and strengths are chosen as in `probe`, whose parts are used here; all labels read the network at one depth. The
threshold from which on a picture has a label, and what is guaranteed of that, are here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.trust import HAS, LabelRule, RiskGuarantee
from pawsight.core.progress import SILENT, Progress
from pawsight.models.recipes import AUTO
from pawsight.training.features import FeatureTable
from pawsight.training.folds import label_folds, rarest_labels, stratified_sample
from pawsight.training.guarantees import Answers, measured_on
from pawsight.training.logistic import blas_threads_for, fit_sigmoids
from pawsight.training.probe import (
    MOST_CHOSEN_ON,
    MOST_COMPARED,
    STRENGTHS,
    Head,
    choose_depth,
    depths_to_compare,
    logits_by_folds,
)
from pawsight.training.relevance import Relevance, standardised
from pawsight.training.threshold import choose_threshold, fewest_for_guarantee

# In choosing a threshold the probabilities themselves count as much as so many pictures with the label.
_PRIOR = 10
# A threshold outside these would give a label that cannot be told from the pictures to all of them, or to none.
_LOWEST, _HIGHEST = 0.1, 0.9
# Pictures for each label up to which a fit in their span is quicker: what it saves grows with the labels.
_IN_SPAN = 50

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelHead(Head):
    """A linear layer over raw features, with a sigmoid for each of L labels."""

    strengths: tuple[float, ...]  # (L,) by label; `strength` is the best for all labels together

    def probabilities(self, features: FeatureTable) -> Floats:
        """Return sigmoid probabilities (N, L)."""
        from scipy.special import expit

        shares: Floats = expit(self.logits(features))
        return shares


def fit_labels(
    features: FeatureTable,
    truth: Flags,
    *,
    folds: int,
    seed: int,
    depth: str = AUTO,
    groups: Labels | None = None,
    progress: Progress = SILENT,
) -> LabelHead:
    """Fit a regularised logistic regression for each label, with a strength of its own and one depth for all.

    Args:
        features: of the training subset (N, W).
        truth: whether each picture has each label (N, L).
        folds: of the cross-validation that chooses. A label that fewer than two groups have, or have not, takes the
            strength that is best for the others, and has no answers out of fold (NaN).
        seed: of the folds, and of the sample on which is chosen where pictures are many (as in `probe.fit_head`).
        depth: as for `probe.fit_head`; the log loss that chooses is the mean over labels.
        groups: numbers (N,) of the groups of pictures that look the same, which share a fold; None where no two do.
        progress: is advanced with each fold.

    Source: scikit-learn's OneVsRestClassifier of LogisticRegression; Head2Toe for depths, as in `relevance`.
    """
    labels, strata = truth.shape[1], rarest_labels(truth)
    depths = depths_to_compare(features) if depth == AUTO else (depth,)
    most = min(MOST_CHOSEN_ON // labels, MOST_COMPARED if len(depths) > 1 else MOST_CHOSEN_ON)
    rows = stratified_sample(strata, most=max(most, 2 * labels), seed=seed)
    own, own_groups = truth[rows], np.arange(len(rows)) if groups is None else groups[rows]
    fold = label_folds(own, own_groups, min(folds, len(np.unique(own_groups))), seed)
    is_known = np.array([_occurs_twice(flags, own_groups) and _occurs_twice(~flags, own_groups) for flags in own.T])

    def fit(scaled: Floats, fitted: Flags, **options: Any) -> tuple[Floats, Floats]:
        return fit_sigmoids(scaled, own[fitted], **options)

    with blas_threads_for(len(truth), labels):
        relevance = Relevance(features.part(rows), strata[rows], seed=seed, truth=own)
        logits = {}  # depth -> strength -> (M, L): of each of the rows by the head fitted without it
        if is_known.any() and fold.any():  # more than one fold
            with progress.stage("Choosing the regularisation", len(depths) * (int(fold.max()) + 1), "folds") as step:
                for name in depths:
                    logits[name] = logits_by_folds(
                        features.part(rows), fit, fold, name, relevance, step, in_span=len(rows) < _IN_SPAN * labels
                    )
        losses = {  # depth -> (M, L) for each strength
            name: np.stack([log_losses(own, tables[strength]) for strength in STRENGTHS])
            for name, tables in logits.items()
        }
        common = {name: int(tables[:, :, is_known].mean(axis=(1, 2)).argmin()) for name, tables in losses.items()}
        best = {
            name: np.where(is_known, tables.mean(axis=1).argmin(axis=0), common[name])
            for name, tables in losses.items()
        }
        least = {name: _of_strengths(losses[name], best[name])[:, is_known].mean(axis=1) for name in losses}
        chosen, gain = choose_depth(depths[0], least, own_groups)
        middle = len(STRENGTHS) // 2
        taken = best.get(chosen, np.full(labels, middle))
        columns = features.depths[chosen] if chosen in features.depths else relevance.most_relevant()
        scaled, centre, spread = standardised(features.read(columns))
        table, bias = np.empty((len(columns), labels), np.float32), np.empty(labels, np.float32)
        for number in np.unique(taken):
            which = np.flatnonzero(taken == number)
            table[:, which], bias[which] = fit_sigmoids(scaled, truth[:, which], strength=STRENGTHS[number])
    table = table / spread[:, None]
    out_of_fold = None
    if logits:
        left_out = _of_strengths(np.stack([logits[chosen][strength] for strength in STRENGTHS]), taken)
        out_of_fold = rows, np.where(is_known, left_out, np.float32(np.nan))
    return LabelHead(
        weights=table,
        bias=bias - centre @ table,
        strength=STRENGTHS[common.get(chosen, middle)],
        strengths=tuple(STRENGTHS[number] for number in taken),
        folds=int(fold.max()) + 1 if logits else 0,
        depth=chosen,
        columns=columns,
        tried=tuple((name, STRENGTHS[common[name]], float(own_losses.mean())) for name, own_losses in least.items()),
        gain=gain,
        log_losses=tuple(zip(STRENGTHS, losses[chosen][:, :, is_known].mean(axis=(1, 2)).tolist(), strict=True))
        if losses
        else (),
        out_of_fold=out_of_fold,
    )


def cross_validate_labels(
    features: FeatureTable,
    truth: Flags,
    groups: Labels,
    *,
    folds: int,
    seed: int,
    depth: str = AUTO,
    progress: Progress = SILENT,
) -> Floats:
    """Return the logits (N, L) of each picture by a head that was made without its fold, from the choices on.

    Args:
        features: of the pictures (N, W).
        truth: whether each picture has each label (N, L).
        groups: numbers (N,) of groups of pictures, which are never split.
        folds: as many as there are groups at most; also of the choices inside.
        seed: of the folds.
        depth: as for `fit_labels`.
        progress: is advanced with each fold.

    Returns:
        the logits; NaN for a label that all pictures of the other folds have, or none.

    Source: as `cross_validation.cross_validate`.
    """
    fold = label_folds(truth, groups, folds, seed)
    logits = np.full(truth.shape, np.nan, np.float32)
    with progress.stage("Cross-validating", folds, "folds") as step:
        for number in range(folds):
            inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            shares = truth[inside].mean(axis=0) if len(inside) else np.zeros(truth.shape[1])
            known = np.flatnonzero((shares > 0) & (shares < 1))
            if len(known) and len(outside):
                head = fit_labels(
                    features.part(inside),
                    truth[np.ix_(inside, known)],
                    folds=folds,
                    seed=seed,
                    depth=depth,
                    groups=groups[inside],
                )
                logits[np.ix_(outside, known)] = head.logits(features.part(outside))
            step.advance()
    return logits


def _occurs_twice(flags: Flags, groups: Labels) -> bool:
    """Say whether pictures of two groups have a flag."""
    return len(np.unique(groups[flags])) > 1


def log_losses(truth: Flags, logits: Floats) -> Floats:
    """Return the log loss (N, L) of each label of each picture, in nats."""
    losses: Floats = np.logaddexp(0, np.where(truth, -logits, logits)).astype(np.float32)
    return losses


def _of_strengths(tables: Floats, taken: Labels) -> Floats:
    """Return from tables (S, N, L) of each strength the one (N, L) of the strength that each label takes (L,)."""
    return tables[taken, :, np.arange(len(taken))].T


def label_rules(
    validation: Answers, out_of_fold: Answers | None, *, max_error: float | None = None
) -> tuple[LabelRule, ...]:
    """Return for each label (L,) the threshold from which on a picture has it, and the guarantees of both answers.

    Args:
        validation: whether pictures of that subset have each label (N, L), and the probabilities (N, L), without
            pictures that are called unfamiliar; N may be 0.
        out_of_fold: the same of training pictures by heads fitted without them; NaN where there is none. None where
            there are none at all.
        max_error: share of the answers "has it", and of the answers "has it not", that may be wrong; None: no guarantee
            is made.

    The threshold is that of the best F1 out of fold, or on validation where nothing is out of fold. The guarantees are
    those of `threshold.choose_threshold`, each for itself at its confidence.
    """
    rules = []
    for column in range(validation[0].shape[1]):
        own = validation[0][:, column], validation[1][:, column]
        others = None
        if out_of_fold is not None:
            is_known = np.isfinite(out_of_fold[1][:, column])
            others = out_of_fold[0][is_known, column], out_of_fold[1][is_known, column]
        threshold = best_threshold(*(own if others is None or not len(others[0]) else others))
        has, has_not = None, None
        if max_error is not None:
            has = _guarantee(own, others, threshold, max_error, of_having=True)
            has_not = _guarantee(own, others, threshold, max_error, of_having=False)
        rules.append(LabelRule(threshold=threshold, max_error=max_error, has=has, has_not=has_not))
    return tuple(rules)


def _guarantee(
    own: Answers, others: Answers | None, threshold: float, max_error: float, *, of_having: bool
) -> RiskGuarantee | None:
    """Return what is guaranteed of the answers that pictures have a label, or of those that they have not."""
    rule = LabelRule(threshold=threshold)
    is_enough = ((rule.decide(own[1]) == HAS) == of_having).sum() >= fewest_for_guarantee(max_error)
    (truth, probabilities), source = measured_on(own, others, bool(is_enough))
    answered = (rule.decide(probabilities) == HAS) == of_having
    confidences = probabilities.astype(np.float64) if of_having else 1 - probabilities.astype(np.float64)
    return choose_threshold(
        confidences[answered], truth[answered] == of_having, max_error=max_error, measured_on=source
    )


def best_threshold(truth: Flags, probabilities: Floats) -> float:
    """Return the probability from which on a label is given, so that its F1 is the largest; 0.5 without pictures.

    A few pictures with the label say little about the best place, and their largest F1 flatters it. So each picture
    counts in part for what it is and in part for its probability: half and half where ten have the label.

    Args:
        truth: whether each picture has the label (N,).
        probabilities: of the label (N,), to pictures not fitted to.

    Source: Z. C. Lipton, C. Elkan, B. Naryanaswamy, "Optimal thresholding of classifiers to maximize F1 measure", ECML
    2014, for the place by probabilities alone.
    """
    if not len(truth):
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    ranked, known = probabilities[order].astype(np.float64), truth[order]
    share = known.sum() / (known.sum() + _PRIOR)
    expected = share * known + (1 - share) * ranked
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of equal probabilities
    f1 = 2 * np.cumsum(expected)[last] / np.maximum(last + 1 + expected.sum(), 1e-12)
    place = int(last[f1.argmax()])
    below = ranked[place + 1] if place + 1 < len(ranked) else 0.0
    return float(np.clip((ranked[place] + below) / 2, _LOWEST, _HIGHEST))


def strengths_note(head: LabelHead, names: Sequence[str]) -> str:
    """Say which strengths were taken, and of which labels there were too few pictures to choose one."""
    counts = {strength: head.strengths.count(strength) for strength in sorted(set(head.strengths))}
    taken = ", ".join(f"C = {strength:g} for {count:,}" for strength, count in counts.items())
    if not head.folds:
        return f"strength of the regularisation by label: {taken}, the default: no label has pictures enough to choose"
    text = f"strength of the regularisation by label: {taken}, chosen by {head.folds} folds in training"
    logits = head.out_of_fold[1] if head.out_of_fold else np.zeros((1, len(names)))
    few = [name for name, column in zip(names, logits.T, strict=True) if np.isnan(column).all()]
    return f"{text}; too few pictures to choose for {', '.join(map(repr, few[:5]))}" if few else text
