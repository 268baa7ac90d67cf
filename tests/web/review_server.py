"""A review page of drawn pictures, served in a thread as it is served to people."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from pawsight.core.storage import sha256_of_file
from pawsight.data.label_patch import read_patch
from pawsight.web.review_page import ReviewSession, serve_review

COLOURS = ((220, 40, 40), (40, 90, 220), (40, 170, 70), (230, 190, 40), (150, 60, 190), (90, 90, 90))


def make_session(place: Path, *, classes=("cats", "dogs"), pictures=6, decisions=()) -> ReviewSession:
    """Six pictures that are called the first class; all might be the second, two are copies, one is odd."""
    files, shown = {}, {}
    for number in range(pictures):
        path = place / "data" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            Image.new("RGB", (60 + 10 * number, 40), COLOURS[number % len(COLOURS)]).save(path)
        files[number] = (path, sha256_of_file(path), f"train/{classes[0]}/{number}.png")
        shown[number] = {"path": files[number][2], "label": classes[0], "part": "train"}
        shown[number] |= {"width": 60 + 10 * number, "height": 40}
    board = {
        "name": "runs/001",
        "patch": str(place / "labels.patch.csv"),
        "command": "pawsight train DATA --patch labels.patch.csv",
        "classes": list(classes),
        "total": pictures,
        "pictures": shown,
        "sections": [
            {
                "key": "labels",
                "title": "Likely wrong labels",
                "items": [item(n, pictures, "relabel") for n in range(4)],
            },
            {"key": "duplicates", "title": "Duplicates", "items": [item(4, pictures, "drop")]},
            {"key": "odd", "title": "Odd ones", "items": [item(5, pictures, "keep")]},
        ],
        "left_out": [],
    }
    return ReviewSession(board, files, place / "labels.patch.csv", decisions)


def item(number, pictures, action):
    return {
        "picture": number,
        "suspect": number < 3,
        "action": action,
        "label": 1 if action == "relabel" else None,
        "suggested": 1,
        "score": 0.9,
        "given_probability": 0.03,
        "suggested_probability": 0.97,
        "reason": "a model that has not learnt it says otherwise",
        "beside": [{"picture": (number + 1) % pictures, "note": "61 % alike"}],
    }


@contextmanager
def served(session, serve=serve_review):
    """The address of the page, while it is served."""
    ready, stop, addresses = threading.Event(), threading.Event(), []

    def tell(address):
        addresses.append(address)
        ready.set()

    thread = threading.Thread(target=serve, args=(session,), kwargs={"port": 0, "ready": tell, "stop": stop})
    thread.start()
    try:
        assert ready.wait(20)
        yield addresses[0]
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


class Answer:
    """One answer of the page."""

    def __init__(self, address, path="", *, method="GET", body=None, headers=None):
        place = urlsplit(address)
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
        said = {
            "Host": place.netloc,
            **({"Origin": f"http://{place.netloc}"} if method == "POST" else {}),
            **(headers or {}),
        }
        try:
            full = path if path.startswith("/") else place.path + path
            connection.request(method, full, body, {name: value for name, value in said.items() if value is not None})
            answer = connection.getresponse()
            self.status, self.headers, self.body = answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    @property
    def json(self):
        return json.loads(self.body)


def decide(address, **said):
    """Send one decision."""
    return Answer(address, "decision", method="POST", body=json.dumps(said))


def kept(folder: Path):
    """What the file of decisions says: path, action and label of each."""
    file = folder / "labels.patch.csv"
    return (
        [(decision.path, decision.action, decision.label) for decision in read_patch(file).decisions]
        if file.is_file()
        else []
    )
