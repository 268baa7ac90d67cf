"""What the tests of the cache share: a small folder of pictures, and processes that look at it through a cache.

Enters: a folder to draw into; jobs. Leaves: pictures, and what each process says of them. Does not know: what is right.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import pawsight

SCRIPT = Path(__file__).with_name("cold_cache.py")


def draw(folder: Path, count: int = 24) -> Path:
    """Write pictures of noise, dark ones and light ones, half of each; equal at every call."""
    chance = np.random.default_rng(4)
    for number in range(count):
        kind = ("dark", "light")[number % 2]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        noise = chance.integers(0, 100, (24, 24, 3), np.uint8) + np.uint8(150 * (number % 2))
        Image.fromarray(noise).save(folder / kind / f"{number:03}.png")
    return folder


class Worker:
    """One process of cold_cache.py."""

    def __init__(self, data: Path, graph: Path) -> None:
        self.data = data
        environment = os.environ | {"PYTHONPATH": str(Path(pawsight.__file__).parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, data, graph],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")

    def __enter__(self) -> Worker:
        assert self.answer(60) == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._listener.join()
        for pipe in (self.process.stdin, self.process.stderr):
            pipe.close()

    def ask(self, cache: Path, **more: object) -> None:
        """Begin to look through a cache."""
        self.process.stdin.write(json.dumps({"cache": str(cache), **more}) + "\n")
        self.process.stdin.flush()

    def answer(self, seconds: float = 30) -> Any:
        """Return what it says within so many seconds; fails where it ended instead."""
        line = self._lines.get(timeout=seconds)
        assert line, f"ended by {self.process.wait()}: {self.process.stderr.read()}"
        return json.loads(line)

    def seen(self, cache: Path, **more: object) -> Any:
        """Look through a cache and return what was seen."""
        self.ask(cache, **more)
        return self.answer()


def same(one: dict[str, object], other: dict[str, object]) -> bool:
    """Say whether two processes saw the same, wherever they had it from."""
    return all(one[key] == other[key] for key in ("dataset", "features", "pixels"))
