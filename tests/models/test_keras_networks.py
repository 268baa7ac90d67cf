"""The exercise's networks, layer for layer; the frozen MobileNetV2; their conversion to ONNX."""

from __future__ import annotations

import importlib.util
import json
import random
import socket
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from pawsight.classifier.engine import Engine
from pawsight.core.errors import MissingExtra, PawsightError, WeightsUnavailable
from pawsight.models.keras_networks import (
    EMBEDDING,
    SCALED,
    build_mobilenet,
    build_network,
    build_top,
    features_onnx,
    import_keras,
    network_onnx,
)
from pawsight.models.recipes import RECIPES

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
CNN = RECIPES["cnn"].recipe


def network(recipe=CNN, *, classes=2, precision="f32"):
    import_keras()
    return build_network(recipe, classes=classes, precision=precision)


def test_the_layers_are_those_of_the_exercise_in_their_order():
    layers = network().layers
    assert [type(layer).__name__ for layer in layers] == [
        *("InputLayer", "Rescaling"),
        *("Conv2D", "MaxPooling2D", "Dropout"),
        *("Conv2D", "MaxPooling2D", "Dropout"),
        *("Conv2D", "MaxPooling2D"),
        *("Flatten", "Dense", "Dense"),
    ]
    shapes = {layer.output.shape[1:] for layer in layers if type(layer).__name__ == "Conv2D"}
    assert shapes == {(158, 158, 32), (77, 77, 32), (36, 36, 64)}
    assert [layer.count_params() for layer in layers if layer.count_params()] == [896, 9248, 18496, 1327168, 130]
    assert [layer.rate for layer in layers if type(layer).__name__ == "Dropout"] == [0.2, 0.2]
    assert [layer.activation.__name__ for layer in layers if hasattr(layer, "activation")] == [*["relu"] * 4, "linear"]
    assert {layer.padding for layer in layers if type(layer).__name__ == "Conv2D"} == {"valid"}


def test_pictures_are_bytes_and_answers_one_logit_a_class():
    model = network(classes=7)
    assert (model.input.dtype, model.input.shape) == ("uint8", (None, 160, 160, 3))
    assert (model.output.dtype, model.output.shape) == ("float32", (None, 7))


@pytest.mark.parametrize("name", ["cnn", "cnn-augmented", "cnn-normalised"])
def test_the_first_layer_is_fed_what_the_recipe_says(name):
    import keras

    recipe = replace(RECIPES[name].recipe, image_px=32)
    model = network(recipe)
    fed = keras.Model(model.input, model.get_layer(SCALED).output)
    ramp = np.broadcast_to(np.array([0, 127, 255], np.uint8)[:, None, None, None], (3, 32, 32, 3))
    values = np.asarray(fed.predict_on_batch(ramp))[:, 0, 0, 0]
    expected = [-1, 127 / 127.5 - 1, 1] if recipe.scaling == "signed" else [0, 127, 255]
    assert values == pytest.approx(expected, abs=1e-6)


def test_no_layer_augments():
    assert not [layer for layer in network(RECIPES["cnn-augmented"].recipe).layers if "Random" in type(layer).__name__]


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_weights_and_logits_are_float32_in_either_arithmetic(precision):
    model = network(replace(CNN, image_px=32), precision=precision)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert model.output.dtype == "float32"
    computed = {layer.compute_dtype for layer in model.layers if type(layer).__name__ == "Conv2D"}
    assert computed == {"float32" if precision == "f32" else "bfloat16"}


def test_the_two_arithmetics_have_the_same_weights_and_nearly_the_same_answers():
    one, other = (network(replace(CNN, image_px=32), precision=precision) for precision in ("f32", "bf16"))
    other.set_weights(one.get_weights())
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    logits = [np.asarray(model.predict_on_batch(pictures)) for model in (one, other)]
    assert np.allclose(*logits, atol=0.05 * np.abs(logits[0]).max())


def test_the_same_seed_builds_the_same_weights_and_leaves_the_host_s_generators_alone():
    from pawsight.training.networks import seeded

    before, built = (random.getstate(), str(np.random.get_state())), []
    for seed in (1, 1, 2):
        with seeded(seed):
            built.append([array.tobytes() for array in network(replace(CNN, image_px=32)).get_weights()])
    assert built[0] == built[1] != built[2]
    assert (random.getstate(), str(np.random.get_state())) == before


def test_each_dropout_has_a_seed_and_a_state_that_is_among_the_variables_of_a_checkpoint():
    def states(seed):
        variables = network(replace(CNN, image_px=32, seed=seed)).variables
        return [tuple(variable.numpy()) for variable in variables if "seed" in variable.path]

    assert len(set(states(0))) == 2
    assert states(0) == states(0) != states(1)


def test_what_goes_on_top_is_dropout_flatten_dense_64_and_the_logits():
    import_keras()
    top = build_top((5, 5, 1280), classes=2, seed=3)
    assert [type(layer).__name__ for layer in top.layers] == ["InputLayer", "Dropout", "Flatten", "Dense", "Dense"]
    assert top.count_params() == 2_048_194
    assert top.get_layer(EMBEDDING).units == 64
    assert top.output.shape == (None, 2)


def test_a_small_size_gives_a_small_network():
    assert network(replace(CNN, image_px=32)).count_params() == 896 + 9248 + 18496 + (2 * 2 * 64 + 1) * 64 + 130


WAYS_OUT = ("--weights FILE", "--recipe probe")


@pytest.fixture(scope="module")
def frozen(mobilenet_weights):
    import_keras()
    return build_mobilenet(image_px=64, weights=mobilenet_weights)


