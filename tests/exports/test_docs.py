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

from pawsight.classifier.predictor import load_predictor
from pawsight.exports.targets import TARGETS

from .conftest import HOSTILE

PAGES = Path(__file__).parents[2] / "docs" / "export"
FORMATS = [name for name in TARGETS if name != "web"]
# Whose examples share an interpreter: to load TensorFlow takes longer than both of its examples.
TOGETHER = [("onnx",), ("openvino",), ("litert",), ("keras", "saved-model")]
EXAMPLES = [pytest.param(names, marks=pytest.mark.slow if "keras" in names else ()) for names in TOGETHER]


def example_of(text):
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 1
    assert "pawsight" not in blocks[0].replace("pawsight.json", "")
    return blocks[0]


# Each example in its own folder, as if it were alone.
ALONE = (
    "import os, sys\nfor folder, code in zip(sys.argv[1::2], sys.argv[2::2]):\n    os.chdir(folder)\n    exec(code, {})"
)


def printed(*examples):
    """What examples print, each (folder, code), one after the other in one interpreter without Pawsight."""
    words = [str(word) for example in examples for word in example]
    done = subprocess.run([sys.executable, "-I", "-c", ALONE, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


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


@pytest.mark.parametrize("names", EXAMPLES, ids="+".join)
def test_the_example_gives_the_answer_of_the_command_line(exported, bundle_of, picture, tmp_path, names):
    for name in names:
        shutil.copytree(exported[name], tmp_path / name)
        shutil.copy(picture, tmp_path / name)
    answers = printed(*((tmp_path / name, example_of((PAGES / f"{name}.md").read_text("utf-8"))) for name in names))
    expected = max(
        load_predictor(bundle_of("probe")).predict(picture)[0].probabilities.items(), key=lambda item: item[1]
    )
    assert len(answers) == len(names)
    for label, _, probability in (answer.rpartition(" ") for answer in answers):
        assert label == expected[0]
        assert float(probability) == pytest.approx(expected[1], abs=0.02)


def test_every_format_that_answers_has_its_example_run():
    assert {name for names in TOGETHER for name in names} == {name for name in FORMATS if TARGETS[name].runtime}


def test_the_examples_of_the_card_work(exported, picture, tmp_path):
    """The page's reads its front matter, the one in the card itself answers beside the ONNX export."""
    work = shutil.copytree(exported["onnx"], tmp_path / "onnx")
    shutil.copy(picture, work)
    page = example_of((PAGES / "card.md").read_text("utf-8"))
    card = example_of((exported["card"] / "README.md").read_text("utf-8"))
    front, answer = printed((exported["card"], page), (work, card))
    assert front == "image-classification CC0-1.0"
    assert answer.startswith(HOSTILE)
