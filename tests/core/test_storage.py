"""Whole files or nothing, and content hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawsight.core.errors import DiskFull, StorageError, WrongUsage
from pawsight.core.storage import (
    as_path,
    file_lock,
    new_file,
    new_folder,
    owner,
    part_of,
    path_texts,
    scratch_folder,
    sha256_of,
    sha256_of_file,
    sweep_parts,
    sweep_scratch,
    turn_to_rewrite,
    write_bytes,
    write_json,
    write_text,
)

from ..conftest import says

FIX = "Check that the place exists, is writable and has room, then type the same command again."


def refuse(*args: object, **kwargs: object) -> None:
    raise OSError(28, "No space left on device")


def interrupt(*args: object, **kwargs: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every disk have 1,234 bytes left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**6, 10**6 - 1234, 1234))


def full(deed: str) -> str:
    """One line, with what could not be done to which path, and the bytes that are left."""
    fix = "Make room, then type the same command again."
    return f"Could not {deed}: no space left on device. 1,234 bytes are free there. {fix}"


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@given(st.binary(max_size=100))
def test_a_hash_is_lower_case_hexadecimal_sha256(data: bytes) -> None:
    assert sha256_of(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_a_file_hashes_like_its_bytes(size: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff" * size)
    assert sha256_of_file(tmp_path / "file") == sha256_of(b"\xff" * size)


def test_hashing_a_missing_file_says_what_why_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        sha256_of_file(tmp_path / "gone")
    assert says(caught.value.what, tmp_path / "gone")
    assert says(caught.value.why, "No such file or directory")
    assert caught.value.fix == FIX


def test_bytes_are_written_and_folders_made_for_them(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "file", b"\0new")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"\0new"
    assert names(tmp_path / "a" / "b") == ["file"]


def test_old_content_is_replaced_whole(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old and long")
    write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_the_disk_refuses_leaves_the_old_content_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(tmp_path / "file", b"old")
    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(StorageError) as caught:
        write_bytes(tmp_path / "file", b"new!" * 256)
    assert isinstance(caught.value, DiskFull)
    assert str(caught.value) == full(f"write 1,024 bytes to {tmp_path / 'file'}")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_ctrl_c_in_the_middle_of_a_write_leaves_nothing_behind(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(tmp_path / "file", b"old")
    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(StorageError, match=r"1 bytes to .*below\.\nThe system says"):
        write_bytes(tmp_path / "file" / "below", b"x")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with pytest.raises(StorageError):
        write_bytes(tmp_path / "place", b"x")
    assert names(tmp_path) == ["place"]


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "猫" * 85, "🐈" * 63])
def test_names_as_long_as_the_disk_allows_can_be_written(name: str, tmp_path: Path) -> None:
    write_bytes(tmp_path / name, b"x")
    assert names(tmp_path) == [name]


def test_text_is_utf_8_and_names_that_are_not_pass_through(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "Käthe 🐈\n" + os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "file").read_bytes() == "Käthe 🐈\n".encode() + os.fsencode(os.fsdecode(b"caf\xe9"))


def test_json_is_indented_readable_and_ends_with_a_line(tmp_path: Path) -> None:
    write_json(tmp_path / "file", {"who": "Käthe", "shares": [0.5]})
    lines = ["{", '  "who": "Käthe",', '  "shares": [', "    0.5", "  ]", "}", ""]
    assert (tmp_path / "file").read_text("utf-8").split("\n") == lines


def test_what_is_no_json_leaves_the_old_content(tmp_path: Path) -> None:
    write_json(tmp_path / "file", 1)
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file", float("nan"))
    assert (tmp_path / "file").read_text() == "1\n"
    assert names(tmp_path) == ["file"]


def test_a_new_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "run"
    with new_folder(target) as folder:
        (folder / "one").write_bytes(b"1")
        assert not target.exists()
        assert folder.parent == target.parent
    assert names(target) == ["one"]
    assert names(target.parent) == ["run"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_new_folder_that_fails_half_way_is_gone(error: BaseException, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "one").write_bytes(b"1")
        raise error

    with pytest.raises(type(error)), new_folder(tmp_path / "run") as folder:
        fill(folder)
    assert names(tmp_path) == []


def test_a_new_folder_on_a_full_disk_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught, new_folder(tmp_path / "run"):
        refuse()
    assert str(caught.value) == full(f"write the folder {tmp_path / 'run'}")
    assert names(tmp_path) == []


def test_a_folder_that_holds_something_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_bytes(b"mine")
    with pytest.raises(StorageError, match="Could not write the folder"), new_folder(tmp_path / "run") as folder:
        (folder / "one").write_bytes(b"1")
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run" / "mine").read_bytes() == b"mine"


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"mine")
    with pytest.raises(StorageError), new_folder(tmp_path / "run"):
        pass
    assert (tmp_path / "run").read_bytes() == b"mine"
    assert names(tmp_path) == ["run"]


def test_a_new_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with new_file(tmp_path / "a" / "view.npy") as part:
        part.write_bytes(b"half")
        assert names(tmp_path / "a") == [part.name]
        part.write_bytes(b"whole")
    assert (tmp_path / "a" / "view.npy").read_bytes() == b"whole"
    assert names(tmp_path / "a") == ["view.npy"]


def test_a_new_file_on_a_full_disk_says_so_and_is_gone(tmp_path: Path) -> None:
    def fill(part: Path) -> None:
        part.write_bytes(b"half")
        refuse()

    with pytest.raises(DiskFull) as caught, new_file(tmp_path / "view.npy") as part:
        fill(part)
    assert str(caught.value) == full(f"write {tmp_path / 'view.npy'}")
    assert names(tmp_path) == []


def test_a_scratch_folder_is_lent_among_the_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder() as folder:
        assert folder.parent == tmp_path
    assert names(tmp_path) == []
    with pytest.raises(DiskFull) as caught, scratch_folder():
        refuse()
    assert str(caught.value) == full(f"write temporary files to {tmp_path}")
    assert names(tmp_path) == []


def test_where_there_is_no_place_for_temporary_files_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(StorageError) as caught, scratch_folder():
        pass
    assert says(caught.value.why, "temporary directory", "/tmp")
    assert says(caught.value.fix, "TMPDIR")


def gone() -> str:
    """Machine and process, as names have them, of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return f"{owner().split('-')[0]}-{ended.pid:x}"


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
    assert names(tmp_path) == sorted(kept)
    sweep_parts(tmp_path / "nowhere" / "one")


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (tmp_path / f".one.{gone()}-01234567.part").symlink_to("mine")
    sweep_parts(tmp_path / "one")
    assert names(tmp_path) == ["mine"]
    assert names(tmp_path / "mine") == ["file"]


