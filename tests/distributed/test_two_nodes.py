"""A cluster of two nodes on this machine, one of them killed midway: the bytes of one process, every row once.

The nodes listen on loopback addresses of their own. Each process of a node carries a mark in its environment, so that
a node can be killed as a whole, as a power cut does, and nothing is left behind.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pawsight.commands.predict import predict_to
from pawsight.commands.train import train
from pawsight.distributed.path_lists import paths_of

from ..conftest import BACKBONE, BACKBONE_PX
from .conftest import classifier

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a loopback address for each node"),
]
SOURCE = Path(__file__).parents[2] / "src"
RAY = Path(sys.executable).with_name("ray")
MARK = "PAWSIGHT_TEST_NODE"
START_SECONDS, WORK_SECONDS = 90, 300


class Node:
    """A node of a cluster, started as its owner would and with one core."""

    def __init__(self, address: str, environment: dict[str, str], *words: str) -> None:
        self.mark, self.folder = secrets.token_hex(8), Path(tempfile.mkdtemp(prefix="ray"))  # sockets need short names
        log = self.folder / "start.log"
        few = ("--num-cpus=1", "--num-gpus=0", "--object-store-memory=150000000", "--disable-usage-stats", "--block")
        place = (f"--node-ip-address={address}", f"--temp-dir={self.folder}")
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [RAY, "start", *words, *place, *few],
                env=environment | {MARK: self.mark},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: "Ray runtime started" in log.read_text("utf-8"), START_SECONDS, log, self.process)

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark:
                    found.append(process)
        return found

    def is_at_work(self) -> bool:
        """Whether an actor is in the middle of a part: Ray puts the method into the name of the process."""
        for process in self.processes():
            with suppress(psutil.Error):
                if "MapBatches(_Actor)).submit" in " ".join(process.cmdline()):
                    return True
        return False

    def kill(self) -> None:
        while processes := [process for process in self.processes() if process.status() != psutil.STATUS_ZOMBIE]:
            for process in processes:
                with suppress(psutil.Error):
                    process.kill()
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_until(is_there, seconds, log, process):
    deadline = time.monotonic() + seconds
    while not is_there():
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline, log.read_text("utf-8")
        time.sleep(0.02)


@pytest.fixture
def environment():
    """Environment variables of every process of the cluster: none gets in without the token, all import these sources."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return inherited | token | {"PYTHONPATH": str(SOURCE)}


@pytest.fixture
def cluster(environment):
    """The address of a cluster, and its second node."""
    with socket.socket() as free:
        free.bind(("127.0.0.2", 0))
        address = f"127.0.0.2:{free.getsockname()[1]}"
    nodes = []
    try:
        nodes.append(Node("127.0.0.2", environment, "--head", f"--port={address[10:]}", "--include-dashboard=false"))
        nodes.append(Node("127.0.0.3", environment, f"--address={address}"))
        yield address, nodes[1]
    finally:
        for node in reversed(nodes):
            node.kill()


def run_while_a_node_dies(cluster, environment, tmp_path, *words):
    """Run a verb on the cluster, kill the second node in the middle of a part; return exit status and JSON."""
    address, node = cluster
    log = tmp_path / "progress.txt"
    ray = ("--engine", "ray", "--ray-address", address, "--json")
    with log.open("wb") as file:
        verb = subprocess.Popen(
            [sys.executable, "-m", "pawsight", *map(str, words), *ray],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=file,
        )
    try:
        wait_until(node.is_at_work, WORK_SECONDS, log, verb)
        assert verb.poll() is None
        node.kill()
        answer, _ = verb.communicate(timeout=WORK_SECONDS)
    finally:
        verb.kill()
        verb.wait()
    return verb.returncode, json.loads(answer)


def test_predict_gives_every_row_once(cluster, environment, colour_bundle, long_list, tmp_path):
    pictures = 5 * [str(long_list)]
    words = ("predict", colour_bundle, *pictures, "--out", tmp_path / "ray", "--shard", 100)
    status, report = run_while_a_node_dies(cluster, environment, tmp_path, *words)
    expected = predict_to(colour_bundle, pictures, tmp_path / "local", shard=100).to_json()
    assert status == 1  # the list has pictures that are not there
    assert {name: report[name] for name in ("pictures", "answered", "errors", "parts")} == {
        name: expected[name] for name in ("pictures", "answered", "errors", "parts")
    }
    written = {path.name: path.read_bytes() for path in (tmp_path / "ray").iterdir() if path.name != "_lock"}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "local").iterdir() if path.name != "_lock"}
    parts = sorted((tmp_path / "ray").glob("part-*.parquet"))
    rows = [path for part in parts for path in pq.read_table(part, columns=["path"])["path"].to_pylist()]
    assert rows == list(paths_of(pictures))


def test_train_gives_the_classifier_of_one_process(cluster, environment, tmp_path, monkeypatch):
    rng = np.random.default_rng(4)
    for index in range(960):
        name, low = ("dark", 0) if index % 2 else ("light", 128)
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(low, low + 128, (64, 64, 3)).astype(np.uint8)).save(folder / f"{index:04d}.png")
    options = {"backbone": BACKBONE, "image_px": BACKBONE_PX, "out": tmp_path / "local"}
    words = ("train", tmp_path / "data", "--backbone", BACKBONE, "--image-px", BACKBONE_PX, "--out", tmp_path / "ray")
    fresh = environment | {"PAWSIGHT_CACHE": str(tmp_path / "cache of ray")}
    status, report = run_while_a_node_dies(cluster, fresh, tmp_path, *words)
    monkeypatch.setenv("PAWSIGHT_CACHE", str(tmp_path / "cache of one process"))
    expected = train(tmp_path / "data", **options)
    assert status == 0
    assert classifier(Path(report["run"])) == classifier(expected.run)
