"""Measures what `train` trained, on its held-out pictures and out of fold, and makes the record of the run.

What is printed of it is in train_report.py; the figures are computed in evaluation/.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.predictor import answer_texts
from pawsight.classifier.trust import UNFAMILIAR
from pawsight.commands.growth import FROM_COMMAND, GrowingRun, growth_record
from pawsight.commands.train_options import TrainOptions
from pawsight.commands.train_report import TrainReport, gain_from_patch
from pawsight.data.audit import audit
from pawsight.data.dataset import grey_range_sentence
from pawsight.data.given_split import SplitFile
from pawsight.data.groups import numbers_of
from pawsight.data.label_patch import Patch
from pawsight.evaluation.calibration import expected_calibration_error, log_losses, squared_distances
from pawsight.evaluation.cross_validation import FEWEST, CrossValidation, is_small
from pawsight.evaluation.metrics import measure
from pawsight.evaluation.selective import Abstention, measure_abstention, measure_costs, measure_sets
from pawsight.evaluation.several_labels import SeveralLabelsMetrics, measure_labels
from pawsight.models.recipes import RECIPES
from pawsight.reports.run_record import RunRecord

if TYPE_CHECKING:
    from pawsight.training.context import Floats, RunEnvironment
    from pawsight.training.run import TrainedRun


def measure_trained(
    outcome: TrainedRun,
    env: RunEnvironment,
    patch: Patch | None,
    given: SplitFile | None,
    growing: GrowingRun | None,
    options: TrainOptions,
    *,
    command: str,
) -> TrainReport:
    """Measure a trained run.

    Args:
        outcome: of the training.
        env: of the training; its stopwatch says how long each stage took.
        patch, given: labels and split that the user gave, None for none.
        growing: the run that it grew from; its answers are compared.
        options: as the user gave them.
        command: that makes the same run again.
    """
    fitted, trust, classes, split = outcome.model, outcome.trust, outcome.dataset.classes, outcome.split
    groups = {part: numbers_of([picture.group for picture in split.part(part)]) for part in fitted.probabilities}
    commonest = _commonest(outcome) if outcome.labels else None
    measured = {
        part: measure(outcome.labels[part], table, classes, commonest=commonest, groups=groups[part])
        for part, table in fitted.probabilities.items()
        if part in outcome.labels
    }
    answered = {part: table for part, table in fitted.probabilities.items() if len(table)}
    answers, gained, recipe = fitted.probabilities.get("validation"), None, outcome.recipe
    predicted = {part: answer_texts(trust, table, classes) for part, table in answered.items()}
    if patch is not None and answers is not None and len(answers):
        gained = gain_from_patch(patch, split.part("validation"), predicted["validation"], split=given)
    crossed = _cross_validation(outcome)
    growth = None
    if growing is not None:
        is_crossed = crossed is not None and measured.get("validation") is None
        out_of_fold = {"train": _answers_out_of_fold(outcome)} if is_crossed else {}
        asked = {name: value for name, value in options.given().items() if name in FROM_COMMAND}
        growth = growth_record(growing, split, {**predicted, **out_of_fold}, env.progress, asked=asked)
    headline = measured.get("validation") or (crossed.metrics if crossed else None)
    seconds = [epoch.seconds for epoch in fitted.history]
    greys = outcome.dataset.grey_range
    record = RunRecord(
        folder=outcome.folder,
        recipe=recipe.name,
        backbone=recipe.backbone,
        image_px=recipe.image_px,
        seed=recipe.seed,
        precision=fitted.precision,
        grey_range=greys,
        classes=classes,
        counts=outcome.dataset.counts,
        digest=split.digest,
        sizes=split.sizes,
        how=split.how,
        split_seed=recipe.split_seed,
        leaks=split.duplicates_across_parts,
        validation=measured.get("validation"),
        test=measured.get("test"),
        cross_validation=crossed,
        baseline=headline.baseline if headline else None,
        left_out=tuple((file.name, file.reason) for file in outcome.dataset.left_out),
        adds=RECIPES[recipe.name].adds if recipe.name in RECIPES else "",
        parameters=fitted.parameters[0],
        trainable=fitted.parameters[1],
        layers=fitted.layers,
        epochs=len(seconds),
        seconds_per_epoch=sum(seconds) / len(seconds) if seconds else None,
        notes=(*fitted.notes, *([grey_range_sentence(greys)] if greys else [])),
        depth=fitted.depth or {},
        patch=outcome.patched,
        gain_from_patch=gained,
        growth=growth,
        temperature=trust.temperature,
        fitted_on=trust.fitted_on,
        calibrated_on=outcome.calibrated_on,
        calibration_gain=outcome.calibration_gain,
        calibrated=_calibrated(outcome),
        max_error=outcome.options.max_error,
        max_error_per_class=outcome.options.max_error_per_class,
        guarantee=trust.guarantee,
        by_class=trust.by_class,
        sets=trust.sets,
        costs=trust.costs,
        measured_sets={
            part: measure_sets(outcome.labels[part], table, trust.sets, groups=groups[part])
            for part, table in answered.items()
        }
        if trust.sets
        else {},
        measured_costs={part: measure_costs(outcome.labels[part], table, trust) for part, table in answered.items()}
        if trust.costs
        else {},
        label_rules=trust.labels,
        several_labels=_several_labels(outcome),
        detector=trust.detector,
        decided={
            part: figures.to_json() for part, table in answered.items() if (figures := _decided(outcome, part, table))
        },
        no_guarantee=outcome.no_guarantee,
        command=command,
        seconds=env.stopwatch.seconds(),
        machine=str(env.machine),
        settings=recipe.to_dict(),
        root=outcome.dataset.root,
        data_notes=(*outcome.dataset.warnings, *outcome.dataset.notes),
    )
    return TrainReport(
        record=record,
        recipe=recipe,
        dataset=outcome.dataset,
        split=split,
        computed=fitted.computed,
        findings=audit(outcome.dataset, split),
        data=env.data,
    )


def _several_labels(outcome: TrainedRun) -> dict[str, SeveralLabelsMetrics]:
    """Measure the answers about several labels by subset; where validation is small, those out of fold too."""
    split, names, crossed = outcome.split, outcome.dataset.classes, outcome.model.out_of_fold
    held_out = [label for picture in split.part("validation") for label in split.labels_of(picture)]
    tables = {part: table for part, table in outcome.model.probabilities.items() if part in outcome.truths}
    is_few = split.sizes["validation"] < FEWEST or is_small(held_out, names)
    if outcome.truths and crossed is not None and is_few:
        tables["train"] = crossed
    measured = {}
    for part, table in tables.items():
        known = np.isfinite(table).all(axis=1)
        pictures = split.part(part)
        groups = numbers_of([pictures[row].group for row in np.flatnonzero(known)])
        metrics = measure_labels(outcome.truths[part][known], table[known], outcome.trust.labels, names, groups=groups)
        if metrics is not None:
            measured[part] = metrics
    return measured


def _decided(outcome: TrainedRun, part: str, table: Floats) -> Abstention | None:
    """Count how many pictures of a held-out subset are answered; its other figures are those of all."""
    otherwise = replace(outcome.trust, detector=None)
    familiar = outcome.familiar.get(part, [True] * len(table))
    decisions = [
        otherwise.decide(row, None) if known else UNFAMILIAR for row, known in zip(table, familiar, strict=True)
    ]
    return measure_abstention((outcome.labels or outcome.truths)[part], table, decisions, outcome.trust)


def _commonest(outcome: TrainedRun) -> int:
    """Return the class that the training subset has most pictures of, the first of several, as `majority` answers."""
    return int(np.bincount(outcome.labels["train"], minlength=len(outcome.dataset.classes)).argmax())


def _cross_validation(outcome: TrainedRun) -> CrossValidation | None:
    """Measure the answers out of fold where validation is small; None where there are none."""
    model, classes, table = outcome.model, outcome.dataset.classes, outcome.model.out_of_fold
    if (
        table is None
        or outcome.truths
        or not is_small([assigned.label for assigned in outcome.split.part("validation")], classes)
    ):
        return None
    known = ~np.isnan(table).any(axis=1)
    named = numbers_of([assigned.group for assigned in outcome.split.part("train")])
    groups = None if named is None else named[known]
    labels = outcome.labels["train"][known]
    metrics = measure(labels, table[known], classes, commonest=_commonest(outcome), groups=groups)
    unmeasured = int((~known).sum()) if model.is_whole else 0  # of others only a sample is answered
    if metrics is None:
        return None
    return CrossValidation(folds=model.folds, metrics=metrics, unmeasured=unmeasured, is_whole=model.is_whole)


def _answers_out_of_fold(outcome: TrainedRun) -> list[str | None]:
    """Return the answer out of fold to each training picture (N,), None where it was in no fold."""
    table, classes = outcome.model.out_of_fold, outcome.dataset.classes
    rows = table if table is not None else np.full((len(outcome.labels["train"]), 1), np.nan)
    return [None if np.isnan(row).any() else classes[int(row.argmax())] for row in rows]


def _calibrated(outcome: TrainedRun) -> dict[str, dict[str, tuple[float, float]]]:
    """Measure what calibration changed on the held-out subsets: subset -> figure -> before and after.

    A recipe with class weights is calibrated for classes that are equally frequent, and measured so too.
    """
    from pawsight.training.logistic import class_weights

    changes = {}
    for part, after in outcome.model.probabilities.items():
        if part in outcome.labels and len(true := outcome.labels[part]):
            weights = class_weights(true, classes=after.shape[1]) if outcome.recipe.class_weights else None
            ends = [_calibration_figures(true, table, weights) for table in (outcome.uncalibrated[part], after)]
            changes[part] = {name: (ends[0][name], ends[1][name]) for name in ends[0]}
    return changes


def _calibration_figures(
    true: NDArray[np.int64], table: NDArray[np.floating], weights: NDArray[np.float32] | None
) -> dict[str, float]:
    return {
        "ece": expected_calibration_error(true, table, weights=weights),
        "brier": float(np.average(squared_distances(true, table), weights=weights)),
        "log_loss": float(np.average(log_losses(true, table), weights=weights)),
    }
