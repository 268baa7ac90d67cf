"""A .tflite file as a phone's libraries read it: probabilities first, TFLite metadata, MediaPipe's ImageClassifier."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.classifier.predictor import load_predictor
from pawsight.core.text import visible
from pawsight.exports.litert_metadata import LABELS, tflite_metadata, with_tflite_metadata

from .conftest import HOSTILE

flatbuffers = pytest.importorskip("flatbuffers", reason="needs pawsight[keras,export]")
ROOT = Path(__file__).parents[2]
OWN = Path(sys.prefix) / "mediapipe"  # where `make test-phone` puts it
OUTPUTS = ["probabilities", "features", "unlikeness"]


class Reader:
    """A table of a FlatBuffer: fields by number, as the schema counts them."""

    def __init__(self, data: bytes, at: int | None = None) -> None:
        self._data = data
        root = flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0) if at is None else at
        self._table = flatbuffers.table.Table(data, root)

    def _at(self, field):
        offset = self._table.Offset(4 + 2 * field)
        return self._table.Pos + offset if offset else None

    def text(self, field):
        return self._table.String(self._at(field)).decode()

    def byte(self, field):
        return self._table.Get(flatbuffers.number_types.Uint8Flags, self._at(field))

    def table(self, field):
        return Reader(self._data, self._table.Indirect(self._at(field)))

    def tables(self, field):
        at = self._at(field)
        if at is None:
            return []
        start, count = self._table.Vector(at - self._table.Pos), self._table.VectorLen(at - self._table.Pos)
        return [Reader(self._data, self._table.Indirect(start + 4 * index)) for index in range(count)]

    def floats(self, field):
        return self._table.GetVectorAsNumpy(
            flatbuffers.number_types.Float32Flags, self._at(field) - self._table.Pos
        ).tolist()


@pytest.fixture
def model(exported):
    return exported["litert"] / "model.tflite"


def check_metadata(data, classes):
    assert data[4:8] == b"M001"
    about = Reader(data)
    (graph,), (file,) = about.tables(3), about.tables(6)
    assert (about.text(0), about.text(7), file.text(0)) == ("Pawsight probe", "1.0.0", "pawsight.json")
    (picture,), outputs = graph.tables(2), graph.tables(3)
    image, (unit,) = picture.table(3), picture.tables(4)
    assert (picture.text(0), image.byte(0), image.table(1).byte(0)) == ("pictures", 2, 1)  # an image, RGB
    assert (unit.byte(0), unit.table(1).floats(0), unit.table(1).floats(1)) == (1, [0.0], [1.0])  # no normalisation
    assert (picture.table(5).floats(0), picture.table(5).floats(1)) == ([255.0], [0.0])
    assert [output.text(0) for output in outputs] == OUTPUTS[: len(outputs)]
    (labels,) = outputs[0].tables(6)
    assert (labels.text(0), labels.byte(2)) == (LABELS, 2)  # one label for each number of the axis
    assert not any(output.tables(6) for output in outputs[1:])
    assert f"{classes} classes" in about.text(1)


def test_metadata_is_a_flatbuffer_of_the_published_schema(exported):
    facts = json.loads((exported["litert"] / "pawsight.json").read_text("utf-8"))
    check_metadata(tflite_metadata(facts, OUTPUTS), len(HOSTILE))


def test_probabilities_are_the_first_output_and_metadata_is_in_the_file(model):
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(model))
    assert [tuple(output["shape"][1:]) for output in interpreter.get_output_details()] == [(3,), (1280,), ()]
    data = model.read_bytes()
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    (entry,) = [entry for entry in unpacked.metadata if entry.name == b"TFLITE_METADATA"]
    check_metadata(bytes(unpacked.buffers[entry.buffer].data), len(HOSTILE))
    with zipfile.ZipFile(model) as archive:
        assert archive.read(LABELS).decode().splitlines() == [visible(name) for name in HOSTILE]


def test_weights_stay_aligned_and_unchanged(model, exported):
    """What is written again is equal; the schema aligns buffers to 16 bytes, and the generated code does not."""
    from ai_edge_litert import schema_py_generated as schema

    facts = json.loads((exported["litert"] / "pawsight.json").read_text("utf-8"))
    data = model.read_bytes()
    again = with_tflite_metadata(data, facts)
    before, after = (schema.Model.GetRootAs(content, 0) for content in (data, again))
    large = [index for index in range(before.BuffersLength()) if before.Buffers(index).DataLength() > 64]
    assert len(large) > 50
    for index in large:
        left, right = before.Buffers(index).DataAsNumpy(), after.Buffers(index).DataAsNumpy()
        assert np.array_equal(left, right)
        assert (right.ctypes.data - np.frombuffer(again, np.uint8).ctypes.data) % 16 == 0


@pytest.fixture
def with_mediapipe():
    """Environment variables of a process that can import MediaPipe."""
    if OWN.is_dir():
        return {**os.environ, "PYTHONPATH": str(OWN)}
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip("needs mediapipe: make test-phone")
    return dict(os.environ)


def classify(folder, code, env):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


EXACT = """
import json, mediapipe, numpy
from mediapipe.tasks.python import vision
squares = numpy.load("squares.npy")
with vision.ImageClassifier.create_from_model_path("model.tflite") as classifier:
    results = [classifier.classify(mediapipe.Image(mediapipe.ImageFormat.SRGB, square)) for square in squares]
print(json.dumps([[(head.head_name, {category.category_name or category.index: category.score
                    for category in head.categories}) for head in result.classifications] for result in results]))
"""


def test_mediapipe_gives_the_names_and_probabilities_of_the_command_line(model, bundle_of, tmp_path, with_mediapipe):
    """At the model's own size, where MediaPipe does not resample; and as the documentation's example does it."""
    predictor = load_predictor(bundle_of("probe"))
    squares = predictor.bundle.golden.pictures
    (tmp_path / "model.tflite").write_bytes(model.read_bytes())
    np.save(tmp_path / "squares.npy", squares)
    for square, heads in zip(squares, json.loads(classify(tmp_path, EXACT, with_mediapipe)), strict=True):
        Image.fromarray(square).save(tmp_path / "picture.png")
        (expected,) = predictor.predict(tmp_path / "picture.png")
        assert [name for name, _ in heads] == OUTPUTS
        assert heads[0][1] == pytest.approx(
            {visible(name): probability for name, probability in expected.probabilities.items()}, abs=0.01
        )
    Image.fromarray(squares[0]).save(tmp_path / "picture.jpg", quality=95)
    (expected,) = predictor.predict(tmp_path / "picture.jpg")
    page = (ROOT / "docs" / "export" / "litert.md").read_text("utf-8")
    (example,) = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    name, _, score = classify(tmp_path, example, with_mediapipe).rpartition(" ")
    best = max(expected.probabilities.items(), key=lambda pair: pair[1])
    assert (name, float(score)) == (visible(best[0]), pytest.approx(best[1], abs=0.02))
