"""The folder of an unfinished run: found again by what its numbers depend on, and never mistaken for another's."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pawsight.core.errors import DiskFull, StorageError
from pawsight.core.progress import Silent
from pawsight.core.runs import METRICS, SOURCE, read_table
from pawsight.models.recipes import Recipe, recipe_from_toml
from pawsight.training import run_folder as room
from pawsight.training.checkpoint import FILE
from pawsight.training.run_folder import BUNDLE, LOCK, acquire_lock, kept_or_removed, open_run_folder, remove_checkpoint

RECIPE = Recipe(name="cnn", method="network", backbone="", image_px=32, epochs=3)


class Ear(Silent):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


@pytest.fixture
def context(context_of):
    made = context_of(RECIPE, progress=Ear())
    made.folder.rmdir()
    return made


def opened(context, *, resume):
    """What the folder of a run is once its process has ended, however it did."""
    with context.env.held:
        return open_run_folder(context, resume=resume)


def messages(context):
    return context.env.progress.lines


def test_a_new_run_gets_its_tables_and_its_identity(context):
    folder = opened(context, resume=False)
    assert {path.name for path in folder.iterdir()} == {"recipe.toml", "splits.csv", "catalog.csv", "source.json"}
    assert recipe_from_toml((folder / "recipe.toml").read_text()) == RECIPE
    assert len(read_table(folder / "splits.csv")) == len(context.dataset.pictures)
    source = json.loads((folder / SOURCE).read_text())
    assert source["root"] == str(context.dataset.root.absolute())
    assert (source["identity"], source["basis"]) == (context.identity(), context.basis())
    assert messages(context) == []


def test_without_resume_every_run_is_a_new_one(context):
    assert [opened(context, resume=False).name for _ in range(2)] == ["001", "002"]


def test_the_newest_unfinished_run_is_taken_up(context):
    first, second = (opened(context, resume=False) for _ in range(2))
    assert opened(context, resume=True) == second
    assert messages(context) == [f"Resume   {second}"]
    (second / METRICS).write_text("{}")
    assert opened(context, resume=True) == first


def test_where_there_is_nothing_to_take_up_it_says_so_and_starts(context):
    folder = opened(context, resume=True)
    assert folder.name == "001"
    (line,) = messages(context)
    assert line.startswith("Resume   ")
    assert "no unfinished run" in line


def test_a_finished_run_is_left_alone(context):
    done = opened(context, resume=False)
    (done / METRICS).write_text("{}")
    assert opened(context, resume=True).name == "002"
    assert "(001 is finished)" in messages(context)[0]


def test_a_run_killed_after_its_metrics_but_before_it_was_cleared_is_taken_up(context):
    killed = opened(context, resume=False)
    (killed / METRICS).write_text("{}")
    (killed / FILE).write_bytes(b"whatever")
    assert opened(context, resume=True) == killed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "seed 0 there, 1 here"),
        ({"epochs": 2}, "epochs 3 there, 2 here"),
        (
            {"learning_rate": 2e-3, "batch_size": 8},
            "batch-size 32 there, 8 here; learning-rate 0.001 there, 0.002 here",
        ),
        ({"name": "cnn-augmented"}, "recipe cnn there, cnn-augmented here"),
    ],
)
def test_another_recipe_is_another_run_and_what_differs_is_said(context, context_of, change, said):
    opened(context, resume=False)
    other = context_of(replace(RECIPE, **change), progress=Ear())
    assert opened(other, resume=True).name == "002"
    assert f"(001 is unfinished: {said})" in messages(other)[0]


def test_where_more_epochs_are_asked_the_run_goes_on_and_says_so(context, context_of):
    folder = opened(context, resume=False)
    more = context_of(replace(RECIPE, epochs=5), progress=Ear())
    assert opened(more, resume=True) == folder
    assert messages(more) == [f"Resume   {folder}: epochs 3 there, 5 here"]
    assert recipe_from_toml((folder / "recipe.toml").read_text()).epochs == 5
    assert json.loads((folder / SOURCE).read_text())["basis"]["epochs"] == 5
    assert opened(context, resume=True).name == "002"


def test_where_the_learning_rate_depends_on_the_epochs_more_of_them_are_another_run(context):
    scheduled = replace(context, recipe=replace(RECIPE, warmup_epochs=1))
    opened(scheduled, resume=False)
    more = replace(scheduled, recipe=replace(scheduled.recipe, epochs=5))
    assert opened(more, resume=True).name == "002"
    assert "(001 is unfinished: epochs 3 there, 5 here)" in messages(context)[0]


def test_other_weights_are_another_run(context, tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"one")
    other = replace(context, env=replace(context.env, weights=tmp_path / "weights.h5"))
    first = other.identity()
    (tmp_path / "weights.h5").write_bytes(b"other")
    assert len({context.identity(), first, other.identity()}) == 3


def test_a_run_killed_before_its_tables_were_whole_gets_them_now(context):
    folder = opened(context, resume=False)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("recipe.toml", "splits.csv", "catalog.csv"):
        (folder / name).unlink()
    assert opened(context, resume=True) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"root": "/"}', "null", '{"identity": 3}'])
def test_a_folder_whose_source_cannot_be_read_is_nobody_s(context, content):
    folder = opened(context, resume=False)
    (folder / SOURCE).write_text(content)
    assert opened(context, resume=True).name == "002"
    assert (folder / SOURCE).read_text() == content


def test_what_a_killed_process_left_half_done_is_cleared_and_the_rest_kept(context):
    folder = opened(context, resume=False)
    (folder / FILE).write_bytes(b"checkpoint")
    (folder / f".{FILE}.0a1b2c3d.part").write_bytes(b"half")
    (folder / ".bundle.0a1b2c3d.part").mkdir()
    (folder / ".bundle.0a1b2c3d.part" / "model.onnx").write_bytes(b"half")
    (folder / BUNDLE).mkdir()
    (folder / BUNDLE / "model.onnx").write_bytes(b"not measured")
    assert opened(context, resume=True) == folder
    names = {path.name for path in folder.iterdir()}
    assert names == {"recipe.toml", "splits.csv", "catalog.csv", "source.json", FILE}


def test_a_failure_takes_the_folder_away_unless_there_is_something_to_go_on_from(tmp_path):
    for number, has_checkpoint in enumerate([False, True]):
        folder = tmp_path / str(number)
        folder.mkdir()
        if has_checkpoint:
            (folder / FILE).write_bytes(b"checkpoint")
        with pytest.raises(KeyboardInterrupt), kept_or_removed(folder):
            raise KeyboardInterrupt
        assert folder.exists() == has_checkpoint


def test_success_leaves_the_folder_and_clearing_takes_the_checkpoint(tmp_path):
    with kept_or_removed(tmp_path):
        (tmp_path / FILE).write_bytes(b"checkpoint")
    remove_checkpoint(tmp_path)
    remove_checkpoint(tmp_path)  # twice does no harm
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_another_process_is_making_is_not_taken_up(context):
    folder = open_run_folder(context, resume=False)
    assert (folder / LOCK).is_file()
    elsewhere = replace(context, env=replace(context.env, held=ExitStack()))
    with pytest.raises(StorageError) as raised:
        open_run_folder(elsewhere, resume=True)
    assert str(folder) in raised.value.what
    assert "--resume" in raised.value.fix
    assert opened(elsewhere, resume=False).name == "002"
    context.env.held.close()
    assert not (folder / LOCK).exists()


def test_a_finished_run_with_its_lock_was_killed_before_latest_led_to_it(context):
    folder = opened(context, resume=False)
    (folder / METRICS).write_text("{}")
    (folder / LOCK).touch()
    assert opened(context, resume=True) == folder


@pytest.mark.parametrize("left", [(), (LOCK,), (LOCK, ".source.json.0a1b2c3d.part")])
def test_a_run_killed_before_it_wrote_anything_is_taken_up(context, left):
    folder = context.env.runs / "001"
    folder.mkdir(parents=True)
    for name in left:
        (folder / name).touch()
    assert opened(context, resume=True) == folder
    assert {path.name for path in folder.iterdir()} == {"recipe.toml", "splits.csv", "catalog.csv", "source.json"}


def test_a_folder_in_which_somebody_is_about_to_write_is_passed_over(context):
    folder = context.env.runs / "001"
    folder.mkdir(parents=True)
    with ExitStack() as held:
        assert acquire_lock(folder, held)
        assert opened(context, resume=True).name == "002"


def test_a_lock_is_released_where_an_open_file_cannot_be_removed(context, monkeypatch):
    """As on Windows."""
    folder = context.env.runs / "001"
    folder.mkdir(parents=True)

    def refuse(*_arguments, **_options):
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    with monkeypatch.context() as patch, ExitStack() as held:
        assert acquire_lock(folder, held)
        patch.setattr(Path, "unlink", refuse)
    with ExitStack() as held:
        assert acquire_lock(folder, held)


def test_a_new_folder_that_somebody_takes_up_at_once_is_left_to_them(context, monkeypatch):
    plain, turns = room.acquire_lock, []

    def second_try(folder, held):
        turns.append(folder.name)
        return len(turns) > 1 and plain(folder, held)

    monkeypatch.setattr(room, "acquire_lock", second_try)
    folder = opened(context, resume=False)
    assert turns == ["001", folder.name]
    assert (folder / "splits.csv").is_file()


def test_a_disk_that_refuses_the_tables_leaves_no_folder(context, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        opened(context, resume=False)
    assert list(context.env.runs.iterdir()) == []


def test_names_in_the_folder_of_runs_that_are_no_numbers_are_passed_over(context):
    runs = context.env.runs
    (runs / "ladder-001").mkdir(parents=True)
    (runs / "notes.txt").write_text("mine")
    assert opened(context, resume=True).name == "001"
    assert (runs / "notes.txt").read_text() == "mine"
