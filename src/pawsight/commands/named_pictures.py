"""The pictures that are typed after a verb, one after another: files, folders, lists, addresses, a video, a camera."""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from pawsight.core.errors import NoPictures, UnreadablePicture, WrongUsage
from pawsight.core.thread_pool import ordered_map
from pawsight.data.folders import expand, is_folder, is_regular_file
from pawsight.data.reading import is_picture
from pawsight.distributed.path_lists import is_list, listed, path_lines
from pawsight.distributed.remote import is_url, read
from pawsight.images.decode import Decoded, DecodeSettings, decode, is_readable_type
from pawsight.images.loader import MAX_FILE_BYTES, ReadAhead, read_regular_file, while_storage_answers
from pawsight.images.video import ENDINGS as VIDEO_ENDINGS
from pawsight.images.video import frames

EVERY = 1.0  # seconds between frames, by default
_CAMERA = re.compile(r"camera(?::(\d))?")
_NAMED = 5  # inputs listed in a message


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """One picture to read."""

    name: str  # its path or address; "clip.mp4 at 2.0 s" for a frame
    read: Callable[[], bytes]  # raises UnreadablePicture
    is_found: bool = False  # in a folder, where there are other files too


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """One picture, decoded, or why it is not."""

    name: str
    decoded: Decoded | None
    problem: str  # in a few words; empty where there is none
    is_other_file: bool  # in a folder, and no picture, neither by its ending nor by its content


def named_pictures(typed: Sequence[str], *, every: float = EVERY) -> Iterator[NamedPicture]:
    """Yield the pictures that are typed, in order; they are found as they are needed.

    Args:
        typed: files; folders; patterns; lists (a table with a column `path`, or @FILE and .txt with a path a line); `-`
            for such a list, or one picture, on standard input; addresses; videos; `camera`, or `camera:1` for another.
        every: seconds between two frames of a video or a camera.

    Raises:
        WrongUsage: a name is empty.
        NoPictures: there are none: folders and lists are empty, or nothing matches a pattern.
        PawsightError: a list or an address cannot be read.
    """
    if not all(typed):
        raise WrongUsage(
            "One of the pictures has an empty name.",
            "An empty name would mean every file of this folder.",
            "Type . if that is what you want.",
        )
    pictures = chain.from_iterable(_named(name, every) for name in typed)
    first = next(pictures, None)
    if first is None and typed:
        raise NoPictures(
            f"No files found under {', '.join(typed[:_NAMED])}.",
            "The folders or lists are empty or hold only hidden files.",
            "Name pictures, or folders that hold some.",
        )
    return chain([first], pictures) if first is not None else pictures


def _named(name: str, every: float) -> Iterator[NamedPicture]:
    path = Path(name)
    if name == "-":
        return _standard_input()
    if (paths := listed(name)) is not None:
        return map(_picture, paths)
    if camera := _CAMERA.fullmatch(name):
        return _frames(name, int(camera[1] or 0), every)
    if is_url(name):
        return iter([_picture(name)])
    if is_folder(path):
        return (NamedPicture(str(file), partial(read_regular_file, file), is_found=True) for file in expand([path]))
    if glob.has_magic(name) and not os.path.lexists(name):
        return _matching(name)
    return _frames(name, path, every) if path.suffix.lower() in VIDEO_ENDINGS else iter([_picture(str(path))])


def _matching(pattern: str) -> Iterator[NamedPicture]:
    """Yield the files that match a pattern, which a shell did not expand."""
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  # of any root
    if not matches:
        raise NoPictures(f"No file matches {pattern}.", "", "Name pictures, or folders that hold some.")
    yield from map(_picture, matches)


def _picture(name: str) -> NamedPicture:
    return NamedPicture(name, partial(read, name) if is_url(name) else partial(read_regular_file, Path(name)))


def _standard_input() -> Iterator[NamedPicture]:
    """Yield the pictures of a list on standard input, or the one picture that is there."""
    file = sys.stdin.buffer
    start = file.peek(64) if hasattr(file, "peek") else b""
    if is_readable_type(start):
        data = file.read(MAX_FILE_BYTES + 1)
        yield NamedPicture("-", lambda: data)
    else:
        yield from map(_picture, path_lines(file))


def _frames(name: str, source: Path | int, every: float) -> Iterator[NamedPicture]:
    try:
        for seconds, file in frames(source, every):
            yield NamedPicture(f"{name} at {seconds:.1f} s", partial(bytes, file))
    except UnreadablePicture as error:
        yield NamedPicture(name, partial(_raise, error))


def _raise(error: UnreadablePicture) -> bytes:
    raise error


def decoded_pictures(
    pictures: Iterable[NamedPicture], settings: DecodeSettings, *, threads: int, is_live: bool = False
) -> Iterator[DecodedPicture]:
    """Read and decode pictures, in order; one that cannot be read has a problem.

    Args:
        pictures: consumed lazily.
        settings: how to decode.
        threads: how many are worked on at once.
        is_live: there is a camera among them: read none ahead, which would be late when it is answered.

    Raises:
        StorageError: the disk or network share does not answer.
    """
    ahead = ReadAhead[NamedPicture](threads, lambda picture: picture.read())

    def work(picture: NamedPicture) -> DecodedPicture:
        is_read = False
        try:
            data = ahead.read(picture)
            is_read = True
            with ahead.computing():
                decoded = decode(data, settings, name=picture.name)
            return DecodedPicture(picture.name, decoded, "", is_other_file=False)
        except UnreadablePicture as error:
            is_other = is_read and picture.is_found and not is_picture(picture.name, error.why)
            return DecodedPicture(picture.name, None, error.why, is_other)

    files = map(work, pictures) if is_live else ordered_map(work, pictures, threads=ahead.threads)
    return while_storage_answers(files, lambda picture: (picture.name, picture.problem))


def has_camera(typed: Sequence[str]) -> bool:
    """Return whether a camera is among what is typed."""
    return any(_CAMERA.fullmatch(name) for name in typed)


def count_of(typed: Sequence[str]) -> int | None:
    """Return the number of pictures; None where folders, lists, videos or patterns are among what is typed."""
    are_files = all(is_url(name) or is_regular_file(Path(name)) for name in typed)
    are_several = [is_list(name) or Path(name).suffix.lower() in VIDEO_ENDINGS for name in typed]
    return len(typed) if are_files and not any(are_several) else None
