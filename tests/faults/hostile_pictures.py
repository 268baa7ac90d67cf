"""More than 700 hostile pictures, the same at every call, each with what must come of it where that is certain.

Enters: nothing; on the command line a folder. Leaves: `Hostile` pictures; in the folder, files. Does not know: Pawsight.

    python tests/faults/hostile_pictures.py FOLDER [--light]
"""

from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path

from hostile_jpeg import jpegs
from hostile_others import avifs, strangers, webps
from hostile_png import gifs, pngs
from hostile_raster import bmps, tiffs
from hostile_tools import Hostile, Pictures

__all__ = ["Hostile", "all_pictures", "write_to"]


def all_pictures() -> Pictures:
    """Yield every hostile picture, one in memory at a time."""
    return chain(jpegs(), pngs(), gifs(), bmps(), tiffs(), webps(), avifs(), strangers())


def write_to(folder: Path, *, heavy: bool = True) -> list[Hostile]:
    """Write the pictures into a folder and return them without their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for picture in all_pictures():
        if heavy or not picture.heavy:
            (folder / picture.name).write_bytes(picture.content())
            written.append(Hostile(picture.name, b"", picture.shows, picture.refused, picture.heavy))
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--light", action="store_true", help="leave out those that take a second or 200 MiB")
    asked = parser.parse_args()
    print(f"{len(write_to(asked.folder, heavy=not asked.light))} hostile pictures in {asked.folder}")
