"""Frames of a video or a camera, as files that the one decoder reads. Needs OpenCV, the extra `video`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from pawsight.core.errors import UnreadablePicture, require_extra

ENDINGS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")  # of files that are videos


def frames(source: Path | int, every: float) -> Iterator[tuple[float, bytes]]:
    """Yield a frame at the start and then one every few seconds, until the video ends; a camera has no end.

    Args:
        source: a video file, or the number of a camera.
        every: seconds between two frames, above 0.

    Yields:
        seconds since the start, and the frame as a BMP file.

    Raises:
        MissingExtra: OpenCV is not installed.
        UnreadablePicture: there is no such video or camera, or it has no frame.
    """
    require_extra(
        "video",
        "cv2",
        needed_by="Reading a video or a camera",
        why="The page of pawsight serve takes pictures with a camera without it.",
    )
    import cv2

    is_camera = isinstance(source, int)
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    try:
        start, due, number = time.monotonic(), 0.0, 0
        rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
        while capture.grab():
            seconds = time.monotonic() - start if is_camera else number / rate
            number += 1
            if seconds + 1e-6 < due:
                continue
            is_read, pixels = capture.retrieve()
            if is_read:
                yield seconds, cv2.imencode(".bmp", pixels)[1].tobytes()
            due = max(due + every, seconds) if is_camera else due + every
        if not number:
            kind = (
                "camera that can be opened; the page of pawsight serve has one"
                if is_camera
                else "video that can be read"
            )
            raise UnreadablePicture(f"Could not read {source}.", f"no {kind}")
    finally:
        capture.release()
