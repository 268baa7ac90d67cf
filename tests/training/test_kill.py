"""Killed at any moment, a run goes on to the same weights.

A process of its own trains and kills itself with SIGKILL, which nothing can catch, at a moment chosen by a seed. Moments
are steps of training, and for every file that is written the instants when it is half there, whole but not renamed, and
renamed. The run is then taken up in this process and compared with one that nobody stopped.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

import pawsight
from pawsight.cli import cli
from pawsight.history import read_history
from pawsight.runs import read_table
from pawsight.training.checkpoint import FILE, load_checkpoint

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[train]"),
    pytest.mark.skipif(sys.platform != "linux", reason="the driver looks into /proc"),
]

EPOCHS = 3
BY_DEFAULT, KILLS = 4, 10
# Kills itself at moment number sys.argv[1], counted from when the run folder has its tables; 0: never. What it types is
# sys.argv[3:]; each moment is written to sys.argv[2].
DRIVER = """
import os, signal, sys
from pathlib import Path
from pawsight.models.quiet import import_keras
import_keras()
import keras
import pawsight.storage as storage
last, journal, typed = int(sys.argv[1]), open(sys.argv[2], "w", buffering=1), sys.argv[3:]
count, begun = 0, False

def moment(what):
    global count
    if begun:
        count += 1
        journal.write(what + "\\n")
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

fsync, rename, step = os.fsync, os.replace, keras.Model.train_on_batch

