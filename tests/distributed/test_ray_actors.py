"""Ray: the same bits as without it, every picture once, whoever dies on the way; nobody outside is told or let in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from pawsight.classifier.bundle import GoldenOutputs, read_bundle
from pawsight.cli.process import quiet_libraries
from pawsight.commands.predict import predict_to
from pawsight.core.errors import BundleRefused, PawsightError
from pawsight.core.progress import SILENT
from pawsight.distributed.answer_folder import begin, opened
from pawsight.distributed.path_lists import paths_of
from pawsight.distributed.ray_actors import Pool, error_from_ray
from pawsight.distributed.worker import parts_by_pool, parts_here

from .conftest import actors, says


@pytest.fixture
def work(colour_bundle, long_list, tmp_path):
    """4,000 pictures in 40 parts."""
    begin(
        tmp_path / "out",
        paths_of([str(long_list)]),
        bundle="b" * 64,
        classes=("red", "green", "blue"),
        shard=100,
        progress=SILENT,
    )
    return opened(tmp_path / "out")


def test_two_actors_make_what_is_missing_with_the_same_bits_as_none(ray_of_two, colour_bundle, work):
    bundle = read_bundle(colour_bundle)
    missing = set(range(40)) - set(range(3, 31))
    for index in range(3, 31):
        work.path(index).touch()
    by_pool = list(parts_by_pool(bundle, work, Pool(actors=2)))
    assert sorted(index for index, _ in by_pool) == sorted(missing)
    assert dict(by_pool) == dict(parts_here(bundle, work))


def test_a_worker_killed_mid_way_is_replaced_and_nothing_is_lost_or_doubled(ray_of_two, colour_bundle, work, capsys):
    bundle = read_bundle(colour_bundle)
    parts = parts_by_pool(bundle, work, Pool(actors=2))
    made = [next(parts)]
    deadline = time.monotonic() + 30
    while len(before := actors()) < 2 and time.monotonic() < deadline:  # the first may be quick, and the second late
        time.sleep(0.05)
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    with quiet_libraries():
        made += list(parts)
    assert sorted(index for index, _ in made) == list(range(40))
    assert dict(made) == dict(parts_here(bundle, work))
    assert capsys.readouterr().out == ""


def test_a_pool_left_early_ends_its_actors(ray_of_two, colour_bundle, work):
    parts = parts_by_pool(read_bundle(colour_bundle), work, Pool(actors=1))
    next(parts)
    parts.close()
    deadline = time.monotonic() + 20
    while actors() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert actors() == []


def test_what_an_actor_refuses_is_told_in_its_own_words(ray_of_two, colour_bundle, work):
    bundle = read_bundle(colour_bundle)
    lying = replace(bundle, golden=GoldenOutputs(bundle.golden.pictures, bundle.golden.probabilities[::-1].copy()))
    with pytest.raises(BundleRefused):
        next(parts_here(lying, work))
    with pytest.raises(PawsightError) as refusal:
        list(parts_by_pool(lying, work, Pool(actors=1)))
    assert "It fails its self-test" in str(refusal.value)


WATCH = """
import json, os, psutil, sys
from pawsight.cli.process import quiet_libraries
from pawsight.commands.predict import predict_to
bundle, pictures, out = sys.argv[1:]
class Listener:
    def stage(self, name, total, unit=""):
        from contextlib import nullcontext
        return nullcontext(self)
    def say(self, line): pass
    def note(self, text): pass
    def advance(self, steps=1):
        if "ray" not in sys.modules or seen: return
        for process in psutil.Process().children(recursive=True):
            for one in process.net_connections("inet"):
                if one.status == "LISTEN": seen.add(one.laddr.ip.removeprefix("::ffff:"))
        stats.append(os.environ["RAY_USAGE_STATS_ENABLED"])
seen, stats = set(), []
with quiet_libraries():
    report = predict_to(bundle, [pictures], out, engine="ray", actors=1, shard=4, progress=Listener())
print(json.dumps([sorted(seen), stats[:1], "RAY_AUTH_TOKEN" in os.environ, report.tally.answered]))
"""


def test_a_ray_of_our_own_listens_on_loopback_alone_and_leaves_nothing_behind(
    colour_bundle, pictures, tmp_path, environment_of_its_own
):
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(colour_bundle), str(pictures[0].parent), str(tmp_path / "out")],
        env=environment_of_its_own,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == [["127.0.0.1"], ["0"], False, 12]
    assert done.stderr == ""
    assert list((tmp_path / "temporary").iterdir()) == []
    assert list((tmp_path / "home").iterdir()) == []


TWICE = """
from pawsight.distributed.ray_actors import ray_running
for _ in range(2):
    with ray_running(None, cores=1) as ray:
        print(int(ray.cluster_resources()["CPU"]))
"""


@pytest.mark.slow
def test_a_process_may_start_ray_again_after_it_ended(environment_of_its_own):
    words = [sys.executable, "-c", TWICE]
    done = subprocess.run(words, env=environment_of_its_own, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["1", "1"]


def test_a_cluster_that_is_not_there_is_said(colour_bundle, pictures, tmp_path, monkeypatch):
    # Ray remembers for good how its first import in a process was told to sign in; the others here use tokens.
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    import ray

    def absent(*_, **__):
        raise ConnectionError("Failed to connect to 127.0.0.1:1.\nand pages more")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", absent)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with pytest.raises(PawsightError) as refusal:
        predict_to(colour_bundle, [pictures[0]], tmp_path / "out", engine="ray", ray_address="127.0.0.1:1")
    assert says(refusal.value.what, "127.0.0.1:1")
    assert says(refusal.value.why, "Failed to connect")
    assert "pages more" not in str(refusal.value)
    assert says(refusal.value.fix, "--engine")


def test_a_pool_that_cannot_go_on_is_told_with_what_to_do():
    told = error_from_ray(
        RuntimeError("Traceback (most recent call last):\n  pages of it\nMemoryError: no room\n"), "Do that."
    )
    assert told.why.endswith("MemoryError: no room")
    assert told.fix == "Do that."


@pytest.mark.parametrize(
    ("pool", "told"),
    [
        (Pool(), "Ray, an actor a core"),
        (Pool(actors=1), "Ray, 1 actor"),
        (Pool(actors=1200, address="auto"), "Ray, 1,200 actors, at auto"),
    ],
)
def test_a_pool_says_what_it_is(pool, told):
    assert str(pool) == told
