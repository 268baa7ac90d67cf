"""The two methods without gradients: the majority vote, and the probe.

Enters: `Material`. Leaves: `Fitted`. Does not know: Keras.
"""

from __future__ import annotations

import numpy as np

from pawsight.models.backbones import find_backbone
from pawsight.models.efficientnet_onnx import backbone_onnx
from pawsight.models.graph import append_head, mean_colour_graph
from pawsight.training.material import Fitted, Labels, Layer, Material, OutOfFold
from pawsight.training.probe import Head, fit_head


def fit_majority(material: Material) -> Fitted:
    """Answer with the shares of the classes in the training part, whatever the picture shows."""
    counts = np.bincount(material.truths("train"), minlength=len(material.classes))
    bias = np.log(np.maximum(counts, 1e-9) / counts.sum()).astype(np.float32)
    weights = np.zeros((3, len(bias)), np.float32)
    model = append_head(mean_colour_graph(material.recipe.image_px), weights, bias, classes=material.classes)
    shares = (counts / counts.sum()).astype(np.float32)
    return Fitted(
        model=model,
        probabilities={part: np.tile(shares, (len(material.split.part(part)), 1)) for part in material.parts},
        parameters=(len(bias), 0),
    )


def fit_probe(material: Material) -> Fitted:
    """Fit a logistic regression on the features of a frozen backbone."""
    head = probe_head(material)
    recipe, place = material.recipe, material.place
    with place.stopwatch.stage("writing"):
        graph = backbone_onnx(recipe.backbone, recipe.image_px)
        model = append_head(graph, head.weights, head.bias, classes=material.classes)
    return Fitted(
        model=model,
        probabilities={part: head.probabilities(material.features(part)) for part in material.parts},
        parameters=probe_parameters(recipe.backbone, len(material.classes)),
        layers=probe_layers(recipe.backbone, len(material.classes)),
        notes=(_chosen(head, material),),
        precision=material.precision,
        computed=material.sink.computed if material.sink else 0,
        out_of_fold=OutOfFold(*head.out_of_fold) if head.out_of_fold else None,
    )


def probe_head(material: Material) -> Head:
    """Fit the head on the training part and nothing else."""
    features = material.features("train")
    with material.place.stopwatch.stage("fitting"):
        return fit_head(
            features,
            material.truths("train"),
            classes=len(material.classes),
            folds=material.recipe.folds,
            seed=material.recipe.seed,
            groups=_groups(material),
            progress=material.place.progress,
        )


def _groups(material: Material) -> Labels:
    """Number the groups of equal and near-equal training pictures (N,); each other picture is a group of its own."""
    rows = {one.name: row for row, one in enumerate(material.split.part("train"))}
    groups = np.arange(len(rows))
    for together in material.split.alike:
        members = [rows[one.name] for one in together if one.name in rows]
        groups[members] = min(members, default=0)
    return groups


def _chosen(head: Head, material: Material) -> str:
    strength = f"strength of the regularisation C = {head.strength:g}"
    if head.folds:
        return f"{strength}, chosen by {head.folds} folds in training"
    # Pictures that look the same share a fold, so they count as one.
    truths, groups = material.truths("train"), _groups(material)
    least = min(range(len(material.classes)), key=lambda label: len(np.unique(groups[truths == label])))
    return f"{strength}, taken unchosen: class '{material.classes[least]}' has too few pictures in training"


def probe_parameters(backbone: str, classes: int) -> tuple[int, int]:
    """Return total and trainable parameters of a probe."""
    trainable = (find_backbone(backbone).feature_dim + 1) * classes
    return find_backbone(backbone).parameters + trainable, trainable


def probe_layers(backbone: str, classes: int) -> tuple[Layer, ...]:
    """Return the two layers of a probe: all of the backbone, and the head."""
    known = find_backbone(backbone)
    width = known.feature_dim
    return (
        Layer(backbone, "frozen backbone", str(width), known.parameters),
        Layer("head", "logistic regression", str(classes), (width + 1) * classes),
    )
