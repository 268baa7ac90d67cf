"""What a killed process left is swept; what a live one, another machine or the user has is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from pawsight.core.storage import new_folder
from pawsight.core.temporary import owner, part_of, sweep_parts, sweep_scratch


def gone() -> str:
    """Machine and process, as names have them, of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return f"{owner().split('-')[0]}-{ended.pid:x}"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_name_says_what_it_is_of_and_whose(tmp_path):
    one, other = part_of(tmp_path / "model.onnx"), part_of(tmp_path / "model.onnx")
    assert one.parent == tmp_path
    assert one != other
    assert re.fullmatch(rf"\.model\.onnx\.[0-9a-f]{{6}}-{os.getpid():x}-[0-9a-f]{{8}}\.part", one.name)


def test_only_what_a_process_that_is_gone_began_for_the_same_path_is_swept(tmp_path):
    dead, host = gone(), owner().split("-")[0]
    (tmp_path / f".one.{dead}-01234567.part").mkdir()
    (tmp_path / f".one.{dead}-01234567.part" / "half").touch()
    (tmp_path / f".one.{dead}-89abcdef.part").touch()
    kept = {
        part_of(tmp_path / "one").name,  # ours
        f".one.{host}-1-01234567.part",  # of the first process, which lives
        f".one.{'0' * 6 if host != '0' * 6 else 'f' * 6}-{dead.split('-')[1]}-01234567.part",  # another machine's
        f".other.{dead}-01234567.part",
        ".one.part",
        "one",
    }
    for name in kept:
        (tmp_path / name).touch()
    sweep_parts(tmp_path / "one")
    assert names(tmp_path) == kept
    sweep_parts(tmp_path / "nowhere" / "one")


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (tmp_path / f".one.{gone()}-01234567.part").symlink_to("mine")
    sweep_parts(tmp_path / "one")
    assert names(tmp_path) == {"mine"}
    assert names(tmp_path / "mine") == {"file"}


def test_a_new_folder_clears_away_what_was_begun_for_it(tmp_path):
    (tmp_path / f".run.{gone()}-01234567.part").mkdir()
    with new_folder(tmp_path / "run"):
        pass
    assert names(tmp_path) == {"run"}


def test_scratch_folders_of_processes_that_are_gone_are_swept(tmp_path):
    for name in (f"pawsight-{gone()}-ab_12xyz", f"pawsight-{owner()}-ab_12xyz", "pawsight-mine"):
        (tmp_path / name).mkdir()
    sweep_scratch(tmp_path, "pawsight-")
    assert names(tmp_path) == {f"pawsight-{owner()}-ab_12xyz", "pawsight-mine"}


def test_where_nobody_can_be_asked_whether_he_lives_nothing_is_swept(tmp_path, monkeypatch):
    name = f".one.{gone()}-01234567.part"
    (tmp_path / name).touch()
    monkeypatch.setattr(sys, "platform", "win32")
    sweep_parts(tmp_path / "one")
    assert names(tmp_path) == {name}
    monkeypatch.undo()
    sweep_parts(tmp_path / "one")
    assert names(tmp_path) == set()
