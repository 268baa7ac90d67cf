"""Row 1: killed at any moment, a run goes on to the same weights.

Twenty processes train and are killed with SIGKILL, which nothing can catch, at moments chosen by a seed: five by
themselves inside the write of a checkpoint, when a part of its bytes is there or all but no name (`moments.py`), the
others from outside, at some time after the moment came. Each run is then taken up in this process, and compared with
one that nobody stopped.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from kill_tools import EPOCHS, Place, killed, session_of, started, typed, until

from pawsight.cli import cli
from pawsight.core.runs import read_history, read_table
from pawsight.training.checkpoint import FILE, load_checkpoint

needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the driver looks into /proc")

SEED, KILLS, IN_CHECKPOINTS = 2026, 20, 5
BY_DEFAULT = (0,)  # inside the write of a checkpoint; the rest is run by `make faults`


@dataclass(frozen=True)
class Bench:
    """A run that nobody stopped, and the moments it had."""

    data: Path
    run: Path
    moments: tuple[str, ...]


@dataclass(frozen=True)
class Kill:
    """A moment to be killed at."""

    number: int  # of the moment, from 1
    share: float  # of its bytes that a half-written file has, or of 30 ms after which the kill comes from outside
    inside: bool  # at the moment itself


@pytest.fixture(scope="module")
def bench(drawings, once):
    def make(folder):
        place = Place(folder)
        process = started(place, typed(shutil.copytree(drawings, folder / "data"), place, "cnn"))
        _, err = process.communicate(timeout=180)
        assert (process.returncode, err) == (0, "")

    place = Place(once("never killed", make))
    return Bench(place.folder / "data", place.runs / "001", place.moments())


def chosen(moments):
    """Return the kills, those inside checkpoints first."""
    chance = random.Random(SEED)
    numbered = list(enumerate(moments, 1))
    checkpoints = [number for number, what in numbered if what.startswith(("half", "whole")) and FILE in what]
    ending = next(number for number, what in numbered if what.startswith("remove") and what.endswith(FILE))
    inside = [Kill(number, chance.random(), True) for number in sorted(chance.sample(checkpoints, IN_CHECKPOINTS))]
    others = chance.sample(range(1, ending + 1), KILLS - IN_CHECKPOINTS)
    return [*inside, *(Kill(number, chance.random(), False) for number in others)]


def kill(place, words, one):
    """Train and be killed."""
    if one.inside:
        process = started(place, words, deed="die", number=one.number, share=one.share)
        process.communicate(timeout=180)
        assert process.returncode == -signal.SIGKILL
        assert len(place.moments()) == one.number
    else:
        process = started(place, words, deed="go", number=one.number)
        until(lambda: len(place.moments()) >= one.number, process)
        time.sleep(0.03 * one.share)
        killed(process)
    assert session_of(process) == []


def resumed(place, words, monkeypatch):
    """Take the run up in this process, whose temporary files go to the same folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(place.temporary))
    result = CliRunner().invoke(cli, [*words, "--resume"], env=place.environment(), prog_name="pawsight")
    assert result.exit_code == 0, result.output


