"""Temporary names that say whose they are, so that what killed processes left can be swept.

Enters: the place that something is to have in the end. Leaves: a name beside it, and nothing of processes that are
gone. Does not know: what is written there.

A name is `.NAME.HOST-PROCESS-CHANCE.part`: six digits for the machine, as its network name has it, the process's number
and eight digits of chance. Another machine's names, and those of processes that live, are left alone.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
import sys
from contextlib import suppress
from pathlib import Path

_OWNED = re.compile(r"(?P<host>[0-9a-f]{6})-(?P<process>[0-9a-f]+)-[0-9a-z_]{8}")


def part_of(path: Path) -> Path:
    """Return a temporary name beside `path` that nothing has."""
    # 40 characters are 160 bytes at most, so that a long name does not become one that the disk refuses.
    return path.with_name(f".{path.name[:40]}.{owner()}-{secrets.token_hex(4)}.part")


def sweep_parts(path: Path) -> None:
    """Remove what processes that are gone had begun to write for `path`; what cannot be removed stays."""
    _sweep(path.parent, f".{path.name[:40]}.", ".part")


def sweep_scratch(folder: Path, prefix: str) -> None:
    """Remove what processes that are gone left in a folder of temporary files, under names that begin with `prefix`."""
    _sweep(folder, prefix, "")


def owner() -> str:
    """Return machine and process as temporary names have them."""
    return f"{_host()}-{os.getpid():x}"


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it, where it is there and can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _sweep(folder: Path, before: str, after: str) -> None:
    with suppress(OSError):
        for name in os.listdir(folder):
            if (
                name.startswith(before)
                and name.endswith(after)
                and _is_orphan(name[len(before) : len(name) - len(after)])
            ):
                remove(folder / name)


def _is_orphan(mark: str) -> bool:
    owned = _OWNED.fullmatch(mark)
    return owned is not None and owned["host"] == _host() and not _is_alive(int(owned["process"], 16))


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # no signal asks there without harm
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]
