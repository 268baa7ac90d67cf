"""The output of heat maps against the explainer's, in the runtime of another maker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.predictor import Predictor
from pawsight.core.machine import this_machine
from pawsight.explanation.heatmap import Explainer
from pawsight.exports.heat_maps import HEAT, with_heat_maps
from pawsight.models.graph import HEAD_WEIGHTS, PICTURES


@pytest.mark.parametrize("kind", ["probe", "several labels"])
def test_the_maps_of_every_class_are_those_of_the_explainer_and_the_answers_stay(kind, trained, label_bundle):
    onnxruntime = pytest.importorskip("onnxruntime")
    bundle = read_bundle(trained.report.run if kind == "probe" else label_bundle)
    card, exact = bundle.card, replace(this_machine(), bfloat16="")
    explainer = Explainer(Predictor(bundle, machine=exact), machine=exact)
    model = with_heat_maps(bundle.model, card.decode.image_px, several_labels=card.several_labels)
    session = onnxruntime.InferenceSession(model)
    for square in bundle.golden.pictures[:3]:
        heat, probabilities = session.run([HEAT, "probabilities"], {PICTURES: square[None]})
        for place, label in enumerate(card.classes):
            expected, probability = explainer.answer(square, size=(9, 9), label=label)
            assert expected.method == "cam"
            np.testing.assert_allclose(heat[0, :, :, place], expected.values, atol=1e-3)
            assert probabilities[0, place] == pytest.approx(probability, abs=1e-4)


def test_a_network_without_exact_heat_maps_gets_none(colour_bundle):
    model = read_bundle(colour_bundle).model
    assert with_heat_maps(model, 8) is not None
    renamed = onnx.load_from_string(model)
    for node in renamed.graph.node:
        node.input[:] = ["other" if name == HEAD_WEIGHTS else name for name in node.input]
    for tensor in renamed.graph.initializer:
        tensor.name = "other" if tensor.name == HEAD_WEIGHTS else tensor.name
    assert with_heat_maps(renamed.SerializeToString(), 8) is None
