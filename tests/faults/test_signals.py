"""Row 11: told to stop, every verb puts things in order, says so in one line, and can be gone on with.

Signals come when the work has come to a moment (`moments.py`), or shown a sign of itself. Processes run in sessions of
their own, so that whatever they started and left behind is found.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from kill_tools import EPOCHS, Place, session_of, started, typed, until
from PIL import Image

from pawsight.cli import cli
from pawsight.core.runs import read_table

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests look into /proc")
needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs pawsight[keras]")

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
BY = {signal.SIGINT: "you", signal.SIGTERM: "the system"}
IN_FLIGHT = 32
both = pytest.mark.parametrize("number", list(STATUS), ids=lambda number: number.name)


def mostly(usual):
    """Both signals, of which one is enough by default: what differs between them is the exit status and a word."""
    marks = {number: () if number == usual else pytest.mark.slow for number in STATUS}
    numbers = [pytest.param(number, marks=marks[number], id=number.name) for number in STATUS]
    return pytest.mark.parametrize("number", numbers)


def check_the_end(process, number):
    """The exit status that shells know, one line, no process left; returns what was printed."""
    out, err = process.communicate(timeout=60)
    (line,) = err.splitlines()
    assert line.startswith(f"pawsight: stopped by {BY[number]}. ")
    assert process.returncode == STATUS[number]
    assert session_of(process) == []
    return out


def again(place, words):
    """Type a command in this process; it has to succeed."""
    result = CliRunner().invoke(cli, words, env=place.environment(), prog_name="pawsight")
    assert result.exit_code == 0, result.output
    return result


def stopped_at(place, words, sign, number):
    """Start training, send a signal once a moment of that kind has come, and check how it ends."""
    process = started(place, words)
    until(lambda: any(sign in what for what in place.moments()), process)
    process.send_signal(number)
    assert check_the_end(process, number) == ""


@both
def test_a_run_without_epochs_that_is_stopped_leaves_nothing(drawings, tmp_path, number):
    place = Place(tmp_path)
    words = typed(drawings, place, "majority")
    stopped_at(place, words, "source.json", number)
    assert list(place.runs.iterdir()) == []
    assert place.left_over() == []
    again(place, [*words, "--resume"])
    assert sorted(path.name for path in place.runs.iterdir()) == ["001", "latest"]


@needs_keras
@pytest.mark.slow
@pytest.mark.parametrize("sign", ["renamed", "step", "half", "checkpoint.npz", "bundle.json", "history.png"])
@both
def test_a_network_that_is_stopped_is_gone_on_with(drawings, tmp_path, monkeypatch, sign, number):
    """While the pixels are written, in the first epoch, at a checkpoint, in the bundle, while it is measured."""
    place = Place(tmp_path)
    words = typed(drawings, place, "cnn")
    stopped_at(place, words, sign, number)
    kept = [name for name in place.left_over() if name.endswith("checkpoint.npz")]
    assert place.left_over() == kept
    assert [path.name for path in place.runs.glob("*")] == (["001"] if kept else [])
    monkeypatch.setattr(tempfile, "tempdir", str(place.temporary))
    again(place, [*words, "--resume"])
    assert sorted(path.name for path in place.runs.iterdir()) == ["001", "latest"]
    assert [int(row["number"]) for row in read_table(place.runs / "001" / "history.csv")] == [*range(1, EPOCHS + 1)]
    trained = re.findall(r" Epoch (\d+) of 3[:,]", (place.runs / "001" / "log.txt").read_text())
    assert len(trained) < EPOCHS if kept else len(trained) == EPOCHS
    assert place.left_over() == []


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A folder with 2,000 names of one red picture."""
    folder = tmp_path_factory.mktemp("many")
    Image.new("RGB", (20, 20), (250, 5, 5)).save(folder / "0000.png")
    for index in range(1, 2000):
        os.link(folder / "0000.png", folder / f"{index:04d}.png")
    return folder


@mostly(signal.SIGINT)
def test_prediction_that_is_stopped_has_printed_whole_lines(colour_bundle, many, tmp_path, number):
    process = started(Place(tmp_path), ["predict", str(colour_bundle), str(many)])
    first = os.read(
        process.stdout.fileno(), 1
    )  # readline would keep lines to itself that communicate then does not see
    process.send_signal(number)
    lines = (first.decode() + check_the_end(process, number)).splitlines()
    assert 1 <= len(lines) < 2000
    assert lines == [f"{many / f'{index:04d}.png'}: red 100.0 %" for index in range(len(lines))]
    assert Place(tmp_path).left_over() == []


