"""Where exports lie: a folder each, that takes its name when all that was asked for is whole, and is ours to replace.

Enters: the folder for exports, names of targets. Leaves: folders under their final names. Does not know: formats.

Each folder has a pawsight.json that lists its files with their sha256. A folder that does not, or that has other or
altered files in it, is somebody else's work and is refused.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pawsight.core.errors import WrongUsage
from pawsight.core.storage import refusal, sha256_of_file, write_json
from pawsight.exports.facts import FACTS


@contextmanager
def workbench(out: Path) -> Iterator[Path]:
    """Give a temporary folder on the same disk as `out`, and take it away again.

    Raises:
        StorageError: the disk refused.
    """
    bench = out / f".{secrets.token_hex(4)}.part"
    existed = out.is_dir()
    try:
        bench.mkdir(parents=True)
        yield bench
    except OSError as error:
        raise refusal("write the export", out, error) from error
    finally:
        shutil.rmtree(bench, ignore_errors=True)
        if not existed and out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def check_free(folder: Path) -> None:
    """Make sure that a folder may take a name: nothing is there, or an export that nobody has touched.

    Raises:
        WrongUsage: there is something else.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise _not_ours(folder, "It is no folder.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    listed = _listed(folder / FACTS)
    if listed is None:
        raise _not_ours(folder, f"It holds files and no {FACTS} that lists them.")
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if name != FACTS and (name not in listed or path.is_symlink() or listed[name] != sha256_of_file(path)):
            raise _not_ours(folder, f"{name} was not written by an export, or was changed since.")


def seal(folder: Path, facts: Mapping[str, Any]) -> dict[str, int]:
    """Write pawsight.json with the digests of all files of a folder, and return their sizes."""
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder) if path != folder / FACTS}
    write_json(folder / FACTS, {**facts, "files": {name: sha256_of_file(path) for name, path in files.items()}})
    return {name: path.stat().st_size for name, path in [*files.items(), (FACTS, folder / FACTS)]}


def put(made: Path, folder: Path) -> None:
    """Let a finished folder take its name, in the place of an earlier export.

    Raises:
        StorageError: the disk refused; what stood there stands.
    """
    earlier = made.with_name(f"{made.name}.earlier")
    try:
        if folder.is_dir():
            os.replace(folder, earlier)
        os.replace(made, folder)
    except OSError as error:
        if earlier.is_dir() and not folder.exists():
            os.replace(earlier, folder)
        raise refusal("write the export", folder, error) from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _listed(path: Path) -> Mapping[str, str] | None:
    try:
        listed = json.loads(path.read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return listed if isinstance(listed, dict) else None


def _not_ours(folder: Path, why: str) -> WrongUsage:
    return WrongUsage(f"{folder} is not overwritten.", why, "Give another folder with --out, or move that one away.")
