"""Writes exports: all that are asked for, each verified by its self-test, or none.

Each export is a folder with a pawsight.json that lists its files with their SHA-256. An earlier export may be replaced.
A folder without that list, or with other or changed files, is refused.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.core.errors import WrongUsage
from pawsight.core.progress import SILENT, Progress
from pawsight.core.storage import refusal, sha256_of_file, write_json
from pawsight.exports.export_context import (
    EXACT,
    METADATA_FILE,
    REDUCED,
    ExportContext,
    Exported,
    Make,
    Target,
    metadata_of,
)
from pawsight.exports.verify import Outputs, expected_outputs, verify


def write(
    context: ExportContext,
    targets: Sequence[Target],
    out: Path,
    *,
    reduced: bytes | None = None,
    reference: NDArray[np.float32] | None = None,
    progress: Progress = SILENT,
) -> list[Exported]:
    """Write exports below a folder, one folder each; if one is refused, none is written.

    Args:
        context: what to export.
        targets: the formats.
        out: the folder that holds them.
        reduced: the graph in 8 bits as ONNX, also written, for the formats that can hold it.
        reference: that graph's answers to the self-test where its accuracy was measured, (K, C).
        progress: advanced with each format.

    Raises:
        BundleRefused: the bundle fails its own self-test. ExportRefused: an export does. StorageError: a file cannot be
            written.
    """
    expected = expected_outputs(context.bundle)
    batches: list[tuple[ExportContext, Sequence[Target], NDArray[np.float32] | None]] = [(context, targets, None)]
    if reduced is not None:
        able = [target for target in targets if target.has_reduced]
        batches.append((replace(context, model=reduced, precision=REDUCED), able, reference))
    with staging_folder(out) as staging, progress.stage("Exporting", None, "formats") as step:
        made = []
        for part, formats, probabilities in batches:
            groups: dict[Make, list[Target]] = {}
            for target in formats:
                groups.setdefault(target.make, []).append(target)
            for make, group in groups.items():
                folders = {target.name: staging / folder_name(target, part.precision) for target in group}
                for folder in folders.values():
                    folder.mkdir()
                make(part, {target.name: folders[target.name] / target.file for target in group})
                for target in group:
                    made.append(_verified(part, target, folders[target.name], expected, probabilities))
                    step.advance()
        for export in made:
            put(export.folder, out / export.folder.name)
    return [replace(export, folder=out / export.folder.name) for export in made]


def folder_name(target: Target, precision: str) -> str:
    """Return the name of a target's folder: onnx, or onnx-int8."""
    return target.name if precision == EXACT else f"{target.name}-{precision}"


def _verified(
    context: ExportContext,
    target: Target,
    folder: Path,
    expected: Outputs,
    reference: NDArray[np.float32] | None,
) -> Exported:
    """Run the self-test of what was made, and write its result with the metadata."""
    model = folder / (target.model or target.file)
    result = verify(target, model, context.bundle, expected, reference=reference) if target.runtime else None
    head = {"target": target.name, "file": target.file, "sitting": None if result is None else asdict(result)}
    files = write_file_list(folder, {**head, **metadata_of(context)})
    return Exported(target=target.name, precision=context.precision, folder=folder, files=files, self_test=result)


def check_folders(targets: Sequence[Target], out: Path, *, int8: bool) -> None:
    """Check, before anything slow, that no file of others would be overwritten.

    Raises:
        WrongUsage: a folder holds what no export wrote.
    """
    for target in targets:
        check_replaceable(out / folder_name(target, EXACT))
        if int8 and target.has_reduced:
            check_replaceable(out / folder_name(target, REDUCED))


def check_replaceable(folder: Path) -> None:
    """Check that a folder is absent, empty, or an earlier export with unchanged files.

    Raises:
        WrongUsage: it is anything else.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise _not_overwritten(folder, "It is not a folder.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        listed = json.loads((folder / METADATA_FILE).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        listed = None
    if not isinstance(listed, dict):
        raise _not_overwritten(folder, f"It holds files but no {METADATA_FILE} that lists them.")
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        if name != METADATA_FILE and (name not in listed or path.is_symlink() or listed[name] != sha256_of_file(path)):
            raise _not_overwritten(folder, f"{name} was not written by an export, or was changed since.")


def _not_overwritten(folder: Path, why: str) -> WrongUsage:
    return WrongUsage(f"{folder} is not overwritten.", why, "Give another folder with --out, or move that one away.")


@contextmanager
def staging_folder(out: Path) -> Iterator[Path]:
    """Make a temporary folder on the same disk as `out`, and remove it afterwards.

    Raises:
        StorageError: it cannot be written.
    """
    staging = out / f".{secrets.token_hex(4)}.part"
    existed = out.is_dir()
    try:
        staging.mkdir(parents=True)
        yield staging
    except OSError as error:
        raise refusal("write the export", out, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not existed and out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def write_file_list(folder: Path, metadata: Mapping[str, Any]) -> dict[str, int]:
    """Write pawsight.json with the digests of all files of a folder, and return their sizes."""
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder) if path != folder / METADATA_FILE}
    digests = {name: sha256_of_file(path) for name, path in files.items()}
    write_json(folder / METADATA_FILE, {**metadata, "files": digests})
    return {name: path.stat().st_size for name, path in [*files.items(), (METADATA_FILE, folder / METADATA_FILE)]}


def put(made: Path, folder: Path) -> None:
    """Move a finished folder to its final name, in the place of an earlier export.

    Raises:
        StorageError: it cannot be moved; the earlier export stays.
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
