"""Calibrates a trained model and adds what the user asks of its answers: temperature, detector, risk guarantee.

What is guaranteed of the answers is in `guarantees`; the detector's directions and threshold in `ood_detector`;
the decision rule that the bundle carries in `classifier.trust`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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
from pawsight.models.graph import LOGITS, OOD_SCORE, head_of, with_ood_score, with_temperature
from pawsight.training.context import Floats, Labels, TrainedModel, TrainingContext
from pawsight.training.folds import group_folds
from pawsight.training.guarantees import add_guarantees
from pawsight.training.logistic import class_weights
from pawsight.training.ood_detector import (
    Rows,
    fit_detector,
    folds_for_detector,
    ood_examples,
    sample_rows,
    threshold_for,
)
from pawsight.training.several_labels import label_rules
from pawsight.training.temperature import gain_of, gain_of_temperature

Flags = NDArray[np.bool_]
_NAMES_OF_NONE = ("other", "others", "none", "negative", "negatives", "background", "unknown")
OUT_OF_FOLD = "out-of-fold answers of the training set"
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
    frequent. Of several labels nothing is calibrated: a sigmoid for each, fitted with a strength of its own, has
    probabilities that mean what they say.
    """
    from scipy.special import softmax

    if context.dataset.several_labels:
        return trained, Trust(), 0, None
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


def none_class_note(classes: Sequence[str]) -> str:
    """Offer to call pictures of a class unfamiliar where its name says that it stands for none of the others."""
    named = next((name for name in classes if name.casefold() in _NAMES_OF_NONE), "")
    return named and (
        f"the class {named!r} may stand for none of the others: with --none-class {shlex.quote(named)} its pictures"
        " are called unfamiliar"
    )


def add_detector(
    context: TrainingContext, model: TrainedModel, trust: Trust, options: SelectiveOptions
) -> tuple[TrainedModel, Trust, Mapping[str, Flags]]:
    """Return a calibrated model with the out-of-distribution score in its graph, and its trust with the detector.

    The trust also names the class that stands for none of the others, where there is one; its pictures teach the
    detector nothing. The threshold is set on out-of-fold scores of the training subset. A network was fitted to all of
    these pictures, so its threshold is set on validation.

    Returns:
        the model, whose notes say why where there is no detector; the trust; and which pictures are familiar (N,), by
        subset: training pictures out of fold, where the threshold is from them, and those of the held-out subsets.
    """
    if options.none_class is not None:
        trust = replace(trust, none_class=context.classes.index(options.none_class))
    elif note := none_class_note(context.classes):
        model = replace(model, notes=(*model.notes, note))
    if options.answer_all or context.recipe.method == "majority":  # which looks at no picture
        return model, trust, {}
    rows = sample_rows(context.split.sizes["train"], seed=context.recipe.seed)
    rows = rows[context.strata("train")[rows] != trust.none_class]
    labels, groups = context.strata("train")[rows], context.split.numbers("train")[rows]
    folds = group_folds(labels, groups, folds_for_detector(len(rows)), context.recipe.seed)
    fitted = fit_detector(
        *detector_features(context, model, "train", rows), labels, folds, options.false_alarms, seed=context.recipe.seed
    )
    if fitted is None:
        note = "no detector of unfamiliar pictures: there are too few training pictures or features"
        return replace(model, notes=(*model.notes, note)), trust, {}
    score, left_out = fitted
    scores = {
        subset: score(*detector_features(context, model, subset, np.arange(context.split.sizes[subset])))
        for subset in model.features
        if context.split.sizes[subset]
    }
    is_crossed = context.recipe.method == "probe" or "validation" not in scores
    measured, source = (left_out, OUT_OF_FOLD) if is_crossed else (scores["validation"], VALIDATION)
    threshold, rate = threshold_for(measured, options.false_alarms)
    familiar = {subset: values < threshold for subset, values in scores.items()}
    if is_crossed:
        familiar["train"] = np.zeros(context.split.sizes["train"], bool)
        familiar["train"][rows] = left_out < threshold
    detector = OodDetector(
        threshold=threshold,
        false_alarms=rate,
        pictures=len(measured),
        components=score.directions.shape[1],
        measured_on=source,
        caught=(),
    )
    return (
        replace(model, graph=with_ood_score(model.graph, score)),
        replace(trust, detector=detector),
        familiar,
    )


