"""Row 2: whichever write finds the disk full, one line says so, and what stood there stands.

Two ways of being full. A process in which the n-th write fails (`full_disk.py`), for n from 1 until none fails, the
disk staying full or not. And a disk of its own in memory with a given number of bytes left, which needs the right to
mount one: there the system itself says no, also to what is written through maps and by libraries.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import pawsight
from pawsight.core.runs import read_table

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the driver forks and looks into /proc")

SEED, BY_DEFAULT, DISK_MIB = 2026, 4, 64
STEP_KIB = 192  # of disks on which a network is trained, from none on
ONE_LINE = re.compile(
    r"pawsight: Could not (write|make)( [a-z\d, ]+)? (?P<path>/\S+): no space left on device\. "
    r"[\d,]+ bytes are free there\. Make room, then type the same command again\.\n"
)
RECIPES = {
    "majority": ["--recipe", "majority", "--image-px", "32"],
    "probe": ["--recipe", "probe", "--backbone", "efficientnet-lite0", "--image-px", "96", "--depth", "last"],
    "cnn": ["--recipe", "cnn", "--image-px", "40", "--epochs", "2", "--batch-size", "16"],
}


@dataclass
class Ended:
    """What came of one command."""

    status: int
    out: str
    err: str
    failed: list = field(default_factory=list)  # [number, what, path] of each write that failed


class Driver:
    """The process of `full_disk.py`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        words = [sys.executable, str(Path(__file__).with_name("full_disk.py"))]
        environment = os.environ | {"PYTHONPATH": str(Path(pawsight.__file__).parents[1])}
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def type(self, typed: list[str], disk: Path, *, first: int = 0, lasting: bool = True) -> Ended:
        """Type a command; of what it writes below `disk` number `first` fails (0: none)."""
        job = {
            "typed": typed,
            "environment": {"PAWSIGHT_CACHE": str(disk / "cache"), "TMPDIR": str(disk / "tmp")},
            "folder": str(disk),
            "first": first,
            "lasting": lasting,
            "place": str(self.place),
        }
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        texts = [(self.place / name).read_text() for name in ("stdout", "stderr", "journal")]
        return Ended(status, texts[0], texts[1], [json.loads(line) for line in texts[2].splitlines()])

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    one = Driver(tmp_path_factory.mktemp("driver"))
    yield one
    one.close()


def typed(data, disk, recipe):
    return ["train", str(data), *RECIPES[recipe], "--out", str(disk / "runs"), "--quiet"]


@pytest.fixture(scope="module")
def good(driver, drawings, tmp_path_factory):
    """A disk with a good run of each recipe on it, by recipe."""
    made = {}

    def make(recipe):
        if recipe not in made:
            disk = made[recipe] = tmp_path_factory.mktemp("good") / "disk"
            (disk / "tmp").mkdir(parents=True)
            (disk / "cache").mkdir()
            ended = driver.type(typed(drawings, disk, recipe), disk)
            assert (ended.status, ended.err) == (0, "")
            for made_again in ("cache", "pixels"):
                shutil.rmtree(disk / "cache" / made_again, ignore_errors=True)
        return made[recipe]

    return make


