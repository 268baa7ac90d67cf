"""Explainers: one over a real probe on drawings, one over a made-up graph that looks at a known corner."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pawsight.classifier.bundle import Bundle, read_bundle
from pawsight.classifier.predictor import load_predictor
from pawsight.core.machine import this_machine
from pawsight.explanation.heatmap import Explainer

EXACT = replace(this_machine(), bfloat16="")  # float32 on any processor: what is exact can be tested as exact
CORNER_PX = 32


@pytest.fixture(scope="session")
def probe(trained):
    return load_predictor(trained.report.run)


@pytest.fixture(scope="session")
def explainer(probe):
    return Explainer(probe, machine=EXACT)


@pytest.fixture(scope="session")
def corner_predictor(colour_bundle):
    """Two classes: "bright" by how bright the lower right quarter is, whatever the rest. No mean, so no exact maps."""
    return predictor_of(corner_model(), read_bundle(colour_bundle), classes=("bright", "dark"), image_px=CORNER_PX)


def corner_model():
    from onnx import TensorProto, helper, numpy_helper

    from pawsight.models.graph import append_head

    half = CORNER_PX // 2
    constants = {
        "starts": np.array([half, half], np.int64),
        "ends": np.array([CORNER_PX, CORNER_PX], np.int64),
        "axes": np.array([1, 2], np.int64),
        "all": np.array([1, 2, 3], np.int64),
        "one": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["pictures"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Slice", ["real", "starts", "ends", "axes"], ["corner"]),
        helper.make_node("ReduceMax", ["corner"], ["brightest"], axes=[3], keepdims=1),
        helper.make_node("ReduceSum", ["brightest", "all"], ["sum"], keepdims=0),
        helper.make_node("Unsqueeze", ["sum", "one"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "corner",
        [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["N", CORNER_PX, CORNER_PX, 3])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    weight = np.array([[1, -1]], np.float32) / (255 * half)
    return append_head(model.SerializeToString(), weight, np.zeros(2, np.float32), classes=("bright", "dark"))


def predictor_of(model: bytes, like: Bundle, *, classes: tuple[str, ...], image_px: int) -> Any:
    """Return what an explainer reads of a predictor, for any graph: no graph is compiled for it, no exam sat."""
    card = replace(like.card, classes=classes, decode=replace(like.card.decode, image_px=image_px))
    return SimpleNamespace(bundle=replace(like, model=model, card=card), classes=classes)


def with_weights(model: bytes, change) -> bytes:
    """Return a model whose initialisers are what `change(name, values)` makes of them."""
    import onnx
    from onnx import numpy_helper

    opened = onnx.load_from_string(model)
    for tensor in opened.graph.initializer:
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(np.asarray(change(tensor.name, values), values.dtype), tensor.name))
    return opened.SerializeToString()
