"""Row 3: pictures that change while they are trained on, and files that are none: listed, and never under a wrong label.

What has to come of a folder that changes is what comes of one that was so from the start: the same parts and the same
answers, byte for byte.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from cold_workers import draw
from PIL import Image

from pawsight.cli import cli
from pawsight.core.runs import read_table

PICTURES, ONE_IN = 300, 100
BY_CLASS = PICTURES // 2
RECIPES = {
    "probe": ["--backbone", "efficientnet-lite0", "--image-px", "96", "--depth", "last"],
    "cnn": ["--image-px", "40", "--epochs", "2", "--batch-size", "32"],
}
# Where each is, and the function after whose n-th call the folder is changed.
MOMENTS = {
    "found": ("pawsight.training.run", "found_for", 1),
    "reading": ("pawsight.data.dataset", "read_regular_file", PICTURES // 2),
    "read": ("pawsight.training.run", "read_dataset", 1),
    "epoch": ("pawsight.training.networks", "save_checkpoint", 1),
}
GONE = {"delete": "no such file or directory", "truncate": "truncated"}
CHANGED = GONE | {"replace": "its content is no longer what was read"}

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="such files and names can be made on Linux"),
    pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]"),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Dark and light pictures, 150 of each. Read, never write."""
    return draw(tmp_path_factory.mktemp("drawn") / "data", PICTURES)


@pytest.fixture
def data(drawn, tmp_path):
    return shutil.copytree(drawn, tmp_path / "data")


def typed(data, runs, recipe):
    return ["train", str(data), "--recipe", recipe, *RECIPES[recipe], "--out", str(runs), "--quiet"]


def trained(data, runs, recipe, *options):
    """The run that comes of training here, or what was said instead."""
    result = CliRunner().invoke(cli, [*typed(data, runs, recipe), *options], prog_name="pawsight")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return runs / "001" if result.exit_code == 0 else result


def at(moment, deed, monkeypatch):
    """Let `deed` be done at a moment of training, once."""
    module, name, last = MOMENTS[moment]
    room = importlib.import_module(module)
    plain, calls = getattr(room, name), []

    def hooked(*arguments, **options):
        result = plain(*arguments, **options)
        calls.append(name)
        if len(calls) == last:
            deed()
        return result

    monkeypatch.setattr(room, name, hooked)


def victims(*places):
    """Names of pictures by deed: one in a hundred, near these places in the order of reading."""
    chance = random.Random(3)
    names = [f"{('dark', 'light')[number >= BY_CLASS]}" for number in range(PICTURES)]
    numbers = [number for half in (0, 1) for number in range(half, PICTURES, 2)]
    chosen = [chance.randrange(place, place + 20) for place in places]
    return [f"{names[choice]}/{numbers[choice]:03}.png" for choice in chosen]


