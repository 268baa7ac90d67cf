"""Row 4: processes that share a cold cache, and holders of its locks that are killed: nothing raised, the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from cold_workers import Worker, draw, same

import pawsight

ROUNDS, BY_DEFAULT = 20, 2
FREE = 30  # seconds within which a dead holder's lock must be free
# Opens the cache sys.argv[1], stores in a transaction without an end, and says so. With few pages in memory it has
# written half of it into the file by then, and only its journal knows what was there before.
HOLDER = """
import sys, time
from pathlib import Path
from pawsight.core.cache import Cache
cache = Cache(Path(sys.argv[1]))
cache.put_many("before", {str(n): bytes(5000) for n in range(200)})
store = cache._store
store.execute("PRAGMA cache_size = 5")
store.execute("BEGIN IMMEDIATE" if sys.argv[2] == "reserved" else "BEGIN EXCLUSIVE")
store.execute("UPDATE entries SET content = randomblob(5000)")
print("held", flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are killed by SIGKILL")


@pytest.fixture(scope="module")
def crew(tmp_path_factory, colour_backbone):
    """`crew(count)`: so many processes, started when so many are first asked for."""
    place, started = tmp_path_factory.mktemp("shared"), []
    (place / "graph.onnx").write_bytes(colour_backbone)
    draw(place / "data", 48)
    with ExitStack() as stack:

        def of(count):
            more = [Worker(place / "data", place / "graph.onnx") for _ in range(len(started), count)]
            started.extend(stack.enter_context(item) for item in more)
            return started[:count]

        yield of


@pytest.fixture(scope="module")
def workers(crew):
    return crew(4)


@pytest.fixture(scope="module")
def alone(workers, tmp_path_factory):
    """What one process sees that has a cache for itself."""
    return workers[0].seen(tmp_path_factory.mktemp("alone"))


def rounds(count):
    return [pytest.param(number, marks=[pytest.mark.slow] if number >= BY_DEFAULT else []) for number in range(count)]


@pytest.mark.parametrize("number", rounds(ROUNDS))
@pytest.mark.parametrize("processes", [4, *(pytest.param(many, marks=pytest.mark.slow) for many in (2, 8))])
def test_processes_that_share_a_cold_cache_see_what_one_sees(crew, workers, alone, tmp_path, processes, number):
    chosen = random.Random(number).sample(crew(max(4, processes)), processes)
    for item in chosen:
        item.ask(tmp_path)
    assert all(same(choice.answer(), alone) for choice in chosen)
    assert workers[0].seen(tmp_path) == alone | {"computed": 0}
    assert not [path for path in tmp_path.rglob("*") if path.match("*.part") or path.match("*-journal")]


@pytest.mark.parametrize("lock", ["reserved", "exclusive"])
def test_a_dead_holder_s_lock_is_free_and_what_it_left_half_done_is_undone(workers, alone, tmp_path, lock):
    environment = os.environ | {"PYTHONPATH": str(Path(pawsight.__file__).parents[1])}
    command = [sys.executable, "-c", HOLDER, tmp_path / "cache", lock]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout.readline() == "held\n"
        for item in workers[:2]:
            item.ask(tmp_path)
        time.sleep(0.5)
        holder.send_signal(signal.SIGKILL)
    assert all(same(worker.answer(FREE), alone) for worker in workers[:2])
    assert workers[2].seen(tmp_path) == alone | {"computed": 0}
    from pawsight.core.cache import Cache

    with Cache(tmp_path / "cache") as cache:
        assert cache.get_many("before", map(str, range(200))) == {str(n): bytes(5000) for n in range(200)}


@pytest.mark.parametrize("number", rounds(ROUNDS))
def test_of_four_one_is_killed_and_the_others_see_what_one_sees(workers, alone, tmp_path, number):
    moment = random.Random(number).uniform(0.0, 0.3)
    victim = Worker(workers[0].data, workers[0].data.with_name("graph.onnx"))
    with victim:
        for item in (victim, *workers[:3]):
            item.ask(tmp_path)
        time.sleep(moment)
    assert all(same(worker.answer(FREE), alone) for worker in workers[:3])
    assert workers[3].seen(tmp_path) == alone | {"computed": 0}
