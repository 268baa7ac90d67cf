"""The verb `export`: a finished run in other formats, each of which answers as the run does.

Enters: a run, names of formats, a folder. Leaves: an `ExportReport`. Does not know: terminals, any format.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle, find_bundle, read_bundle
from pawsight.commands.sealed import held_out
from pawsight.core.errors import ExportRefused, WrongUsage
from pawsight.core.machine import this_machine
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import METRICS, SPLITS
from pawsight.data.finder import Candidate
from pawsight.evaluation.metrics import aligned
from pawsight.exports.int8 import CALIBRATION_PICTURES, Cost, check_cost, measure_cost, quantise, twin_of
from pawsight.exports.target import REDUCED, Exported, Order
from pawsight.exports.targets import TARGETS, chosen
from pawsight.exports.write import check_places, write
from pawsight.images.decode import Pixels
from pawsight.images.loader import load

FOLDER = "export"  # in the run, unless another is given


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What was written, and what 8 bits cost."""

    bundle: Path
    out: Path
    exports: tuple[Exported, ...]
    int8: Cost | None  # None where it was not asked for

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `export --json` prints them."""
        return {
            "bundle": str(self.bundle),
            "out": str(self.out),
            "exports": [_export_json(one) for one in self.exports],
            "int8": None if self.int8 is None else asdict(self.int8) | {"gain": self.int8.gain.to_json()},
        }


def export(
    run: str | os.PathLike[str],
    to: str | Sequence[str],
    *,
    out: str | os.PathLike[str] | None = None,
    int8: bool = False,
    allow_loss: bool = False,
    licence: str = "unknown",
    browser_runtime: str | os.PathLike[str] | None = None,
    progress: Progress = SILENT,
) -> ExportReport:
    """Write a run's classifier in other formats; all that is asked for, or nothing.

    Args:
        run: a run or bundle folder.
        to: names of formats, or one text with commas between them; `pawsight.exports.targets.TARGETS` has them.
        out: folder that gets a folder for each; None: `export` in the run. Earlier exports there are replaced, and
            nothing else is.
        int8: also write 8 bits, calibrated on the run's training pictures and measured on its validation pictures.
        allow_loss: write 8 bits even where they may lose more than one point of accuracy.
        licence: of the weights, as an SPDX name, for the card and the metadata.
        browser_runtime: folder of the npm package onnxruntime-web, whose files the web export copies; None: its page
            fetches them from a public address.
        progress: told on the way.

    Raises:
        ExportRefused: an export answers otherwise than the bundle, or 8 bits may lose too much.
        PawsightError: the bundle is refused, something is not installed, or the disk refuses.
    """
    names = [name.strip() for name in (to.split(",") if isinstance(to, str) else to)]
    targets = chosen(names, int8=int8)
    place = Path(run).expanduser()
    folder = run_of(place)
    target = Path(out).expanduser() if out is not None else _default(folder, place)
    check_places(targets, target, int8=int8)
    runtime = None if browser_runtime is None else Path(browser_runtime).expanduser()
    bundle = read_bundle(place)
    reduced, twin, cost = _reduced(bundle, folder, allow_loss, progress) if int8 else (None, None, None)
    order = Order(bundle=bundle, run=folder, licence=licence, browser_runtime=runtime)
    exports = write(order, targets, target, reduced=reduced, twin=twin, progress=progress)
    return ExportReport(bundle=bundle.folder, out=target, exports=tuple(exports), int8=cost)


def run_of(place: Path) -> Path | None:
    """Return the run that a bundle lies in, None for a bundle alone."""
    bundle = find_bundle(place)
    return bundle.parent if (bundle.parent / METRICS).is_file() else None


def _default(run: Path | None, place: Path) -> Path:
    if run is None:
        raise WrongUsage(
            f"{place} is a bundle without its run, so there is no folder of its own for exports.",
            "A bundle's folder is sealed: nothing is added to it.",
            f"Type for example: pawsight export {place} --to onnx --out exports",
        )
    return run / FOLDER


def _reduced(
    bundle: Bundle, run: Path | None, allow_loss: bool, progress: Progress
) -> tuple[bytes, NDArray[np.float32], Cost]:
    """Return the graph in 8 bits, what it answers to the exam, and what it costs."""
    if run is None or not (run / SPLITS).is_file():
        raise WrongUsage(
            "int8 needs the run's own pictures.",
            f"{bundle.folder} is a bundle without its run.",
            "Name the run, or leave --int8 out.",
        )
    machine = this_machine()
    squares = _calibration(bundle, held_out(run, "train").candidates, machine.feeders)
    with progress.stage("Quantising", None) as step:
        reduced = quantise(bundle.model, squares)
        step.advance()
    cost = measure_cost(
        bundle,
        reduced,
        held_out(run, "validation").candidates,
        calibrated_on=len(squares),
        threads=machine.feeders,
        cores=machine.cores,
        progress=progress,
    )
    check_cost(cost, allow_loss=allow_loss)
    return reduced, twin_of(bundle, reduced), cost


def _calibration(bundle: Bundle, candidates: Sequence[Candidate], threads: int) -> Pixels:
    """Return squares of training pictures, drawn by a fixed seed."""
    order = np.random.default_rng(0).permutation(len(candidates))[:CALIBRATION_PICTURES]
    paths = [candidates[index].path for index in order]
    read = [one.decoded.pixels for one in load(paths, bundle.card.decode, threads=threads) if one.decoded is not None]
    if not read:
        raise ExportRefused(
            "int8 cannot be calibrated.", "No training picture could be read.", "Put them back, or leave --int8 out."
        )
    return np.stack(read)


def _export_json(one: Exported) -> dict[str, Any]:
    return {
        "target": one.target,
        "precision": one.precision,
        "folder": str(one.folder),
        "file": TARGETS[one.target].file,
        "bytes": one.size,
        "files": dict(one.files),
        "sitting": None if one.sitting is None else asdict(one.sitting),
    }


def summary(report: ExportReport) -> list[str]:
    """Return the lines that tell a person what was written."""
    rows = [["export", "opens", "MB", "largest difference", "labels flipped", "s to load"]]
    for one in report.exports:
        opens = f"{one.folder.name}/{TARGETS[one.target].file}"
        sat = one.sitting
        told = ["-", "-", "-"] if sat is None else [
            f"{sat.difference:.1e}", f"{sat.flips} of {sat.pictures}", f"{sat.load_seconds:.2f}"
        ]  # fmt: skip
        rows.append([f"{one.target} {one.precision}" if sat else one.target, opens, f"{one.size / 1e6:.1f}", *told])
    lines = [*aligned(rows, left=2), f"All in {report.out}; pawsight.json in each folder says how to use it."]
    return [*lines, *_int8_lines(report.int8)] if report.int8 else lines


def _int8_lines(cost: Cost) -> list[str]:
    rows = [["precision", "MB", "pictures/s", "right", "accuracy", "95 % interval"]]
    for name, side in (("float32", cost.exact), (REDUCED, cost.reduced)):
        right = f"{side.right:,} of {cost.pictures:,}"
        figures = [f"{side.size / 1e6:.1f}", f"{side.pictures_per_second:.0f}", right, f"{100 * side.accuracy:.1f} %"]
        rows.append([name, *figures, str(side.interval)])
    low, high = cost.gain.interval
    lines = [
        f"int8, calibrated on {cost.calibrated_on:,} training pictures, on the validation part:",
        *aligned(rows),
        f"int8 against float32: {cost.gain.points:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f} (paired);"
        f" largest difference of a probability {cost.difference:.2f}, {cost.flips:,} of {cost.pictures:,} labels flip.",
    ]
    if cost.exact.unlike is None:
        return lines
    return [*lines, f"Called unlike anything seen: {cost.exact.unlike:,} in float32, {cost.reduced.unlike:,} in int8."]
