"""Writes the built-in sample into a folder: one folder per part, one per class.

Enters: a folder's name and a `SamplePlan`. Leaves: the whole folder, or nothing. Does not know: how pictures are drawn.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import new_folder
from pawsight.sample.picture import CLASSES, draw

_QUALITY = 90  # of the JPEG files, 1-95


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlan:
    """How much to draw: the default is 400 drawings, about 10 MB, in about six seconds."""

    train: int = 150  # pictures per class
    validation: int = 50  # pictures per class
    least_side: int = 200  # pixels
    greatest_side: int = 420  # pixels

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, which are also the names of the folders."""
        return CLASSES

    @property
    def total(self) -> int:
        """The number of pictures in all."""
        return (self.train + self.validation) * len(CLASSES)


def write_sample(target: Path, *, plan: SamplePlan = SamplePlan(), seed: int = 0, progress: Progress = SILENT) -> Path:
    """Draw the sample into `target` as train/cats/cat.0000.jpg and so on.

    Args:
        target: a folder that does not exist yet or is empty.
        plan: how many pictures of what size; 400 of 200 to 420 pixels a side where not given.
        seed: equal seeds give equal files.

    Returns:
        `target`.

    Raises:
        StorageError: the disk refused, or `target` holds something already; nothing is left behind.
    """
    with new_folder(target) as folder, progress.stage("drawing the sample", plan.total, "pictures") as step:
        for part, count in (("train", plan.train), ("validation", plan.validation)):
            for kind in CLASSES:
                place = folder / part / kind
                place.mkdir(parents=True)
                for index in range(count):
                    (place / f"{kind[:-1]}.{index:04d}.jpg").write_bytes(_jpeg(kind, part, index, plan, seed))
                    step.advance()
    return target


def _jpeg(kind: str, part: str, index: int, plan: SamplePlan, seed: int) -> bytes:
    picture = draw(kind, seed=seed, index=index, part=part, sides=(plan.least_side, plan.greatest_side))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def drawing_digest() -> str:
    """Name what is drawn after the code that draws it (hex), so that a newer Pawsight does not use older drawings."""
    code = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("**/*.py")):
        code.update(file.read_bytes())
    return code.hexdigest()
