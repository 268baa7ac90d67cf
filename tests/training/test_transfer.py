"""The method on a frozen network: what learns, and that nothing of it stays on disk."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from pawsight.models.recipes import RECIPES
from pawsight.training.transfer import FOLDER

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")


@pytest.fixture
def on_mobilenet(context_of, mobilenet_weights):
    """A frozen MobileNetV2 of random weights, one epoch, classes weighted."""
    recipe = replace(RECIPES["mobilenet"].recipe, image_px=32, epochs=1, class_weights=True)
    return context_of(recipe, weights=mobilenet_weights)


def test_the_frozen_network_stays_and_two_dense_layers_learn(on_mobilenet):
    from pawsight.training.transfer import train_transfer

    fitted = train_transfer(on_mobilenet)
    learns = (1280 + 1) * 64 + (64 + 1) * 2
    assert fitted.parameters == (2_257_984 + learns, learns)
    assert [kind for _, kind, _, _ in fitted.layers] == ["frozen backbone", "Dropout", "Flatten", "Dense", "Dense"]
    assert fitted.layers[0][3] == 2_257_984
    assert fitted.notes[0].startswith("kept epoch 1 of 1")
    assert not (on_mobilenet.folder / FOLDER).exists()
    answers = on_mobilenet.answers(fitted.graph, fitted.features)["validation"]
    assert answers.sum(axis=1) == pytest.approx(1, abs=1e-4)
