"""The recipe `probe` where a picture may have several labels: features in, a graph with a sigmoid for each label out.

The fits are in `several_labels`, arrays in and numbers out; the probe of one label a picture is in `probe`.
"""

from __future__ import annotations

import numpy as np

from pawsight.classifier.backbone import frozen_backbone
from pawsight.core.machine import CPU
from pawsight.models.graph import append_head
from pawsight.training.context import TrainedModel, TrainingContext
from pawsight.training.probe import depth_note, licence_note
from pawsight.training.several_labels import cross_validate_labels, fit_labels, strengths_note

# Training pictures x labels up to which each fold chooses depth and strengths again, in a few seconds.
_MOST_WHOLE = 1000


def train_label_probe(context: TrainingContext) -> TrainedModel:
    """Fit a head with a sigmoid for each label on the features of the frozen backbone; return both as one graph."""
    from scipy.special import expit

    recipe, names = context.recipe, context.classes
    backbone = frozen_backbone(recipe)
    features, truth, groups = context.features("train"), context.truth("train"), context.split.numbers("train")
    with context.env.stopwatch.stage("fitting"):
        head = fit_labels(
            features,
            truth,
            folds=recipe.folds,
            seed=recipe.seed,
            depth=recipe.depth,
            groups=groups,
            progress=context.env.progress,
        )
    folds, logits, is_whole = head.folds, head.logits_of_all(len(truth)), truth.size <= _MOST_WHOLE
    if is_whole:
        folds = min(recipe.folds, len(np.unique(groups)))
        with context.env.stopwatch.stage("cross-validating"):
            logits = cross_validate_labels(
                features,
                truth,
                groups,
                folds=folds,
                seed=recipe.seed,
                depth=recipe.depth,
                progress=context.env.progress,
            )
    with context.env.stopwatch.stage("writing"):
        graph = append_head(backbone.write(head.columns), head.weights, head.bias, classes=names, several_labels=True)
    trainable = (len(head.columns) + 1) * len(names)
    read = {subset: context.features(subset).read(head.columns) for subset in context.held_out}
    return TrainedModel(
        graph=graph,
        features=read,
        parameters=(backbone.parameters + trainable, trainable),
        layers=(
            (recipe.backbone, "frozen backbone", str(len(head.columns)), backbone.parameters),
            ("head", "logistic regression of each label", str(len(names)), trainable),
        ),
        notes=(
            *([] if context.env.device == CPU else [f"features computed on the device {context.env.device}"]),
            *([licence_note(recipe)] if recipe.backbone_sha256 else []),
            depth_note(head),
            strengths_note(head, names),
        ),
        precision=context.precision,
        computed=context.sink.computed if context.sink else 0,
        folds=folds,
        is_whole=is_whole,
        depth=head.depth_json(),
        columns=head.columns,
        probabilities=context.answers(graph, read),
        out_of_fold=None if logits is None or np.isnan(logits).all() else expit(logits),
    )