@mostly(signal.SIGTERM)
def test_a_work_that_is_stopped_is_gone_on_with_to_the_same_parts(colour_bundle, many, tmp_path, number):
    pytest.importorskip("pyarrow")
    place, out, whole = Place(tmp_path), tmp_path / "out", tmp_path / "whole"
    words = ["predict", str(colour_bundle), str(many), "--shard", "100", "--quiet", "--out"]
    process = started(place, [*words, str(out)])
    until(lambda: list(out.glob("part-*")), process)
    process.send_signal(number)
    assert check_the_end(process, number) == ""
    left = {path.name: path.read_bytes() for path in out.glob("part-*")}
    assert 0 < len(left) < 20
    assert [name for name in os.listdir(out) if name.endswith(".part")] == []
    again(place, [*words, str(out), "--resume"])
    again(place, [*words, str(whole)])
    parts = {path.name: path.read_bytes() for path in out.glob("part-*")}
    assert parts == {path.name: path.read_bytes() for path in whole.glob("part-*")}
    assert left.items() <= parts.items()


@pytest.fixture
def site():
    place = Path(__file__).parents[1] / "data" / "http_server.py"
    spec = importlib.util.spec_from_file_location("pawsight_tests_http_server_of_signals", place)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look themselves up
    spec.loader.exec_module(module)
    with module.running_site() as running:
        yield running


@mostly(signal.SIGINT)
def test_a_download_that_is_stopped_is_gone_on_with(site, drawings, tmp_path, number):
    body = Path(shutil.make_archive(str(tmp_path / "pets"), "zip", drawings)).read_bytes()
    half = len(body) // 2

    def answer(talk):
        talk.serve(body, etag='"one"', stop_after=None if talk.turn else half)
        if not talk.turn:
            talk.stall()

    place, words = Place(tmp_path / "place"), ["inspect", site.page("/pets.zip", answer), "--quiet"]
    process = started(place, words)
    until(lambda: any(path.stat().st_size for path in place.cache.rglob("*.zip.part")), process)
    process.send_signal(number)
    assert check_the_end(process, number) == ""
    assert not [path for path in place.cache.rglob("*.zip") if not path.name.startswith(".")]
    (left,) = (path.stat().st_size for path in place.cache.rglob("*.zip.part"))
    assert 0 < left <= half
    again(place, words)
    assert site.ranges() == [None, f"bytes={left}-"]
    assert [path.name for path in place.cache.rglob("*.part*")] == []


@pytest.fixture
def serve(serving, colour_bundle, tmp_path):
    """A service of one's own; it is gone after the test."""
    limits = {"receive_seconds": 2, "decoders": 2, "decode_seconds": 2}
    with serving.Process(colour_bundle, log=tmp_path / "log", limits=limits) as one:
        yield one


class Client(threading.Thread):
    """Sends a request in two pieces, the second when it is let; keeps what comes back until the connection ends."""

    def __init__(self, port, body, go):
        super().__init__(daemon=True)
        lines = ("POST /api/v1/predict HTTP/1.1", "Host: 127.0.0.1", "Content-Type: image/png")
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        self._line = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._line.sendall(head.encode() + body[:20])
        self._rest, self._go, self.answer = body[20:], go, b""

    def run(self):
        with self._line:
            if self._go is not None:
                self._go.wait(20)
                self._line.sendall(self._rest)
            while data := self._line.recv(65536):
                self.answer += data

    @property
    def status(self):
        return int(self.answer.split()[1])


@pytest.mark.parametrize("stuck", ["client", pytest.param("decoder", marks=pytest.mark.slow)])
@mostly(signal.SIGTERM)
def test_what_is_under_way_is_answered_before_a_service_stops(serve, serving, number, stuck):
    """32 requests and one more: its client never sends the rest, or its decoder, of two, does not move any more."""
    body, go = serving.picture("green"), threading.Event()
    goes_on = [go] * IN_FLIGHT + [None if stuck == "client" else go]
    clients = [Client(serve.port, body, item) for item in goes_on]
    for client in clients:
        client.start()
    serve.until(lambda: f"pawsight_held_bytes {20.0 * len(clients)}" in serve.ask("GET", "/metrics")[1])
    decoders = serving.children(serve.process.pid)
    if stuck == "decoder":
        os.kill(decoders[0], signal.SIGSTOP)
    serve.process.send_signal(number)
    serve.until(lambda: serve.events("stopping"))
    go.set()
    for client in clients:
        client.join(30)
    assert sorted(client.status for client in clients) == [200] * IN_FLIGHT + [408 if stuck == "client" else 422]
    assert sum(b'"label": "green"' in client.answer for client in clients) == IN_FLIGHT
    assert serve.process.wait(30) == 0
    assert decoders
    assert not [pid for pid in decoders if serving.is_running(pid)]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", serve.port), timeout=2)
