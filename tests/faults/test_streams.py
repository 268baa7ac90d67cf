"""Every verb with standard output and error that are full, closed or of few letters: the work is done, no traceback."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

import pawsight
from pawsight.cli import cli

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the driver forks and writes to /dev/full")

needs_serve = pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="needs pawsight[serve]")
CAT = "\u732b"  # in no code page of one European country
FULL, CLOSED = "full", "closed"
ENCODINGS = ("cp1252", *(pytest.param(name, marks=pytest.mark.slow) for name in ("iso-8859-1", "ascii")))
# Verb -> words after it, where RUN, OTHER, DATA, PICTURE and OUT stand for what there is, and what must be there then.
VERBS = {
    "train": ("DATA --recipe majority --image-px 32 --out OUT/runs", "OUT/runs/latest/metrics.json"),
    "ladder": ("DATA --recipes majority --out OUT/runs", "OUT/runs/latest/metrics.json"),
    "recipes": ("", ""),
    "predict": ("RUN DATA", ""),
    "predict --out": ("RUN DATA --out OUT/answers", "OUT/answers"),
    "predict --out FILE": ("RUN DATA --top 2 --out OUT/answers.csv", "OUT/answers.csv"),
    "embed": ("DATA --run RUN --out OUT/features.npz", "OUT/features.npz"),
    "explain": ("RUN PICTURE --out OUT/seen", "OUT/seen"),
    "export": ("RUN --to card --out OUT/export", "OUT/export"),
    "evaluate": ("RUN --slices", "RUN/slices.json"),
    "evaluate --test": ("RUN", "RUN/looks.json"),
    "compare": ("RUN OTHER", ""),
    "report": ("RUN --out OUT/report", "OUT/report/report.html"),
    "inspect": ("DATA --report --out OUT/audit", "OUT/audit/audit.csv"),
    "review": ("RUN --json", ""),
    "label": ("DATA --run RUN --json", ""),
    "preview": ("DATA --out OUT/preview", "OUT/preview"),
    "doctor": ("", ""),
}


class Driver:
    """The process of `any_streams.py`."""

    def __init__(self) -> None:
        words = [sys.executable, str(Path(__file__).with_name("any_streams.py"))]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
        )

    def type(self, words: list[str], streams: str, place: Path, cache: str) -> tuple[int, bytes, bytes]:
        """Type a command; return its status and what it printed."""
        place.mkdir(parents=True, exist_ok=True)
        job = {"typed": words, "streams": streams, "place": str(place), "environment": {"PAWSIGHT_CACHE": cache}}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        assert (place / "accidents").read_text() == ""
        return status, *(file.read_bytes() if (file := place / name).exists() else b"" for name in ("stdout", "stderr"))


def environment(**changes):
    return os.environ | {"PYTHONPATH": str(Path(pawsight.__file__).parents[1])} | changes


@pytest.fixture(scope="module")
def driver():
    one = Driver()
    yield one
    one.process.stdin.close()
    one.process.wait(30)
    one.process.stdout.close()


@pytest.fixture(scope="module")
def made(driver, drawings, trained, tmp_path_factory):
    """Data with a class that few encodings can write, and two runs on it."""
    place = tmp_path_factory.mktemp("streams")
    data = shutil.copytree(drawings, place / "data")
    for part in ("train", "validation"):
        (data / part / "cats").rename(data / part / CAT)
    for number, recipe in (
        (1, "--backbone efficientnet-lite0 --image-px 96 --depth last"),
        (2, "--recipe majority --image-px 32"),
    ):
        words = ["train", str(data), *recipe.split(), "--out", str(place / "runs"), "--seed", str(number)]
        assert driver.type(words, "utf-8", place, str(trained.cache))[0] == 0
    return place


@pytest.fixture
def type_verb(driver, made, trained, tmp_path):
    """Type a verb on a copy of the runs; return its status, what it printed, and what it should have made."""

    def type_in(verb, streams):
        place = tmp_path / streams
        shutil.copytree(made / "runs", place / "runs", symlinks=True)
        picture = next((made / "data" / "validation" / CAT).iterdir())
        places = {
            "RUN": place / "runs" / "001",
            "OTHER": place / "runs" / "002",
            "DATA": made / "data",
            "PICTURE": picture,
            "OUT": place / "out",
        }
        words, product = VERBS[verb]

        def filled(word):
            for name, path in places.items():
                word = word.replace(name, str(path), 1) if word.partition("/")[0] == name else word
            return word

        typed = [*verb.split()[:1], *map(filled, words.split()), *(["--test"] if verb.endswith("--test") else [])]
        status, out, err = driver.type(typed, streams, place, str(trained.cache))
        return status, out, err, Path(filled(product)) if product else None

    return type_in


def test_every_verb_is_tried():
    assert {verb.split()[0] for verb in VERBS} | {"serve"} == set(cli.commands)


@pytest.mark.parametrize("verb", VERBS)
def test_streams_that_take_nothing_end_no_work(type_verb, verb):
    """A full one loses the answer, which is an error; a closed one was closed by the caller."""
    for streams, expected in ((FULL, 1), (CLOSED, 0)):
        status, _, _, product = type_verb(verb, streams)
        assert status == expected, streams
        assert product is None or product.exists()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("verb", VERBS)
def test_letters_that_a_stream_cannot_carry_are_escaped(type_verb, verb, encoding):
    status, out, err, product = type_verb(verb, encoding)
    assert status == 0, err
    assert out.decode(encoding)
    assert b"Traceback" not in err
    assert product is None or product.exists()
    assert verb != "inspect" or b"\\u732b" in out


def test_a_full_standard_error_takes_nothing_from_the_answer(made):
    command = [sys.executable, "-m", "pawsight", "predict", str(made / "runs" / "001"), str(made / "data")]
    answers = []
    for errors in (os.devnull, "/dev/full"):
        with Path(errors).open("w") as stream:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stream, check=False, env=environment())
        answers.append((done.returncode, done.stdout))
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][1].count(b"\n")) == (0, 52)


def test_the_loss_of_an_answer_is_told_on_standard_error_and_a_reader_that_goes_is_not():
    command = [sys.executable, "-m", "pawsight", "recipes"]
    reader, broken_pipe = os.pipe()
    os.close(reader)
    for stream, lines in ((os.open("/dev/full", os.O_WRONLY), 1), (broken_pipe, 0)):
        done = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, check=False, env=environment())
        os.close(stream)
        assert (done.returncode, done.stderr.count(b"\n")) == (1, lines)


@needs_serve
@pytest.mark.parametrize(("redirected", "expected"), [(">/dev/full 2>/dev/full", 1), (">&- 2>&- <&-", 0)])
def test_serve_answers_without_streams(colour_bundle, redirected, expected):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = f"exec {sys.executable} -m pawsight serve '{colour_bundle}' --port {port} --json {redirected}"
    with subprocess.Popen(["sh", "-c", command], env=environment()) as process:
        until(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close(), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == expected


@needs_serve
def test_review_takes_decisions_without_a_standard_error(made, trained, tmp_path):
    run = shutil.copytree(made / "runs" / "001", tmp_path / "001")
    command = f"exec {sys.executable} -m pawsight review '{run}' --no-browser 2>/dev/full"
    changes = environment(PAWSIGHT_CACHE=str(trained.cache))
    with subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True, env=changes) as process:
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
        state = json.loads(urllib.request.urlopen(f"{address}state", timeout=20).read())
        body = json.dumps({"picture": state["board"]["sections"][0]["items"][0]["picture"], "action": "keep"}).encode()
        origin = address.rpartition("/")[0].rpartition("/")[0]
        urllib.request.urlopen(
            urllib.request.Request(f"{address}decision", body, {"Origin": origin}), timeout=20
        ).close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert (run / "labels.patch.csv").read_text().count("keep") == 1


def until(true, process):
    last = time.monotonic() + 60
    while time.monotonic() < last:
        assert process.poll() is None
        with suppress(OSError):
            return true()
        time.sleep(0.05)
    raise AssertionError("it never came")