def test_a_new_folder_clears_away_what_was_begun_for_it(tmp_path):
    (tmp_path / f".run.{gone()}-01234567.part").mkdir()
    with new_folder(tmp_path / "run"):
        pass
    assert names(tmp_path) == ["run"]


def test_scratch_folders_of_processes_that_are_gone_are_swept(tmp_path):
    for name in (f"pawsight-{gone()}-ab_12xyz", f"pawsight-{owner()}-ab_12xyz", "pawsight-mine"):
        (tmp_path / name).mkdir()
    sweep_scratch(tmp_path, "pawsight-")
    assert names(tmp_path) == sorted([f"pawsight-{owner()}-ab_12xyz", "pawsight-mine"])


def test_where_nobody_can_be_asked_whether_he_lives_nothing_is_swept(tmp_path, monkeypatch):
    name = f".one.{gone()}-01234567.part"
    (tmp_path / name).touch()
    monkeypatch.setattr(sys, "platform", "win32")
    sweep_parts(tmp_path / "one")
    assert names(tmp_path) == [name]
    monkeypatch.undo()
    sweep_parts(tmp_path / "one")
    assert names(tmp_path) == []


@pytest.fixture
def held_by_another(tmp_path):
    """A lock file that another process holds until it is told to end."""
    code = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); print(flush=True); input()"
    lock = tmp_path / "lock"
    command = [sys.executable, "-c", code, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield lock, process
        process.communicate(b"\n")


def test_a_lock_that_another_process_holds_is_refused_or_waited_for(held_by_another):
    lock, process = held_by_another
    calls = []
    with pytest.raises(TimeoutError), file_lock(lock):
        pass
    with pytest.raises(TimeoutError), file_lock(lock, wait=0.01, waiting=lambda: calls.append(1)):
        pass
    with file_lock(lock, wait=60, waiting=process.kill):
        pass
    assert calls == [1]


def test_a_lock_file_may_go_with_the_block(tmp_path):
    with file_lock(tmp_path / "lock", remove_after=True):
        assert names(tmp_path) == ["lock"]
    assert names(tmp_path) == []


def test_a_file_that_another_process_is_rewriting_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("pawsight.core.storage._TURN_S", 0.01)
    with turn_to_rewrite(tmp_path / "table.csv"):
        assert names(tmp_path) == [".table.csv.lock"]
        with pytest.raises(StorageError) as error, turn_to_rewrite(tmp_path / "table.csv"):
            pass
    assert error.value.fix
    assert names(tmp_path) == [".table.csv.lock"]  # removed, it would let two processes in


def test_a_lock_that_the_disk_refuses_after_waiting_is_a_storage_error(tmp_path, monkeypatch):
    from filelock import FileLock, Timeout

    refusals = iter([Timeout(str(tmp_path / "lock")), FileNotFoundError(errno.ENOENT, "gone")])

    def refuse(lock, timeout):
        raise next(refusals)

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(StorageError), file_lock(tmp_path / "lock", wait=1):
        pass


def test_a_lock_that_the_disk_refuses_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError), file_lock(tmp_path / "file" / "lock"):
        pass


def test_a_path_may_be_any_kind_of_path_and_an_unknown_home_stays_as_it_is(tmp_path: Path) -> None:
    assert as_path(str(tmp_path)) == as_path(tmp_path) == tmp_path
    assert as_path("~") == Path.home()
    assert as_path("~nobody-of-this-name/cats") == Path("~nobody-of-this-name/cats")
    assert path_texts(tmp_path) == path_texts([tmp_path]) == [str(tmp_path)]


@pytest.mark.parametrize("place", [None, 3, b"cats", [1]])
def test_what_is_no_path_is_refused_by_its_type(place: object) -> None:
    for take in (as_path, path_texts):
        if not (take is path_texts and isinstance(place, bytes)):
            with pytest.raises(WrongUsage) as error:
                take(place, "Name one.")
            assert error.value.fix == "Name one."
