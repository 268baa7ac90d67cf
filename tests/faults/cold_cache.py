"""Reads a folder of pictures through a cache, once for each line it is sent, and says by digests what it saw.

Enters: on the command line a folder of pictures and an ONNX graph of 8 px with three features; on stdin lines of JSON with
the folder of a cache, and on request what to do to its file first. Leaves: for each line one of JSON: digests of dataset,
features and pixels, and how many features were not in the cache. Does not know: what is right.

All parts are the house's own but the graph, which is a mean colour, so that a round takes a fraction of a second.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pawsight.classifier.engine import Engine
from pawsight.core.cache import Cache
from pawsight.core.progress import SILENT
from pawsight.core.storage import sha256_of
from pawsight.data.dataset import read_dataset
from pawsight.data.folders import find
from pawsight.images.decode import DecodeSettings
from pawsight.training.context import stacked_pixels
from pawsight.training.features import FeatureSink

PX, WIDTH = 8, 3
SPACE = "features/mean colour"


def seen(data: Path, graph: bytes, cache: Path) -> dict[str, object]:
    """Read, see and stack all pictures as training does."""
    settings = DecodeSettings(image_px=PX)
    with Cache(cache / "cache") as store:
        sink = FeatureSink(
            lambda: Engine(graph, image_px=PX, precision="f32", streams=1), cache=store, space=SPACE, width=WIDTH
        )
        dataset = read_dataset(find(data), settings, cache=store, threads=2, sink=sink)
        features = sink.features_of([picture.sha256 for picture in dataset.pictures]).last
    pixels = stacked_pixels(dataset.pictures, settings, cache=cache, threads=2, progress=SILENT)
    return {
        "dataset": sha256_of(repr(dataset).encode()),
        "features": sha256_of(features.tobytes()),
        "pixels": sha256_of(pixels.tobytes()),
        "computed": sink.computed,
    }


def flip(file: Path, place: int) -> None:
    """Flip one bit of a file."""
    data = bytearray(file.read_bytes())
    data[place // 8] ^= 1 << place % 8
    file.write_bytes(data)


def spoil(cache: Path, job: dict[str, object]) -> None:
    """Put a cache's file where it belongs, with a bit flipped or cut."""
    if "whole" in job:
        for file in (cache / "cache").glob("*"):
            file.unlink()
        (cache / "cache" / "entries-1.sqlite").write_bytes(Path(str(job["whole"])).read_bytes()[: job.get("cut")])
    if "flip" in job:
        flip(cache / "cache" / "entries-1.sqlite", int(str(job["flip"])))


def main() -> None:
    data, graph = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        spoil(Path(job["cache"]), job)
        print(json.dumps(seen(data, graph, Path(job["cache"]))), flush=True)


if __name__ == "__main__":
    main()
