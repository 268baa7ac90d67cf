"""What a user's file of weights must be before Keras opens it.

Enters: the path given with --weights. Leaves: nothing, or WeightsUnavailable with what is wrong. Does not know: Keras,
which network the weights are for.

Keras makes room for every array before it compares shapes, and follows links to other files. A file of a few kilobytes
may claim terabytes, so the directory of an HDF5 file is read first and none of its numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pawsight.core.errors import WeightsUnavailable

MAX_BYTES = 512 * 2**20  # of all arrays; MobileNetV2 has 9 million
MAX_OBJECTS = 20_000  # groups and arrays
OTHERWISE = "Give a file with --weights FILE, or use the recipe whose weights are installed: --recipe probe"


def check_weights(path: Path) -> None:
    """Refuse what is no plain HDF5 file of arrays that fit in memory.

    Raises:
        WeightsUnavailable: it is none; nothing in it was run or followed.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            fault = _fault(file, h5py)
    except Exception as error:  # h5py raises OSError, RuntimeError and KeyError for files that are not what they say
        fault = f"It cannot be read as HDF5: {str(error).strip().splitlines()[0] if str(error).strip() else error!r}."
    if fault:
        raise WeightsUnavailable(f"{path} does not hold MobileNetV2's weights.", fault, OTHERWISE)


def _fault(file: Any, h5py: Any) -> str:
    waiting, seen, size = [file], 0, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            seen += 1
            if seen > MAX_OBJECTS:
                return f"It holds more than {MAX_OBJECTS:,} arrays and groups, or leads in a circle."
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return f"Its {name[:80]!r} is a link to another place."
            one = group[name]
            if isinstance(one, h5py.Group):
                waiting.append(one)
                continue
            if not isinstance(one, h5py.Dataset) or one.external or one.is_virtual or one.dtype.hasobject:
                return f"Its {name[:80]!r} is no plain array."
            size += one.nbytes
            if size > MAX_BYTES:
                return f"Its arrays are larger than {MAX_BYTES:,} bytes together."
    return ""