def spoil(data, by_deed):
    """Do to each picture what its deed says; what replaces one is a picture of the other class."""
    for deed, name in by_deed:
        path = data / name
        if deed == "delete":
            path.unlink()
        elif deed == "truncate":
            os.truncate(path, path.stat().st_size // 2)
        else:
            noise = np.random.default_rng(len(name) + path.stat().st_size).integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(noise).save(path.with_suffix(".new"), "PNG")
            path.with_suffix(".new").replace(path)


def check_left_out(run, expected):
    rows = read_table(run / "catalog.csv")
    assert {row["path"]: row["left_out"] for row in rows if row["left_out"]} == expected
    assert {Path(row["path"]).parent.name for row in rows if not row["left_out"]} == {"dark", "light"}
    assert all(row["label"] == Path(row["path"]).parent.name for row in rows if not row["left_out"])


def check_the_same(run, other):
    for table in ("splits.csv", "predictions.csv"):
        assert (run / table).read_bytes() == (other / table).read_bytes(), table


DEFAULT = {("probe", "reading")}  # that a network notices what changed, tests/training/test_context.py says as well


@pytest.mark.parametrize(
    ("recipe", "moment"),
    [
        pytest.param(recipe, moment, marks=[] if (recipe, moment) in DEFAULT else [pytest.mark.slow])
        for recipe in RECIPES
        for moment in MOMENTS
        if (recipe, moment) != ("probe", "epoch")  # it has none
    ],
)
def test_pictures_that_change_are_listed_and_the_rest_is_learnt(
    recipe, moment, data, drawn, cache_folder, tmp_path, monkeypatch
):
    early, late = (list(zip(CHANGED, victims(*places), strict=True)) for places in ((20, 60, 100), (200, 240, 270)))
    assert len(late) == PICTURES // ONE_IN
    changed = early + late if moment == "reading" else late
    at(moment, lambda: spoil(data, changed), monkeypatch)
    run = trained(data, tmp_path / "runs", recipe)
    monkeypatch.undo()
    monkeypatch.setenv("PAWSIGHT_CACHE", str(cache_folder))

    counterpart = shutil.copytree(drawn, tmp_path / "counterpart")
    expected = {}
    if moment in ("found", "reading"):
        spoil(counterpart, late)
        expected = {name: GONE[deed] for deed, name in late if deed in GONE}
    if moment == "reading" and recipe == "cnn":  # what was read before is looked at again when it is decoded
        expected |= {name: f"changed while being used: {CHANGED[deed]}" for deed, name in early}
        spoil(counterpart, [("delete", name) for _, name in early])
    if moment == "read" and recipe == "cnn":
        expected = {name: f"changed while being used: {CHANGED[deed]}" for deed, name in late}
        spoil(counterpart, [("delete", name) for _, name in late])
    check_left_out(run, expected)
    check_the_same(run, trained(counterpart, tmp_path / "others", recipe))


@pytest.mark.parametrize(
    ("recipe", "moment"), [("probe", "read"), pytest.param("cnn", "epoch", marks=pytest.mark.slow)]
)
def test_a_class_that_is_renamed_after_it_was_read_changes_nothing(
    recipe, moment, data, drawn, cache_folder, tmp_path, monkeypatch
):
    at(moment, lambda: (data / "light").rename(data / "bright"), monkeypatch)
    run = trained(data, tmp_path / "runs", recipe)
    assert (data / "bright").is_dir()
    check_left_out(run, {})
    monkeypatch.undo()
    monkeypatch.setenv("PAWSIGHT_CACHE", str(cache_folder))
    check_the_same(run, trained(drawn, tmp_path / "others", recipe))


def test_of_a_class_that_is_renamed_while_it_is_read_the_rest_is_listed(data, cache_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(MOMENTS, "reading", (*MOMENTS["reading"][:2], 60))
    at("reading", lambda: (data / "dark").rename(data / "gloomy"), monkeypatch)
    run = trained(data, tmp_path / "runs", "probe", "--allow-missing", "50%")
    rows = read_table(run / "catalog.csv")
    out = {row["path"] for row in rows if row["left_out"] == "no such file or directory"}
    assert len(rows) == PICTURES
    assert 60 < len(out) <= BY_CLASS - 60
    assert {Path(name).parent.name for name in out} == {"dark"}
    check_left_out(run, dict.fromkeys(out, "no such file or directory"))


@pytest.mark.parametrize(
    ("recipe", "moment", "reason"),
    [
        ("probe", "found", "no such file or directory"),
        pytest.param("cnn", "read", "changed while being used: no such file or directory", marks=pytest.mark.slow),
    ],
)
def test_a_class_that_is_gone_before_it_is_read_is_named(
    recipe, moment, reason, data, cache_folder, tmp_path, monkeypatch
):
    at(moment, lambda: (data / "light").rename(data / "bright"), monkeypatch)
    result = trained(data, tmp_path / "runs", recipe)
    assert result.exit_code == 1
    what, why, _ = result.stderr.splitlines()
    assert what.startswith(f"pawsight: Class 'light' in {data} ")
    assert f"150 .png ({reason})" in why
    assert not list((tmp_path / "runs").glob("*"))


def without_privilege():
    """What to type before a command so that root, too, may not read what its mode forbids."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and there is no setpriv here to take that away")
    taken = "-dac_override,-dac_read_search"
    return ["setpriv", f"--inh-caps={taken}", f"--bounding-set={taken}"]


def test_files_that_are_no_pictures_are_listed_and_nobody_waits_for_them(data, tmp_path):
    dark, light = data / "dark", data / "light"
    long, odd = "x" * 251 + ".png", os.fsdecode(b"caf\xe9 \xff.png")
    (dark / "000.png").rename(dark / long)
    (light / "001.png").rename(light / odd)
    (dark / "002.png").chmod(0)
    (light / "cut.png").write_bytes((light / "003.png").read_bytes()[:100])
    os.mkfifo(dark / "pipe.jpg")
    (light / "loop.jpg").symlink_to("loop.jpg")
    (light / "nowhere.jpg").symlink_to("gone.jpg")
    (dark / "again").symlink_to("..")
    (light / "x.jpg").mkdir()
    words = ["train", data, "--recipe", "majority", "--image-px", "32", "--out", tmp_path / "runs"]
    command = [*without_privilege(), sys.executable, "-m", "pawsight", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    rows = read_table(tmp_path / "runs" / "001" / "catalog.csv")
    left_out = {row["path"]: row["left_out"] for row in rows if row["left_out"]}
    assert left_out.pop("dark/again").startswith("a link to a folder")
    assert left_out == {
        "dark/002.png": "permission denied",
        "dark/pipe.jpg": "not a regular file",
        "light/cut.png": "truncated",
        "light/loop.jpg": "too many levels of symbolic links",
        "light/nowhere.jpg": "no such file or directory",
        "light/x.jpg": "an empty folder",
    }
    assert {row["path"]: row["label"] for row in rows}.items() >= {
        f"dark/{long}": "dark",
        f"light/{odd}": "light",
    }.items()
    assert sum(row["left_out"] == "" for row in rows) == PICTURES - 1
