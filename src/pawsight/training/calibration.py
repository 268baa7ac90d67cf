"""Calibrates a trained model and adds what the user asks of its answers: temperature, detector, risk guarantee.

How the threshold of an answer is chosen is in `threshold`; the detector's directions and threshold in `ood_detector`;
the decision rule that the bundle carries in `classifier.trust`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import count

import numpy as np

from pawsight.classifier.engine import Engine, run_head
from pawsight.classifier.trust import (
    DetectionCount,
    OodDetector,
    SelectiveOptions,
    Trust,
    fit_temperature,
)
from pawsight.core import text
from pawsight.core.errors import TrainingFailed
from pawsight.data.found import Found
from pawsight.data.given_split import SplitFile
from pawsight.data.split import Split
from pawsight.evaluation.cross_validation import FEWEST
from pawsight.models.graph import LOGITS, OOD_SCORE, head_of, ood_score, with_ood_score, with_temperature
from pawsight.training.context import Floats, Labels, TrainedModel, TrainingContext
from pawsight.training.folds import group_folds
from pawsight.training.ood_detector import (
    Rows,
    fewest_for_detector,
    fit_subspace,
    ood_examples,
    sample_rows,
    threshold_for,
)
from pawsight.training.probe import log_losses, paired_difference
from pawsight.training.threshold import Flags, choose_threshold, fewest_for_guarantee, smallest_guarantee

_FIFTHS = 5
OUT_OF_FOLD, VALIDATION = "out-of-fold answers of the training part", "the validation part"


def check_guarantee(split: Split, options: SelectiveOptions, *, has_detector: bool) -> None:
    """Refuse a guarantee that the validation subset is too small for, whatever is learnt.

    Raises:
        TrainingFailed: even without a single wrong answer nothing could be guaranteed.
    """
    pictures, wanted = split.sizes["validation"], fewest_for_guarantee(options.max_error)
    if _kept(pictures, options, has_detector) < wanted:
        raise _too_few(pictures, f"{pictures:,}", options, has_detector)


def check_guarantee_by_names(
    found: Found, given: SplitFile | None, options: SelectiveOptions, *, has_detector: bool
) -> None:
    """Refuse such a guarantee before any picture is read, where the names of files show it.

    Raises:
        TrainingFailed: validation will be too small, however many pictures can be read.
    """
    likely, most = _validation_by_names(found, given)
    if most < _needed(options, has_detector):
        raise _too_few(likely, f"about {likely:,}", options, has_detector)


def _validation_by_names(found: Found, given: SplitFile | None) -> tuple[int, int]:
    """Return how many pictures validation will likely have, and how many at most."""
    if given is not None:
        lines = sum(row.part == "validation" for row in given.rows)
        return lines, lines
    counts = Counter(candidate.part for candidate in found.candidates)
    if counts["train"] and counts["validation"]:
        held_out = counts["validation"]
        return held_out if counts["test"] else round(0.8 * held_out), held_out
    cut = counts["train"] if counts["train"] and counts["test"] else len(found.candidates)
    return round(0.15 * cut), math.ceil(0.17 * cut) + len(found.folders)  # rounded class by class


def _too_few(pictures: int, number: str, options: SelectiveOptions, has_detector: bool) -> TrainingFailed:
    noun = "picture" if pictures == 1 else "pictures"
    share = smallest_guarantee(_kept(pictures, options, has_detector), pictures)
    smaller = f"Type --max-error {100 * share:g}%, if that will do." if share else "Nothing can be guaranteed on them."
    return TrainingFailed(
        f"An error of at most {percent(options.max_error)} cannot be guaranteed on {number} validation {noun}: "
        f"{_needed(options, has_detector):,} are needed at least.",
        "Even if every answer were right, that could be chance with a probability above 10 %.",
        f"{smaller} Or add pictures to validation.",
    )


def _needed(options: SelectiveOptions, has_detector: bool) -> int:
    """Return the fewest validation pictures with which a guarantee is possible at all."""
    wanted = fewest_for_guarantee(options.max_error)
    return next(pictures for pictures in count(wanted) if _kept(pictures, options, has_detector) >= wanted)


def _kept(pictures: int, options: SelectiveOptions, has_detector: bool) -> int:
    """Return how many validation pictures the detector's threshold leaves to be answered."""
    if not has_detector or pictures < fewest_for_detector(options.false_alarms):
        return pictures
    return math.ceil((pictures + 1) * (1 - options.false_alarms) - 1e-9) - 1


