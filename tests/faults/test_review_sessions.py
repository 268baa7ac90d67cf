"""Two sessions of the review or the label page on one file: whatever was acknowledged is in the file, through kills and a full disk."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import pawsight
from pawsight.data.label_patch import read_patch

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="needs pawsight[serve]"),
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and mount as POSIX has them"),
]
DECISIONS = 100
KILLS = {"review": 10, "label": 4}  # both write by the same function
KEEP = "keep"


class Session:
    """The page in a process that can be killed."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        script = str(Path(__file__).with_name("review_session.py"))
        environment = os.environ | {"PYTHONPATH": str(Path(pawsight.__file__).parents[1])}
        command = [sys.executable, script, str(folder), str(DECISIONS), kind]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.address = urlsplit(self.process.stdout.readline().strip())

    def decide(self, number: int, action: str, undone: dict[str, str] | None = None) -> int:
        """Return the status of the answer, 0 where there is none."""
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=60)
        try:
            change = {"picture": number, "action": action, "undone": undone}
            if self.kind == "label" and action == KEEP:  # what is not dropped there has a name
                change |= {"action": "relabel", "label": "cats"}
            body = json.dumps([change] if self.kind == "label" else change)
            headers = {"Origin": f"http://{self.address.netloc}"}
            connection.request("POST", f"{self.address.path}decision", body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(params=["review", "label"])
def kind(request):
    return request.param


@pytest.fixture
def sessions(tmp_path, kind):
    """Two pages of one file, at places 0 and 1."""
    pair = [Session(tmp_path, kind), Session(tmp_path, kind)]
    yield pair
    for session in pair:
        session.kill()


def stored(folder: Path) -> dict[str, str]:
    """Path -> action of the file of decisions."""
    file = folder / "labels.patch.csv"
    return {decision.path: decision.action for decision in read_patch(file).decisions} if file.exists() else {}


def name_of(number: int) -> str:
    return f"train/cats/{number}.png"


def test_a_hundred_decisions_by_turns_are_all_there_and_the_last_about_a_picture_stands(sessions, tmp_path, kind):
    for number in range(DECISIONS):
        assert sessions[number % 2].decide(number, "drop") == 200
    assert sessions[0].decide(1, "keep") == 200  # the other session dropped it
    (dropped,) = (row for row in read_patch(tmp_path / "labels.patch.csv").decisions if row.path == name_of(2))
    undone = {"action": "drop", "label": "", "when": dropped.when}
    assert sessions[1].decide(2, "undo", undone | {"action": "keep"}) == 409
    assert sessions[1].decide(2, "undo", undone) == 200
    expected = {name_of(number): "drop" for number in range(DECISIONS)} | {
        name_of(1): "relabel" if kind == "label" else "keep"
    }
    del expected[name_of(2)]
    assert stored(tmp_path) == expected
    hidden = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert hidden == [".labels.patch.csv.lock"]  # removed, it would let both in


def test_what_was_acknowledged_is_there_after_kills_at_random_moments(sessions, tmp_path, kind):
    """Both sessions are sent decisions at once, and now one and now the other is killed while it answers."""
    chance, acknowledged, numbers = random.Random(17), {}, iter(range(DECISIONS))
    for kill in range(KILLS[kind]):
        batch = [next(numbers) for _ in range(DECISIONS // KILLS[kind])]
        threads = []
        for place in (0, 1):

            def decide(session=sessions[place], mine=batch[place::2]):
                for number in mine:
                    if session.decide(number, "drop") == 200:
                        acknowledged[name_of(number)] = "drop"

            threads.append(threading.Thread(target=decide))
        killer = threading.Timer(chance.uniform(0, 0.05), sessions[kill % 2].kill)
        for thread in (*threads, killer):
            thread.start()
        for thread in (*threads, killer):
            thread.join()
        assert acknowledged.items() <= stored(tmp_path).items()
        sessions[kill % 2] = Session(tmp_path, kind)
    counted = Counter(stored(tmp_path).values())
    assert len(acknowledged) >= DECISIONS // 2  # of the session that is not being killed
    assert len(acknowledged) <= counted["drop"] <= DECISIONS
    assert sessions[0].decide(0, "keep") == sessions[1].decide(1, "keep") == 200  # no lock of the dead is left


def test_a_full_disk_refuses_a_decision_and_keeps_the_others(tmp_path, kind):
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if (
        importlib.util.find_spec("resource") is None
        or subprocess.run(words, capture_output=True, check=False).returncode
    ):
        pytest.skip("no disk may be mounted here")
    session = None
    try:
        session = Session(disk, kind)
        assert [session.decide(number, "drop") for number in range(5)] == [200] * 5
        with (disk / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
        assert [session.decide(number, "drop") for number in range(5, 8)] == [500] * 3
        assert stored(disk) == {name_of(number): "drop" for number in range(5)}
        (disk / "filler").unlink()
        assert session.decide(8, "drop") == 200
        assert stored(disk) == {name_of(number): "drop" for number in (*range(5), 8)}
    finally:
        if session is not None:
            session.kill()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
