"""The floor: bare JPEG decoding and bare OpenVINO inference of the same pictures, as quick as we know to write it.

usage: python benchmarks/floor.py FOLDER MODEL.onnx PX [--threads 1] [--streams 2]

No hash, no check, no order, no answer kept: decoding threads hand their squares to an asynchronous queue of requests
as soon as one is free. Prints one JSON object: pictures, seconds of the work, seconds with loading and compiling.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np
import openvino
from PIL import Image

from pawsight.core.machine import this_machine

BEGUN = time.perf_counter()
PICTURES = (".jpg", ".jpeg", ".png")


def decoded(path: Path, side: int) -> np.ndarray:
    """Decode as a bundle does: reduced while decoding where the target is small, stretched to a square."""
    with Image.open(path) as image:
        image.draft("RGB", (side, side))
        square = image.convert("RGB") if image.mode != "RGB" else image
        return np.asarray(square.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0))[None]


def queue_for(model: str, side: int, streams: int) -> openvino.AsyncInferQueue:
    core = openvino.Core()
    graph = core.read_model(model)
    graph.reshape([1, side, side, 3])
    precision = "bf16" if this_machine().bfloat16 == "AMX" else "f32"
    settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": str(streams)}
    return openvino.AsyncInferQueue(core.compile_model(graph, "CPU", settings), 2 * streams)


def work(files: Iterator[Path], take: Lock, give: Lock, queue: openvino.AsyncInferQueue, side: int) -> int:
    """Decode and hand over until no file is left; returns how many."""
    count = 0
    while True:
        with take:
            path = next(files, None)
        if path is None:
            return count
        pixels = decoded(path, side)
        with give:  # the queue's choice of a free request is not made for two callers
            queue.start_async({0: pixels})
        count += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("side", type=int)
    parser.add_argument("--threads", type=int, default=this_machine().feeders)
    parser.add_argument("--streams", type=int, default=this_machine().cores)
    asked = parser.parse_args()
    queue = queue_for(asked.model, asked.side, asked.streams)
    start, take, give = time.perf_counter(), Lock(), Lock()
    files = iter(sorted(path for path in asked.folder.rglob("*") if path.suffix.lower() in PICTURES))
    with ThreadPoolExecutor(asked.threads) as pool:
        jobs = [pool.submit(work, files, take, give, queue, asked.side) for _ in range(asked.threads)]
        count = sum(job.result() for job in jobs)
    queue.wait_all()
    end = time.perf_counter()
    print(json.dumps({"pictures": count, "work": end - start, "with_loading": end - BEGUN}))


if __name__ == "__main__":
    main()
