"""The verb `embed`: the features that a classifier or a backbone reads, in a file that other programs open."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

import pawsight
from pawsight.cli import cli
from pawsight.commands.embed import embed
from pawsight.commands.run_split import held_out
from pawsight.core.cache import Cache
from pawsight.core.errors import NoPictures, WrongUsage
from pawsight.core.machine import this_machine
from pawsight.core.progress import Stopwatch
from pawsight.training.features import feature_sink, recipe_of

from ..conftest import BACKBONE, BACKBONE_PX, says


def of_the_training(trained, part):
    """Return paths and the table of features that the training of a run has kept."""
    run = trained.report.run
    files = held_out(run, part)
    with Cache(trained.cache / "cache") as cache:
        sink = feature_sink(recipe_of(run), cache, this_machine(), Stopwatch())
        hashes = [files.contents[file.name] for file in files.candidates]
        assert not any(sink.wants(sha256) for sha256 in hashes)
        return [file.name for file in files.candidates], sink.features_of(hashes)


@pytest.mark.parametrize("depth", ["last", "blocks"])
def test_features_of_a_backbone_are_those_that_training_keeps(warm, tmp_path, depth):
    options = {"backbone": BACKBONE, "image_px": BACKBONE_PX, "depth": depth}
    report = embed(warm.data, out=tmp_path / "features.npz", **options)
    names, table = of_the_training(warm, "validation")
    with np.load(tmp_path / "features.npz") as found:
        rows = {name: row for row, name in enumerate(found["path"])}
        assert (report.pictures, report.features) == found["features"].shape
        assert found["features"].dtype == np.float32
        np.testing.assert_allclose(
            found["features"][[rows[name] for name in names]], table.read(table.depths[depth]), rtol=1e-2, atol=1e-2
        )
        assert [found["label"][rows[name]] for name in names] == [name.split("/")[1] for name in names]


def test_features_of_a_run_are_those_that_its_head_reads(warm, tmp_path):
    report = embed(warm.data, out=tmp_path / "features.parquet", run=warm.report.run)
    table = pq.read_table(tmp_path / "features.parquet")
    assert table.column_names == ["path", "label", "features"]
    assert report.pictures == len(table) == 52
    features = np.array(table["features"].to_pylist(), np.float32)
    classifier = pawsight.load(warm.report.run)
    paths = [warm.data / name for name in table["path"].to_pylist()]
    assert np.array_equal(features, classifier.embed(paths))
    answers = classifier.predict_proba(paths).astype(float)
    # A head is linear: answers are a function of the features alone.
    logits = np.log(answers[:, 0] / answers[:, 1])
    design = np.c_[features, np.ones(len(features))]
    assert np.abs(design @ np.linalg.lstsq(design, logits, rcond=None)[0] - logits).max() < 0.1


def test_both_kinds_of_file_hold_the_same(colour_bundle, drawings, tmp_path):
    for name in ("a.npz", "a.PARQUET"):
        embed(drawings / "train", out=tmp_path / name, run=colour_bundle)
    table = pq.read_table(tmp_path / "a.PARQUET")
    with np.load(tmp_path / "a.npz") as found:
        assert found["path"].tolist() == table["path"].to_pylist()
        assert found["label"].tolist() == table["label"].to_pylist()
        assert np.array_equal(found["features"], np.array(table["features"].to_pylist(), np.float32))


def test_pictures_without_classes_have_no_label_and_what_is_no_picture_is_left_out(colour_bundle, tmp_path):
    folder = tmp_path / "holiday"
    folder.mkdir()
    for name, colour in (("a.png", (250, 5, 5)), ("b.png", (5, 250, 5))):
        Image.new("RGB", (20, 20), colour).save(folder / name)
    (folder / "note.png").write_text("no picture")
    out = tmp_path / "features.parquet"
    result = CliRunner().invoke(cli, ["embed", str(folder), "--out", str(out), "--run", str(colour_bundle), "--json"])
    assert result.exit_code == 1
    plain = json.loads(result.stdout)
    assert (plain["pictures"], plain["features"], plain["depth"]) == (2, 3, None)
    assert [file["path"] for file in plain["left_out"]] == ["note.png"]
    table = pq.read_table(out)
    assert table["path"].to_pylist() == ["a.png", "b.png"]
    assert table["label"].to_pylist() == [None, None]
    assert table["features"].to_pylist()[0] == [250.0, 5.0, 5.0]


def test_no_picture_is_passed_over_in_silence(colour_bundle, tmp_path):
    folder = tmp_path / "photos"
    for name in ("train/red/a.png", "train/green/b.png", "test/c.png", "d.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (250, 5, 5)).save(folder / name)
    (folder / ".hidden.png").write_bytes(b"")
    report = embed(folder, out=tmp_path / "folder.npz", run=colour_bundle)
    with np.load(tmp_path / "folder.npz") as found:
        labels = dict(zip(found["path"].tolist(), found["label"].tolist(), strict=True))
    assert labels == {"train/red/a.png": "red", "train/green/b.png": "green", "test/c.png": "", "d.png": ""}
    assert report.left_out == ()
    table = tmp_path / "table.csv"
    table.write_text("path,label\nphotos/d.png,red\nphotos/test/c.png,green\nphotos/gone.png,red\n")
    report = embed(table, out=tmp_path / "table.npz", run=colour_bundle)
    assert report.pictures == 2
    assert [(file.name, file.reason) for file in report.left_out] == [("photos/gone.png", "not found")]


def test_nothing_is_written_over_and_nothing_half(colour_bundle, tmp_path):
    (tmp_path / "there.npz").write_text("mine")
    with pytest.raises(WrongUsage) as caught:
        embed("sample", out=tmp_path / "there.npz", run=colour_bundle)
    assert says(caught.value, "there.npz", "--out")
    assert (tmp_path / "there.npz").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    for name in ("new.npz", "new.parquet"):
        with pytest.raises(NoPictures):
            embed(tmp_path / "empty", out=tmp_path / name, run=colour_bundle)
    (tmp_path / "link.npz").symlink_to(tmp_path / "elsewhere.npz")
    with pytest.raises(WrongUsage):
        embed("sample", out=tmp_path / "link.npz", run=colour_bundle)
    assert (tmp_path / "link.npz").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "link.npz", "there.npz"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"out": "features.csv"}, ".npz"),
        ({"run": "runs/1", "depth": "last"}, "--depth"),
        ({"depth": "selected"}, "--depth"),
    ],
)
def test_options_that_cannot_be_are_named(tmp_path, options, word):
    with pytest.raises(WrongUsage) as caught:
        pawsight.embed(tmp_path, **({"out": tmp_path / "a.npz"} | options))
    assert says(caught.value, word)
