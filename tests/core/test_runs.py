"""Run folders: numbers nobody gets twice, a `latest` that is always whole, tables for any file name."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawsight.core.errors import DiskFull, StorageError, WrongUsage
from pawsight.core.runs import (
    HISTORY,
    Epoch,
    best_epoch,
    check_order,
    is_run,
    named_run,
    new_run,
    read_history,
    read_table,
    root_of,
    set_latest,
    source_json,
    write_history,
    write_table,
)
from pawsight.core.storage import file_lock, safe_cell

from ..conftest import says


def test_runs_are_numbered_from_one_and_named_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [new_run(Path("runs")) for _ in range(3)]
    assert made == [tmp_path / "runs" / name for name in ("001", "002", "003")]
    assert all(folder.is_dir() for folder in made)


def test_numbers_go_on_after_the_highest_whatever_else_lies_there(tmp_path):
    for name in ("007", "12", "latest.old", "notes", "-3", "4.5"):
        (tmp_path / name).mkdir()
    (tmp_path / "013").write_text("a file takes a number too")
    assert new_run(tmp_path).name == "014"


def test_numbers_outgrow_three_digits(tmp_path):
    (tmp_path / "999").mkdir()
    assert [new_run(tmp_path).name, new_run(tmp_path).name] == ["1000", "1001"]


def test_where_all_numbers_are_taken_that_is_told(tmp_path):
    (tmp_path / "999999999").mkdir()
    with pytest.raises(StorageError) as error:
        new_run(tmp_path)
    assert error.value.why == "All numbers are taken."
    assert error.value.fix == "Give another with --out."


def test_threads_that_start_at_once_get_different_numbers(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: new_run(tmp_path / "runs"), range(64)))
    assert sorted(path.name for path in made) == [f"{number:03d}" for number in range(1, 65)]


def test_processes_that_start_at_once_get_different_numbers(tmp_path):
    code = "import sys; from pathlib import Path; from pawsight.core.runs import new_run\nfor _ in range(20): print(new_run(Path(sys.argv[1])).name)"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    numbers = [name for process in running for name in process.communicate(timeout=60)[0].split()]
    assert len(numbers) == len(set(numbers)) == 60


@pytest.mark.skipif(os.name != "posix", reason="the text is that of POSIX systems")
def test_a_place_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError) as error:
        new_run(tmp_path / "runs")
    assert says(error.value.what, tmp_path / "runs")
    assert says(error.value.why, "File exists")
    assert says(error.value.fix, "--out")


def test_latest_leads_to_the_run_and_moves_on(tmp_path):
    one, two = new_run(tmp_path), new_run(tmp_path)
    set_latest(one)
    assert (tmp_path / "latest").resolve() == one.resolve()
    set_latest(two)
    assert (tmp_path / "latest").resolve() == two.resolve()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001", "002", "latest"]


def test_latest_moves_on_where_the_system_replaces_no_link_to_a_folder(tmp_path, monkeypatch):
    """Windows refuses, and a name that stays with an older run tells nobody."""
    replace = os.replace

    def refuse(source, target):
        if os.path.lexists(target):
            raise PermissionError(13, "Access is denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(sys, "platform", "win32")
    for _ in range(2):
        run = new_run(tmp_path)
        set_latest(run)
        assert (tmp_path / "latest").resolve() == run.resolve()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001", "002", "latest"]


def test_latest_still_leads_there_when_the_folder_of_runs_is_moved(tmp_path):
    set_latest(new_run(tmp_path / "runs"))
    (tmp_path / "runs").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest").resolve().name == "001"


def test_something_of_the_user_s_called_latest_is_left_alone_and_said(tmp_path):
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "mine").touch()
    note = set_latest(run := new_run(tmp_path))
    assert says(note, tmp_path / "latest", run)
    assert (tmp_path / "latest" / "mine").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001", "latest"]


def test_an_empty_folder_or_a_dangling_link_called_latest_becomes_the_link(tmp_path):
    (tmp_path / "latest").mkdir()
    assert set_latest(new_run(tmp_path)) == ""
    (tmp_path / "001").rmdir()
    second = tmp_path / "002"
    second.mkdir()
    assert set_latest(second) == ""
    assert (tmp_path / "latest").resolve() == second.resolve()


def test_a_copy_of_a_run_called_latest_makes_way_and_is_kept(tmp_path):
    """Programs that copy and synchronise turn the link into a folder; it must not answer for the newest run."""
    for _ in range(2):
        remove_link(tmp_path / "latest")
        finished(tmp_path / "latest")
        note = set_latest(run := new_run(tmp_path))
        assert says(note, tmp_path / "latest", f"latest-before-{run.name}")
        assert (tmp_path / "latest").resolve() == run.resolve()
    assert is_run(tmp_path / "latest-before-001")
    assert is_run(tmp_path / "latest-before-002")


def remove_link(path):
    if path.is_symlink():
        path.unlink()


def finished(folder):
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    return folder


def unfinished(folder, root="/my pictures"):
    folder.mkdir(parents=True)
    (folder / "source.json").write_text(json.dumps({"root": root}))
    (folder / "recipe.toml").write_text('name = "cnn"\n')
    return folder


# What a path that should be a run means


def test_a_run_a_bundle_and_a_file_of_a_bundle_are_understood(tmp_path):
    run = finished(tmp_path / "001")
    (run / "bundle").mkdir()
    (run / "bundle" / "bundle.json").touch()
    (run / "bundle" / "model.onnx").touch()
    assert named_run(run) == run
    assert named_run(run / "bundle") == named_run(run / "bundle" / "model.onnx") == run / "bundle"


def meant(path):
    with pytest.raises(WrongUsage) as error:
        named_run(path)
    return error.value


def test_a_link_whose_run_is_gone_names_it_and_the_runs_that_are_there(tmp_path):
    for name in ("001", "002", "010"):
        finished(tmp_path / name)
    set_latest(new_run(tmp_path))
    (tmp_path / "011").rmdir()
    error = meant(tmp_path / "latest")
    assert says(error.what, tmp_path / "latest", tmp_path / "011")
    assert says(error.why, "001, 002, 010")
    assert error.fix.endswith(str(tmp_path / "010"))


def test_a_folder_of_runs_a_missing_run_and_a_file_are_told(tmp_path):
    finished(tmp_path / "runs" / "001")
    assert meant(tmp_path / "runs").fix.endswith(str(tmp_path / "runs" / "001"))
    error = meant(tmp_path / "runs" / "7")
    assert says(error.why, "001")
    assert error.fix.endswith(str(tmp_path / "runs" / "001"))
    (tmp_path / "x.jpg").touch()
    assert says(meant(tmp_path / "x.jpg").what, tmp_path / "x.jpg", "file")
    (tmp_path / "inbox").mkdir()
    assert says(meant(tmp_path / "inbox").why, "metrics.json", "bundle.json")


@pytest.mark.parametrize("has_bundle", [False, True])
def test_an_unfinished_run_says_how_to_go_on(tmp_path, has_bundle):
    run = unfinished(tmp_path / "runs" / "001")
    if has_bundle:
        (run / "bundle").mkdir()
    error = meant(run)
    assert says(error.what, run, "unfinished", "--resume")
    assert f"pawsight train '/my pictures' --recipe cnn --resume --out {tmp_path / 'runs'}" in error.fix
    stopped = error.why
    with file_lock(run / ".lock"):
        assert meant(run).why != stopped  # a process is training in it


def test_an_unfinished_run_that_grows_goes_on_with_the_command_that_began_it(tmp_path):
    run = unfinished(tmp_path / "a b" / "001")
    source = json.loads((run / "source.json").read_text())
    (run / "source.json").write_text(json.dumps(source | {"command": "pawsight train --from runs/001 --add new"}))
    with pytest.raises(WrongUsage) as error:
        named_run(run)
    assert f"pawsight train --from runs/001 --add new --resume --out '{run.parent}'" in error.value.fix


def test_a_run_after_the_pictures_is_told_in_the_right_order(tmp_path):
    run = finished(tmp_path / "runs" / "001")
    (tmp_path / "my inbox").mkdir()
    with pytest.raises(WrongUsage) as error:
        check_order("predict", tmp_path / "my inbox", [run])
    assert error.value.fix == f"Type: pawsight predict {run} '{tmp_path / 'my inbox'}'"
    check_order("predict", run, [tmp_path / "my inbox"])
    check_order("predict", tmp_path / "my inbox", [tmp_path / "x.jpg"])


def test_pictures_that_were_moved_together_with_the_run_are_found(tmp_path):
    (tmp_path / "here" / "data").mkdir(parents=True)
    run = tmp_path / "here" / "runs" / "001"
    run.mkdir(parents=True)
    (run / "source.json").write_text(json.dumps(source_json(run, tmp_path / "here" / "data", "x")))
    assert root_of(run) == tmp_path / "here" / "data"
    (tmp_path / "here").rename(tmp_path / "there")
    assert root_of(tmp_path / "there" / "runs" / "001") == tmp_path / "there" / "data"
    (tmp_path / "there" / "data").rmdir()
    assert root_of(tmp_path / "there" / "runs" / "001") == tmp_path / "here" / "data"  # as it was written


def test_what_a_process_killed_while_it_set_latest_left_goes_with_the_next_try(tmp_path):
    run = new_run(tmp_path)
    (tmp_path / ".latest.001").symlink_to("001")
    set_latest(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001", "latest"]


def test_latest_on_a_full_disk_says_so(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    set_latest(new_run(tmp_path))
    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(DiskFull, match=r"/latest: no space left .*\. [\d,]+ byt"):
        set_latest(new_run(tmp_path))
    assert (tmp_path / "latest").resolve().name == "001"


def test_where_links_cannot_be_made_nothing_breaks(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    set_latest(new_run(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["001"]


def test_where_links_cannot_be_made_any_more_latest_is_gone_and_not_an_old_run(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError("no links here")

    set_latest(new_run(tmp_path))
    monkeypatch.setattr(Path, "symlink_to", refuse)
    set_latest(new_run(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["001", "002"]


AWKWARD = [
    "plain.jpg",
    "with, comma.jpg",
    'with "quotes".jpg',
    "with\nnewline.jpg",
    "with\r\nboth.jpg",
    " spaces ",
    "Ünï©ødé 猫.jpg",
    os.fsdecode(b"latin-\xe9.jpg"),
    "",
]


def test_tables_keep_every_name_whole(tmp_path):
    write_table(tmp_path / "t.csv", ("path", "number"), [(name, index) for index, name in enumerate(AWKWARD)])
    assert read_table(tmp_path / "t.csv") == [
        {"path": name, "number": str(index)} for index, name in enumerate(AWKWARD)
    ]


def test_names_that_are_no_utf8_keep_their_bytes(tmp_path):
    write_table(tmp_path / "t.csv", ("path",), [(os.fsdecode(b"caf\xe9"),)])
    assert (tmp_path / "t.csv").read_bytes() == b"path\ncaf\xe9\n"


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.tuples(text, text), max_size=5))
def test_any_reader_of_csv_gets_back_what_was_written_but_for_formulas(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    write_table(path, ("one", "two"), rows)
    with io.StringIO(path.read_bytes().decode(), newline="") as file:
        assert list(csv.reader(file)) == [["one", "two"], *[[safe_cell(cell) for cell in row] for row in rows]]
    assert [tuple(row.values()) for row in read_table(path)] == rows


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StorageError) as error:
        read_table(tmp_path / "splits.csv")
    assert says(error.value.what, tmp_path / "splits.csv")
    assert says(error.value.why, "No such file or directory")
    assert says(error.value.fix, "runs/latest")


FIRST = Epoch(1, 43.5111, 0.5235, 0.6869, 0.5421, 1e-3, 6.1)
FIGURES = st.floats(allow_nan=False)


def bits(epoch: Epoch) -> bytes:
    number, *figures = astuple(epoch)
    return struct.pack("<q6d", number, *figures)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(*[FIGURES] * 6), max_size=4))
def test_a_history_reads_back_to_the_same_bits(rows: list[tuple[float, ...]], tmp_path: Path) -> None:
    history = [Epoch(number, *row) for number, row in enumerate(rows, 1)]
    write_history(tmp_path / HISTORY, history)
    assert [bits(epoch) for epoch in read_history(tmp_path / HISTORY)] == [bits(epoch) for epoch in history]


def test_the_table_is_plain_csv_even_where_the_figures_are_numpys(tmp_path: Path) -> None:
    third = np.float64(1) / 3
    write_history(tmp_path / HISTORY, [replace(FIRST, loss=third, accuracy=np.float32(0.1))])
    header, row = (tmp_path / HISTORY).read_text().splitlines()
    assert header.split(",") == [field.name for field in fields(Epoch)]
    assert [float(figure) for figure in row.split(",")] == [1, 1 / 3, float(np.float32(0.1)), *astuple(FIRST)[3:]]


def test_figures_that_are_no_numbers_survive(tmp_path: Path) -> None:
    write_history(tmp_path / HISTORY, [replace(FIRST, loss=math.nan, val_loss=math.inf)])
    (read,) = read_history(tmp_path / HISTORY)
    assert math.isnan(read.loss)
    assert read.val_loss == math.inf


@pytest.mark.parametrize(
    "row",
    ["2,1,1,1,1,1,1", "1,1,1,1,1,1", "1,1,1,1,1,1,1,1", "one,1,1,1,1,1,1", "1,1,1,1,1,1,quick"],
    ids=["wrong number", "cut short", "too long", "number is a word", "figure is a word"],
)
def test_a_table_that_is_no_history_is_refused(row: str, tmp_path: Path) -> None:
    path = tmp_path / HISTORY
    path.write_text(f"number,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n{row}\n")
    with pytest.raises(StorageError) as caught:
        read_history(path)
    assert says(caught.value.what, path)
    assert says(caught.value.why, "Row 1", *(field.name for field in fields(Epoch)))
    assert says(caught.value.fix, "--resume")


def test_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / HISTORY).write_text("number,loss\n1,0.5\n")
    with pytest.raises(StorageError, match="is no history"):
        read_history(tmp_path / HISTORY)


def test_a_missing_history_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"history\.csv cannot be read"):
        read_history(tmp_path / HISTORY)


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first() -> None:
    def epoch(number: int, val_accuracy: float, val_loss: float) -> Epoch:
        return replace(FIRST, number=number, val_accuracy=val_accuracy, val_loss=val_loss)

    low, high, better, again = epoch(1, 0.5, 0.1), epoch(2, 0.7, 0.6), epoch(3, 0.7, 0.5), epoch(4, 0.7, 0.5)
    assert best_epoch([low, high]) == high
    assert best_epoch([low, high, better]) == better
    assert best_epoch([low, high, better, again]) == better


def test_a_figure_that_is_no_number_is_never_best() -> None:
    broken = replace(FIRST, val_accuracy=math.nan, val_loss=math.nan)
    second = replace(FIRST, number=2)
    assert best_epoch([broken, second]) == second
    assert best_epoch([replace(FIRST, val_loss=math.nan), second]) == second


def test_an_empty_history_has_no_best_epoch() -> None:
    with pytest.raises(ValueError, match="without epochs"):
        best_epoch([])
