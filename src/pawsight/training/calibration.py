"""Calibrates a trained model and adds what the user asks of its answers: temperature, detector, risk guarantee.

What is guaranteed of the answers is in `guarantees`; the detector's directions and threshold in `ood_detector`;
the decision rule that the bundle carries in `classifier.trust`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pawsight.classifier.costs import costs_for
from pawsight.classifier.engine import Engine, run_head
from pawsight.classifier.trust import (
    VALIDATION,
    DetectionCount,
    OodDetector,
    SelectiveOptions,
    Trust,
    fit_temperature,
)
from pawsight.evaluation.cross_validation import FEWEST
from pawsight.models.graph import LOGITS, OOD_SCORE, head_of, ood_score, with_ood_score, with_temperature
from pawsight.training.context import Floats, Labels, TrainedModel, TrainingContext
from pawsight.training.guarantees import add_guarantees, percent
from pawsight.training.logistic import class_weights
from pawsight.training.ood_detector import (
    Rows,
    fewest_for_detector,
    fit_subspace,
    ood_examples,
    sample_rows,
    threshold_for,
)
from pawsight.training.temperature import gain_of, gain_of_temperature

OUT_OF_FOLD = "out-of-fold answers of the training part"
BALANCED = f"{OUT_OF_FOLD}, each class counted the same"


def calibrate(
    context: TrainingContext, trained: TrainedModel
) -> tuple[TrainedModel, Trust, int, tuple[float, float] | None]:
    """Return the model with its temperature, a `Trust` that names it, on how many pictures it was fitted, and its gain.

    With it come the probabilities of the held-out subsets, and those out of fold of the training subset.

    The model's probabilities are those that its finished graph gives, to the bit. The temperature is fitted on
    out-of-fold logits of the training subset where there are any, else on validation where epochs were compared; else
    it is 1. It is 1 too where it does not measurably help: where its gain in log loss is not above one standard error,
    on validation where that is large and was not fitted to, else by fifths of what it was fitted to. With class weights
    each class counts the same here too: the probabilities are those among pictures of which each class is equally
    frequent.
    """
    from scipy.special import softmax

    temperature, gain, source, pictures = 1.0, None, Trust().fitted_on, 0
    logits, features = trained.logits_out_of_fold, trained.features.get("validation")
    labels, groups = context.labels("validation"), context.split.numbers("validation")
    answers = None
    if features is not None and len(features):
        answers = run_head(head_of(trained.graph, LOGITS), features, context.precision)

    def weights_of(true: Labels) -> Floats | None:
        return class_weights(true, classes=len(context.classes)) if context.recipe.class_weights else None

    if logits is not None:
        known = np.isfinite(logits).all(axis=1)
        true, pictures = context.labels("train")[known], int(known.sum())
        source = BALANCED if context.recipe.class_weights else OUT_OF_FOLD
        temperature = fit_temperature(true, logits[known], weights_of(true))
        if answers is not None and len(answers) >= FEWEST:
            gain = gain_of(temperature, labels, answers, groups, weights=weights_of(labels))
        else:
            numbers = context.split.numbers("train")[known]
            gain = gain_of_temperature(true, logits[known], numbers, weights=weights_of(true), seed=context.recipe.seed)
    elif answers is not None and context.recipe.epochs:
        temperature, source, pictures = fit_temperature(labels, answers), VALIDATION, len(labels)
        gain = gain_of_temperature(labels, answers, groups, seed=context.recipe.seed)
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
    costs = None if options.costs is None else costs_for(options.costs, context.classes)
    trust = replace(trust, detector=detector, costs=costs)
    crossed = None
    if model.out_of_fold is not None:
        known = np.isfinite(model.out_of_fold).all(axis=1)
        crossed = context.labels("train")[known], model.out_of_fold[known]
    trust, why, why_no_sets = add_guarantees(
        trust, options, (labels[familiar], table[familiar]), crossed, unfamiliar=int((~familiar).sum())
    )
    if context.recipe.epochs and (trust.guarantee or trust.by_class or trust.sets):
        notes += ("the guarantee was measured on validation pictures that also chose the epoch: it may be optimistic",)
    if why_no_sets:
        notes += (f"no prediction sets: {why_no_sets}",)
    return replace(model, graph=graph, notes=(*model.notes, *notes)), trust, why


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
