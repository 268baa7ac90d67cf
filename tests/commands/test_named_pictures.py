"""What is typed after a verb, and the pictures it means."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from pawsight.commands.named_pictures import count_of, decoded_pictures, named_pictures
from pawsight.core.errors import BadDataset, NoPictures, UnreadablePicture, WrongUsage
from pawsight.images.decode import DecodeSettings


def picture(colour) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def inbox(tmp_path, monkeypatch):
    """Two pictures in a folder with other files, and the current folder above it."""
    for name, colour in (("a.png", "red"), ("deep/b.png", "blue")):
        (tmp_path / "inbox" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "inbox" / name).write_bytes(picture(colour))
    (tmp_path / "inbox" / "notes.docx").write_bytes(b"PK\3\4 no picture")
    (tmp_path / "inbox" / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*typed, **options):
    return [found.name for found in named_pictures(typed, **options)]


TWO = ["inbox/a.png", "inbox/deep/b.png"]


def as_table(folder):
    (folder / "list.csv").write_text("File;note\ninbox\\a.png;x\ninbox/deep/b;y\n")
    return "list.csv"


def as_text(folder):
    (folder / "list.txt").write_text("inbox/a.png\n\ninbox/deep/b.png")
    return "list.txt"


def as_text_of_another_folder(folder):
    (folder / "inbox" / "list.txt").write_text("a.png\r\ndeep/b.png\r\n")
    return "inbox/list.txt"


def as_at(folder):
    (folder / "names").write_text("\ufeffinbox/a.png\ninbox/deep/b.png\n", "utf-8")
    return "@names"


def as_at_from_powershell(folder):
    (folder / "names").write_bytes("inbox/a.png\r\ninbox/deep/b.png\r\n".encode("utf-16"))
    return "@names"


def as_at_with_nulls(folder):
    (folder / "names").write_bytes(b"inbox/a.png\0inbox/deep/b.png\0")
    return "@names"


def as_pattern(folder):
    return "inbox/**/*.png"


@pytest.mark.parametrize(
    "make",
    [as_table, as_text, as_text_of_another_folder, as_at, as_at_from_powershell, as_at_with_nulls, as_pattern],
    ids=lambda make: make.__name__,
)
def test_lists_and_patterns_mean_what_they_name(inbox, make):
    assert [os.path.relpath(name) for name in names(make(inbox))] == TWO


def standard_input(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))


def test_standard_input_is_a_list_or_one_picture(inbox, monkeypatch):
    standard_input(monkeypatch, "\n".join(TWO).encode())
    assert names("-") == TWO
    standard_input(monkeypatch, picture("red"))
    (found,) = named_pictures(["-"])
    assert (found.name, found.read()) == ("-", picture("red"))
    standard_input(monkeypatch, b"")
    with pytest.raises(NoPictures):
        names("-")


def test_a_file_in_a_folder_that_is_no_picture_is_told_from_one_that_is_broken(inbox):
    settings = DecodeSettings(image_px=8)
    decoded = list(decoded_pictures(named_pictures(["inbox", "inbox/notes.docx"]), settings, threads=2))
    kinds = [(Path(found.name).name, found.is_other_file, found.decoded is not None) for found in decoded]
    assert kinds == [
        ("a.png", False, True),
        ("cut.jpg", False, False),
        ("b.png", False, True),
        ("notes.docx", True, False),
        ("notes.docx", False, False),  # named itself
    ]


def test_what_cannot_be_read_in_a_folder_is_no_other_file(inbox):
    (inbox / "inbox" / "link").symlink_to("nowhere")
    decoded = decoded_pictures(named_pictures(["inbox"]), DecodeSettings(image_px=8), threads=2)
    (link,) = [found for found in decoded if Path(found.name).name == "link"]
    assert (link.is_other_file, link.problem) == (False, "no such file or directory")


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ([""], WrongUsage),
        (["empty"], NoPictures),
        (["inbox/*.JPEG"], NoPictures),
        (["bad.csv"], BadDataset),
    ],
)
def test_what_names_no_picture_is_refused_before_the_first_is_read(inbox, typed, error):
    (inbox / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(error):
        named_pictures(typed)


def test_an_address_is_fetched_with_its_name_kept(site, inbox):
    url = site.page("/a.png", lambda talk: talk.send(picture("red")))
    found, gone = named_pictures([url, site.url("/gone.png")])
    assert (found.name, found.read()) == (url, picture("red"))
    with pytest.raises(UnreadablePicture, match="404"):
        gone.read()


@pytest.mark.skipif(importlib.util.find_spec("cv2") is None, reason="needs pawsight[video]")
def test_frames_of_a_video_are_named_by_their_time_and_a_broken_one_has_a_reason(inbox):
    import cv2
    import numpy as np

    writer = cv2.VideoWriter("clip.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for _ in range(10):
        writer.write(np.full((48, 64, 3), 200, np.uint8))
    writer.release()
    assert names("clip.avi", every=0.5) == ["clip.avi at 0.0 s", "clip.avi at 0.5 s"]
    (inbox / "broken.mp4").write_bytes(b"no video")
    (broken,) = named_pictures(["broken.mp4"])
    with pytest.raises(UnreadablePicture):
        broken.read()


def test_pictures_are_counted_before_only_where_each_is_named(inbox):
    assert count_of(TWO) == 2
    for more in ("inbox", "list.csv", "@names", "-", "camera", "x.mp4", "inbox/*.png"):
        (inbox / "list.csv").touch()
        assert count_of([*TWO, more]) is None