def gain_of_temperature(
    true: Labels, logits: Floats, groups: Labels | None = None, *, seed: int = 0
) -> tuple[float, float]:
    """Return what a temperature gains in log loss, in nats, on answers it was not fitted to, and the standard error.

    Temperatures are fitted to four fifths of the answers and measured on the last fifth, each fifth in turn.

    Args:
        true: class indices (N,).
        logits: (N, C) that a model gives pictures it was not fitted to, up to a constant a row.
        groups: numbers (N,) of the groups of pictures that look the same; None where no two do.
        seed: of the fifths.
    """
    groups = np.arange(len(true)) if groups is None else groups
    fold = group_folds(true, groups, _FIFTHS, seed)
    gains = np.zeros(len(true), np.float32)
    for number in np.unique(fold):
        rows = fold == number
        temperature = fit_temperature(true[~rows], logits[~rows])
        gains[rows] = log_losses(logits[rows], true[rows]) - log_losses(logits[rows] / temperature, true[rows])
    return paired_difference(gains, groups)


def calibrate(
    context: TrainingContext, trained: TrainedModel
) -> tuple[TrainedModel, Trust, int, tuple[float, float] | None]:
    """Return the model with its temperature, a `Trust` that names it, on how many pictures it was fitted, and its gain.

    The model's probabilities are those that its finished graph gives, to the bit; with them come those out of fold of
    the training subset. The temperature is fitted on out-of-fold logits of the training subset where there are any,
    else on validation where epochs were compared; else it is 1. It is 1 too where it does not measurably help: where
    its gain in log loss is not above one standard error, on validation where that is large and was not fitted to, else
    by fifths of what it was fitted to.
    """
    from scipy.special import softmax

    temperature, gain, source, pictures = 1.0, None, Trust().fitted_on, 0
    logits, seed, features = trained.logits_out_of_fold, context.recipe.seed, trained.features.get("validation")
    labels, groups = context.labels("validation"), context.split.numbers("validation")
    answers = None
    if features is not None and len(features):
        answers = run_head(head_of(trained.graph, LOGITS), features, context.precision)
    if logits is not None:
        known = ~np.isnan(logits).any(axis=1)
        true, source, pictures = context.labels("train")[known], OUT_OF_FOLD, int(known.sum())
        temperature = fit_temperature(true, logits[known])
        if answers is not None and len(answers) >= FEWEST:
            gain = paired_difference(log_losses(answers, labels) - log_losses(answers / temperature, labels), groups)
        else:
            gain = gain_of_temperature(true, logits[known], context.split.numbers("train")[known], seed=seed)
    elif answers is not None and context.recipe.epochs:
        temperature, source, pictures = fit_temperature(labels, answers), VALIDATION, len(labels)
        gain = gain_of_temperature(labels, answers, groups, seed=seed)
    if gain is not None and gain[0] <= gain[1]:
        temperature = 1.0
    graph = with_temperature(trained.graph, temperature)
    calibrated = replace(
        trained,
        graph=graph,
        probabilities=context.answers(graph, trained.features),
        out_of_fold=None if logits is None else softmax(logits / temperature, axis=1),
    )
    return calibrated, Trust(temperature=temperature, fitted_on=source), pictures, gain


