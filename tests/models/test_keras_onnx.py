"""Keras -> ONNX: the same answers, the names that the house relies on, and nothing said on the way."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from pawsight.classifier.engine import Engine
from pawsight.models.keras_networks import import_keras
from pawsight.models.recipes import RECIPES

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
CLASSES = ("cats", "dogs", "猫")
PICTURES = np.random.default_rng(4).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    import_keras()
    import keras

    from pawsight.models.keras_networks import build_network

    keras.utils.set_random_seed(2)
    return build_network(replace(RECIPES["cnn-normalised"].recipe, image_px=32), classes=3, precision="f32")


@pytest.fixture(scope="module")
def graph(network):
    from pawsight.models.keras_networks import network_onnx

    return network_onnx(network, image_px=32, classes=CLASSES)


def test_the_graph_answers_as_keras_does(network, graph):
    outputs = Engine(graph, image_px=32, precision="f32", streams=1).run_all(PICTURES)
    assert np.allclose(outputs["probabilities"], softmax(network.predict_on_batch(PICTURES), axis=1), atol=1e-5)


def test_the_features_are_the_last_hidden_layer(network, graph):
    import keras

    from pawsight.models.keras_networks import EMBEDDING

    seen = keras.Model(network.input, network.get_layer(EMBEDDING).output)
    outputs = Engine(graph, image_px=32, precision="f32", streams=1).run_all(PICTURES)
    assert np.allclose(outputs["features"], seen.predict_on_batch(PICTURES), atol=1e-4)
    assert outputs["features"].shape == (6, 64)


def test_the_ends_have_their_names_and_types_and_the_classes_are_inside(graph):
    import onnx

    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        end.name: [dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim]
        for end in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"pictures": ["N", 32, 32, 3], "probabilities": ["N", 3], "features": ["N", 64]}
    assert {entry.key: json.loads(entry.value) for entry in model.metadata_props} == {"classes": list(CLASSES)}
    assert not [one for one in model.graph.initializer if one.external_data]


def test_features_may_be_maps_of_any_shape(network):
    import keras
    import onnx

    from pawsight.models.keras_networks import features_onnx

    maps = keras.Model(network.input, network.layers[3].output)
    content = features_onnx(maps, image_px=32)
    (end,) = onnx.load_from_string(content).graph.output
    assert end.name == "features"
    answers = Engine(content, image_px=32, precision="f32", streams=1).run_all(PICTURES)["features"]
    assert np.allclose(answers, maps.predict_on_batch(PICTURES), atol=1e-4)


def test_converting_says_nothing_and_leaves_no_file(network, capfd, tmp_path, monkeypatch):
    import tempfile

    from pawsight.models.keras_networks import network_onnx

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    network_onnx(network, image_px=32, classes=CLASSES)
    told = capfd.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("pawsight-")] == []
