"""The loader: order, a bounded number of files at once, and problems told without waiting or raising."""

from __future__ import annotations

import errno
import gc
import hashlib
import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.core.errors import StorageError, UnreadablePicture
from pawsight.core.thread_pool import THREAD_NAME
from pawsight.images import loader
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.loader import load, load_file, read_regular_file

SMALL = DecodeSettings(image_px=16)
linux_only = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted in /proc")
pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (20, 20), shade).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Forty pictures, each of its own shade of grey."""
    paths = [tmp_path / f"{shade:03}.png" for shade in range(0, 200, 5)]
    for path in paths:
        path.write_bytes(png(int(path.stem)))
    return paths


def working_threads() -> int:
    return sum(thread.name == THREAD_NAME for thread in threading.enumerate())


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_files_come_in_the_order_given(files: list[Path], threads: int) -> None:
    mixed = [*reversed(files), files[3], files[3]]
    loaded = list(load(mixed, SMALL, threads=threads))
    assert [picture.path for picture in loaded] == mixed
    assert [int(picture.decoded.pixels[0, 0, 0]) for picture in loaded if picture.decoded] == [
        int(path.stem) for path in mixed
    ]


def test_what_is_loaded_is_the_hash_and_what_decode_says(files: list[Path]) -> None:
    one = load_file(files[7], SMALL)
    data = files[7].read_bytes()
    assert (one.path, one.problem, one.sha256) == (files[7], "", hashlib.sha256(data).hexdigest())
    assert one.decoded is not None
    assert np.array_equal(one.decoded.pixels, decode(data, SMALL, name="x").pixels)


def test_no_files_are_no_work() -> None:
    assert list(load([], SMALL, threads=2)) == []


def test_pixels_that_are_not_wanted_are_not_decoded(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "decode", None)
    asked: list[str] = []

    def refusing(sha256: str) -> bool:
        asked.append(sha256)
        return False

    loaded = list(load(files, SMALL, threads=2, wanted=refusing))
    assert all(picture.decoded is None and picture.problem == "" for picture in loaded)
    assert sorted(asked) == sorted(picture.sha256 for picture in loaded)


def test_a_bad_picture_is_told_and_the_rest_goes_on(files: list[Path]) -> None:
    files[1].write_bytes(b"")
    files[2].write_bytes(b"no picture")
    files[3].unlink()
    loaded = list(load(files, SMALL, threads=2))
    assert [picture.problem for picture in loaded[:5]] == [
        "",
        "empty",
        "not a picture",
        "no such file or directory",
        "",
    ]
    assert loaded[2].sha256 == hashlib.sha256(b"no picture").hexdigest()
    assert loaded[3].sha256 == ""
    assert loaded[2].decoded is None


def test_paths_are_drawn_a_bounded_number_ahead(files: list[Path]) -> None:
    drawn = 0

    def endless() -> Iterator[Path]:
        nonlocal drawn
        while True:
            drawn += 1
            yield files[0]

    threads = 2
    loading = load(endless(), SMALL, threads=threads)
    for received in range(1, 60):
        next(loading)
        assert drawn <= received + 8 * threads
    loading.close()  # type: ignore[attr-defined]


def test_nothing_is_drawn_before_the_first_is_asked_for() -> None:
    drawn = []

    def noted() -> Iterator[Path]:
        drawn.append(1)
        yield Path()

    load(noted(), SMALL, threads=2)
    assert drawn == []


def reason_of(path: Path) -> str:
    with pytest.raises(UnreadablePicture) as caught:
        read_regular_file(path)
    assert caught.value.what == f"Could not read {path}."
    return caught.value.why


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\0\xff" * 70_000)
    assert read_regular_file(tmp_path / "file") == b"\0\xff" * 70_000


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular_file(tmp_path / "link") == b"content"


@pipes
def test_a_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cat.jpg")
    start = time.perf_counter()
    assert reason_of(tmp_path / "cat.jpg") == "not a regular file"
    assert load_file(tmp_path / "cat.jpg", SMALL).problem == "not a regular file"
    assert time.perf_counter() - start < 1


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no endless devices")
def test_an_endless_device_is_refused() -> None:
    assert reason_of(Path("/dev/zero")) == "not a regular file"


def test_folders_missing_files_and_broken_links_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    assert reason_of(tmp_path) == "is a directory"
    assert reason_of(tmp_path / "gone.jpg") == "no such file or directory"
    assert reason_of(tmp_path / "broken") == "no such file or directory"
    assert reason_of(tmp_path / "circle") == "too many levels of symbolic links"
    assert reason_of(tmp_path / ("x" * 300)) == "file name too long"
    assert "null" in reason_of(tmp_path / "nul\0byte")


def test_a_file_that_is_not_ours_to_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "cat.jpg").write_bytes(png(1))
    monkeypatch.setattr(os, "open", forbid)
    assert reason_of(tmp_path / "cat.jpg") == "permission denied"


def test_a_file_larger_than_any_picture_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "huge.tiff").open("wb") as file:
        file.truncate(loader.MAX_FILE_BYTES + 1)
    start = time.perf_counter()
    assert reason_of(tmp_path / "huge.tiff") == "too large"
    assert time.perf_counter() - start < 1


@linux_only
@pipes
def test_no_file_stays_open_whatever_was_met(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "good").write_bytes(png(1))
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for path in [tmp_path, tmp_path / "pipe", tmp_path / "gone", tmp_path / "good"] * 3:
        load_file(path, SMALL)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN])
def test_a_disk_or_share_that_fails_ends_the_reading_after_three(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    paths = [tmp_path / f"{index}.png" for index in range(100)]
    for path in paths[:2]:
        path.write_bytes(png(1))
    before = list(load(paths[:2], SMALL, threads=2))
    monkeypatch.setattr(loader, "regular_file", fail)
    answers = []
    with pytest.raises(StorageError) as error:
        answers.extend(load(paths, SMALL, threads=2))
    assert all(loaded.decoded is not None for loaded in before)
    assert str(paths[2]) in error.value.why
    assert "the same command" in error.value.fix


def test_what_is_wrong_with_single_files_ends_nothing(tmp_path: Path) -> None:
    problems = [loaded.problem for loaded in load([tmp_path / "gone.png"] * 50, SMALL, threads=2)]
    assert problems == ["no such file or directory"] * 50


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no named sockets")
def test_sockets_among_the_files_are_no_failure_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is at most 100 bytes long
    for name in ["a.jpg", "b.jpg", "c.jpg"]:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(name)
    Path("d.jpg").write_bytes(png(1))
    loaded = list(load(sorted(tmp_path.iterdir()), SMALL, threads=2))
    assert [bool(file.problem) for file in loaded] == [True, True, True, False]
