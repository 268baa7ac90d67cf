"""Held-out parts found again, and the looks at the test part counted."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from click.testing import CliRunner
from PIL import Image

from pawsight.cli import cli
from pawsight.commands.inspect import inspect
from pawsight.commands.run_split import count_look, given_split, held_out, looks_at_test, subset_by_content
from pawsight.core.errors import BadDataset, StorageError, WrongUsage
from pawsight.core.runs import read_table, write_table
from pawsight.core.storage import sha256_of_file
from pawsight.images.decode import READABLE
from pawsight.reports.run_record import SUBSETS


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
    assert [(candidate.path, candidate.label, candidate.part) for candidate in found.candidates] == [
        (tmp_path / "data" / "validation/cats/2, or so.png", "cats", "validation"),
        (tmp_path / "data" / os.fsdecode(b"validation/dogs/\xe9.png"), "dogs", "validation"),
    ]
    assert list(found.contents.values()) == ["2" * 64, "3" * 64]


def test_pictures_that_a_list_named_outside_its_folder_keep_their_place(run):
    (one,) = held_out(run, "test").candidates
    assert str(one.path) == "/elsewhere/4.png"


def test_looks_at_the_test_part_are_counted_and_others_are_not(run):
    assert looks_at_test(run) == 0
    held_out(run, "test")  # its files are found, and none is answered to
    assert looks_at_test(run) == 0
    assert [count_look(run), count_look(run)] == [1, 2]
    assert looks_at_test(run) == 2


def test_looks_that_come_at_once_are_all_counted(run):
    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(count_look, [run] * 40))
    assert sorted(counted) == list(range(1, 41))
    assert looks_at_test(run) == 40
    assert [path.name for path in run.glob(".*")] == [".looks.json.lock"]  # removed, it would let two in


def test_a_real_run_s_parts_are_those_of_its_split(trained, tmp_path):
    run = shutil.copytree(trained.report.run, tmp_path / "copy")
    for part in ("validation", "test"):
        found = held_out(run, part)
        assert {candidate.name for candidate in found.candidates} == {
            item.name for item in trained.report.split.part(part)
        }
        assert all(candidate.path.is_file() for candidate in found.candidates)


@pytest.mark.parametrize("is_named", [False, True])
def test_files_that_were_moved_or_renamed_are_found_by_content(own_run, tmp_path, is_named):
    before = held_out(own_run, "test")
    for number, folder in enumerate(("cats", "dogs")):
        for path in (tmp_path / "data").glob(f"*/{folder}/*"):
            path.rename(tmp_path / "data" / f"{number}-{path.parent.parent.name}-{path.name}")
    place = None
    if is_named:  # the folder of the pictures is elsewhere now
        place = (tmp_path / "data").rename(tmp_path / "moved")
        assert not any(file.path.exists() for file in held_out(own_run, "test").candidates)
    found = held_out(own_run, "test", place=place)
    assert found.contents == before.contents
    assert [file.name for file in found.candidates] == [file.name for file in before.candidates]
    assert all(sha256_of_file(file.path) == found.contents[file.name] for file in found.candidates)


def test_moved_pictures_of_every_type_are_found(run, tmp_path):
    rows, kinds = [], [*READABLE, "big TIFF"]
    (tmp_path / "data" / "moved").mkdir(parents=True)
    for kind in kinds:
        path = tmp_path / "data" / "moved" / kind
        options = {"big_tiff": True} if kind == "big TIFF" else {}
        Image.new("RGB", (8, 8)).save(path, kind.split()[-1], **options)
        rows.append((f"train/cats/{kind}", sha256_of_file(path), "cats", "train"))
    write_table(run / "splits.csv", ("path", "sha256", "label", "part"), rows)
    assert [file.path.name for file in held_out(run, "train").candidates if file.path.is_file()] == kinds


def test_the_content_of_a_split_knows_its_subset(own_run, tmp_path):
    subsets = subset_by_content(own_run)
    assert {held_out(own_run, part).contents[file.name]: part for part in SUBSETS
            for file in held_out(own_run, part).candidates} == subsets  # fmt: skip
    assert subset_by_content(own_run / "bundle") == {}


def test_a_bundle_without_its_run_is_told(tmp_path):
    with pytest.raises(WrongUsage, match=r"splits\.csv"):
        held_out(tmp_path, "validation")


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"root": 3}', "nonsense"])
def test_a_run_whose_source_cannot_be_read_is_told(run, content):
    (run / "source.json").unlink()
    if content is not None:
        (run / "source.json").write_text(content)
    with pytest.raises(StorageError) as error:
        held_out(run, "test")
    assert str(run / "source.json") in error.value.what
    assert "runs/latest" in error.value.fix
    assert looks_at_test(run) == 0


def test_a_count_that_cannot_be_read_is_told_and_not_forgotten(run):
    (run / "looks.json").write_text("nonsense")
    with pytest.raises(StorageError, match=r"looks\.json"):
        count_look(run)
    assert (run / "looks.json").read_text() == "nonsense"


@pytest.mark.parametrize("table", ["path,sha256,label\na,0,cats\n", "path,sha256,label,part\na,0,cats\n"])
def test_a_split_that_lacks_a_column_is_told(run, table):
    (run / "splits.csv").write_text(table)
    with pytest.raises(StorageError) as error:
        held_out(run, "validation")
    assert "path, sha256, label, part" in error.value.why


# `--split` and `--split-seed`, from what is typed to the split of a run


def test_nothing_given_is_nothing():
    assert given_split(None) is None


def test_a_run_s_own_split_is_taken_as_it_is(warm, tmp_path):
    again = warm.again(warm.data, tmp_path / "runs", split=warm.report.run / "splits.csv")
    assert again.split.digest == warm.report.split.digest
    assert "splits.csv" in again.split.how
    assert again.validation == warm.report.validation
    assert f"--split {warm.report.run / 'splits.csv'}" in again.record.command
    by_folder = inspect(warm.data, split=warm.report.run)
    assert by_folder.split.digest == warm.report.split.digest
    assert by_folder.to_json()["split"]["how"] == again.split.how


def test_the_seed_of_the_recipe_leaves_the_split_alone_and_its_own_seed_does_not(warm, tmp_path):
    other = warm.again(warm.data, tmp_path / "runs", seed=5)
    assert other.split.digest == warm.report.split.digest
    moved = warm.again(warm.data, tmp_path / "runs", split_seed=5)
    assert moved.split.digest != warm.report.split.digest
    assert moved.split.digest == inspect(warm.data, split_seed=5).split.digest
    assert tomllib.loads((moved.run / "recipe.toml").read_text())["split_seed"] == 5
    assert moved.to_json()["split"]["seed"] == 5
    assert "--split-seed 5" in moved.record.command


def test_a_split_file_says_which_pictures_are_trained_on(warm, tmp_path):
    lines = (warm.report.run / "splits.csv").read_text().splitlines()
    moved = [line.replace(",validation", ",train") if "validation/cats/0" in line else line for line in lines]
    (tmp_path / "mine.csv").write_text("\n".join(moved))
    report = warm.again(warm.data, tmp_path / "runs", split=tmp_path / "mine.csv")
    assert "mine.csv" in report.split.how
    assert {picture.name: picture.part for picture in report.split.assigned} == {
        row["path"]: row["part"] for row in read_table(tmp_path / "mine.csv")
    }


def test_every_rung_of_a_ladder_lies_on_the_given_split(warm, tmp_path):
    from pawsight.commands.ladder import ladder

    (tmp_path / "mine.csv").write_text((warm.report.run / "splits.csv").read_text().replace(",test", ",validation", 1))
    outcome = ladder(warm.data, recipes=["majority"], split=tmp_path / "mine.csv", out=tmp_path / "runs")
    expected = inspect(warm.data, split=tmp_path / "mine.csv").split
    assert (tmp_path / "runs" / "001" / "metrics.json").read_text().count(expected.digest) == 1
    assert expected.digest != warm.report.split.digest
    assert outcome.report.candidates[0].recipe == "majority"


@pytest.mark.parametrize("verb", ["train", "inspect"])
def test_pictures_that_leak_are_refused_before_anything_is_trained(warm, tmp_path, verb):
    data = shutil.copytree(warm.data, tmp_path / "data")
    twin = sorted((data / "train" / "cats").iterdir())[0]
    shutil.copy(twin, data / "validation" / "cats" / "twin.png")
    rows = (warm.report.run / "splits.csv").read_text() + "validation/cats/twin.png,,cats,validation\n"
    (tmp_path / "splits.csv").write_text(rows)
    job = inspect if verb == "inspect" else partial(warm.again, runs=tmp_path / "runs")
    with pytest.raises(BadDataset) as error:
        job(data, split=tmp_path / "splits.csv")
    number = 1 + rows.splitlines().index(
        next(row for row in rows.splitlines() if twin.name in row and "train/cats" in row)
    )
    sides = error.value.why.split(" = ")
    assert [side.split()[0] for side in sides] == [f"train/cats/{twin.name}", "validation/cats/twin.png"]
    assert [re.findall(r"\d+\b(?=\))", side) for side in sides] == [[str(number)], [str(len(rows.splitlines()))]]
    assert not (tmp_path / "runs").exists()


def test_a_seed_beside_a_file_would_do_nothing(tmp_path):
    with pytest.raises(WrongUsage) as error:
        given_split(tmp_path / "splits.csv", 3)
    assert "--split-seed 3" in error.value.what
    assert f"--split {tmp_path / 'splits.csv'}" in error.value.what


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(WrongUsage, match=re.escape(str(tmp_path / "mine.csv"))):
        given_split(tmp_path / "mine.csv")
    with pytest.raises(WrongUsage, match=re.escape(str(tmp_path / "splits.csv"))):
        given_split(tmp_path)


def test_leaks_are_refused_in_a_split_unless_they_are_allowed(drawings, tmp_path):
    data = shutil.copytree(drawings, tmp_path / "photos")
    cat = next((data / "train" / "cats").iterdir())
    twin = data / "validation" / "cats" / f"twin{cat.suffix}"
    shutil.copy(cat, twin)
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())
    split = tmp_path / "splits.csv"
    split.write_text("path,part\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in names))
    with pytest.raises(BadDataset, match="once") as error:
        inspect(data, split=split)
    assert "--allow-leaks" in error.value.fix
    report = inspect(data, split=split, allow_leaks=True)
    assert {twin.relative_to(data).as_posix()} < set(*report.split.duplicates_across_parts)
    done = CliRunner().invoke(cli, ["inspect", str(data), "--split", str(split), "--allow-leaks", "--quiet"])
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].endswith(f"--split {split} --allow-leaks")


def test_allowing_leaks_without_a_split_is_refused(tmp_path):
    with pytest.raises(WrongUsage) as error:
        given_split(None, allow_leaks=True)
    assert "--split" in error.value.fix