def refusal(**options):
    import_keras()
    with pytest.raises(WeightsUnavailable) as error:
        build_mobilenet(image_px=32, **options)
    return error.value


def test_it_takes_bytes_and_gives_maps_and_learns_nothing(frozen):
    assert (frozen.input.dtype, frozen.input.shape) == ("uint8", (None, 64, 64, 3))
    assert frozen.output.shape == (None, 2, 2, 1280)
    assert frozen.count_params() == 2_257_984
    assert frozen.trainable_variables == []


def test_the_weights_are_those_of_the_file(frozen, mobilenet_weights):
    import keras

    plain = keras.applications.MobileNetV2(input_shape=(64, 64, 3), include_top=False, weights=None)
    plain.load_weights(mobilenet_weights)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    scaled = keras.applications.mobilenet_v2.preprocess_input(pictures.astype(np.float32))
    assert np.allclose(frozen.predict_on_batch(pictures), plain.predict_on_batch(scaled), atol=1e-4)


def test_its_batch_norms_stay_as_they_are_even_in_training(frozen):
    pictures = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    before = [array.tobytes() for array in frozen.get_weights()]
    answers = [np.asarray(frozen(pictures, training=training)) for training in (False, True)]
    assert np.array_equal(*answers)
    assert [array.tobytes() for array in frozen.get_weights()] == before


def test_a_download_that_fails_is_told_with_the_two_ways_out(tmp_path, monkeypatch, capfd):
    """Keras's own download, sent to a port that nobody listens on."""
    import_keras()
    from keras.src.applications import mobilenet_v2

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(mobilenet_v2, "BASE_WEIGHT_PATH", f"http://127.0.0.1:{taken.getsockname()[1]}/")
        monkeypatch.setenv("KERAS_HOME", str(tmp_path))
        monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path), raising=False)
        told = refusal(weights=None)
    assert "could not be downloaded" in told.what
    assert "refused" in told.why
    assert all(way in told.fix for way in WAYS_OUT)
    assert capfd.readouterr().out == ""  # where answers go


def test_whatever_keras_raises_in_its_download_is_told_in_one_line(monkeypatch):
    import_keras()
    from keras.src.utils import file_utils

    def fail(*_arguments, **_options):
        print("Downloading data from somewhere")
        raise Exception("URL fetch failure on there: None -- timed out\nand a second line")

    monkeypatch.setattr(file_utils, "get_file", fail)
    told = refusal(weights=None)
    assert "could not be downloaded" in told.what
    assert "timed out" in told.why
    assert "second line" not in told.why
    assert all(way in told.fix for way in WAYS_OUT)


@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, on its way to refusing the file
@pytest.mark.parametrize("content", ["nothing", "text", "other", "one layer missing"])
def test_a_file_that_holds_other_weights_is_told_by_its_name(tmp_path, content, mobilenet_weights):
    import_keras()
    import keras

    path = tmp_path / "mine.weights.h5"
    if content == "text":
        path.write_text("these are no weights")
    elif content == "other":
        inputs = keras.Input((4,))
        keras.Model(inputs, keras.layers.Dense(2)(inputs)).save_weights(path)
    elif content == "one layer missing":
        import h5py

        path.write_bytes(mobilenet_weights.read_bytes())
        with h5py.File(path, "r+") as file:
            del file["layers/conv2d_7"]
    else:
        path.touch()
    told = refusal(weights=path)
    assert told.what.startswith(f"{path} ")
    assert len(told.why.splitlines()) == 1
    assert all(way in told.fix for way in WAYS_OUT)


CLASSES = ("cats", "dogs", "猫")
PICTURES = np.random.default_rng(4).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def converted():
    import_keras()
    import keras

    keras.utils.set_random_seed(2)
    return build_network(replace(RECIPES["cnn-normalised"].recipe, image_px=32), classes=3, precision="f32")


@pytest.fixture(scope="module")
def graph(converted):
    return network_onnx(converted, image_px=32, classes=CLASSES)


def test_the_graph_answers_as_keras_does(converted, graph):
    outputs = Engine(graph, image_px=32, precision="f32", streams=1).run_all(PICTURES)
    assert np.allclose(outputs["probabilities"], softmax(converted.predict_on_batch(PICTURES), axis=1), atol=1e-5)


def test_the_features_are_the_last_hidden_layer(converted, graph):
    import keras

    seen = keras.Model(converted.input, converted.get_layer(EMBEDDING).output)
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
    assert not [tensor for tensor in model.graph.initializer if tensor.external_data]


def test_features_may_be_maps_of_any_shape(converted):
    import keras
    import onnx

    maps = keras.Model(converted.input, converted.layers[3].output)
    content = features_onnx(maps, image_px=32)
    (end,) = onnx.load_from_string(content).graph.output
    assert end.name == "features"
    answers = Engine(content, image_px=32, precision="f32", streams=1).run_all(PICTURES)["features"]
    assert np.allclose(answers, maps.predict_on_batch(PICTURES), atol=1e-4)


def test_converting_says_nothing_and_leaves_no_file(converted, capfd, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    network_onnx(converted, image_px=32, classes=CLASSES)
    told = capfd.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("pawsight-")] == []


def test_another_backend_of_keras_is_refused(monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(PawsightError) as error:
        import_keras()
    assert "KERAS_BACKEND=tensorflow" in error.value.fix


def test_without_keras_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("pawsight.core.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as error:
        import_keras()
    assert "pawsight[keras]" in error.value.fix
