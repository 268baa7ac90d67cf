"""The exercise's network, layer for layer, and what goes on top of the frozen one."""

from __future__ import annotations

import importlib.util
import random
from dataclasses import replace

import numpy as np
import pytest

from pawsight.models.keras_import import import_keras
from pawsight.models.ladder import RUNGS

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
CNN = RUNGS["cnn"].recipe


def network(recipe=CNN, *, classes=2, precision="f32"):
    import_keras()
    from pawsight.models.networks import build_network

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

    from pawsight.models.networks import SCALED

    recipe = replace(RUNGS[name].recipe, image_px=32)
    model = network(recipe)
    fed = keras.Model(model.input, model.get_layer(SCALED).output)
    ramp = np.broadcast_to(np.array([0, 127, 255], np.uint8)[:, None, None, None], (3, 32, 32, 3))
    values = np.asarray(fed.predict_on_batch(ramp))[:, 0, 0, 0]
    expected = [-1, 127 / 127.5 - 1, 1] if recipe.scaling == "signed" else [0, 127, 255]
    assert values == pytest.approx(expected, abs=1e-6)


def test_no_layer_augments():
    assert not [layer for layer in network(RUNGS["cnn-augmented"].recipe).layers if "Random" in type(layer).__name__]


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
    from pawsight.models.networks import EMBEDDING, build_top

    top = build_top((5, 5, 1280), classes=2, seed=3)
    assert [type(layer).__name__ for layer in top.layers] == ["InputLayer", "Dropout", "Flatten", "Dense", "Dense"]
    assert top.count_params() == 2_048_194
    assert top.get_layer(EMBEDDING).units == 64
    assert top.output.shape == (None, 2)


def test_a_small_size_gives_a_small_network():
    assert network(replace(CNN, image_px=32)).count_params() == 896 + 9248 + 18496 + (2 * 2 * 64 + 1) * 64 + 130
