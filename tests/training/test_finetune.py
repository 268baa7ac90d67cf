"""The methods on a frozen network: what learns, where it starts, and that the better of two models is kept."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from pawsight.core.machine import this_machine
from pawsight.core.progress import SILENT, Stopwatch
from pawsight.core.runs import Epoch
from pawsight.models.recipes import RECIPES
from pawsight.training.context import RunEnvironment
from pawsight.training.finetune import FOLDER

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
PROBE = replace(RECIPES["probe"].recipe, depth="last", backbone="efficientnet-lite0", image_px=96)
TIMID = replace(
    RECIPES["finetune"].recipe, backbone="efficientnet-lite0", image_px=96, epochs=1, learning_rate=1e-9, batch_size=16
)


@pytest.fixture(scope="module")
def pair(drawings, tmp_path_factory):
    """A probe, and a fine-tuning whose steps are too small to change an answer."""
    from pawsight.data.sources import resolve
    from pawsight.training.run import train_run

    place = tmp_path_factory.mktemp("transfer")
    work = RunEnvironment(place / "runs", place / "cache", this_machine(), SILENT, Stopwatch())
    source = resolve(drawings, cache=place / "cache")
    return [train_run(source, recipe, work, held_out=("validation",)) for recipe in (PROBE, TIMID)]


def test_where_fine_tuning_is_no_better_the_probe_is_kept_and_it_says_so(pair):
    probe, tuned = pair
    verdict = tuned.model.notes[0]
    right = (probe.model.probabilities["validation"].argmax(axis=1) == probe.labels["validation"]).mean()
    best = tuned.model.history[0].val_accuracy
    assert "the probe is kept" in verdict
    assert f"fine-tuned {100 * best:.2f} %, probe {100 * right:.2f} %" in verdict
    one, other = ((run.folder / "bundle" / "model.onnx").read_bytes() for run in pair)
    assert one == other


def test_fine_tuning_starts_where_the_probe_ended(pair):
    """With steps of next to nothing its answers after one epoch are the probe's, but for bfloat16 in the probe's eyes."""
    probe, tuned = pair
    shares = probe.uncalibrated["validation"]
    given = shares[np.arange(len(shares)), probe.labels["validation"]]
    assert tuned.model.history[0].val_loss == pytest.approx(-np.log(given).mean(), abs=0.05)


def test_fine_tuning_tells_how_much_learns_and_that_views_were_seen(pair):
    fitted = pair[1].model
    total, trainable = fitted.parameters
    assert total == pair[0].model.parameters[0]
    assert 0.5 * total < trainable < total
    assert any("augmented views" in note for note in fitted.notes)
    assert any(note.startswith("kept epoch 1 of 1") for note in fitted.notes)


def test_the_views_are_cleared_away(pair):
    assert not (pair[1].folder / FOLDER).exists()


def better(val_accuracy, answers, labels):
    from pawsight.training.finetune import compare_with_probe

    epoch = Epoch(1, 0.1, 1.0, 0.1, val_accuracy, 1e-4, 1.0)
    return compare_with_probe(epoch, np.eye(2)[answers], np.array(labels))


def test_the_fine_tuned_network_is_kept_where_it_is_better():
    is_better, note = better(1.0, [0, 1, 1, 1], [0, 1, 1, 0])
    assert is_better
    assert "fine-tuned 100.00 %, probe 75.00 %" in note


@pytest.mark.parametrize("accuracy", [0.75, 0.5])
def test_a_tie_goes_to_the_probe_which_is_simpler(accuracy):
    is_better, note = better(accuracy, [0, 1, 1, 1], [0, 1, 1, 0])
    assert not is_better
    assert "the probe is kept" in note


@pytest.fixture
def on_mobilenet(context_of, mobilenet_weights):
    """A frozen MobileNetV2 of random weights, one epoch, classes weighted."""
    recipe = replace(RECIPES["mobilenet"].recipe, image_px=32, epochs=1, class_weights=True)
    return context_of(recipe, weights=mobilenet_weights)


def test_the_frozen_network_stays_and_two_dense_layers_learn(on_mobilenet):
    from pawsight.training.finetune import train_transfer

    fitted = train_transfer(on_mobilenet)
    learns = (1280 + 1) * 64 + (64 + 1) * 2
    assert fitted.parameters == (2_257_984 + learns, learns)
    assert [kind for _, kind, _, _ in fitted.layers] == ["frozen backbone", "Dropout", "Flatten", "Dense", "Dense"]
    assert fitted.layers[0][3] == 2_257_984
    assert fitted.notes[0].startswith("kept epoch 1 of 1")
    assert not (on_mobilenet.folder / FOLDER).exists()
    answers = on_mobilenet.answers(fitted.graph, fitted.features)["validation"]
    assert answers.sum(axis=1) == pytest.approx(1, abs=1e-4)
