"""What the tests of scale share: little pictures, lists of them, and one Ray for all."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image

COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250)}


def write_pictures(folder: Path, count: int = 12) -> list[Path]:
    """Pictures red, green and blue in turn, none like another, in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(count):
        name = list(COLOURS)[index % 3]
        path = folder / f"{index:02d}-{name}.png"
        Image.new("RGB", (20 + index, 30), tuple(min(255, value + index) for value in COLOURS[name])).save(path)
        paths.append(path)
    return paths


def says(message: object, *words: object) -> bool:
    """Whether a message names all of these: files, numbers, kinds, what to type."""
    return all(str(word) in str(message) for word in words)


def actors() -> list[int]:
    """The process numbers of this process's pool, in order; one that ends while it is looked at is none of them."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "MapBatches" in " ".join(process.cmdline()):
                found.append(process.pid)
    return sorted(found)


def classifier(run: Path):
    """The bundle's files and the run's predictions; the card without the moment at which it was made."""
    files = {path.name: path.read_bytes() for path in (run / "bundle").iterdir()}
    card = json.loads(files.pop("bundle.json"))
    assert all(card.pop(name) for name in ("created", "seal"))  # the seal is over the moment, too
    return files, card, (run / "predictions.csv").read_bytes()


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures")


@pytest.fixture(scope="session")
def long_list(tmp_path_factory):
    """A CSV that lists 4,000 pictures, twelve again and again, and now and then what is none."""
    folder = tmp_path_factory.mktemp("long")
    names = [path.name for path in write_pictures(folder)]
    (folder / "empty.jpg").touch()
    names += ["empty.jpg", "missing.jpg"]
    with (folder / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path"])
        rows.writerows([names[(5 * index) % len(names)]] for index in range(4000))
    return folder / "list.csv"


@pytest.fixture
def environment_of_its_own(tmp_path):
    """Environment variables of a process whose home and temporary folder are this test's, without those of our Ray.

    Ray's sockets lie in the temporary folder and must have short names, while the folders of tests have long ones.
    """
    (tmp_path / "home").mkdir()
    (tmp_path / "temporary").mkdir()
    short = Path(tempfile.gettempdir(), f"paw{os.getpid()}")
    short.symlink_to(tmp_path / "temporary")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    yield inherited | {"HOME": str(tmp_path / "home"), "TMPDIR": str(short)}
    short.unlink()


@pytest.fixture(scope="session")
def ray_of_two():
    """A Ray with two cores, as the pool starts it, for all tests of this folder that one process runs."""
    from pawsight.distributed.ray_actors import ray_running

    with ray_running(None, cores=2) as ray:
        yield ray
