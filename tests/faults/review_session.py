"""One review or label page of drawn pictures, in a process of its own, until it is killed: prints its address.

python review_session.py FOLDER PICTURES KIND
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from PIL import Image

from pawsight.core.storage import sha256_of_file
from pawsight.data.dataset import Picture
from pawsight.data.facts import Facts
from pawsight.data.label_patch import read_patch
from pawsight.images.quality import ImageStatistics
from pawsight.web.label_page import LabelSession, serve_label
from pawsight.web.review_page import ReviewSession, serve_review


def main(folder: Path, pictures: int, kind: str) -> None:
    """Serve the page."""
    (folder / "data").mkdir(exist_ok=True)
    files = {}
    for number in range(pictures):
        path = folder / "data" / f"{number}.png"
        if not path.exists():
            Image.new("RGB", (8, 8), (number, number // 2, 0)).save(path)
        files[number] = (path, sha256_of_file(path), f"train/cats/{number}.png")
    ready = partial(print, flush=True)
    if kind == "label":
        facts = Facts(8, 8, "PNG", 1, 0, ImageStatistics(120.0, 60.0, 0.3, 40.0, "", 1_000))
        contents = [(Picture(path, name, "", None, sha256, facts),) for path, sha256, name in files.values()]
        serve_label(LabelSession(contents, folder / "labels.patch.csv", adviser=None), port=0, ready=ready)
        return
    patch = folder / "labels.patch.csv"
    decisions = read_patch(patch).decisions if patch.exists() else ()
    session = ReviewSession({"classes": ["cats", "dogs"]}, files, patch, decisions)
    serve_review(session, port=0, ready=ready)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
