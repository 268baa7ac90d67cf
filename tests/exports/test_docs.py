"""The page of every format has a complete example that works without Pawsight: it is taken out and run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.exports.targets import TARGETS
from pawsight.inference import load_predictor

PAGES = Path(__file__).parents[2] / "docs" / "export"
FORMATS = [name for name in TARGETS if name != "web"]


def example_of(text):
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    assert "pawsight" not in blocks[0].replace("pawsight.json", "")
    return blocks[0]


def printed(code, folder):
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A photograph-like picture that lies on its side by its EXIF orientation."""
    path = tmp_path_factory.mktemp("picture") / "picture.jpg"
    noise = np.random.default_rng(6).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise).resize((130, 90), Image.Resampling.BICUBIC).save(path, quality=95, exif=exif)
    return path


def test_every_format_has_a_page():
    assert {path.stem for path in PAGES.glob("*.md")} >= set(FORMATS)


@pytest.mark.parametrize("name", [name for name in FORMATS if TARGETS[name].runtime])
def test_the_example_gives_the_answer_of_the_command_line(exported, bundle_of, picture, tmp_path, name):
    folder = next(one.folder for one in exported.exports if one.target == name)
    work = shutil.copytree(folder, tmp_path / name)
    shutil.copy(picture, work)
    label, _, probability = printed(example_of((PAGES / f"{name}.md").read_text("utf-8")), work).rpartition(" ")
    expected = max(load_predictor(bundle_of("probe")).predict(picture)[0].probabilities.items(), key=lambda one: one[1])
    assert label == expected[0]
    assert float(probability) == pytest.approx(expected[1], abs=0.02)


def test_the_card_s_page_reads_its_front_matter(exported):
    folder = next(one.folder for one in exported.exports if one.target == "card")
    assert printed(example_of((PAGES / "card.md").read_text("utf-8")), folder) == "image-classification CC0-1.0"


def test_the_example_in_the_card_works_beside_the_onnx_export(exported, picture, tmp_path):
    folders = {one.target: one.folder for one in exported.exports}
    work = shutil.copytree(folders["onnx"], tmp_path / "onnx")
    shutil.copy(picture, work)
    assert printed(example_of((folders["card"] / "README.md").read_text("utf-8")), work)