def detector_features(context: TrainingContext, model: TrainedModel, subset: str, rows: Rows) -> tuple[Floats, Floats]:
    """Return the features of the last layer (N, D), and those that the head reads (N, E), for rows of a subset."""
    if model.columns is not None:
        table = context.features(subset).part(rows)
        return table.last, table.read(model.columns)
    if subset in model.features:
        features = model.features[subset][rows]
    else:
        engine, pixels = context.engine(model.graph), context.pixels(subset)
        outputs = engine.run((row, pixels[row]) for row in rows.tolist())
        features = np.stack([computed["features"] for _, computed in outputs])
    return features, features


def add_guarantee(
    context: TrainingContext,
    model: TrainedModel,
    trust: Trust,
    options: SelectiveOptions,
    familiar: Mapping[str, Flags],
) -> tuple[TrainedModel, Trust, str]:
    """Return a calibrated model and its trust with a risk guarantee, and why the guarantee is missing.

    The reason is empty where there is a guarantee. `familiar` is what `add_detector` returned; nothing is guaranteed of
    other pictures. Several labels always get their thresholds.
    """
    if context.dataset.several_labels:
        return model, *_with_label_rules(context, model, trust, options, familiar)
    if all(asked is None for asked in (options.max_error, options.max_error_per_class, options.sets, options.costs)):
        return model, trust, ""
    costs = None if options.costs is None else costs_for(options.costs, context.classes)
    trust, notes = replace(trust, costs=costs), tuple[str, ...]()

    def known(subset: str, table: Floats) -> Flags:
        flags = familiar.get(subset, np.ones(len(table), bool))
        return np.asarray(flags & (trust.answers(table) != trust.none_class))

    labels, table, crossed = context.labels("validation"), model.probabilities["validation"], None
    answered = known("validation", table)
    if (others := model.out_of_fold) is not None:
        rows = np.flatnonzero(np.isfinite(others).all(axis=1))
        rows = rows[known("train", others)[rows]]
        crossed = context.labels("train")[rows], others[rows]
    trust, why, why_no_sets = add_guarantees(
        trust, options, (labels[answered], table[answered]), crossed, unfamiliar=int((~answered).sum())
    )
    if context.recipe.epochs and (trust.guarantee or trust.by_class or trust.sets):
        notes += ("the guarantee was measured on validation pictures that also chose the epoch: it may be optimistic",)
    if why_no_sets:
        notes += (f"no prediction sets: {why_no_sets}",)
    return replace(model, notes=(*model.notes, *notes)), trust, why


def _with_label_rules(
    context: TrainingContext,
    model: TrainedModel,
    trust: Trust,
    options: SelectiveOptions,
    familiar: Mapping[str, Flags],
) -> tuple[Trust, str]:
    """Return a trust with the threshold of each label and its guarantees, and which answers have none."""

    def known(subset: str, table: Floats) -> tuple[Flags, Floats]:
        rows = familiar.get(subset, np.ones(len(table), bool))
        return context.truth(subset)[rows], table[rows]

    crossed = None if model.out_of_fold is None else known("train", model.out_of_fold)
    rules = label_rules(known("validation", model.probabilities["validation"]), crossed, max_error=options.max_error)
    without = [
        f"{answer} {name!r}"
        for name, rule in zip(context.classes, rules, strict=True)
        for answer, kept in (("has", rule.has), ("has not", rule.has_not))
        if rule.max_error is not None and kept is None
    ]
    return replace(trust, labels=rules), f"never sure enough: {', '.join(without)}" if without else ""


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