def add_guarantee(
    context: TrainingContext, model: TrainedModel, trust: Trust, options: SelectiveOptions
) -> tuple[TrainedModel, Trust, str]:
    """Return a calibrated model and its trust with a detector and a risk guarantee, and why the guarantee is missing.

    The reason is empty where there is a guarantee. The model's notes say why the detector is missing.
    """
    labels, table = context.labels("validation"), model.probabilities["validation"]
    graph, detector, scores, notes = _add_detector(context, model, options)
    familiar = np.ones(len(labels), bool) if detector is None else scores < detector.threshold
    right = (table.argmax(axis=1) == labels)[familiar]
    confidences = table.max(axis=1)[familiar]
    guarantee = choose_threshold(confidences, right, max_error=options.max_error, pictures=len(labels))
    if context.recipe.epochs and guarantee:
        notes += ("the guarantee was measured on validation pictures that also chose the epoch: it may be optimistic",)
    return (
        replace(model, graph=graph, notes=(*model.notes, *notes)),
        replace(trust, guarantee=guarantee, detector=detector),
        "" if guarantee else _why_no_guarantee(confidences, right, options),
    )


def count_detections(trust: Trust, engine: Engine) -> Trust:
    """Return a trust with how many out-of-distribution examples its detector notices."""
    if trust.detector is None:
        return trust
    limit = trust.detector.threshold
    caught = tuple(
        DetectionCount(kind=kind, pictures=len(squares), caught=int((engine.run_all(squares)[OOD_SCORE] > limit).sum()))
        for kind, squares in ood_examples(engine.image_px).items()
    )
    return replace(trust, detector=replace(trust.detector, caught=caught))


def percent(share: float) -> str:
    """Return a share in per cent, e.g. 1 % or 0.5 %."""
    return text.percent(share, ".4g")


def _add_detector(
    context: TrainingContext, model: TrainedModel, options: SelectiveOptions
) -> tuple[bytes, OodDetector | None, Floats, tuple[str, ...]]:
    """Return the graph with a detector, the detector, the score of each validation picture, and remarks."""
    graph, no_scores = model.graph, np.zeros(0, np.float32)
    pictures, needed = context.split.sizes["validation"], fewest_for_detector(options.false_alarms)
    if pictures < needed:
        why = (
            f"{pictures:,} validation pictures cannot set a threshold with {percent(options.false_alarms)} false alarms"
        )
        return graph, None, no_scores, (f"no detector of unfamiliar pictures: {why}; {needed:,} can",)
    subspace = None
    if context.recipe.method != "majority":
        rows = sample_rows(context.split.sizes["train"], seed=context.recipe.seed)
        subspace = fit_subspace(last_features(context, model, "train", rows))
    if subspace is None:
        return graph, None, no_scores, ("no detector of unfamiliar pictures: this recipe has too few features for one",)
    mean, directions = subspace
    scores = ood_score(last_features(context, model, "validation", np.arange(pictures)), mean, directions)
    threshold = threshold_for(scores, options.false_alarms)
    detector = OodDetector(
        threshold=1.0 if threshold is None else threshold,
        false_alarms=options.false_alarms,
        pictures=pictures,
        components=directions.shape[1],
        caught=(),
    )
    return with_ood_score(graph, mean, directions), detector, scores, ()


def last_features(context: TrainingContext, model: TrainedModel, subset: str, rows: Rows) -> Floats:
    """Return the features (N, D) of a model's last layer for rows of a subset: those that are known, or its graph's."""
    if context.recipe.method == "probe":
        return context.features(subset).part(rows).last
    if subset in model.features:
        return model.features[subset][rows]
    engine, pixels = context.engine(model.graph), context.pixels(subset)
    return np.stack([outputs["features"] for _, outputs in engine.run((row, pixels[row]) for row in rows.tolist())])


def _why_no_guarantee(confidences: Floats, right: Flags, options: SelectiveOptions) -> str:
    """Say how many of the most confident half of the answers are wrong."""
    most = max(fewest_for_guarantee(options.max_error), len(right) // 2)
    first = np.argsort(-confidences, kind="stable")[:most]
    wrong = int((~right[first]).sum())
    verb = "is" if wrong == 1 else "are"
    return (
        f"{wrong:,} of the {len(first):,} most confident answers on validation {verb} wrong, so no threshold keeps an "
        f"error of {percent(options.max_error)}; nothing is unsure, every picture gets an answer"
    )
