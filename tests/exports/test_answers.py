"""The script that lets a runtime answer alone, called here with a runtime of three lines."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pawsight.exports.subprocesses import answers


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Let a made-up runtime answer eleven pictures; returns where the answers lie."""
    sizes = []

    def ask(pictures):
        sizes.append(len(pictures))
        return {"mean": pictures.mean(axis=(1, 2, 3))}

    monkeypatch.setitem(answers.RUNTIMES, "made-up", ("numpy", lambda: lambda path: ask))
    pictures = np.random.default_rng(1).integers(0, 256, (11, 4, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)

    def run(modules):
        monkeypatch.setattr(answers, "sys", SimpleNamespace(modules=modules))
        answers.main("made-up", "model", str(tmp_path / "pictures.npy"), str(tmp_path / "answers.npz"))
        return pictures, sizes, np.load(tmp_path / "answers.npz")

    return run


def test_every_picture_is_answered_in_order_after_one_batch_to_get_going(asked):
    pictures, sizes, told = asked({"numpy": np})
    assert sizes == [8, 8, 3]
    np.testing.assert_allclose(told["output/mean"], pictures.mean(axis=(1, 2, 3)))
    assert str(told["runtime"]) == f"numpy {np.__version__}"
    assert told["pictures_per_second"] > 0


def test_a_runtime_that_is_not_alone_is_not_believed(asked, tmp_path):
    with pytest.raises(SystemExit, match=r"pawsight\.classifier\.bundle .* beside made-up"):
        asked({"numpy": np, "pawsight.classifier.bundle": answers, "pawsights": answers})
    assert not (tmp_path / "answers.npz").exists()


def test_a_runtime_without_a_version_has_its_name():
    assert answers.version_of("no-such-runtime") == "no-such-runtime"


def test_a_package_for_processors_alone_counts_as_the_package(monkeypatch):
    def version(name):
        if name == "tensorflow-cpu":
            return "2.20"
        raise answers.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(answers.importlib.metadata, "version", version)
    assert answers.version_of("tensorflow") == "tensorflow 2.20"
