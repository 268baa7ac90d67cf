"""The verb preview: three sheets in a folder of their own, the exercise's sentence, nothing of the user's touched."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pawsight
from pawsight.commands.inspect import count_sentence, inspect
from pawsight.commands.inspect import summary as inspect_summary
from pawsight.commands.preview import FLIPS, GRID, ROTATIONS, preview, summary
from pawsight.core.errors import StorageError, WrongUsage

from ..conftest import says

COLOURS = ((255, 0, 0), (0, 128, 0), (0, 0, 255), (128, 128, 0))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write_pictures(folder: Path, label: str, count: int, *, shade: int = 0) -> None:
    (folder / label).mkdir(parents=True)
    for index in range(count):
        noise = np.random.default_rng([shade, index]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((48, 40)).save(folder / label / f"{index}.png")


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.png")}


def test_three_sheets_are_written_and_nothing_else(drawings: Path, here: Path) -> None:
    before = sorted(drawings.rglob("*"))
    report = preview(drawings)
    assert report.out == here / "preview"
    assert sorted(path.name for path in report.out.iterdir()) == [".pawsight", "flips.png", "grid.png", "rotations.png"]
    assert [path.name for path in here.iterdir()] == ["preview"]
    assert sorted(drawings.rglob("*")) == before
    for path in (report.grid, report.flips, report.rotations):
        with Image.open(path) as sheet:
            assert (sheet.format, sheet.mode) == ("PNG", "RGB")


def test_the_grid_has_three_columns_and_a_row_for_each_class(drawings: Path) -> None:
    report = preview(drawings)
    with Image.open(report.grid) as grid:
        assert (grid.width, grid.height) == (812, 746)
    assert {label: len(names) for label, names in report.shown.items()} == {"cats": 3, "dogs": 3}


def test_pictures_come_from_the_training_part_and_so_do_the_counts(drawings: Path) -> None:
    report = preview(drawings)
    assert report.counts == {"cats": 16, "dogs": 16}
    assert report.baseline == 0.5
    for label, names in report.shown.items():
        assert len(set(names)) == 3
        assert all(name.startswith(f"train/{label}/") for name in names)


def test_without_parts_all_pictures_count(drawings: Path) -> None:
    assert preview(drawings / "validation").counts == {"cats": 10, "dogs": 10}


def test_the_lines_are_the_exercises(drawings: Path) -> None:
    sentence, guessing, *files = summary(preview(drawings))
    assert sentence == count_sentence({"cats": 16, "dogs": 16})
    assert says(guessing, "cats", "50.0 %")
    assert [line.partition(":")[0] for line in files] == [f"preview/{name}" for name in (GRID, FLIPS, ROTATIONS)]


def test_the_report_is_plain_json(drawings: Path, here: Path) -> None:
    told = json.loads(json.dumps(preview(drawings, seed=3).to_json(), allow_nan=False))
    assert told["files"]["grid"] == str(here / "preview" / "grid.png")
    assert told["sentence"] == count_sentence(told["counts"])
    assert (told["classes"], told["counts"]) == (["cats", "dogs"], {"cats": 16, "dogs": 16})
    assert (told["baseline"], told["classes_not_shown"], told["left_out"], told["seed"]) == (0.5, 0, 0, 3)


def test_the_same_seed_shows_the_same_and_another_seed_others(drawings: Path) -> None:
    first, again, other = (preview(drawings, out=name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert hashes(first.out) == hashes(again.out)
    assert not set(hashes(first.out).values()) & set(hashes(other.out).values())


def test_names_and_order_of_files_do_not_change_what_is_shown(tmp_path: Path) -> None:
    for name in ("one", "two"):
        for shade, label in enumerate(("cats", "dogs")):
            write_pictures(tmp_path / name, label, 8, shade=shade)
    for path in list((tmp_path / "two").rglob("*.png")):
        path.rename(path.with_name(f"{9 - int(path.stem)}-renamed.png"))
    one, two = (preview(tmp_path / name, out=name) for name in ("one", "two"))
    assert hashes(one.out)["flips.png"] == hashes(two.out)["flips.png"]
    assert [Path(name).stem for name in one.shown["cats"]] != [Path(name).stem for name in two.shown["cats"]]


def test_a_second_preview_gets_a_number(drawings: Path, here: Path) -> None:
    outs = [preview(drawings).out for _ in range(3)]
    assert outs == [here / "preview", here / "preview-2", here / "preview-3"]


def test_a_folder_that_holds_something_is_not_written_to(drawings: Path, here: Path) -> None:
    mine = here / "mine"
    mine.mkdir()
    (mine / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(WrongUsage) as caught:
        preview(drawings, out=mine)
    assert says(caught.value.what, mine)
    assert says(caught.value.fix, "--out")
    assert (mine / "holiday.jpg").read_bytes() == b"precious"


def test_an_empty_folder_may_be_filled(drawings: Path, here: Path) -> None:
    (here / "empty").mkdir()
    assert preview(drawings, out="empty").grid.is_file()


def test_sheets_never_become_a_class_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "photos"
    for shade, label in enumerate(("cats", "dogs")):
        write_pictures(data, label, 2, shade=shade)
    monkeypatch.chdir(data)
    first, second = preview("."), preview(".")
    assert (first.out, second.out) == (data / "preview", data / "preview-2")
    assert second.counts == first.counts == {"cats": 2, "dogs": 2}


def test_a_failure_while_writing_leaves_nothing(drawings: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == "flips.png":
            raise StorageError("The disk is full.")
        path.write_bytes(data)

    monkeypatch.setattr("pawsight.commands.preview.write_bytes", full)
    with pytest.raises(StorageError):
        preview(drawings)
    assert list(here.iterdir()) == []


def test_many_classes_are_cut_at_twelve_rows_and_said_to_be(tmp_path: Path) -> None:
    for number in range(15):
        write_pictures(tmp_path / "many", f"class {number:02d}", 1, shade=number)
    report = preview(tmp_path / "many")
    assert list(report.shown) == [f"class {number:02d}" for number in range(12)]
    assert report.to_json()["classes_not_shown"] == 3
    lines = summary(report)
    assert all(f"1 image of {label}" in lines[0] for label in report.shown)
    assert lines[0].endswith("and 3 images of 3 more classes.")
    assert says(next(line for line in lines if GRID in line), "3 more classes are not shown")


def test_unequal_classes_give_the_share_of_the_commonest(tmp_path: Path) -> None:
    for shade, (label, count) in enumerate({"cats": 1, "dogs": 3}.items()):
        write_pictures(tmp_path / "few", label, count, shade=shade)
    report = preview(tmp_path / "few")
    sentence, guessing = summary(report)[:2]
    assert says(sentence, "1 image of cats", "3 images of dogs")
    assert says(guessing, "dogs", "75.0 %")
    assert len(report.shown["cats"]) == 1


def test_files_that_are_no_pictures_are_counted(tmp_path: Path) -> None:
    for shade, label in enumerate(("cats", "dogs")):
        write_pictures(tmp_path / "data", label, 2, shade=shade)
    (tmp_path / "data" / "cats" / "notes.txt").write_text("no picture")
    report = preview(tmp_path / "data")
    assert report.left_out == 1
    for count, words in ((1, "1 file is"), (1234, "1,234 files are")):
        (line,) = [line for line in summary(replace(report, left_out=count)) if "left out" in line]
        assert says(line, words, "pawsight inspect")
    assert not [line for line in summary(replace(report, left_out=0)) if "left out" in line]


@pytest.mark.parametrize("label", ["🐈 chats", "<b>$x^2$</b> [red]{{ }}", "z" * 200, "猫"])
def test_any_class_name_is_drawn_without_a_warning(
    label: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    for shade, name in enumerate((label, "dogs")):
        write_pictures(tmp_path / "data", name, 3, shade=shade)
    report = preview(tmp_path / "data")
    assert label.partition("/")[0] in report.shown  # the first folder, where a name has several
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list
    with Image.open(report.grid) as grid:
        assert grid.width == 812


def test_equal_files_are_not_shown_twice(tmp_path: Path) -> None:
    for shade, label in enumerate(("cats", "dogs")):
        write_pictures(tmp_path / "data", label, 2, shade=shade)
    copied = (tmp_path / "data" / "cats" / "0.png").read_bytes()
    for number in range(5):
        (tmp_path / "data" / "cats" / f"copy {number}.png").write_bytes(copied)
    assert sorted(preview(tmp_path / "data").shown["cats"]) == ["cats/0.png", "cats/1.png"]


def test_preview_loads_neither_keras_nor_matplotlib(drawings: Path) -> None:
    code = f"import sys; from pawsight.commands.preview import preview; preview({str(drawings)!r}); print(*sys.modules)"
    environ = os.environ | {"PYTHONPATH": str(Path(pawsight.__file__).parents[1])}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert set(ran.stdout.split()) & {"keras", "tensorflow", "matplotlib", "openvino"} == set()
    assert ran.stderr == ""


def test_the_count_sentence_has_no_thousands_separator() -> None:
    assert says(count_sentence({"cats": 1000, "dogs": 1000}), "1000 images of cats and", "1000 images of dogs.")
    assert says(count_sentence({"a": 2, "b": 1, "c": 0}), "2 images of a, 1 image of b", "and 0 images of c.")


def test_inspect_counts_the_training_part_and_says_so(drawings: Path) -> None:
    lines = inspect_summary(inspect(drawings))
    assert says(lines[0], "52 pictures of 2 classes", drawings, "32 of them")
    assert lines[1] == count_sentence({"cats": 16, "dogs": 16})
    assert inspect(drawings).to_json()["counts"] == {"cats": 26, "dogs": 26}
