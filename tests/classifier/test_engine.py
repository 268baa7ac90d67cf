"""The engine: right answers in the right order, a bounded number under way, one lane never in another's."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from threading import Thread

import numpy as np
import pytest

from pawsight.classifier.engine import PRECISION_NAMES, Engine, InferenceQueue, best_precision, check_device, devices
from pawsight.core.errors import BundleRefused, WrongUsage
from pawsight.core.machine import this_machine

from ..conftest import says

STREAMS = 2
# OpenVINO asks for bfloat16 all the same where oneDNN is held back, and then cannot have it.


@pytest.fixture(scope="module")
def engine(colour_model):
    return Engine(colour_model, image_px=8, precision="f32", streams=STREAMS)


def squares(count, *, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def expected(pictures):
    features = pictures.astype(np.float64).mean(axis=(1, 2))
    powers = np.exp(features / 16)
    return features, powers / powers.sum(axis=1, keepdims=True)


def test_every_picture_gets_its_own_answer_in_order(engine):
    pictures = squares(50)
    answers = list(engine.run(zip(range(50), pictures, strict=True)))
    features, probabilities = expected(pictures)
    assert [key for key, _ in answers] == list(range(50))
    assert np.allclose([outputs["features"] for _, outputs in answers], features, atol=1e-3)
    assert np.allclose([outputs["probabilities"] for _, outputs in answers], probabilities, atol=1e-5)


def test_outputs_come_by_name_without_the_batch_and_are_copies(engine):
    (_, first), (_, second) = engine.run(enumerate(squares(2)))
    assert {name: value.shape for name, value in first.items()} == {"probabilities": (3,), "features": (3,)}
    assert all(value.dtype == np.float32 for value in first.values())
    kept = second["features"].copy()
    first["features"][:] = 0
    list(engine.run(enumerate(squares(20, seed=1))))
    assert np.array_equal(second["features"], kept)


def test_an_answer_does_not_depend_on_the_pictures_beside_it(engine):
    pictures = squares(9)
    alone = [engine.run_all(picture[None])["probabilities"][0] for picture in pictures]
    together = engine.run_all(pictures)["probabilities"]
    assert np.array_equal(alone, together)
    assert np.array_equal(engine.run_all(pictures[::-1])["probabilities"][::-1], together)


def test_pictures_are_taken_only_as_answers_leave(engine):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield taken, squares(1)[0]

    running = engine.run(endless())
    for answered in range(1, 40):
        assert next(running)[0] == answered
        assert taken <= answered + 2 * STREAMS


def test_a_lane_left_before_its_end_leaves_the_engine_whole(engine):
    for _ in range(10):
        left = engine.run(enumerate(squares(20)))
        next(left)
        left.close()
    assert engine.run_all(squares(20))["features"].shape == (20, 3)


def test_lanes_side_by_side_keep_to_their_own(engine):
    one, other = squares(30, seed=1), squares(30, seed=2)
    together = list(zip(engine.run(enumerate(one)), engine.run(enumerate(other)), strict=True))
    assert np.allclose([left["features"] for (_, left), _ in together], expected(one)[0], atol=1e-3)
    assert np.allclose([right["features"] for _, (_, right) in together], expected(other)[0], atol=1e-3)


def test_threads_may_share_an_engine(engine):
    found = {}

    def work(seed):
        found[seed] = engine.run_all(squares(40, seed=seed))["features"]

    threads = [Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        assert np.allclose(found[seed], expected(squares(40, seed=seed))[0], atol=1e-3)


def test_a_lane_answers_all_that_was_pushed_when_drained(engine):
    lane = InferenceQueue(engine)
    answered = [key for key, picture in enumerate(squares(7)) for key, _ in lane.push(key, picture)]
    answered += [key for key, _ in lane.drain()]
    assert answered == list(range(7))
    assert list(lane.drain()) == []


def test_a_graph_that_is_none_is_refused_in_one_line_of_the_reader_s_words():
    with pytest.raises(BundleRefused) as raised:
        Engine(b"not a graph", image_px=8, precision="f32", streams=1)
    assert raised.value.what == "The model cannot be loaded by OpenVINO."
    assert raised.value.fix == "Train or export it again."
    assert "\n" not in raised.value.why


def test_bfloat16_is_taken_only_where_amx_makes_it_fast():
    machine = this_machine()
    precisions = {kind: best_precision(replace(machine, bfloat16=kind)) for kind in ("AMX", "AVX-512", "")}
    assert precisions == {"AMX": "bf16", "AVX-512": "f32", "": "f32"}
    assert set(PRECISION_NAMES) == {"f32", "bf16"}


@pytest.mark.bfloat16
def test_bfloat16_answers_lie_near_those_of_float32(colour_model, engine):
    rough = Engine(colour_model, image_px=8, precision="bf16", streams=1).run_all(squares(20))
    exact = engine.run_all(squares(20))
    assert np.abs(rough["probabilities"] - exact["probabilities"]).max() < 0.1


OUTLIVED = """
import gc, signal, sys
from pathlib import Path
from pawsight.classifier.engine import Engine

model = Path(sys.argv[1]).read_bytes()
first, second = (Engine(model, image_px=8, precision="f32", streams=1) for _ in range(2))
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_a_signal_is_heard_after_engines_have_gone_in_any_order(colour_model, tmp_path):
    """With a core for each of them it was a segmentation fault, seen on a machine with AMX."""
    (tmp_path / "model.onnx").write_bytes(colour_model)
    words = [sys.executable, "-c", OUTLIVED, str(tmp_path / "model.onnx")]
    ended = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted\n", "")


# Devices


def test_the_processor_is_a_device_everywhere_and_auto_is_it_where_there_is_no_other(engine, colour_model):
    if set(devices()) != {"CPU"}:
        pytest.skip("this machine has another device")
    assert engine.device == "CPU"
    auto = Engine(colour_model, image_px=8, precision="f32", streams=STREAMS, device="auto")
    assert auto.device == "CPU"
    pictures = squares(5)
    assert np.array_equal(auto.run_all(pictures)["probabilities"], engine.run_all(pictures)["probabilities"])


@pytest.mark.parametrize(("device", "compiled_for"), [("cpu", "CPU"), ("auto", "AUTO"), ("gpu", "GPU")])
def test_a_graph_is_compiled_for_the_device_that_is_named(gpu, colour_model, device, compiled_for):
    made = Engine(colour_model, image_px=8, precision="f32", streams=STREAMS, device=device)
    assert gpu.used == [compiled_for]
    features, _ = expected(pictures := squares(3))
    assert np.allclose(made.run_all(pictures)["features"], features, atol=1e-3)


def test_a_device_that_is_not_there_is_named_with_those_that_are(gpu):
    for device in ("cpu", "auto", "gpu"):
        check_device(device)
    with pytest.raises(WrongUsage) as caught:
        check_device("npu")
    assert says(caught.value, "--device npu", "gpu (a made-up GPU)", "--device cpu")
    assert len(str(caught.value).splitlines()) == 3
