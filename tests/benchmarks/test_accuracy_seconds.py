"""What `benchmarks/accuracy_seconds.py` keeps and draws; what it measures takes minutes and runs by hand."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SIZES = {"train": 70, "validation": 15, "test": 15}


@pytest.fixture
def script(monkeypatch, tmp_path):
    """The script, with its results in a folder of the test; its folder is no package."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    module = importlib.import_module("accuracy_seconds")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results.json")
    yield module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


def point(epoch, seconds, validation, test):
    return {"epoch": epoch, "seconds": seconds, "right": {"validation": validation, "test": test}}


def test_a_curve_takes_the_place_of_the_older_one_and_other_pictures_of_all(script, tmp_path):
    results = {}
    for method, seconds in (("last", 9.0), ("auto", 11.0), ("auto", 10.0)):
        script.keep(results, "signs", SIZES, method, [point(0, seconds, 14, 15)])
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept == results
    assert {name: curve["points"][0]["seconds"] for name, curve in kept["signs"]["curves"].items()} == {
        "last": 9.0,
        "auto": 10.0,
    }
    script.keep(results, "signs", SIZES | {"train": 71}, "last", [point(0, 9.0, 14, 15)])
    assert list(results["signs"]["curves"]) == ["last"]


def test_the_picture_is_drawn_of_any_methods_and_two_sets(script, tmp_path):
    curves = {
        method: {"points": [point(epoch, 10.0 * (epoch + number + 1), 10 + epoch, 12) for epoch in range(3)]}
        for number, method in enumerate(script.METHODS)
    }
    sets = {name: {"pictures": SIZES, "curves": curves} for name in ("signs", "photographs")}
    script.draw(sets, tmp_path / "all.png")
    script.draw({"signs": {"pictures": SIZES, "curves": {"auto": curves["auto"]}}}, tmp_path / "one.png")
    for name in ("all.png", "one.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == (1200, 555)


def test_a_report_of_train_gives_the_counts(script):
    part = {"accuracy": 14 / 15, "pictures": 15}
    report = {"split": SIZES | {"seed": 0}, "validation": part, "test": part | {"accuracy": 1.0}}
    assert script.sizes_of(report) == SIZES
    assert script.probe_point(report, 12.34) == point(0, 12.3, 14, 15)
