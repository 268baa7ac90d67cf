"""The frozen MobileNetV2: its size, its scaling, and what is said where its weights cannot be had."""

from __future__ import annotations

import importlib.util
import socket

import numpy as np
import pytest

from pawsight.core.errors import WeightsUnavailable
from pawsight.models.keras_networks import import_keras

pytestmark = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
WAYS_OUT = ("--weights FILE", "--recipe probe")


@pytest.fixture(scope="module")
def frozen(mobilenet_weights):
    import_keras()
    from pawsight.models.keras_networks import build_mobilenet

    return build_mobilenet(image_px=64, weights=mobilenet_weights)


def refusal(**options):
    import_keras()
    from pawsight.models.keras_networks import build_mobilenet

    with pytest.raises(WeightsUnavailable) as told:
        build_mobilenet(image_px=32, **options)
    return told.value


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
