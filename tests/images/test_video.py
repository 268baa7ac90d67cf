"""Frames of a video: which ones, and in which colours."""

from __future__ import annotations

import importlib.util
import io

import numpy as np
import pytest
from PIL import Image

from pawsight.core.errors import MissingExtra, UnreadablePicture
from pawsight.images.video import frames

from ..conftest import says

needs_opencv = pytest.mark.skipif(importlib.util.find_spec("cv2") is None, reason="needs pawsight[video]")


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Three seconds at 10 frames a second: red, then green, then blue."""
    import cv2

    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for colour in ((0, 0, 250), (0, 250, 0), (250, 0, 0)):
        for _ in range(10):
            writer.write(np.full((48, 64, 3), colour, np.uint8))
    writer.release()
    return path


def colour_of(file: bytes) -> str:
    pixels = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    assert pixels.shape == (48, 64, 3)
    return ("red", "green", "blue")[int(pixels.mean(axis=(0, 1)).argmax())]


@needs_opencv
@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (1.0, [(0.0, "red"), (1.0, "green"), (2.0, "blue")]),
        (1.5, [(0.0, "red"), (1.5, "green")]),
        (0.5, [(0.0, "red"), (0.5, "red"), (1.0, "green"), (1.5, "green"), (2.0, "blue"), (2.5, "blue")]),
        (60.0, [(0.0, "red")]),
    ],
)
def test_a_frame_is_taken_at_the_start_and_then_every_so_often(clip, every, expected):
    taken = [(round(seconds, 2), colour_of(file)) for seconds, file in frames(clip, every)]
    assert taken == expected


@needs_opencv
def test_what_is_no_video_is_said_to_be_none(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    for path in (tmp_path / "clip.mp4", tmp_path / "gone.mp4"):
        with pytest.raises(UnreadablePicture):
            list(frames(path, 1.0))


def test_without_opencv_the_extra_and_the_page_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("pawsight.core.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as caught:
        list(frames(0, 1.0))
    assert says(caught.value, "cv2", "pawsight[video]", "pawsight serve")
