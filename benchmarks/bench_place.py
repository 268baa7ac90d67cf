"""The pictures that are timed, and copies of them: a folder, an archive, or drawings where there are no photographs.

Enters: what the user named. Leaves: a `Place` with a trained run and a warm cache in it. Does not know: what is timed.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from first_light import other_bytes
from processes import PAWSIGHT, python, run

SUFFIXES = (".jpg", ".jpeg", ".png")
IN_A_FOLDER = 1000  # as people keep them, rather than a hundred thousand beside each other
DRAWN_EACH = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where all is measured."""

    folder: Path  # of the pictures, with class folders somewhere below
    given: Path  # what is handed to train: the folder, or the archive as it was given
    work: Path  # room for copies, runs and caches
    drawn: bool

    @property
    def cache(self) -> Path:
        """The cache that stays warm."""
        return self.work / "cache"

    @property
    def runs(self) -> Path:
        """The folder of the run folders."""
        return self.work / "runs"

    @property
    def latest(self) -> Path:
        """The newest run, made when there is none."""
        if not (self.runs / "latest").exists():
            self.train(self.given)
        return self.runs / "latest"

    @property
    def pictures(self) -> list[Path]:
        """All files, sorted."""
        return sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in SUFFIXES)

    @property
    def card(self) -> dict:
        """What the run's bundle says of itself."""
        return json.loads((self.latest / "bundle" / "bundle.json").read_text())

    def train(self, data: Path) -> tuple[float, dict]:
        """Train with the default recipe; returns the seconds of the whole process and the report."""
        ran = run([PAWSIGHT, "train", data, "--out", self.runs, "--json", "--quiet"], self.cache)
        return ran.seconds, json.loads(ran.out)

    def fresh(self, mark: str) -> Path:
        """Copy the pictures with other bytes after their end, so that nothing cached fits; as they were given."""
        if self.given.is_file():
            return other_bytes(self.given, self.work / "fresh.zip", mark)
        target = self.work / "fresh"
        shutil.rmtree(target, ignore_errors=True)
        for path in self.pictures:
            copy = target / path.relative_to(self.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes() + mark.encode())
        return target

    def linked(self, count: int) -> Path:
        """Make a folder of so many hard links to the pictures, a thousand in each folder below."""
        target = self.work / f"linked{count}"
        for number, path in zip(range(count), itertools.cycle(self.pictures)):
            link = target / f"{number // IN_A_FOLDER:04d}" / f"{number:06d}{path.suffix}"
            if number % IN_A_FOLDER == 0:
                link.parent.mkdir(parents=True)
            os.link(path, link)
        return target


def open_place(named: Path | None, work: Path) -> Place:
    """Bring the pictures into the work folder; drawings where nothing was named or it is not there."""
    if named is None or not named.exists():
        print("No photographs: drawn pictures stand in for them, so the seconds say little. Name a folder or a zip.")
        return Place(drawings(work / "drawn"), work / "drawn", work, drawn=True)
    if named.is_file():
        with zipfile.ZipFile(named) as archive:
            archive.extractall(work / "pictures")
        return Place(_below(work / "pictures"), named.resolve(), work, drawn=False)
    if named.stat().st_dev != work.stat().st_dev:  # hard links do not reach another disk
        shutil.copytree(named, work / "pictures")
        return Place(work / "pictures", work / "pictures", work, drawn=False)
    return Place(named.resolve(), named.resolve(), work, drawn=False)


def _below(folder: Path) -> Path:
    """Return the folder that has train/ in it, else the folder itself."""
    return next((path.parent for path in sorted(folder.rglob("train")) if path.is_dir()), folder)


def drawings(folder: Path) -> Path:
    """Draw pictures into train/ and validation/ with class folders."""
    code = (
        "import sys; from pathlib import Path; from pawsight.sample import CLASSES, draw\n"
        "for part, count in (('train', int(sys.argv[2])), ('validation', int(sys.argv[2]) // 2)):\n"
        "    for kind in CLASSES:\n"
        "        place = Path(sys.argv[1]) / part / kind; place.mkdir(parents=True)\n"
        "        for index in range(count):\n"
        "            draw(kind, seed=len(part), index=index).save(place / f'{index}.jpg')\n"
    )
    run([*python(code), folder, str(DRAWN_EACH)])
    return folder