def half_written(descriptor):
    path = os.readlink(f"/proc/self/fd/{descriptor}")
    if begun and count + 1 == last:
        os.truncate(path, os.path.getsize(path) // 2)
    moment("half " + path)
    moment("whole " + path)

def renamed(source, target, **options):
    global begun
    rename(source, target, **options)
    begun = begun or Path(target).name == "catalog.csv"
    moment("renamed " + str(target))

def stepped(self, *arguments, **options):
    moment("step")
    return step(self, *arguments, **options)

os.fsync, os.replace, keras.Model.train_on_batch = half_written, renamed, stepped
from pawsight.cli import cli
cli(typed, prog_name="pawsight")
"""


@dataclass(frozen=True)
class Bench:
    """A run that nobody stopped, and the moments it had."""

    data: Path
    run: Path
    moments: tuple[str, ...]
    cache: Path


def typed(data, runs, *more):
    options = ["--recipe", "cnn", "--epochs", str(EPOCHS), "--image-px", "40", "--batch-size", "8", "--seed", "11"]
    options += ["--learning-rate", "0.0003"]  # so that it learns: a network that answers all alike would prove little
    return ["train", str(data), *options, "--runs", str(runs), "--quiet", *more]


def in_a_process(folder, data, runs, cache, *, last):
    driver, journal = folder / "driver.py", folder / "moments.txt"
    driver.write_text(DRIVER)
    environment = os.environ | {"PYTHONPATH": str(Path(pawsight.__file__).parents[1]), "PAWSIGHT_CACHE": str(cache)}
    command = [sys.executable, str(driver), str(last), str(journal), *typed(data, runs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=environment)
    return done, tuple(journal.read_text().splitlines())


@pytest.fixture(scope="module")
def bench(drawings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    # Twice: what the first run puts into the cache, no later one writes, and moments are counted by their number.
    for runs in ("cold", "runs"):
        done, moments = in_a_process(folder, drawings, folder / runs, folder / "cache", last=0)
        assert done.returncode == 0, done.stderr
    return Bench(drawings, folder / "runs" / "001", moments, folder / "cache")


def chosen(moments):
    """Return KILLS moments: two inside checkpoints, one inside the bundle, the others anywhere."""
    chance = random.Random(2026)
    numbered = list(enumerate(moments, 1))
    checkpoints = [number for number, what in numbered if what.startswith(("half", "whole")) and FILE in what]
    bundles = [number for number, what in numbered if what.startswith("half") and "bundle" in what]
    steps = [number for number, what in numbered if what == "step"]
    firm = [chance.choice(checkpoints[:2]), chance.choice(steps[5:]), chance.choice(checkpoints[2:])]
    firm.append(chance.choice(bundles))
    rest = [number for number, _ in numbered if number not in firm]
    return [*firm, *chance.sample(rest, KILLS - len(firm))]


def weights_of(run):
    """The numbers in the model, sorted: the converter names and orders them as the process it runs in has it."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(run / "bundle" / "model.onnx")
    arrays = [numpy_helper.to_array(one) for one in model.graph.initializer]
    return sorted((array.dtype.str, array.shape, array.tobytes()) for array in arrays)


def history_of(run):
    return [
        {name: value for name, value in row.items() if name != "seconds"} for row in read_table(run / "history.csv")
    ]


def check_the_same(run, bench):
    assert (run / "predictions.csv").read_bytes() == (bench.run / "predictions.csv").read_bytes()
    assert (run / "splits.csv").read_bytes() == (bench.run / "splits.csv").read_bytes()
    assert history_of(run) == history_of(bench.run)
    assert weights_of(run) == weights_of(bench.run)
    one, other = (json.loads((folder / "metrics.json").read_text()) for folder in (run, bench.run))
    assert [one[key] for key in ("validation", "test", "notes", "epochs")] == [
        other[key] for key in ("validation", "test", "notes", "epochs")
    ]


def check_nothing_is_left(run):
    names = [path.relative_to(run.parent).as_posix() for path in run.parent.rglob("*")]
    assert not [name for name in names if name.endswith(".part") or FILE in name or "views" in name]
    assert {path.name for path in run.iterdir()} == {
        *("audit.csv", "bundle", "catalog.csv", "history.csv", "history.png", "history.svg", "log.txt", "tensorboard"),
        *("metrics.json", "predictions.csv", "recipe.toml", "source.json", "splits.csv"),
    }


def epochs_trained(run):
    return [int(number) for number in re.findall(r" Epoch (\d+) of 3[:,]", (run / "log.txt").read_text())]


@pytest.mark.parametrize(
    "number",
    [pytest.param(number, marks=[pytest.mark.slow] if number >= BY_DEFAULT else []) for number in range(KILLS)],
)
def test_a_run_that_is_killed_goes_on_to_the_same_weights(bench, tmp_path, number):
    last = chosen(bench.moments)[number]
    runs = tmp_path / "runs"
    done, moments = in_a_process(tmp_path, bench.data, runs, bench.cache, last=last)
    assert done.returncode == -signal.SIGKILL
    identity = json.loads((runs / "001" / "source.json").read_text())["identity"]
    found = load_checkpoint(runs / "001", identity=identity)
    kept = len(found.history) if found else 0
    begun = -(-moments.count("step") // 4)  # 32 pictures in batches of 8
    assert begun - kept <= 1

    environment = {"PAWSIGHT_CACHE": str(bench.cache)}
    result = CliRunner().invoke(cli, typed(bench.data, runs, "--resume"), env=environment, prog_name="pawsight")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in runs.iterdir()) == ["001", "latest"]
    assert epochs_trained(runs / "001") == list(range(kept + 1, EPOCHS + 1))
    check_the_same(runs / "001", bench)
    check_nothing_is_left(runs / "001")


def test_the_moments_of_a_run_are_those_this_file_is_about(bench):
    """32 pictures in batches of 8, three epochs, a checkpoint each, then the bundle and the tables."""
    assert bench.moments.count("step") == 4 * EPOCHS
    assert sum(FILE in what for what in bench.moments) == 3 * EPOCHS
    renamed = [Path(what.split(" ", 1)[1]).name for what in bench.moments if what.startswith("renamed")]
    assert renamed[-1] == "latest" or renamed[-1] == "metrics.json"
    assert len(chosen(bench.moments)) == len(set(chosen(bench.moments))) == KILLS
    assert len(read_history(bench.run / "history.csv")) == EPOCHS
    assert len({row["p(cats)"] for row in read_table(bench.run / "predictions.csv")}) > 10


@pytest.mark.slow
def test_a_run_killed_between_its_metrics_and_the_end_is_tidied(bench, tmp_path):
    """Its numbers are there, but so is its checkpoint: taken up, it measures again and trains nothing."""
    after = [number for number, what in enumerate(bench.moments, 1) if what.endswith("metrics.json")][-1]
    done, _ = in_a_process(tmp_path, bench.data, tmp_path / "runs", bench.cache, last=after)
    assert done.returncode == -signal.SIGKILL
    run = tmp_path / "runs" / "001"
    assert (run / FILE).is_file()
    result = CliRunner().invoke(
        cli, typed(bench.data, run.parent, "--resume"), env={"PAWSIGHT_CACHE": str(bench.cache)}, prog_name="pawsight"
    )
    assert result.exit_code == 0, result.output
    assert epochs_trained(run) == []
    check_the_same(run, bench)
    check_nothing_is_left(run)
