"""A labelling page of drawn pictures, served in a thread as it is served to people; what comes next is easy to foresee."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from pawsight.core.storage import sha256_of_file
from pawsight.data.dataset import Picture
from pawsight.data.facts import Facts
from pawsight.data.label_patch import read_patch
from pawsight.images.quality import ImageStatistics
from pawsight.web.label_page import LabelSession

from .review_server import COLOURS, Answer

ENOUGH = {
    "named": 240,
    "drawn": 44,
    "accuracy": 0.975,
    "interval": [0.93, 0.99],
    "commonest": 0.6,
    "gain": 0.1,
    "gain_interval": [-0.4, 0.6],
    "changed": 0.002,
    "stable": True,
    "pays": False,
}


class Four:
    """Shows four of the pictures that are open, and suggests the name of the last class from the second name on."""

    def __init__(self) -> None:
        self.curve = None

    def next(self, names, is_aside, classes, way):
        if way not in ("auto", "alike", "sure"):
            raise ValueError("no such way")
        rows = np.flatnonzero((names < 0) & ~is_aside)[:4]
        known = len(set(names.tolist()) - {-1}) > 1
        return ("alike" if way == "auto" else way), [(rows, classes - 1 if known else None)] if len(rows) else []

    def progress(self, names):
        return self.curve


def make_session(place: Path, *, pictures=10, copies=1, offered=(), adviser=None) -> LabelSession:
    """Pictures of six colours below `place / data`, the first with copies; the table is `place / labels.csv`."""
    contents = []
    for number in range(pictures):
        path = place / "data" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            Image.new("RGB", (60 + 10 * number, 40), COLOURS[number % len(COLOURS)]).save(path)
        facts = Facts(60 + 10 * number, 40, "PNG", 1, 0, ImageStatistics(120.0, 60.0, 0.3, 40.0, "", 1_000))
        names = [f"data/{number}.png", *(f"data/copy-{copy}.png" for copy in range(copies if not number else 0))]
        contents.append(tuple(Picture(path, name, "", None, sha256_of_file(path), facts) for name in names))
    board = {"name": "data", "table": str(place / "labels.csv"), "command": "pawsight train labels.csv", "left_out": 0}
    return LabelSession(contents, place / "labels.csv", adviser=adviser or Four(), offered=offered, board=board)


def name(address, label, *numbers):
    """Give pictures a name."""
    return send(address, [{"picture": number, "action": "relabel", "label": label} for number in numbers])


def send(address, changes):
    """Send changes."""
    return Answer(address, "decision", method="POST", body=json.dumps(changes))


def kept(place: Path):
    """What the table says: path -> label, or None where a picture is put aside."""
    file = place / "labels.csv"
    if not file.exists():
        return {}
    return {line.path: line.label or None for line in read_patch(file).decisions}