def weights_of(run):
    """The numbers in the model, sorted: the converter names and orders them as the process it runs in has it."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(run / "bundle" / "model.onnx")
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    return sorted((array.dtype.str, array.shape, array.tobytes()) for array in arrays)


def history_of(run):
    return [
        {name: value for name, value in row.items() if name != "seconds"} for row in read_table(run / "history.csv")
    ]


def check_the_same(run, bench):
    for table in ("predictions.csv", "splits.csv", "catalog.csv", "audit.csv", "recipe.toml"):
        assert (run / table).read_bytes() == (bench.run / table).read_bytes(), table
    one, other = (json.loads((folder / "source.json").read_text()) for folder in (run, bench.run))
    assert one | {"from_run": ""} == other | {"from_run": ""}  # the two lie in different places
    assert history_of(run) == history_of(bench.run)
    assert weights_of(run) == weights_of(bench.run)
    one, other = (json.loads((folder / "metrics.json").read_text()) for folder in (run, bench.run))
    assert [one[key] for key in ("validation", "test", "notes", "epochs")] == [
        other[key] for key in ("validation", "test", "notes", "epochs")
    ]


def check_nothing_is_left(place):
    assert place.left_over() == []
    assert sorted(path.name for path in place.runs.iterdir()) == ["001", "latest"]
    assert (place.runs / "latest").resolve() == (place.runs / "001").resolve()
    assert {path.name for path in (place.runs / "001").iterdir()} == {
        *("audit.csv", "bundle", "catalog.csv", "history.csv", "history.png", "history.svg", "log.txt", "tensorboard"),
        *("metrics.json", "predictions.csv", "recipe.toml", "source.json", "splits.csv"),
    }


def epochs_trained(run):
    return [int(number) for number in re.findall(r" Epoch (\d+) of 3[:,]", (run / "log.txt").read_text())]


def kept_in(run):
    """The number of epochs that a killed run has kept."""
    if not (run / FILE).exists():
        return 0
    identity = json.loads((run / "source.json").read_text())["identity"]
    return len(load_checkpoint(run, identity=identity).history)


@needs_keras
@pytest.mark.parametrize(
    "index",
    [pytest.param(index, marks=[] if index in BY_DEFAULT else [pytest.mark.slow]) for index in range(KILLS)],
)
def test_a_run_that_is_killed_goes_on_to_the_same_weights(bench, tmp_path, monkeypatch, index):
    one, place = chosen(bench.moments)[index], Place(tmp_path)
    words = typed(bench.data, place, "cnn")
    kill(place, words, one)
    kept = kept_in(place.runs / "001")
    begun = -(-place.moments().count("step") // 4)  # 32 pictures in batches of 8
    assert begun - kept <= 1

    resumed(place, words, monkeypatch)
    assert epochs_trained(place.runs / "001") == list(range(kept + 1, EPOCHS + 1))
    check_the_same(place.runs / "001", bench)
    check_nothing_is_left(place)


@needs_keras
def test_the_moments_of_a_run_are_those_this_file_is_about(bench):
    """32 pictures in batches of 8, three epochs, a checkpoint each, then the bundle, the tables and `latest`."""
    assert bench.moments.count("step") == 4 * EPOCHS
    assert sum(FILE in what for what in bench.moments) == 3 * EPOCHS + 1
    names = [f"{what.split()[0]} {Path(what.split()[-1]).name}" for what in bench.moments]
    last = ["renamed metrics.json", "linked .latest.001", "renamed latest", "remove .lock", f"remove {FILE}"]
    assert names[-len(last) :] == last
    kills = chosen(bench.moments)
    assert len(set(kills)) == KILLS
    assert [FILE in bench.moments[item.number - 1] for item in kills[:IN_CHECKPOINTS]] == [True] * IN_CHECKPOINTS
    assert len(read_history(bench.run / "history.csv")) == EPOCHS
    assert len({row["p(cats)"] for row in read_table(bench.run / "predictions.csv")}) > 10


# Instants at which something has one name and not yet the other, beside those that chance finds.
NARROW = {
    "pixels not renamed": lambda what: what.startswith("renamed") and "/pixels/" in what,
    "no table yet": lambda what: what.startswith("half") and "source.json" in what,
    "half a bundle": lambda what: what.startswith("half") and "bundle.json" in what,
    "a bundle and no figures": lambda what: what.startswith("renamed") and what.endswith("/bundle"),
    "figures and a checkpoint": lambda what: what.startswith("renamed") and what.endswith("metrics.json"),
    "latest not renamed": lambda what: what.startswith("linked"),
    "latest set": lambda what: what.startswith("renamed") and what.endswith("latest"),
    "no lock any more": lambda what: what.startswith("remove") and what.endswith(FILE),
}


@needs_keras
@pytest.mark.slow
@pytest.mark.parametrize("instant", NARROW)
def test_a_run_killed_at_a_narrow_instant_is_tidied(bench, tmp_path, monkeypatch, instant):
    number = max(number for number, what in enumerate(bench.moments, 1) if NARROW[instant](what))
    place = Place(tmp_path)
    words = typed(bench.data, place, "cnn")
    kill(place, words, Kill(number, 0.5, True))
    kept = kept_in(place.runs / "001")
    resumed(place, words, monkeypatch)
    assert epochs_trained(place.runs / "001") == list(range(kept + 1, EPOCHS + 1))
    check_the_same(place.runs / "001", bench)
    check_nothing_is_left(place)


def test_a_run_that_is_being_made_is_not_taken_up_by_another_process_until_its_maker_is_killed(
    drawings, tmp_path, monkeypatch
):
    place = Place(tmp_path)
    words = typed(drawings, place, "majority")
    process = started(place, words, deed="wait", number=12)
    until(lambda: len(place.moments()) >= 12, process)
    assert (place.runs / "001" / "source.json").is_file()
    second = CliRunner().invoke(cli, [*words, "--resume"], env=place.environment(), prog_name="pawsight")
    assert (second.exit_code, second.stdout) == (1, "")
    what, _, fix = second.stderr.splitlines()
    assert what.startswith("pawsight: Another process ")
    assert what.endswith(f" {place.runs / '001'}.")
    assert "--resume" in fix
    third = CliRunner().invoke(cli, words, env=place.environment(), prog_name="pawsight")
    assert (third.exit_code, (place.runs / "002" / "metrics.json").is_file()) == (0, True)
    killed(process)
    resumed(place, words, monkeypatch)
    assert place.left_over() == []
    for table in ("predictions.csv", "metrics.json", "splits.csv"):
        assert (place.runs / "001" / table).exists()
    assert (place.runs / "001" / "predictions.csv").read_bytes() == (
        place.runs / "002" / "predictions.csv"
    ).read_bytes()
