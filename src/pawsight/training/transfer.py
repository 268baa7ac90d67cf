"""The methods `transfer` and `finetune`: a frozen network looks, and a part on top of it learns by gradients.

Enters: `Material`. Leaves: `Fitted`. Does not know: how rungs compare.

The frozen part is run by OpenVINO over augmented views and not by TensorFlow at every step: its answers cannot change.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np

from pawsight.core.runs import Epoch, best_epoch
from pawsight.models.backbones import find_backbone
from pawsight.models.efficientnet_lite import published_weights, upper_start
from pawsight.models.keras_networks import import_keras
from pawsight.training.batches import class_weights, order_of
from pawsight.training.fit import Job, fit
from pawsight.training.material import Fitted, Labels, Layer, Material, OutOfFold
from pawsight.training.network import kept, layers_of, seeded, trainable_parameters, weighted
from pawsight.training.probe import Head
from pawsight.training.simple import probe_head, probe_parameters
from pawsight.training.tripwires import Watch
from pawsight.training.views import FOLDER, VIEWS, Views


def fit_transfer(material: Material) -> Fitted:
    """Train the exercise's fourth model: two dense layers on a frozen MobileNetV2."""
    import_keras()
    from pawsight.models.graph import append_embedding, append_head
    from pawsight.models.keras_networks import EMBEDDING, build_mobilenet, build_top, features_onnx

    recipe, watch = material.recipe, Watch()
    with seeded(recipe.seed):
        with material.place.progress.stage("Fetching MobileNetV2's weights", None):
            frozen = build_mobilenet(image_px=recipe.image_px, weights=material.place.weights)
        top = build_top(frozen.output.shape[1:], classes=len(material.classes), seed=recipe.seed)
    frozen_graph = features_onnx(frozen, image_px=recipe.image_px)
    history = _fit_top(top, frozen_graph, material, watch)
    seen = append_embedding(frozen_graph, *top.get_layer(EMBEDDING).get_weights())
    graph = append_head(seen, *top.get_layer("logits").get_weights(), classes=material.classes)
    trainable = trainable_parameters(top)
    return Fitted(
        model=graph,
        probabilities=material.answers(graph),
        parameters=(frozen.count_params() + trainable, trainable),
        layers=(
            Layer("mobilenet-v2", "frozen backbone", _shape(frozen.output), frozen.count_params()),
            *layers_of(top)[1:],
        ),
        history=history,
        notes=(kept(history), _seen(), *weighted(recipe.class_weights), *watch.remarks),
        precision=material.precision,
    )


def fit_finetune(material: Material) -> Fitted:
    """Train the upper part of the probe's backbone on with small steps; keep the better of the two."""
    import_keras()
    from pawsight.models.efficientnet_keras import build, weights_of
    from pawsight.models.efficientnet_onnx import write_graph
    from pawsight.models.graph import append_head

    recipe, watch = material.recipe, Watch()
    head = probe_head(material)
    probe = head.probabilities(material.features("validation"))
    backbone = find_backbone(recipe.backbone)
    weights, middle = published_weights(backbone), upper_start(backbone)
    with seeded(recipe.seed):
        top = _with_head(build(backbone, recipe.image_px, weights, after=middle), head)
    history = _fit_top(top, write_graph(backbone, recipe.image_px, weights, last=middle), material, watch)
    is_better, verdict = _compared(best_epoch(history), probe, material)
    if is_better:
        weights = {**weights, **weights_of(backbone, top)}
        head_weights, head_bias = top.get_layer("logits").get_weights()
    else:
        head_weights, head_bias = head.weights, head.bias
    graph = write_graph(backbone, recipe.image_px, weights)
    graph = append_head(graph, head_weights, head_bias, classes=material.classes)
    total, _ = probe_parameters(recipe.backbone, len(material.classes))
    trainable = trainable_parameters(top)
    return Fitted(
        model=graph,
        probabilities=material.answers(graph),
        parameters=(total, trainable),
        layers=(
            Layer(recipe.backbone, "frozen lower part", _shape(top.input), total - trainable),
            *layers_of(top)[1:],
        ),
        history=history,
        notes=(verdict, kept(history), _seen(), *weighted(recipe.class_weights), *watch.remarks),
        precision=material.precision,
        computed=material.sink.computed if material.sink else 0,
        out_of_fold=OutOfFold(*head.out_of_fold) if head.out_of_fold and not is_better else None,
    )


def _with_head(upper: Any, head: Head) -> Any:
    """Append the probe's head as a layer of logits, so that training starts where the probe ended."""
    import keras

    logits = keras.layers.Dense(head.weights.shape[1], name="logits", dtype="float32")
    top = keras.Model(upper.input, logits(upper.output), name="top")
    logits.set_weights([head.weights, head.bias])
    return top


def _compared(best: Epoch, probe: Any, material: Material) -> tuple[bool, str]:
    """Say whether fine-tuning is right more often than the probe on validation; ties go to the probe."""
    truths = material.truths("validation")
    accuracy = float((probe.argmax(axis=1) == truths).mean()) if len(truths) else 0.0
    told = f"fine-tuned {100 * best.val_accuracy:.2f} %, probe {100 * accuracy:.2f} % on validation"
    if best.val_accuracy > accuracy:
        return True, f"right more often than the probe, so it is kept: {told}"
    return False, f"right no more often than the probe, so the probe is kept: {told}"


def _fit_top(top: Any, frozen: bytes, material: Material, watch: Watch) -> tuple[Epoch, ...]:
    """Fit a model that takes a frozen network's maps, and clear the views away."""
    with material.place.stopwatch.stage("training"):
        history = fit(top, _job(Views(frozen, material), material), watch, material.place.progress)
    shutil.rmtree(material.folder / FOLDER, ignore_errors=True)
    return history


def _job(views: Views, material: Material) -> Job:
    recipe, labels = material.recipe, material.truths("train")
    weights = class_weights(labels, classes=len(material.classes), wanted=recipe.class_weights)
    truths = material.truths("validation")

    def feed(epoch: int) -> Iterator[tuple[Any, Labels, Any]]:
        maps = views.of_epoch(epoch)
        order = order_of(epoch, count=len(labels), seed=recipe.seed)
        for start in range(0, len(order), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            yield maps[rows].astype(np.float32), labels[rows], weights[rows]

    return Job(
        recipe=recipe,
        feed=feed,
        steps=-(-len(labels) // recipe.batch_size),
        held_out=views.of_held_out(material.pixels("validation")),
        truths=truths,
        classes=material.classes,
        baseline=float(np.bincount(truths).max() / len(truths)),
        folder=material.folder,
        identity=material.identity,
    )


def _shape(tensor: Any) -> str:
    return " x ".join(str(size) for size in tensor.shape[1:])


def _seen() -> str:
    return f"the frozen part saw {VIEWS} augmented views of each training picture, and the epochs took turns among them"
