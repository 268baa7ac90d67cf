"""What the tests of kills and signals share: a training process that can be stopped at its moments.

Enters: folders, what is typed. Leaves: processes and what they came to. Does not know: what should come of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pawsight

EPOCHS = 3
RECIPES = {
    "majority": ["--recipe", "majority", "--image-px", "32"],
    "probe": ["--recipe", "probe", "--backbone", "efficientnet-lite0", "--image-px", "96", "--depth", "last"],
    # The rate is one at which it learns: a network that answers all alike would prove little.
    "cnn": ["--recipe", "cnn", "--image-px", "40", "--batch-size", "8", "--seed", "11", "--learning-rate", "0.0003"],
}


@dataclass(frozen=True)
class Place:
    """A folder in which one process, or several after one another, do all they do."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    @property
    def journal(self) -> Path:
        return self.folder / "moments.txt"

    def environment(self) -> dict[str, str]:
        """The environment of a process that touches nothing but this folder."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        root = str(Path(pawsight.__file__).parents[1])
        return os.environ | {"PYTHONPATH": root, "PAWSIGHT_CACHE": str(self.cache), "TMPDIR": str(self.temporary)}

    def moments(self) -> tuple[str, ...]:
        """What the process has come to so far."""
        return tuple(self.journal.read_text().splitlines()) if self.journal.exists() else ()

    def left_over(self) -> list[str]:
        """Temporary files and folders that somebody should have removed."""
        names = [path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")]
        suspects = (".part", ".lock", "-journal", "checkpoint.npz")
        return [
            name
            for name in names
            if name.endswith(suspects) or "pawsight-" in name or "views" in name or "/.latest" in name
        ]


def typed(data: Path, place: Place, recipe: str, *more: str) -> list[str]:
    epochs = ["--epochs", str(EPOCHS)] if recipe == "cnn" else []
    return ["train", str(data), *RECIPES[recipe], *epochs, "--out", str(place.runs), "--quiet", *more]


def started(
    place: Place, words: list[str], *, deed: str = "go", number: int = 0, share: float = 0.5
) -> subprocess.Popen:
    """Start a process that comes to the moments of `moments.py`, in a session of its own."""
    environment = place.environment()
    place.journal.unlink(missing_ok=True)
    driver = str(Path(__file__).with_name("moments.py"))
    command = [sys.executable, driver, deed, str(number), str(place.journal), str(share), *words]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, start_new_session=True, **streams)


def until(true: Callable[[], object], process: subprocess.Popen, *, seconds: float = 120) -> None:
    """Wait until something is so, while a process runs."""
    last = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < last, "it never came"
        time.sleep(0.002)


def killed(process: subprocess.Popen) -> None:
    """Kill a process as nothing can catch, and wait for its end."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def session_of(process: subprocess.Popen) -> list[int]:
    """The processes that still run in the session that a process began, on Linux; zombies do not run."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split() if folder.name.isdecimal() else []
        except OSError:
            continue
        if fields and fields[3] == str(process.pid) and fields[0] != "Z":
            found.append(int(folder.name))
    return found
