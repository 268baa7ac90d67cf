"""Forks, spawned processes and threads: one classifier, many of them, the same numbers, never a hang."""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

import pawsight
from pawsight.classifier import engine
from pawsight.core.errors import PawsightError
from pawsight.core.machine import this_machine

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
PATIENCE_S = 120  # of a hang; no test takes a fraction of it

# Loaded and used before the processes start, so that its threads are there and are not copied.
HEAD = """
import multiprocessing, sys
import numpy as np
import pawsight

classifier = pawsight.load(sys.argv[1])
pictures = np.random.default_rng(0).integers(0, 256, (12, 9, 9, 3), np.uint8)

def answer(_):
    return classifier.predict_proba(pictures)
"""

POOL = """
if __name__ == "__main__":
    here = classifier.predict_proba(pictures)
    with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
        there = pool.map(answer, range(6))
    assert all(np.array_equal(here, table) for table in there)
    assert np.array_equal(here, classifier.predict_proba(pictures))
    print("equal")
"""

SENT = """
def answer_with(sent):
    return sent.predict_proba(pictures), sent.path

if __name__ == "__main__":
    del classifier  # the one that the new process loads by itself
    classifier = pawsight.load(sys.argv[1])
    here = classifier.predict_proba(pictures)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there, path = pool.apply(answer_with, (classifier,))
    assert np.array_equal(here, there)
    print("equal")
"""

LOADER = """
import torch

class Probabilities(torch.utils.data.Dataset):
    def __len__(self):
        return len(pictures)
    def __getitem__(self, index):
        return classifier.predict_proba(pictures[index])[0]

if __name__ == "__main__":
    here = classifier.predict_proba(pictures)
    loader = torch.utils.data.DataLoader(Probabilities(), batch_size=4, num_workers=2, multiprocessing_context="fork")
    assert np.array_equal(here, torch.cat(list(loader)).numpy())
    print("equal")
"""

UNDER_WAY = """
import os
from pawsight.core.errors import PawsightError

stream = classifier._predictor.outputs_of(type("Picture", (), {"decoded": type("Decoded", (), {"pixels": square})})
                                          for square in np.zeros((50, 8, 8, 3), np.uint8))
next(stream)
if os.fork() == 0:
    try:
        next(stream)
    except PawsightError as error:
        print("spawn" in error.fix, flush=True)
    sys.exit()
print(os.wait()[1])
"""

# Such a process ends as Python ends, and not as those of multiprocessing, by os._exit.
ENDS = """
import os

stream = classifier._predictor.outputs_of(type("Picture", (), {"decoded": type("Decoded", (), {"pixels": square})})
                                          for square in np.zeros((50, 8, 8, 3), np.uint8))
next(stream)
for uses_it in (False, True):
    if os.fork() == 0:
        if uses_it:
            answer(0)
        sys.exit()
    print(os.wait()[1])
"""


def run(folder, code, *words):
    script = folder / "script.py"
    script.write_text(HEAD + code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script), *map(str, words)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_a_pool_give_the_same_probabilities(colour_bundle, tmp_path, method):
    assert run(tmp_path, POOL, colour_bundle, method) == ["equal"]


def test_a_classifier_is_sent_to_another_process_by_its_folder(colour_bundle, tmp_path):
    assert run(tmp_path, SENT, colour_bundle) == ["equal"]


def test_workers_of_a_torch_data_loader_give_the_same_probabilities(colour_bundle, tmp_path):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("could not import 'torch'")
    assert run(tmp_path, LOADER, colour_bundle) == ["equal"]


def test_what_was_under_way_before_a_fork_is_refused_and_does_not_hang(colour_bundle, tmp_path):
    assert run(tmp_path, UNDER_WAY, colour_bundle) == ["True", "0"]


def test_a_forked_process_that_used_it_or_did_not_ends_with_status_0(colour_bundle, tmp_path):
    assert run(tmp_path, ENDS, colour_bundle) == ["0", "0"]


def test_an_engine_that_cannot_be_opened_again_says_so(monkeypatch):
    monkeypatch.setattr(engine, "_REOPENING_S", 0.01)
    with pytest.raises(PawsightError, match="spawn"):
        engine._in_time(lambda: time.sleep(1))
    with pytest.raises(ZeroDivisionError):
        engine._in_time(lambda: 1 / 0)


APP = """
import sys
import numpy as np
import pawsight

classifier = pawsight.load({bundle!r})
classifier.predict(np.zeros((9, 9), np.uint8))

def app(environment, start):
    label = classifier.predict(np.full((9, 9, 3), (5, 250, 5), np.uint8))[0]
    start("200 OK", [])
    return [label.encode()]
"""


def test_workers_of_gunicorn_with_preload_answer(colour_bundle, tmp_path):
    if importlib.util.find_spec("gunicorn") is None:
        pytest.skip("could not import 'gunicorn'")
    (tmp_path / "pets.py").write_text(APP.format(bundle=str(colour_bundle)))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    words = ["-m", "gunicorn", "--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "pets:app"]
    with subprocess.Popen([sys.executable, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        try:
            while "Booting worker" not in (line := server.stderr.readline()):
                assert line, "gunicorn has ended"
            for _ in range(4):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S) as answer:
                    assert answer.read() == b"green"
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0


def test_many_threads_share_a_classifier(colour_bundle):
    classifier = pawsight.load(colour_bundle)
    pictures = np.random.default_rng(1).integers(0, 256, (40, 9, 9, 3), np.uint8)
    expected, start = classifier.predict_proba(pictures), Barrier(8)

    def answer(number):
        start.wait()
        order = np.random.default_rng(number).permutation(len(pictures))
        return order, classifier.predict_proba(pictures[order])

    with ThreadPoolExecutor(8) as pool:
        for order, table in pool.map(answer, range(8)):
            assert np.array_equal(table, expected[order])


def test_a_pickle_names_the_folder_and_no_more(colour_bundle):
    classifier = pawsight.load(colour_bundle, max_megapixels=3)
    kept = pickle.dumps(classifier)
    assert len(kept) < 1_000
    again = pickle.loads(kept)
    assert again.path == colour_bundle
    assert list(again.classes_) == list(classifier.classes_)
    assert again._predictor.bundle.card.decode.max_megapixels == 3


@pytest.mark.slow
def test_memory_is_flat_while_eight_threads_predict(trained):
    """PAWSIGHT_LOOP_MINUTES says for how long; the first quarter warms up."""
    import psutil

    minutes = float(os.environ.get("PAWSIGHT_LOOP_MINUTES", "10"))
    classifier, process = pawsight.load(trained.report.run), psutil.Process()
    paths = sorted(trained.data.glob("validation/*/*.jpg"))
    forms = [paths, [path.read_bytes() for path in paths], [np.zeros((90, 120, 3), np.uint8)] * 20, [None, *paths]]
    end = time.monotonic() + 60 * minutes

    def loop(number):
        count = 0
        while time.monotonic() < end:
            classifier.answers(forms[(number + count) % len(forms)])
            count += 1
        return count

    used = []
    with ThreadPoolExecutor(8) as pool:
        loops = [pool.submit(loop, number) for number in range(8)]
        while time.monotonic() < end:
            time.sleep(min(5, 60 * minutes / 40))
            used.append(process.memory_info().rss / 2**20)
    settled = used[len(used) // 4 :]
    half = len(settled) // 2
    print(f"{sum(job.result() for job in loops):,} calls; MiB: {' '.join(f'{value:.0f}' for value in used)}")
    assert np.median(settled[half:]) - np.median(settled[:half]) < 20
    assert process.num_threads() < 8 * 4 * this_machine().cores + 64