def sums(folder):
    """The SHA-256 of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def check_the_refusal(ended, disk):
    """One line with path and bytes, exit status 1, no answer."""
    assert (ended.status, ended.out) == (1, ""), (ended.err, ended.failed)
    told = ONE_LINE.fullmatch(ended.err)
    assert told, ended.err
    assert Path(told["path"]).is_relative_to(disk)


def check_what_stands(disk, before, recipe):
    """The good run as it was, nothing temporary, and under final names only what is whole."""
    runs = disk / "runs"
    assert sums(runs / "001") == before
    assert not [path for path in disk.rglob("*") if path.name.endswith(".part") or path.name.startswith("pawsight-")]
    others = {path.name for path in runs.iterdir()} - {"001", "latest"}
    assert others <= {"002"}
    assert (runs / "latest").resolve().name == "001"
    if others:  # finished but for the link, or with a checkpoint to go on from
        names = {str(path.relative_to(runs / "002")) for path in (runs / "002").rglob("*") if path.is_file()}
        assert "checkpoint.npz" in names or names == set(before)
        check_whole(runs / "002", recipe, before)
    check_cache(disk / "cache")


def check_whole(run, recipe, before):
    for table in ("splits.csv", "catalog.csv", "recipe.toml"):
        assert not (run / table).exists() or hashlib.sha256((run / table).read_bytes()).hexdigest() == before[table]
    if (run / "bundle").exists():
        from pawsight.classifier.bundle import read_bundle

        read_bundle(run)
    if (run / "checkpoint.npz").exists():
        from pawsight.training.checkpoint import load_checkpoint

        identity = json.loads((run / "source.json").read_text())["identity"]
        assert load_checkpoint(run, identity=identity) is not None
    assert recipe == "cnn" or not (run / "checkpoint.npz").exists()


def check_cache(cache):
    import numpy as np

    for pixels in cache.glob("pixels/*/pixels.npy"):
        assert np.load(pixels, mmap_mode="r")[-1].any()


def check_it_goes_on(driver, data, disk, recipe, good):
    """With room again the same command, with --resume, gives what it always gave."""
    ended = driver.type([*typed(data, disk, recipe), "--resume"], disk)
    assert (ended.status, ended.err) == (0, "")
    latest = disk / "runs" / "latest"
    assert read_table(latest / "predictions.csv") == read_table(good / "runs" / "001" / "predictions.csv")
    assert not (latest / ".lock").exists()


def one_write(driver, data, good, recipe, place, *, first, lasting, goes_on=False):
    """Let one write fail on a copy of the good disk, and check all; None when there is no such write."""
    disk = shutil.copytree(good, place / f"{recipe}-{first}-{lasting}" / "disk", symlinks=True)
    before = sums(good / "runs" / "001")
    ended = driver.type(typed(data, disk, recipe), disk, first=first, lasting=lasting)
    if not ended.failed:
        assert (ended.status, ended.err) == (0, "")
        assert (disk / "runs" / "latest").resolve().name == "002"
        return None
    check_the_refusal(ended, disk)
    check_what_stands(disk, before, recipe)
    if goes_on:
        check_it_goes_on(driver, data, disk, recipe, good)
    shutil.rmtree(disk)
    return ended.failed[0][1:]


def test_a_few_writes_that_fail_leave_one_line_and_what_stood(driver, drawings, good, tmp_path):
    """By default the first, and a few that a seed chooses, of the cheapest recipe."""
    chance = random.Random(SEED)
    numbers = [1, *chance.sample(range(2, 55), BY_DEFAULT - 1)]
    failed = [
        one_write(driver, drawings, good("majority"), "majority", tmp_path, first=n, lasting=n % 2 == 0, goes_on=n == 1)
        for n in numbers
    ]
    assert None not in failed


@pytest.mark.slow
@pytest.mark.parametrize("lasting", [True, False], ids=["stays full", "once"])
@pytest.mark.parametrize("recipe", ["majority", "probe"])
def test_every_write_that_fails_leaves_one_line_and_what_stood(driver, drawings, good, tmp_path, recipe, lasting):
    """For n from 1 until none fails."""
    seen, first = [], 1
    while True:
        options = {"first": first, "lasting": lasting, "goes_on": first % 7 == 1}
        failed = one_write(driver, drawings, good(recipe), recipe, tmp_path, **options)
        if failed is None:
            break
        seen.append(failed)
        first += 1
    kinds = {what for what, _ in seen}
    assert kinds == {"open", "write", "sync", "mkdir", "rename", "link", "transaction"}
    names = {Path(path).name for _, path in seen}
    assert names >= {"metrics.json", "bundle", "latest", "cache", "entries-1.sqlite"}
    print(f"{recipe}, {'stays full' if lasting else 'once'}: {len(seen)} writes")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own, in memory; skips where one may not be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "none", str(place)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False, timeout=20)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip(f"no disk may be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=20)


def left_over(disk, kib):
    """Fill a disk but for so many KiB, and return the file that does it."""
    filler = disk.parent / "filler"
    size = shutil.disk_usage(disk).free - 1024 * kib
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    assert shutil.disk_usage(disk).free // 1024 == kib
    return filler


def on_a_small_disk(command, driver, data, good, recipe, small_disk, kib, *, goes_on=False):
    """Train with so much room; True when that was enough."""
    disk = shutil.copytree(good, small_disk / "disk", symlinks=True)
    filler = left_over(disk, kib)
    ended = command(typed(data, disk, recipe), disk)
    filler.unlink()
    if ended.status == 0:
        assert (disk / "runs" / "latest").resolve().name == "002"
    else:
        check_the_refusal(ended, disk)
        check_what_stands(disk, sums(good / "runs" / "001"), recipe)
        if goes_on:
            check_it_goes_on(driver, data, disk, recipe, good)
    shutil.rmtree(disk)
    return ended.status == 0


@pytest.mark.parametrize("kib", [0, 24, 64])
def test_a_small_disk_that_is_full_is_told_in_one_line(driver, drawings, good, small_disk, kib):
    """At 0 KiB there is no room for the cache, at 24 for what it stores, at 64 for the run."""
    assert not on_a_small_disk(driver.type, driver, drawings, good("majority"), "majority", small_disk, kib)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["majority", "probe"])
def test_a_small_disk_is_told_in_one_line_until_it_is_large_enough(driver, drawings, good, small_disk, recipe):
    kib, options = 0, (driver.type, driver, drawings, good(recipe), recipe, small_disk)
    while not on_a_small_disk(*options, kib, goes_on=kib % 16 == 0):
        kib += 4 if recipe == "majority" else 256
    print(f"{recipe}: {kib} KiB were enough")
    assert kib > 0  # every smaller disk was refused as `on_a_small_disk` checks


# What else writes: the words after the verb, where RUN, DATA, PETS and DISK stand for what there is.
VERBS = {
    "an archive unpacked": "train PETS --recipe majority --image-px 32 --out DISK/runs",
    "the sample drawn": "inspect sample",
    "answers in parts": "predict RUN DATA/validation --out DISK/answers",
    "heat maps": "explain RUN DATA/validation/cats -o DISK/seen",
    "an audit": "inspect DATA --report --out DISK/audit",
    "a preview": "preview DATA --out DISK/preview",
    "an export": "export RUN --to onnx --out DISK/export",
    "a report": "report RUN --quick --out DISK/report",
    "a ladder": "ladder DATA --recipes majority --out DISK/runs",
    "a look at the test set": "evaluate RUN --test",
}


@pytest.mark.parametrize("written", VERBS)
def test_whatever_a_verb_writes_to_a_full_disk_is_told_in_one_line(
    driver, drawings, good, small_disk, tmp_path, written
):
    disk = shutil.copytree(good("majority"), small_disk / "disk", symlinks=True)
    before = sums(disk)
    pets = shutil.make_archive(str(tmp_path / "pets"), "zip", drawings)
    places = {"RUN": disk / "runs" / "001", "DATA": drawings, "PETS": pets, "DISK": disk}
    words = re.sub("RUN|DATA|PETS|DISK", lambda found: str(places[found[0]]), VERBS[written]).split()
    left_over(disk, 0)
    ended = driver.type([*words, "--quiet"], disk)
    check_the_refusal(ended, disk)
    kept = {name: digest for name, digest in sums(disk).items() if not name.startswith("cache/cache/")}
    kept.pop("runs/001/.looks.json.lock", None)  # empty; it stays, so that only one process at a time counts
    assert kept == before


def in_a_process(words, disk):
    """Type a command in a process of its own: TensorFlow does not survive a fork."""
    environment = os.environ | {"PAWSIGHT_CACHE": str(disk / "cache"), "TMPDIR": str(disk / "tmp")}
    command = [sys.executable, "-m", "pawsight", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")
def test_a_network_on_a_small_disk_is_told_in_one_line_until_it_is_large_enough(driver, drawings, good, small_disk):
    """Through checkpoints, the converter's temporary files, TensorBoard's events and charts."""
    kib, tried = 0, 0
    while not on_a_small_disk(
        in_a_process, driver, drawings, good("cnn"), "cnn", small_disk, kib, goes_on=kib % 768 == 0
    ):
        kib, tried = kib + STEP_KIB, tried + 1
    assert tried >= 10
    print(f"cnn: {kib} KiB were enough")
