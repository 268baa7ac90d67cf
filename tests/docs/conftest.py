"""A working folder with everything that the commands of the documents mention, and what reads them out of the documents."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.sample.shapes import draw_shapes

from ..conftest import small_default

ROOT = Path(__file__).parents[2]
README, CHANGELOG, GUIDE = ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.S | re.M)


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in one of these languages."""
    return [text for language, text in BLOCK.findall(page.read_text("utf-8")) if language in languages]


def commands(page: Path) -> list[str]:
    """Every line of a page that calls pawsight, as it would be typed."""
    lines = [line for block in blocks(page, "sh", "console") for line in block.splitlines()]
    typed = [line.removeprefix("$ ").partition("  #")[0].strip() for line in lines]
    return [line for line in typed if line.startswith("pawsight ")]


def picture(kind: str, number: int) -> Image.Image:
    """A picture of one of two kinds that any depth of any backbone tells apart: sharp squares, soft and darker clouds."""
    random = np.random.default_rng([number, kind == "cats"])
    side, resample = (12, Image.Resampling.NEAREST) if kind == "cats" else (4, Image.Resampling.BICUBIC)
    return Image.fromarray(random.integers(0, 256 if kind == "cats" else 160, (side, side, 3), np.uint8)).resize(
        (96, 96), resample
    )


def write(folder: Path, first: int, count: int) -> None:
    """Write so many pictures of each kind, a folder for each."""
    for kind in ("cats", "dogs"):
        (folder / kind).mkdir(parents=True)
        for number in range(first, first + count):
            picture(kind, number).save(folder / kind / f"{number}.png")


@pytest.fixture(scope="session")
def made_desk(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The folder that `desk` copies: photos, lists and archives of them, and two finished runs."""

    def make(place: Path) -> None:
        import pawsight

        desk = place / "desk"
        write(desk / "photos" / "train", 0, 20)
        write(desk / "photos" / "validation", 1000, 160)  # enough for a guarantee of 1 %
        write(desk / "more-photos", 5000, 6)
        (desk / "holiday").mkdir()
        picture("dogs", 9000).save(desk / "holiday" / "1.jpg")
        picture("cats", 9001).save(desk / "cat.jpg")
        Image.new("RGB", (96, 96), "white").save(desk / "mug.jpg")
        (desk / "letter.jpg").write_text("Dear reader, I am no photograph.")
        for name in ("pets", "cats_and_dogs_filtered"):
            shutil.make_archive(str(desk / name), "zip", desk / "photos")
        named = sorted((desk / "photos").glob("*/*/*.png"))
        _table(desk / "pets.csv", ("path", "label"), [(path.relative_to(desk), path.parent.name) for path in named])
        parts = [(path.relative_to(desk / "photos"), path.parts[-3]) for path in named]
        _table(desk / "splits.csv", ("path", "part"), parts)
        (desk / "shapes").mkdir()
        rows = []
        for number in range(60):
            drawing, labels = draw_shapes(number, side=96)
            drawing.save(desk / "shapes" / f"{number}.png")
            rows.append((f"shapes/{number}.png", ";".join(labels)))
        _table(desk / "shapes.csv", ("path", "label"), rows)
        doubted = named[0]
        digest = hashlib.sha256(doubted.read_bytes()).hexdigest()
        decision = (
            doubted.relative_to(desk / "photos"),
            digest,
            "keep",
            doubted.parent.name,
            "2026-11-29T12:00:00+00:00",
        )
        _table(desk / "labels.patch.csv", ("path", "sha256", "action", "label", "when"), [decision])
        rows = [
            (path.relative_to(desk), hashlib.sha256(path.read_bytes()).hexdigest(), "relabel", path.parent.name, "")
            for path in named
            if path.stem in "0123456789"
        ]
        _table(desk / "labels.csv", ("path", "sha256", "action", "label", "when"), rows)
        with small_default(), pytest.MonkeyPatch.context() as patch:
            patch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
            for seed in (0, 1):
                pawsight.train(desk / "photos", seed=seed, out=desk / "runs", max_error=0.05)

    return once("desk", make)


@pytest.fixture
def desk(made_desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of all that, as the working folder, with every feature of the default recipe, a small one, in the cache."""
    place = shutil.copytree(made_desk, tmp_path / "made", symlinks=True)
    monkeypatch.setenv("PAWSIGHT_CACHE", os.fspath(place / "cache"))
    for page, name in (("config.md", "inspect.toml"), ("serving.md", "serve.toml")):  # as these pages show them
        lines = [line for line in (GUIDE / page).read_text("utf-8").splitlines() if re.match("    .+ = ", line)]
        (place / "desk" / name).write_text("\n".join(lines))
    monkeypatch.chdir(place / "desk")
    with small_default():
        yield place / "desk"


@pytest.fixture
def own_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter's and IPython's files in a folder of this test's own, and no settings of the user's."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def _table(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
