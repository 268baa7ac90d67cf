"""The method `network`: what it gives back, and that it gives back the same whatever was built before it."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from pawsight.core.errors import TrainingFailed
from pawsight.core.machine import this_machine
from pawsight.core.runs import best_epoch
from pawsight.models.recipes import RECIPES

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
SMALL = replace(RECIPES["cnn-normalised"].recipe, image_px=32, epochs=2, batch_size=16, precision="f32")


def numbers_in(graph):
    import onnx
    from onnx import numpy_helper

    arrays = [numpy_helper.to_array(one) for one in onnx.load_from_string(graph).graph.initializer]
    return sorted((array.dtype.str, array.shape, array.tobytes()) for array in arrays)


def fitted(material):
    from pawsight.training.network import fit_network

    return fit_network(material)


@pytest.fixture(scope="module")
def once(material_at, shared_workplace):
    return fitted(material_at(shared_workplace, SMALL))


def test_it_gives_back_a_graph_its_answers_its_layers_and_its_history(once, material_of):
    assert [epoch.number for epoch in once.history] == [1, 2]
    assert once.parameters[0] == once.parameters[1] == sum(layer.parameters for layer in once.layers)
    assert [layer.output for layer in once.layers[:3]] == ["32 x 32 x 3", "32 x 32 x 3", "30 x 30 x 32"]
    assert once.probabilities["validation"].shape == (16, 2)
    best = best_epoch(once.history)
    assert once.notes[0].startswith(f"kept epoch {best.number} of 2")
    assert once.notes[1] == "trained in float32"
    truths = material_of(SMALL).truths("validation")
    measured = (once.probabilities["validation"].argmax(axis=1) == truths).mean()
    assert measured == pytest.approx(best.val_accuracy, abs=0.07)  # one picture may fall otherwise in bfloat16


def test_the_same_recipe_gives_the_same_numbers_after_other_networks_were_built(once, material_of):
    import keras

    keras.layers.Dense(3)(keras.Input((2,)))
    np.random.default_rng().random(3)
    again = fitted(material_of(SMALL))
    assert [replace(epoch, seconds=0) for epoch in again.history] == [replace(one, seconds=0) for one in once.history]
    assert numbers_in(again.model) == numbers_in(once.model)


def test_bfloat16_is_for_the_gradients_and_the_saved_graph_is_float32(material_of):
    import onnx

    one = fitted(material_of(replace(SMALL, precision="bf16", epochs=1)))
    assert "trained in bfloat16" in one.notes
    kinds = {tensor.data_type for tensor in onnx.load_from_string(one.model).graph.initializer}
    assert onnx.TensorProto.BFLOAT16 not in kinds
    assert onnx.TensorProto.FLOAT in kinds


@pytest.mark.parametrize(
    ("wanted", "bfloat16", "expected"),
    [("f32", "AMX", "f32"), ("bf16", "", "bf16"), ("auto", "", "f32")],
)
def test_the_arithmetic_is_the_wished_one_or_what_the_processor_is_best_at(wanted, bfloat16, expected):
    from pawsight.training.network import training_precision

    assert training_precision(wanted, replace(this_machine(), bfloat16=bfloat16)) == expected


def test_labels_that_are_not_the_folders_stop_it_before_the_first_step(material_of):
    material = material_of(SMALL)
    swap = {"cats": "dogs", "dogs": "cats"}
    wrong = tuple(replace(one, label=swap[one.label]) for one in material.split.assigned)
    with pytest.raises(TrainingFailed, match="label that is not their folder's"):
        fitted(replace(material, split=replace(material.split, assigned=wrong)))
    assert list(material.folder.iterdir()) == []


def test_pictures_scaled_twice_stop_it_before_the_first_step(material_of, monkeypatch):
    import keras

    from pawsight.models import keras_networks as networks
    from pawsight.models.keras_networks import import_keras

    import_keras()

    def twice(pictures, scaling):
        once = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pictures)
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name=networks.SCALED)(once)

    monkeypatch.setattr(networks, "scale", twice)
    with pytest.raises(TrainingFailed, match=r"is fed -1\.\d+ to -0\.99\d+ "):
        fitted(material_of(SMALL))
