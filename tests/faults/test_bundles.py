"""Rows 6 and 10: bundles cut, flipped, swapped, added to and replaced while serving; and bundles sent to do harm."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pawsight.classifier.bundle import read_bundle
from pawsight.core.errors import BundleRefused, WeightsUnavailable

FILES = ("bundle.json", "model.onnx", "exam.npz", "trained.txt")
HERE = Path(__file__).parent


def refusal(bundle):
    """Why a bundle is refused, within five seconds of the processor: by the clock, others on the machine count too."""
    began = time.process_time()
    with pytest.raises(BundleRefused) as error:
        read_bundle(bundle)
    assert time.process_time() - began < 5
    return error.value.why


@pytest.fixture
def bundle(colour_bundle, tmp_path):
    return shutil.copytree(colour_bundle, tmp_path / "bundle")


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_at_twenty_lengths_is_refused_by_name(bundle, name):
    whole = (bundle / name).read_bytes()
    for length in sorted({int(at) for at in np.linspace(0, len(whole) - 2, 20)}):
        (bundle / name).write_bytes(whole[:length])
        assert name in refusal(bundle), length


def test_a_hundred_flipped_bits_are_refused_by_name(bundle):
    random = np.random.default_rng(6)
    for _ in range(100):
        name = FILES[random.integers(len(FILES))]
        whole = (bundle / name).read_bytes()
        place, bit = int(random.integers(len(whole))), int(random.integers(8))
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        (bundle / name).write_bytes(bytes(flipped))
        assert name in refusal(bundle), (name, place, bit)
        (bundle / name).write_bytes(whole)
    read_bundle(bundle)


@pytest.mark.parametrize(
    ("one", "other"), [("model.onnx", "exam.npz"), ("exam.npz", "trained.txt"), ("bundle.json", "model.onnx")]
)
def test_swapped_files_are_refused_by_name(bundle, one, other):
    first, second = (bundle / one).read_bytes(), (bundle / other).read_bytes()
    (bundle / one).write_bytes(second)
    (bundle / other).write_bytes(first)
    assert one in refusal(bundle) or other in refusal(bundle)


@pytest.mark.parametrize("kind", ["file", "folder", "link", "pipe"])
def test_anything_added_is_refused_by_name(bundle, kind):
    import os

    extra = bundle / "extra"
    {
        "file": lambda: extra.write_bytes(b""),
        "folder": extra.mkdir,
        "link": lambda: extra.symlink_to("/etc/passwd"),
        "pipe": lambda: os.mkfifo(extra),
    }[kind]()
    assert "extra" in refusal(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(bundle, name):
    import os

    (bundle / name).unlink()
    os.mkfifo(bundle / name)
    assert name in refusal(bundle)


def test_a_bundle_spoilt_under_a_service_is_refused_and_the_old_one_keeps_serving(
    serving, bundle, colour_bundle, tmp_path
):
    kinds = {"Content-Type": "image/png"}
    statuses, done = [], threading.Event()
    with serving.Process(bundle, log=tmp_path / "log") as one:

        def ask():
            while not done.is_set():
                statuses.append(one.ask("POST", "/api/v1/predict", serving.picture("red"), **kinds)[0])

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for count, name in enumerate(FILES, 1):
                whole = (bundle / name).read_bytes()
                (bundle / name).write_bytes(whole[: len(whole) // 2])
                began = time.monotonic()
                one.process.send_signal(signal.SIGHUP)
                one.until(lambda count=count: len(one.events("swap-refused")) == count)
                assert time.monotonic() - began < 5
                assert name in one.events("swap-refused")[-1]["said"]
                (bundle / name).write_bytes(whole)
            one.process.send_signal(signal.SIGHUP)
            one.until(lambda: len(one.events("serving")) == 2)
        finally:
            done.set()
            asking.join()
    assert set(statuses) == {200}


def test_bundles_sent_to_do_harm_are_refused_before_anything_runs(colour_bundle, colour_model, tmp_path):
    from hostile_bundles import forge, hostile_bundles

    canary, place = tmp_path / "canary", tmp_path / "bundles"
    place.mkdir()
    due = {}
    for name, files, changes, why in hostile_bundles(canary, colour_model):
        forge(place / name, colour_bundle, files, changes)
        due[name] = why
    command = [sys.executable, HERE / "open_each.py", place]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    told = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    wrong = {
        name: told.get(name)
        for name, why in due.items()
        if not told[name]["outcome"].startswith("BundleRefused: ")
        or why not in told[name]["outcome"]
        or told[name]["seconds"] >= 10
        or told[name]["mib"] >= 2048
    }
    assert wrong == {}
    assert len(due) >= 35
    assert not canary.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundles"]


def h5_files(folder):
    """Weights that are none, by name."""
    import os
    import pickle

    import h5py

    class Touch:
        def __reduce__(self):
            return os.system, (f"touch {folder / 'canary'}",)

    (folder / "pickle.h5").write_bytes(pickle.dumps(Touch()))
    (folder / "text.h5").write_bytes(b"nonsense" * 1000)
    with h5py.File(folder / "terabytes.h5", "w") as file:
        file.create_dataset("w", (2**20, 2**20), "f4", chunks=(1024, 1024), compression="gzip")
    with h5py.File(folder / "elsewhere.h5", "w") as file:
        file["w"] = h5py.ExternalLink("/etc/passwd", "/x")
    with h5py.File(folder / "outside.h5", "w") as file:
        file.create_dataset("w", (16,), "u1", external=[("/etc/passwd", 0, 16)])
    with h5py.File(folder / "circle.h5", "w") as file:
        file.create_group("a")["b"] = file["/"]
    whole = (folder / "terabytes.h5").read_bytes()
    (folder / "cut.h5").write_bytes(whole[:400])
    return sorted(folder.glob("*.h5"))


def test_weights_sent_to_do_harm_are_refused_before_keras_sees_them(tmp_path):
    pytest.importorskip("h5py")
    from pawsight.models.weights import check_weights

    for path in h5_files(tmp_path):
        began = time.process_time()
        with pytest.raises(WeightsUnavailable, match=path.name):
            check_weights(path)
        assert time.process_time() - began < 5
    assert not (tmp_path / "canary").exists()
