"""Where exports lie: ours are replaced, and nothing else ever is."""

from __future__ import annotations

import pytest

from pawsight.core.errors import StorageError, WrongUsage
from pawsight.exports.place import check_free, put, seal, workbench


@pytest.fixture
def mine(tmp_path):
    """A folder that an export wrote."""
    folder = tmp_path / "onnx"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"model")
    (folder / "deep" / "more").write_bytes(b"more")
    assert seal(folder, {"target": "onnx"}).keys() == {"model.onnx", "deep/more", "pawsight.json"}
    return folder


def refusal(folder):
    with pytest.raises(WrongUsage) as told:
        check_free(folder)
    assert told.value.what == f"{folder} is not overwritten."
    assert "--out" in told.value.fix
    return told.value.why


def test_an_export_that_nobody_touched_may_be_replaced(mine):
    assert check_free(mine) is None


def test_a_free_name_and_an_empty_folder_may_be_taken(tmp_path):
    assert check_free(tmp_path / "none") is None
    (tmp_path / "empty").mkdir()
    assert check_free(tmp_path / "empty") is None


def test_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"picture")
    assert "no pawsight.json" in refusal(tmp_path)
    (tmp_path / "pawsight.json").write_text("[]")
    assert "no pawsight.json" in refusal(tmp_path)


def test_a_file_that_was_added_or_changed_is_not_lost(mine):
    (mine / "notes.txt").write_text("mine")
    assert refusal(mine).startswith("notes.txt ")
    (mine / "notes.txt").unlink()
    (mine / "deep" / "more").write_text("changed")
    assert refusal(mine).startswith("deep/more ")


def test_a_link_or_a_file_in_the_place_of_a_folder_is_refused(mine, tmp_path):
    (tmp_path / "link").symlink_to(mine)
    assert refusal(tmp_path / "link") == "It is no folder."
    (tmp_path / "file").write_text("text")
    assert refusal(tmp_path / "file") == "It is no folder."


def test_a_workbench_goes_whatever_happens(tmp_path):
    def interrupted():
        with workbench(tmp_path / "out") as bench:
            (bench / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / "out").exists()


def test_a_finished_folder_takes_the_place_of_an_earlier_one(mine, tmp_path):
    with workbench(tmp_path) as bench:
        (bench / "onnx").mkdir()
        (bench / "onnx" / "new").write_text("new")
        put(bench / "onnx", mine)
    assert [path.name for path in mine.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["onnx"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(StorageError) as told, workbench(tmp_path / "file" / "out"):
        pass
    assert told.value.what == f"Could not write the export {tmp_path / 'file' / 'out'}."


def test_an_earlier_export_stands_again_where_the_new_one_could_not_take_its_place(mine, tmp_path):
    before = sorted(path.name for path in mine.iterdir())
    with workbench(tmp_path) as bench, pytest.raises(StorageError) as told:
        put(bench / "never made", mine)
    assert told.value.what == f"Could not write the export {mine}."
    assert sorted(path.name for path in mine.iterdir()) == before
    check_free(mine)


def test_where_nothing_stood_a_refusal_leaves_nothing(tmp_path):
    with workbench(tmp_path / "out") as bench, pytest.raises(StorageError):
        put(bench / "never made", tmp_path / "out" / "onnx")
    assert not (tmp_path / "out" / "onnx").exists()
