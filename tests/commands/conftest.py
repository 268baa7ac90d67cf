"""Made-up data for what a verb prints: no picture is drawn, so every figure is the same everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawsight.data.dataset import Dataset, Picture
from pawsight.data.facts import Facts
from pawsight.data.found import LeftOut
from pawsight.data.split import Assigned, Split
from pawsight.images.quality import ImageStatistics


@pytest.fixture(scope="session")
def made_up() -> tuple[Dataset, Split]:
    """Twenty cats and ten dogs in train and validation: a twin in two parts, one in two classes, two files left out."""
    looks, root = ImageStatistics(120.0, 60.0, 0.2, 40.0, "", 1_000), Path("/photos")
    rows = [
        (f"{part}/{label}/{number}.jpg", label, part)
        for label, counts in (("cats", (14, 6)), ("dogs", (7, 3)))
        for part, count in zip(("train", "validation"), counts, strict=True)
        for number in range(count)
    ]
    digests = {name: f"{number:064x}" for number, (name, _, _) in enumerate(rows)}
    pictures = tuple(
        Picture(root / name, name, label, part, digests[name], Facts(200 + number, 150, "JPEG", 1, 0, looks))
        for number, (name, label, part) in enumerate(rows)
    )
    left_out = (LeftOut("train/cats/note.txt", "not a picture"), LeftOut("train/cats/cut.jpg", "truncated"))
    assigned = {name: Assigned(name, digests[name], label, part) for name, label, part in rows}
    for name in ("validation/cats/0.jpg", "validation/dogs/0.jpg"):
        assigned[name] = Assigned(name, digests[name], assigned[name].label, "test")
    alike = (
        (assigned["train/cats/0.jpg"], assigned["validation/cats/1.jpg"]),
        (assigned["train/cats/1.jpg"], assigned["train/dogs/1.jpg"]),
    )
    return Dataset(root, pictures, left_out), Split(tuple(assigned.values()), "as made up", alike, alike)
