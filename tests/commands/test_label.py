"""The verb `label`: what it reads, whose names it offers, and that `train` takes its table."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import threading
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from pawsight.classifier.bundle import Card
from pawsight.cli import cli
from pawsight.commands.label import LabelReport, command_of, label, open_page, summary
from pawsight.core.errors import NoPictures, WrongUsage
from pawsight.core.runs import read_table
from pawsight.data.label_patch import DROP, RELABEL, Decision, read_patch, write_patch

from ..conftest import small_default

needs_serve = pytest.mark.skipif(importlib.util.find_spec("uvicorn") is None, reason="needs pawsight[serve]")


@pytest.fixture
def flat(drawings, warm, tmp_path, monkeypatch):
    """A working folder with 16 drawn cats and dogs in one folder, a copy of one, and files that are no pictures."""
    place = tmp_path / "photos"
    place.mkdir()
    for kind in ("cats", "dogs"):
        for path in sorted((drawings / "train" / kind).iterdir())[:8]:
            shutil.copy(path, place / f"{kind[:3]}-{path.name}")
    first = min(place.iterdir())
    (place / "trip \U0001f98a").mkdir()
    shutil.copy(first, place / "trip \U0001f98a" / "=copy.jpg")
    shutil.copy(first, place / ".hidden.jpg")
    (place / "broken.jpg").write_bytes(first.read_bytes()[:300])
    (place / "notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    with small_default():
        yield place


def tree_of(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def names_for(report: LabelReport):
    """What a person would say: the beginning of the file's name."""
    return [Decision(p.name, p.sha256, RELABEL, copies[0].path.name[:3]) for copies in report.contents for p in copies]


def test_pictures_are_read_once_each_content_with_its_copies_and_nothing_is_changed(flat, snapshot):
    before = tree_of(flat)
    report = label("photos")
    assert (report.pictures, len(report.contents)) == (17, 16)
    assert [len(copies) for copies in report.contents if len(copies) > 1] == [2]
    assert all(copies[0].name.startswith("photos/") for copies in report.contents)
    assert [file.name for file in report.left_out] == ["photos/broken.jpg"]
    assert summary(report) == snapshot
    assert repr(report).startswith("LabelReport('photos'")
    assert tree_of(flat) == before
    assert not (flat.parent / "labels.csv").exists()


def test_training_takes_the_table_and_leaves_out_what_was_put_aside(flat, tmp_path):
    report = label("photos")
    lines = names_for(report)
    lines[-1] = replace(lines[-1], action=DROP, label="")
    write_patch(report.table, lines)
    command = [*command_of(report).split()[1:], "--recipe", "majority", "--image-px", "32", "--out", "runs"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    rows = read_table(tmp_path / "runs" / "latest" / "splits.csv")
    assert {row["path"]: row["label"] for row in rows} == {line.path: line.label for line in lines[:-1]}
    assert "photos/trip \U0001f98a/=copy.jpg" in {row["path"] for row in rows}


def test_names_come_back_and_the_others_are_suggested(flat):
    report = label("photos")
    assert {row["label"] for row in report.rows()} == {row["suggested"] for row in report.rows()} == {None}
    lines = [line for line in names_for(report) if line.path.endswith(("0.jpg", "2.jpg", "4.jpg", "6.jpg", "copy.jpg"))]
    write_patch(report.table, lines)
    rows = list(label("photos").rows())
    known = {line.path: line.label for line in lines}
    assert label("photos").named == len({line.sha256 for line in lines})
    assert summary(label("photos"))[1].startswith(f"{label('photos').named} pictures have a name")
    assert {row["path"]: row["label"] for row in rows if row["label"]} == known
    assert {row["suggested"] for row in rows if row["label"] is None} <= {"cat", "dog"}
    assert all((row["label"] is None) != (row["suggested"] is None) for row in rows)
    aside = next(row for row in rows if row["label"] is None)
    write_patch(report.table, [*lines, Decision(aside["path"], aside["sha256"], DROP)])
    again = next(row for row in label("photos").rows() if row["path"] == aside["path"])
    assert (again["label"], again["suggested"]) == (None, None)


def test_a_run_suggests_from_the_start(flat, trained):
    report = label("photos", run=trained.report.run)
    assert report.offered == ("cats", "dogs")
    rows = list(report.rows())
    right = [
        row["suggested"][:3] == row["path"].removeprefix("photos/")[:3] for row in rows if "trip" not in row["path"]
    ]
    assert np.mean(right) >= 0.9


def test_a_run_of_several_labels_is_refused(flat, trained, monkeypatch):
    monkeypatch.setattr(Card, "several_labels", True)
    with pytest.raises(WrongUsage, match="several labels"):
        label("photos", run=trained.report.run)


def test_folders_are_offered_as_names_unless_they_are_parts(drawings, warm, tmp_path):
    with small_default():
        assert label(drawings / "train", out=tmp_path / "labels.csv").offered == ("cats", "dogs")
        report = label(drawings, out=tmp_path / "labels.csv")
    assert report.offered == ()
    assert all(copies[0].path.is_absolute() for copies in report.contents)


def test_what_cannot_be_labelled_is_said(flat, tmp_path):
    with pytest.raises(WrongUsage, match="no folder"):
        label("photos/broken.jpg")
    with pytest.raises(WrongUsage, match="no folder"):
        label("nowhere")
    with pytest.raises(WrongUsage, match="no folder"):
        label("photos", out="nowhere/labels.csv")
    (tmp_path / "own table.csv").write_text("path,label\na.jpg,cat\n")
    with pytest.raises(WrongUsage, match="own table"):
        label("photos", out="own table.csv")
    with pytest.raises(WrongUsage, match="is a folder"):
        label("photos", out="photos")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoPictures):
        label("empty")


def test_json_prints_a_line_a_picture(flat):
    done = CliRunner().invoke(cli, ["label", "photos", "--json"])
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 17
    assert set(rows[0]) == {"path", "sha256", "label", "suggested"}


@needs_serve
def test_the_page_names_pictures_and_says_what_to_type_next(flat, snapshot):
    stop, lines = threading.Event(), []

    def ready(address):
        with urllib.request.urlopen(f"{address}next") as answer:
            shown = [picture["picture"] for group in json.load(answer)["groups"] for picture in group["pictures"]]
        for name, numbers in (("cat", shown[:2]), ("dog", shown[2:3])):
            body = json.dumps([{"picture": number, "action": "relabel", "label": name} for number in numbers])
            origin = "/".join(address.split("/")[:3])
            request = urllib.request.Request(f"{address}decision", body.encode(), {"Origin": origin})
            urllib.request.urlopen(request).close()
        stop.set()

    report = label("photos")
    lines = open_page(report, ready=ready, stop=stop)
    assert lines == snapshot
    assert sum(line.action == RELABEL for line in read_patch(report.table).decisions) in (3, 4)  # perhaps of the copy


@needs_serve
def test_a_page_without_names_says_so(flat):
    stop = threading.Event()
    assert open_page(label("photos"), ready=lambda address: stop.set(), stop=stop) == ["Nothing was named."]
