"""Makes exports: all that is asked for, examined, or nothing.

Enters: an `Order`, targets, a folder. Leaves: `Exported`s that stand on disk. Does not know: terminals, data sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pawsight.core.progress import SILENT, Progress
from pawsight.exports.exam import Expected, expected_of, sit
from pawsight.exports.facts import facts_of
from pawsight.exports.place import check_free, put, seal, workbench
from pawsight.exports.target import EXACT, REDUCED, Exported, Make, Order, Sitting, Target


def folder_name(target: Target, precision: str) -> str:
    """Return the name of a target's folder: onnx, or onnx-int8."""
    return target.name if precision == EXACT else f"{target.name}-{precision}"


def check_places(targets: Sequence[Target], out: Path, *, int8: bool) -> None:
    """Make sure, before anything slow, that nothing of others would be overwritten.

    Raises:
        WrongUsage: a folder holds what no export wrote.
    """
    for target in targets:
        check_free(out / folder_name(target, EXACT))
        if int8 and target.has_reduced:
            check_free(out / folder_name(target, REDUCED))


def write(
    order: Order,
    targets: Sequence[Target],
    out: Path,
    *,
    reduced: bytes | None = None,
    twin: NDArray[np.float32] | None = None,
    progress: Progress = SILENT,
) -> list[Exported]:
    """Write exports below a folder, one folder each; if one is refused, none is written.

    Args:
        order: what to export.
        targets: to which formats.
        out: the folder that holds them.
        reduced: the graph in 8 bits as ONNX, written beside, for the formats that can hold it.
        twin: what that graph answers to the exam where its accuracy was measured, (K, C).
        progress: told of each format.

    Raises:
        BundleRefused: the bundle fails its own exam. ExportRefused: an export does. StorageError: the disk refused.
    """
    expected = expected_of(order.bundle)
    with workbench(out) as bench, progress.stage("Exporting", None, "formats") as step:
        made = []
        for each, some, probabilities in _batches(order, targets, reduced, twin):
            for group in _groups(some):
                folders = {one.name: bench / folder_name(one, each.precision) for one in group}
                _make(each, group, folders)
                for one in group:
                    made.append(_finished(each, one, folders[one.name], expected, probabilities))
                    step.advance()
        for each_made in made:
            put(each_made.folder, out / each_made.folder.name)
    return [replace(one, folder=out / one.folder.name) for one in made]


def _batches(
    order: Order, targets: Sequence[Target], reduced: bytes | None, twin: NDArray[np.float32] | None
) -> list[tuple[Order, Sequence[Target], NDArray[np.float32] | None]]:
    """Return what is to be written in each precision."""
    exact: list[tuple[Order, Sequence[Target], NDArray[np.float32] | None]] = [(order, targets, None)]
    if reduced is None:
        return exact
    able = [target for target in targets if target.has_reduced]
    return [*exact, (replace(order, model=reduced, precision=REDUCED), able, twin)]


def _groups(targets: Sequence[Target]) -> list[list[Target]]:
    """Put those targets together that are made in one go."""
    groups: dict[Make, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.make, []).append(target)
    return list(groups.values())


def _make(order: Order, group: Sequence[Target], folders: Mapping[str, Path]) -> None:
    for folder in folders.values():
        folder.mkdir()
    group[0].make(order, {one.name: folders[one.name] / one.file for one in group})


def _finished(
    order: Order, target: Target, folder: Path, expected: Expected, twin: NDArray[np.float32] | None
) -> Exported:
    """Examine what was made and write down how it did."""
    sitting = sit(target, folder / (target.model or target.file), expected, twin=twin) if target.runtime else None
    told = {"target": target.name, "file": target.file, "sitting": _plain(sitting)}
    files = seal(folder, {**told, **facts_of(order)})
    return Exported(target=target.name, precision=order.precision, folder=folder, files=files, sitting=sitting)


def _plain(sitting: Sitting | None) -> dict[str, object] | None:
    return None if sitting is None else asdict(sitting)
