"""The history of a run as TensorBoard event files.

Enters: epochs. Leaves: `tensorboard/train` and `tensorboard/validation` in the run's folder. Does not know: networks.

TensorFlow must be there, as it is in every run that has epochs. Open them with: tensorboard --logdir runs
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pawsight.core.runs import Epoch
from pawsight.core.storage import new_folder

FOLDER = "tensorboard"


def write_events(folder: Path, history: Sequence[Epoch]) -> None:
    """Write one scalar an epoch for loss and accuracy of both parts, and for the learning rate.

    Raises:
        StorageError: the disk refused.
    """
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    with new_folder(folder / FOLDER) as place:
        for part, figures in _parts(history).items():
            with _as_the_system_says_it():
                _write(place / part, figures)


def _parts(history: Sequence[Epoch]) -> dict[str, dict[str, list[float]]]:
    return {
        "train": {
            "loss": [epoch.loss for epoch in history],
            "accuracy": [epoch.accuracy for epoch in history],
            "learning_rate": [epoch.learning_rate for epoch in history],
        },
        "validation": {
            "loss": [epoch.val_loss for epoch in history],
            "accuracy": [epoch.val_accuracy for epoch in history],
        },
    }


@contextmanager
def _as_the_system_says_it() -> Iterator[None]:
    """Turn what TensorFlow says of a disk that refuses into what the system said."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message) from error


def _write(place: Path, figures: dict[str, list[float]]) -> None:
    """Write one event file; TensorFlow's own writer of summaries would need TensorBoard installed."""
    import tensorflow as tf

    place.mkdir()
    with tf.io.TFRecordWriter(str(place / f"events.out.tfevents.{int(time.time())}.pawsight")) as writer:
        writer.write(tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        for name, values in figures.items():
            for number, value in enumerate(values, start=1):
                told = tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag=name, simple_value=value)])
                event = tf.compat.v1.Event(wall_time=time.time(), step=number, summary=told)
                writer.write(event.SerializeToString())
