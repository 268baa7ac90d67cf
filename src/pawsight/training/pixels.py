"""Decoded pictures on disk, mapped into memory: any number of them, none held.

Enters: files with their content hashes. Leaves: an array on disk (N, px, px, 3) uint8. Does not know: labels, networks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pawsight.core.errors import PicturesChanged, StorageError
from pawsight.core.progress import Progress
from pawsight.core.storage import new_folder, remove, sha256_of, sha256_of_file, write_text
from pawsight.data.dataset import Picture
from pawsight.images.decode import DecodeSettings, Pixels
from pawsight.images.loader import load

_FILE, _SEAL = "pixels.npy", "seal.txt"
_PIECE_BYTES = 1 << 20
_SHOWN = 5  # names in a message


def stacked_pixels(
    pictures: Sequence[Picture], settings: DecodeSettings, *, cache: Path, threads: int, progress: Progress
) -> Pixels:
    """Return the pixels of pictures as an array that lies on disk, making it where the cache has none.

    Args:
        pictures: N of them; the array has their order.
        settings: how to decode.
        cache: folder for what can be made again; the array goes to `pixels/` in it.

    Returns:
        a read-only memory map (N, image_px, image_px, 3) uint8.

    Raises:
        PicturesChanged: files are no longer what was catalogued; all of them are named.
        StorageError: the disk refused.
    """
    content = sha256_of("\n".join([repr(settings), *(one.sha256 for one in pictures)]).encode())
    folder = cache / "pixels" / content[:20]
    if not _is_whole(folder, content):
        remove(folder)
        try:
            with new_folder(folder) as part:
                _fill(part / _FILE, pictures, settings, threads, progress)
                write_text(part / _SEAL, _seal(part, content))
        except StorageError:
            if not _is_whole(folder, content):  # else another process was quicker
                raise
    mapped: Pixels = np.load(folder / _FILE, mmap_mode="r")
    return mapped


def _is_whole(folder: Path, content: str) -> bool:
    """Say whether an array is there, is the wanted one and holds what was written."""
    try:
        return (folder / _SEAL).read_text("ascii", "replace") == _seal(folder, content)
    except (OSError, StorageError):
        return False


def _seal(folder: Path, content: str) -> str:
    return f"{content} {sha256_of_file(folder / _FILE)}\n"


def _fill(path: Path, pictures: Sequence[Picture], settings: DecodeSettings, threads: int, progress: Progress) -> None:
    array = mapped_array(path, np.uint8, (len(pictures), settings.image_px, settings.image_px, 3))
    changed: dict[str, str] = {}
    with progress.stage("Decoding pictures", len(pictures), "pictures") as step:
        files = load((one.path for one in pictures), settings, threads=threads)
        for row, (one, loaded) in enumerate(zip(pictures, files, strict=True)):
            if loaded.decoded is None or loaded.sha256 != one.sha256:
                changed[one.name] = loaded.problem or "its content is no longer what was catalogued"
            else:
                array[row] = loaded.decoded.pixels
            step.advance()
    if changed:
        raise _changed(changed)
    array.flush()


def _changed(changed: Mapping[str, str]) -> PicturesChanged:
    told = [f"{name}: {reason}" for name, reason in changed.items()]
    more = f" and {len(told) - _SHOWN:,} more" if len(told) > _SHOWN else ""
    return PicturesChanged(
        f"{'1 picture' if len(told) == 1 else f'{len(told):,} pictures'} changed while being used.",
        f"{'; '.join(told[:_SHOWN])}{more}.",
        "Type the same command again.",
        changed=changed,
    )


def mapped_array(path: Path, kind: type[np.generic], shape: tuple[int, ...]) -> Any:
    """Return a new array of zeros on disk, mapped to be written to.

    Its room is taken before it is mapped, by writing: a write into a map that finds the disk full ends the process.

    Raises:
        OSError: the disk refused.
    """
    head = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
    left = math.prod(shape) * np.dtype(kind).itemsize
    with path.open("xb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        while left > 0:
            left -= file.write(bytes(min(left, _PIECE_BYTES)))
    return np.load(path, mmap_mode="r+")
