"""A folder of answers: list first, then parts, each whole or not there; nothing lost, doubled or mixed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawsight.classifier.predictor import load_predictor
from pawsight.commands.predict import predict_to
from pawsight.core.errors import NoPictures, PawsightError, StorageError, WrongUsage
from pawsight.core.progress import SILENT
from pawsight.core.storage import sha256_of
from pawsight.distributed.answer_folder import (
    PATHS,
    AnswerFolder,
    Manifest,
    Tally,
    begin,
    locked,
    opened,
    read_shard,
    resume,
)
from pawsight.distributed.worker import parts_by_pool

from .conftest import says

HALF = 20  # of the 40 parts that the long list makes with --shard 100
TERMS = {"bundle": "b" * 64, "classes": ("red", "green"), "progress": SILENT}


def rows_of(out):
    return pyarrow.dataset.dataset(out).to_table().to_pylist()


def files_of(out):
    return {path.name: path.read_bytes() for path in out.glob("part-*")}


def test_every_picture_is_a_row_with_what_predict_answers(colour_bundle, pictures, tmp_path):
    (pictures[0].parent / "99.txt").write_text("no picture")
    report = predict_to(colour_bundle, [pictures[0].parent], tmp_path / "out", shard=5)
    rows = rows_of(tmp_path / "out")
    answers = load_predictor(colour_bundle).predict(pictures[0].parent)
    assert [row["path"] for row in rows] == [answer.path for answer in answers]
    for row, answer in zip(rows, answers, strict=True):
        assert (row["label"], row["probability"], row["verdict"], row["error"]) == (
            *(answer.label, answer.probability, answer.decision, answer.error),
        )
        assert row["probabilities"] == (answer.probabilities and list(answer.probabilities.values()))
    assert [row["sha256"] for row in rows[:-1]] == [sha256_of(path.read_bytes()) for path in pictures]
    assert rows[-1]["error"] == "not a picture"
    assert report.tally == Tally(pictures=13, answered=12, errors=1, not_pictures=1)
    assert sorted(files_of(tmp_path / "out")) == [f"part-0000{index}-of-00003.parquet" for index in range(3)]


def test_the_footer_says_which_classes_the_numbers_belong_to(colour_bundle, pictures, tmp_path):
    predict_to(colour_bundle, [pictures[0]], tmp_path / "out")
    said = json.loads(pq.read_schema(next((tmp_path / "out").glob("part-*"))).metadata[b"pawsight"])
    assert said["classes"] == ["red", "green", "blue"]
    assert said["bundle"] == sha256_of((colour_bundle / "bundle.json").read_bytes())
    assert (said["part"], said["shard"], said["pictures"], said["precision"]) == (0, 2048, 1, said["precision"])


def test_a_resumed_work_makes_only_what_is_missing(colour_bundle, long_list, tmp_path):
    out = tmp_path / "out"
    predict_to(colour_bundle, [long_list], out, shard=1000)
    whole = files_of(out)
    kept = out / "part-00000-of-00004.parquet"
    before = kept.stat().st_mtime_ns
    (out / "part-00002-of-00004.parquet").unlink()
    (litter := out / ".part-00002-of-00004.parquet.0123abcd.part").write_bytes(b"half")
    report = predict_to(colour_bundle, [long_list], out, resume=True)
    assert (report.found, report.parts, report.tally.pictures) == (3, 4, 4000)
    assert files_of(out) == whole
    assert kept.stat().st_mtime_ns == before
    assert not litter.exists()
    assert predict_to(colour_bundle, [long_list], out, resume=True).found == 4


def test_resuming_where_there_is_nothing_begins(colour_bundle, pictures, tmp_path):
    (tmp_path / "out").mkdir()
    assert predict_to(colour_bundle, [pictures[0]], tmp_path / "out", resume=True).found == 0


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_driver_killed_half_way_leaves_what_a_resumed_one_completes(
    engine, colour_bundle, long_list, tmp_path, environment_of_its_own
):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    words = [sys.executable, "-m", "pawsight", "predict", colour_bundle, long_list, "--out", killed, "--shard", "100"]
    process = subprocess.Popen(
        [*map(str, words), "--engine", engine, "--quiet"],
        env=environment_of_its_own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 90
    while len(files_of(killed)) < HALF:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = files_of(killed)
    assert HALF <= len(left) < 40
    report = predict_to(colour_bundle, [long_list], killed, resume=True)
    assert report.found >= len(left)
    predict_to(colour_bundle, [long_list], whole, shard=100)
    assert files_of(killed) == files_of(whole)
    assert left.items() <= files_of(whole).items()


@pytest.mark.slow
def test_ray_told_to_end_ends_in_order_and_can_be_resumed(colour_bundle, long_list, tmp_path, environment_of_its_own):
    words = [sys.executable, "-m", "pawsight", "predict", colour_bundle, long_list, "--out", tmp_path / "out"]
    process = subprocess.Popen(
        [*map(str, words), "--shard", "100", "--engine", "ray", "--quiet"],
        env=environment_of_its_own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while not files_of(tmp_path / "out"):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert said.startswith("pawsight: stopped by the system.")
    assert said.count("\n") == 1
    assert list((tmp_path / "temporary").iterdir()) == []
    assert predict_to(colour_bundle, [long_list], tmp_path / "out", resume=True).tally.pictures == 4000


def test_another_bundle_list_or_shard_is_refused_and_nothing_changes(colour_bundle, pictures, tmp_path):
    out, fresh = tmp_path / "out", lambda: iter([str(path) for path in pictures])
    begin(out, fresh(), shard=5, **TERMS)
    cases = [
        (fresh(), None, {"bundle": "c" * 64}, "holds answers of another classifier"),
        (list(fresh())[:-1], None, {}, "has 12 pictures, this one 11."),
        (list(fresh())[::-1], None, {}, "with other names or in another order"),
        (fresh(), 6, {}, "Its parts have 5 pictures, not 6."),
    ]
    for paths, shard, change, told in cases:
        with pytest.raises(WrongUsage, match=told):
            resume(out, paths, shard=shard, **{**TERMS, **change})
    assert resume(out, fresh(), shard=5, **TERMS).missing() == [0, 1, 2]


def test_nothing_of_the_user_s_is_overwritten(colour_bundle, pictures, tmp_path):
    (out := tmp_path / "out").mkdir()
    (out / "mine.txt").write_text("mine")
    for resumed, told in [(False, "never overwritten"), (True, "holds nothing to resume")]:
        with pytest.raises(StorageError, match=told):
            predict_to(colour_bundle, [pictures[0]], out, resume=resumed)
    assert sorted(path.name for path in out.iterdir()) == ["mine.txt"]
    with pytest.raises(StorageError, match="is not empty"):
        predict_to(colour_bundle, [pictures[0]], out / "mine.txt")
    predict_to(colour_bundle, [pictures[0]], tmp_path / "new")
    with pytest.raises(StorageError, match=r"already holds answers\.\nType .*--resume"):
        predict_to(colour_bundle, [pictures[0]], tmp_path / "new")


def test_a_damaged_part_is_told_before_the_work_and_made_again_once_removed(colour_bundle, pictures, tmp_path):
    out = tmp_path / "out"
    predict_to(colour_bundle, [pictures[0].parent], out, shard=5)
    whole = files_of(out)
    part = out / "part-00001-of-00003.parquet"
    for content in (part.read_bytes()[:-20], whole["part-00000-of-00003.parquet"], b""):
        part.write_bytes(content)
        with pytest.raises(StorageError, match=r"part-00001-of-00003\.parquet is damaged"):
            predict_to(colour_bundle, [pictures[0].parent], out, resume=True)
    part.unlink()
    predict_to(colour_bundle, [pictures[0].parent], out, resume=True)
    assert files_of(out) == whole


def test_an_empty_list_leaves_nothing(colour_bundle, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(NoPictures, match="No pictures found"):
        predict_to(colour_bundle, [tmp_path / "none"], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["none"]


def test_two_processes_cannot_write_into_one_folder(colour_bundle, pictures, tmp_path):
    out = tmp_path / "out"
    predict_to(colour_bundle, [pictures[0]], out)
    with locked(out), pytest.raises(StorageError, match="Another process is writing"):
        predict_to(colour_bundle, [pictures[0]], out, resume=True)


def test_answers_in_the_folder_of_the_pictures_can_be_resumed(colour_bundle, pictures):
    folder = pictures[0].parent
    predict_to(colour_bundle, [folder], folder / "out", shard=5)
    assert predict_to(colour_bundle, [folder], folder / "out", resume=True).found == 3


def test_a_name_that_is_no_utf8_has_its_row(colour_bundle, pictures, tmp_path):
    name = os.fsdecode(b"z\xff.png")
    pictures[0].rename(pictures[0].with_name(name))
    predict_to(colour_bundle, [pictures[0].parent], tmp_path / "out")
    last = rows_of(tmp_path / "out")[-1]
    assert (last["label"], last["path"].endswith("z\\udcff.png")) == ("red", True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"engine": "local", "actors": 2}, "--actors and --ray-address need Ray"),
        ({"engine": "spark"}, "There is no engine 'spark'"),
        ({"out": "s3://bucket/out"}, "--out cannot be 's3://bucket/out'"),
        ({"out": ""}, "--out cannot be ''"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, told, colour_bundle, pictures, tmp_path):
    with pytest.raises(WrongUsage, match=told):
        predict_to(colour_bundle, [pictures[0]], options.pop("out", tmp_path / "out"), **options)


def test_without_the_extra_the_remedy_is_named(monkeypatch, colour_bundle, pictures, tmp_path):
    monkeypatch.setattr("pawsight.core.errors.find_spec", lambda name: None if name == "ray" else name)
    with pytest.raises(PawsightError) as refusal:
        predict_to(colour_bundle, [pictures[0]], tmp_path / "out", engine="ray")
    assert says(refusal.value, "--out needs ray", 'pip install "pawsight[ray]"')


NAMES = st.lists(st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None)
@given(names=NAMES, shard=st.integers(1, 50))
def test_shards_read_back_to_the_list(tmp_path_factory, names, shard):
    out = tmp_path_factory.mktemp("law") / "out"
    paths = list(map(os.fsdecode, names))
    begin(out, iter(paths), shard=shard, **TERMS)
    work = opened(out)
    with pq.ParquetFile(out / PATHS) as listing:
        shards = [read_shard(listing, index) for index in range(work.parts)]
    assert [path for shard in shards for path in shard] == paths
    assert [len(shard) for shard in shards] == [work.size(index) for index in range(work.parts)]
    assert replace(work.manifest, paths="") == replace(resume(out, iter(paths), shard=None, **TERMS).manifest, paths="")


def test_a_part_that_is_there_already_stays(tmp_path):
    manifest = Manifest(bundle="b" * 64, paths="p" * 64, shard=2, pictures=5, classes=("red", "green"))
    work = AnswerFolder(tmp_path, manifest)
    for part in (b"first", b"second"):
        work.add(1, part)
    assert work.path(1).read_bytes() == b"first"
    assert (work.missing(), work.size(2)) == ([0, 2], 1)
    work.add(0, b"")
    work.add(2, b"")
    assert list(parts_by_pool(None, work, pool=None)) == []  # nothing is left to make, so no pool is asked


def test_several_labels_are_columns_of_lists(label_bundle, tmp_path):
    from PIL import Image

    for name, colour in (("yellow", (250, 250, 5)), ("black", (5, 5, 5)), ("blue", (5, 5, 250))):
        Image.new("RGB", (20, 20), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    paths = [str(tmp_path / f"{name}.png") for name in ("yellow", "black", "blue", "broken")]
    predict_to(label_bundle, paths, out=tmp_path / "out", progress=SILENT)
    rows = rows_of(tmp_path / "out")
    assert [(row["labels"], row["unsure"], row["verdict"]) for row in rows] == [
        (["red", "green"], [], "answered"),
        ([], [], "answered"),
        ([], ["blue"], "unsure"),
        (None, None, None),
    ]
    assert {row["label"] for row in rows} == {None}
