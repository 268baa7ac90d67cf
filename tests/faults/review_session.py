"""One review page of drawn pictures, in a process of its own, until it is killed: prints its address.

python review_session.py FOLDER PICTURES
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from pawsight.core.storage import sha256_of_file
from pawsight.data.label_patch import read_patch
from pawsight.web.review_page import ReviewSession, serve_review


def main(folder: Path, pictures: int) -> None:
    """Serve the page."""
    (folder / "data").mkdir(exist_ok=True)
    files = {}
    for number in range(pictures):
        path = folder / "data" / f"{number}.png"
        if not path.exists():
            Image.new("RGB", (8, 8), (number, number // 2, 0)).save(path)
        files[number] = (path, sha256_of_file(path), f"train/cats/{number}.png")
    patch = folder / "labels.patch.csv"
    decisions = read_patch(patch).decisions if patch.exists() else ()
    session = ReviewSession({"classes": ["cats", "dogs"]}, files, patch, decisions)
    serve_review(session, port=0, ready=lambda address: print(address, flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
