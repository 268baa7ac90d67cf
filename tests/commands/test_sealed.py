"""Held-out parts found again, and the looks at the test part counted."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from pawsight.commands.run_split import count_look, held_out, looks_at_test
from pawsight.core.errors import StorageError, WrongUsage
from pawsight.core.runs import write_table


@pytest.fixture
def run(tmp_path):
    """The two files of a run that matter here."""
    folder = tmp_path / "001"
    folder.mkdir()
    rows = [
        ("train/cats/1.png", "1" * 64, "cats", "train"),
        ("validation/cats/2, or so.png", "2" * 64, "cats", "validation"),
        (os.fsdecode(b"validation/dogs/\xe9.png"), "3" * 64, "dogs", "validation"),
        ("/elsewhere/4.png", "4" * 64, "dogs", "test"),
    ]
    write_table(folder / "splits.csv", ("path", "sha256", "label", "part"), rows)
    (folder / "source.json").write_text(json.dumps({"root": str(tmp_path / "data")}))
    return folder


def test_validation_is_found_again_with_labels_and_contents(run, tmp_path):
    found = held_out(run, "validation")
    assert [(one.path, one.label, one.part) for one in found.candidates] == [
        (tmp_path / "data" / "validation/cats/2, or so.png", "cats", "validation"),
        (tmp_path / "data" / os.fsdecode(b"validation/dogs/\xe9.png"), "dogs", "validation"),
    ]
    assert list(found.contents.values()) == ["2" * 64, "3" * 64]


def test_pictures_that_a_list_named_outside_its_folder_keep_their_place(run):
    (one,) = held_out(run, "test").candidates
    assert str(one.path) == "/elsewhere/4.png"


def test_looks_at_the_test_part_are_counted_and_others_are_not(run):
    assert looks_at_test(run) == 0
    held_out(run, "validation")
    assert looks_at_test(run) == 0
    held_out(run, "test")
    assert looks_at_test(run) == 1
    assert count_look(run) == 2
    assert looks_at_test(run) == 2


def test_a_real_run_s_parts_are_those_of_its_split(trained, tmp_path):
    run = shutil.copytree(trained.report.run, tmp_path / "copy")
    for part in ("validation", "test"):
        found = held_out(run, part)
        assert {one.name for one in found.candidates} == {one.name for one in trained.report.split.part(part)}
        assert all(one.path.is_file() for one in found.candidates)


def test_a_bundle_without_its_run_is_told(tmp_path):
    with pytest.raises(WrongUsage, match=r"splits\.csv"):
        held_out(tmp_path, "validation")


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"root": 3}', "nonsense"])
def test_a_run_whose_source_cannot_be_read_is_told(run, content):
    (run / "source.json").unlink()
    if content is not None:
        (run / "source.json").write_text(content)
    with pytest.raises(StorageError) as told:
        held_out(run, "test")
    assert str(run / "source.json") in told.value.what
    assert "runs/latest" in told.value.fix
    assert looks_at_test(run) == 0


def test_a_count_that_cannot_be_read_is_told_and_not_forgotten(run):
    (run / "looks.json").write_text("nonsense")
    with pytest.raises(StorageError, match=r"looks\.json"):
        held_out(run, "test")
    assert (run / "looks.json").read_text() == "nonsense"


@pytest.mark.parametrize("table", ["path,sha256,label\na,0,cats\n", "path,sha256,label,part\na,0,cats\n"])
def test_a_split_that_lacks_a_column_is_told(run, table):
    (run / "splits.csv").write_text(table)
    with pytest.raises(StorageError) as told:
        held_out(run, "validation")
    assert "path, sha256, label, part" in told.value.why
