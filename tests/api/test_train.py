"""`pawsight.train` with pictures from elsewhere: arrays, tables, options in one value, and progress."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import pawsight
from pawsight.core.errors import BadDataset, WrongUsage

from ..conftest import BACKBONE, BACKBONE_PX, says

SMALL = {"backbone": BACKBONE, "image_px": BACKBONE_PX, "depth": "last"}


@pytest.fixture(scope="module")
def pngs(drawings, tmp_path_factory):
    """A folder of the drawings as Pillow writes PNG: a folder for each class, no subsets."""
    folder = tmp_path_factory.mktemp("pngs")
    for path in sorted(drawings.rglob("*.jpg")):
        (folder / path.parent.name).mkdir(exist_ok=True)
        with Image.open(path) as image:
            image.convert("RGB").save(folder / path.parent.name / f"{path.parents[1].name}-{path.stem}.png")
    return folder


@pytest.fixture(scope="module")
def arrays(pngs):
    paths = sorted(pngs.rglob("*.png"))
    return [np.asarray(Image.open(path)) for path in paths], [path.parent.name for path in paths]


@pytest.fixture(scope="module")
def from_files(pngs, tmp_path_factory):
    """The run on that folder. Read, never write."""
    place = tmp_path_factory.mktemp("from-files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAWSIGHT_CACHE", str(place / "cache"))
        return pawsight.train(pngs, out=place / "runs", **SMALL)


@pytest.mark.parametrize("form", ["arrays", "pictures", "bytes"])
def test_pictures_in_memory_give_the_counts_of_the_same_pictures_in_files(pngs, from_files, arrays, tmp_path, form):
    X, y = arrays
    if form == "pictures":
        X = [Image.fromarray(array) for array in X]
    if form == "bytes":
        X = [path.read_bytes() for path in sorted(pngs.rglob("*.png"))]
    run = pawsight.train(X, y, out=tmp_path / "runs", **SMALL)
    plain, same = run.to_json(), from_files.to_json()
    assert plain["counts"] == same["counts"]
    assert plain["split"] == same["split"]  # the digest, too: a PNG of an array is the PNG of the picture
    assert plain["validation"]["confusion"] == same["validation"]["confusion"]
    assert plain["test"]["confusion"] == same["test"]["confusion"]
    assert [(f.problem, f.severity) for f in run.findings] == [(f.problem, f.severity) for f in from_files.findings]
    assert len(run.predictions) == len(from_files.predictions)


def test_a_table_trains_as_its_files_do_and_keeps_the_split_it_gives(warm, tmp_path):
    pd = pytest.importorskip("pandas")
    paths = sorted(warm.data.rglob("*.jpg"))
    table = pd.DataFrame(
        {
            "path": [str(path) for path in paths],
            "label": [path.parent.name for path in paths],
            "split": [path.parents[1].name for path in paths],
            "remark": "of no concern",
        }
    )
    run = pawsight.train(table, out=tmp_path / "runs", **SMALL)
    assert run.split.digest == warm.report.split.digest
    assert run.validation == warm.report.validation


def test_a_mapping_of_columns_is_a_table_and_numbers_are_names(warm, arrays, tmp_path):
    X, y = arrays
    run = pawsight.train({"image": X, "label": [int(name == "dogs") for name in y]}, out=tmp_path / "runs", **SMALL)
    assert run.classes == ("0", "1")


def test_options_are_one_value_or_keywords(warm, tmp_path):
    recipe = pawsight.Recipe(name="mine", backbone=BACKBONE, image_px=BACKBONE_PX, folds=2)
    options = pawsight.TrainOptions(recipe=recipe, out=tmp_path / "runs", seed=3)
    run = pawsight.train(warm.data, options=options, split_seed=4)
    plain = run.to_json()
    assert (plain["recipe"], plain["seed"], plain["split"]["seed"]) == ("mine", 3, 4)
    assert run.path.parent == tmp_path / "runs"


def test_progress_is_a_function_or_nothing(warm, tmp_path, capfd):
    heard = []
    pawsight.train(warm.data, out=tmp_path / "runs", progress=lambda *step: heard.append(step), **SMALL)
    reading = [(done, total) for stage, done, total in heard if stage == "Reading pictures"]
    assert reading == [(done, 52) for done in range(53)]
    pawsight.train(warm.data, out=tmp_path / "runs", progress=False, **SMALL)
    pawsight.train(warm.data, out=tmp_path / "runs", **SMALL)  # no terminal here
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("data", "y", "words"),
    [
        ([np.zeros((8, 8, 3), np.uint8)] * 3, ["a", "b"], ("3 pictures", "2 values of label")),
        ([np.zeros((8, 8, 3), np.uint8)] * 2, None, ("list", "train(X, y)")),
        ({"image": [], "name": []}, None, ("labels", "image, name")),
        ([np.zeros((8, 8, 3), np.int64)] * 2, ["a", "b"], ("X[0]", "int64")),
        (io.StringIO("x"), None, ("StringIO",)),
    ],
)
def test_what_cannot_be_trained_on_is_refused_before_anything_is_written(tmp_path, cache_folder, data, y, words):
    with pytest.raises(WrongUsage) as error:
        pawsight.train(data, y, out=tmp_path / "runs")
    assert says(error.value, *words)
    assert not (tmp_path / "runs").exists()
    assert not list(cache_folder.glob("stored/*"))


def test_a_missing_label_is_named_by_its_place(tmp_path):
    with pytest.raises(BadDataset) as error:
        pawsight.train([np.zeros((8, 8, 3), np.uint8)] * 3, ["a", None, float("nan")], out=tmp_path / "runs")
    assert says(error.value, "2 pictures of 3", "1, 2")


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ("ab", ("y", "str")),
        (3, ("y", "int")),
        (np.eye(2), ("np.argmax(y, axis=1)",)),
        ([[0, 1], [1, 0]], ("np.argmax(y, axis=1)",)),
        (["a", " "], ("1 picture of 2", "at 1")),
        (["a", "a"], ("'a'",)),
    ],
)
def test_labels_that_are_none_say_so(tmp_path, y, words):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    with pytest.raises((WrongUsage, BadDataset)) as error:
        pawsight.train(pictures, y, out=tmp_path / "runs")
    assert says(error.value, *words)
    assert "stored" not in str(error.value)  # the place of pictures that the caller never put there


@pytest.mark.parametrize(
    "options",
    [
        {"sead": 1},
        {"seed": "1"},
        {"seed": 1.5},
        {"seed": True},
        {"image_px": 64.0},
        {"max_error": "1%"},
        {"allow_missing": "x"},
        {"out": None},
        {"columns": "path"},
        {"reading": "flat"},
        {"recipe": 3},
        {"recipe": "prob"},
        {"progress": 3},
        {"options": {"seed": 1}},
    ],
)
def test_an_option_of_another_name_or_type_is_refused_before_pictures_are_stored(tmp_path, cache_folder, options):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    with pytest.raises(WrongUsage) as error:
        pawsight.train(pictures, ["a", "b"], **{"out": tmp_path / "runs"} | options)
    assert error.value.fix
    assert not list(cache_folder.glob("stored/*"))


def test_numbers_of_numpy_are_numbers(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
    run = pawsight.train(
        pictures, np.arange(12) % 2.0, recipe="majority", seed=np.int64(3), false_alarms=np.float32(0.25), out=tmp_path
    )
    assert run.to_json()["seed"] == 3
    assert run.classes == ("0", "1")


def test_the_columns_of_a_table_may_be_named(tmp_path):
    pd = pytest.importorskip("pandas")
    pictures = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
    table = pd.DataFrame({"id": list(pictures), "label": ["x"] * 12, "breed": ["pug", "boxer"] * 6})
    columns = {"path": "id", "label": "breed"}
    run = pawsight.train(table, columns=columns, recipe="majority", out=tmp_path)
    assert run.classes == ("boxer", "pug")
    measured = run.classifier.evaluate(table, columns=columns, including_training=True)
    assert 0 < measured.metrics.pictures <= 12  # those of the test set are left out
    for wrong in ({"path": "id"}, {"path": "id", "label": "bread"}, {"path": "id", "label": "breed", "x": "id"}):
        with pytest.raises(WrongUsage, match="columns"):
            pawsight.train(table, columns=wrong, out=tmp_path)


@pytest.mark.parametrize("y", [[{"red"}, set(), {"red", "round"}], np.array([[1, 0], [0, 0], [1, 1]])])
def test_labels_of_which_a_picture_has_several_are_trained_on_as_such(monkeypatch, cache_folder, y):
    seen = []

    def train_data(source, options, progress):
        seen.append((source, options))
        return SimpleNamespace(run="runs/001")

    module = sys.modules[pawsight.train.__module__]
    monkeypatch.setattr(module, "train_data", train_data)
    monkeypatch.setattr(module, "open_run", lambda run: run)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    assert pawsight.train(pictures, y, seed=3) == "runs/001"
    ((source, options),) = seen
    assert source.several_labels
    assert (options.reading.several_labels, options.reading.label_separator, options.seed) == (True, "", 3)
