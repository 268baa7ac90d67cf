"""TensorBoard's event files: one scalar an epoch, readable by TensorFlow's own reader."""

from __future__ import annotations

import importlib.util

import pytest

from pawsight.core.runs import Epoch
from pawsight.training.events import FOLDER, write_events

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")

HISTORY = (Epoch(1, 0.7, 0.5, 0.69, 0.51, 0.001, 2.0), Epoch(2, 0.6, 0.6, 0.66, 0.55, 0.001, 2.0))


def scalars(place):
    import tensorflow as tf

    (file,) = place.iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            found[value.tag, event.step] = value.simple_value
    return found


def test_every_epoch_has_its_scalars_and_a_second_writing_replaces_the_first(tmp_path):
    write_events(tmp_path, HISTORY[:1])
    write_events(tmp_path, HISTORY)
    train, validation = (scalars(tmp_path / FOLDER / part) for part in ("train", "validation"))
    assert train["loss", 2] == pytest.approx(0.6)
    assert train["learning_rate", 1] == pytest.approx(0.001)
    assert validation["accuracy", 2] == pytest.approx(0.55)
    assert len(train) == 6
    assert len(validation) == 4
