"""Decodes every file of a folder, each in a process forked for it, and says what came of it.

Enters: on the command line a folder. Leaves: on stdout a line of JSON for each file: name, outcome (a refusal's reason,
"picture", or how the process ended), corners, seconds of processor and clock, peak MiB. Does not know: what is right.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pawsight.core.errors import UnreadablePicture
from pawsight.images.decode import DecodeSettings, decode

PX = 32
LONGEST = 40  # seconds by the clock until a file is given up: the machine may be busy
MOST_MIB = 3072  # of address space, so that a bomb harms nobody else


def outcome_of(path: Path) -> dict[str, object]:
    """Decode one file here and now."""
    try:
        pixels = decode(path.read_bytes(), DecodeSettings(image_px=PX), name=path.name).pixels
    except UnreadablePicture as error:
        return {"outcome": error.why, "cause": repr(error.__cause__)[:200]}
    except BaseException as error:
        return {"outcome": f"raised {error!r}"[:200]}
    low, high = PX // 4, PX - PX // 4
    corners = [pixels[row, column].tolist() for row in (low, high) for column in (low, high)]
    return {"outcome": "picture", "corners": corners}


def in_own_process(path: Path, deed: Callable[[Path], dict[str, object]] = outcome_of) -> dict[str, object]:
    """Do it to one file in a child and measure that."""
    read, write = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if not child:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MIB * 2**20,) * 2)
        signal.alarm(LONGEST)
        os.write(write, json.dumps(deed(path)).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    _, status, used = os.wait4(child, 0)
    found = json.loads(told) if told else {"outcome": f"ended by {os.waitstatus_to_exitcode(status)}"}
    return {
        "name": path.name,
        **found,
        "seconds": round(used.ru_utime + used.ru_stime, 3),
        "clock": round(time.monotonic() - start, 3),
        "mib": used.ru_maxrss // 1024,
    }


if __name__ == "__main__":
    decode_warm = Path(__file__)  # loads Pillow's plugins once, before anything is forked
    outcome_of(decode_warm)
    for file in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps(in_own_process(file)), flush=True)
