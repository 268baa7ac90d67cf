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
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pawsight.core.errors import StorageError, UnreadablePicture
from pawsight.core.thread_pool import THREAD_NAME
from pawsight.images import loader
from pawsight.images.decode import DecodeSettings, decode
from pawsight.images.loader import ReadAhead, load, load_file, read_regular_file

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


@pytest.mark.parametrize(
    ("number", "is_lost"), [(53, True), (64, True), (121, True), (1231, True), (2, False), (5, False)]
)
def test_the_numbers_that_windows_gives_a_lost_share_are_known(
    number: int, is_lost: bool, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(path: object, *_: object, **__: object) -> object:
        error = OSError(errno.EINVAL, "Invalid argument")
        error.winerror = number  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(loader, "open", lost, raising=False)
    if is_lost:
        with pytest.raises(StorageError) as caught:
            list(load(files, SMALL, threads=2))
        assert files[0].name in caught.value.why
    else:
        assert len(list(load(files, SMALL, threads=2))) == len(files)


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


class SlowShare:
    """Answers after `seconds` of the asking thread's own clock, so that no thread's reading counts as another's decoding.

    `together` files have to be asked for at once before any comes.
    """

    def __init__(self, seconds: float, together: int) -> None:
        self.seconds, self.together = seconds, together
        self.asked, self.at_once, self.most = 0, 0, 0
        self._of_thread = threading.local()
        self._lock, self._enough = threading.Lock(), threading.Event()

    def clock(self) -> float:
        return getattr(self._of_thread, "now", 0.0)

    def read(self, path: Path) -> bytes:
        with self._lock:
            self.asked += 1
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            if self.most >= self.together:
                self._enough.set()
            is_first = self.asked <= 2  # by which the time is measured
        self._of_thread.now = self.clock() + self.seconds
        assert is_first or self._enough.wait(30), f"only {self.most} files were asked for at once"
        with self._lock:
            self.at_once -= 1
        return png(int(path.stem))


def read_through(share: SlowShare, monkeypatch: pytest.MonkeyPatch, files: list[Path]) -> list[str]:
    monkeypatch.setattr(loader, "read_regular_file", share.read)
    monkeypatch.setattr(loader, "ReadAhead", partial(ReadAhead, clock=share.clock))
    return [loaded.problem for loaded in load(files + files, SMALL, threads=2)]


def test_a_slow_share_is_asked_for_many_files_at_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    share = SlowShare(seconds=0.5, together=32)
    assert read_through(share, monkeypatch, files) == [""] * 80
    assert (share.asked, share.most) == (80, 32)


def test_a_quick_disk_is_asked_for_as_many_as_are_decoded(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    share = SlowShare(seconds=0.001, together=2)
    assert read_through(share, monkeypatch, files) == [""] * 80
    assert share.most == 2


def test_no_more_threads_than_asked_for_decode_at_once(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    lock, counts = threading.Lock(), [0, 0]

    def counted(data: bytes, settings: DecodeSettings, *, name: str) -> object:
        with lock:
            counts[0] += 1
            counts[1] = max(counts)
        try:
            return decode(data, settings, name=name)
        finally:
            with lock:
                counts[0] -= 1

    monkeypatch.setattr(loader, "decode", counted)
    read_through(SlowShare(seconds=0.5, together=32), monkeypatch, files)
    assert counts[1] <= 2


@pytest.mark.parametrize(("size", "threads"), [(1_000, 32), (20_000_000, 13), (500_000_000, 2)])
def test_of_large_files_fewer_are_held(size: int, threads: int) -> None:
    clock = iter(range(1000))
    ahead = ReadAhead(2, lambda path: bytes(size), clock=lambda: float(next(clock)))
    ahead.read(Path("x"))
    assert ahead.threads() == threads
