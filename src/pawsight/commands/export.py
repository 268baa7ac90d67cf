"""The verb `export`: a finished run in other formats, each of which gives the run's answers.

The formats are in exports/.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pawsight.classifier.bundle import Bundle, find_bundle, read_bundle
from pawsight.commands.run_split import held_out
from pawsight.core.errors import ExportRefused, WrongUsage
from pawsight.core.machine import this_machine
from pawsight.core.progress import Progress, ProgressLike, progress_of
from pawsight.core.runs import METRICS, SPLITS
from pawsight.core.storage import as_path
from pawsight.core.text import typed
from pawsight.evaluation.metrics import aligned
from pawsight.exports.export_context import REDUCED, ExportContext, Exported
from pawsight.exports.int8 import CALIBRATION_PICTURES, Cost, check_cost, int8_reference, measure_cost, quantise
from pawsight.exports.targets import TARGETS, choose_targets
from pawsight.exports.write import check_folders, write
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
            "exports": [
                {
                    "target": export.target,
                    "precision": export.precision,
                    "folder": str(export.folder),
                    "file": TARGETS[export.target].file,
                    "bytes": export.size,
                    "files": dict(export.files),
                    "sitting": None if export.self_test is None else asdict(export.self_test),
                }
                for export in self.exports
            ],
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
    answer_all: bool = False,
    browser_runtime: str | os.PathLike[str] | None = None,
    progress: ProgressLike = None,
) -> ExportReport:
    """Write a run's classifier in other formats; all that is asked for, or nothing.

    Args:
        run: a run or bundle folder.
        to: names of formats, or one text with commas between them; `pawsight.exports.targets.TARGETS` lists them.
        out: folder that gets a folder for each; None: `export` in the run. Only earlier exports there are replaced.
        int8: also write 8 bits, calibrated on the run's training pictures and measured on its validation pictures.
        allow_loss: write 8 bits even where they may lose more than one point of accuracy.
        licence: of the weights, as an SPDX name, for the card and the metadata.
        answer_all: name no threshold below which a picture is unsure, or above which it is unfamiliar.
        browser_runtime: folder of the npm package onnxruntime-web, whose files the web export copies; None: its page
            fetches them from a public address.
        progress: as for `train`.

    Raises:
        ExportRefused: an export gives other answers than the bundle, or 8 bits may lose too much.
        PawsightError: the bundle is refused, something is not installed, or the disk refuses.
    """
    progress = progress_of(progress)
    given = to.split(",") if isinstance(to, str) else to if isinstance(to, Iterable) else [to]
    names = [str(name).strip() for name in given]
    targets = choose_targets(names, int8=int8)
    place = as_path(run)
    folder = run_of(place)
    if out is None and folder is None:
        raise WrongUsage(
            f"{place} is a bundle without its run, so it has no folder for exports.",
            "Nothing may be added to the folder of a bundle.",
            f"Type for example: {typed('export', place, '--to', 'onnx', '--out', 'exports')}",
        )
    target = as_path(out) if out is not None else (folder or place) / FOLDER
    check_folders(targets, target, int8=int8)
    runtime = None if browser_runtime is None else as_path(browser_runtime)
    bundle = read_bundle(place, answer_all=answer_all)
    reduced, reference, cost = _reduced(bundle, folder, allow_loss, progress) if int8 else (None, None, None)
    context = ExportContext(bundle=bundle, run=folder, licence=licence, browser_runtime=runtime)
    exports = write(context, targets, target, reduced=reduced, reference=reference, progress=progress)
    return ExportReport(bundle=bundle.folder, out=target, exports=tuple(exports), int8=cost)


def run_of(place: Path) -> Path | None:
    """Return the run that a bundle lies in, None for a bundle alone."""
    bundle = find_bundle(place)
    return bundle.parent if (bundle.parent / METRICS).is_file() else None


def _reduced(
    bundle: Bundle, run: Path | None, allow_loss: bool, progress: Progress
) -> tuple[bytes, NDArray[np.float32], Cost]:
    """Return the graph in 8 bits, its answers to the bundle's pictures, and what it costs."""
    if run is None or not (run / SPLITS).is_file():
        raise WrongUsage(
            "--int8 needs the run's own pictures.",
            f"{bundle.folder} is a bundle without its run.",
            "Name the run, or leave --int8 out.",
        )
    machine = this_machine()
    candidates = held_out(run, "train", progress=progress).candidates
    drawn = np.random.default_rng(0).permutation(len(candidates))[:CALIBRATION_PICTURES]
    paths = [candidates[index].path for index in drawn]
    squares = [
        loaded.decoded.pixels
        for loaded in load(paths, bundle.card.decode, threads=machine.feeders)
        if loaded.decoded is not None
    ]
    if not squares:
        raise ExportRefused(
            "int8 cannot be calibrated.", "No training picture could be read.", "Put them back, or leave --int8 out."
        )
    with progress.stage("Quantising", None) as step:
        reduced = quantise(bundle.model, np.stack(squares))
        step.advance()
    cost = measure_cost(
        bundle,
        reduced,
        held_out(run, "validation", progress=progress).candidates,
        calibrated_on=len(squares),
        threads=machine.feeders,
        cores=machine.cores,
        progress=progress,
    )
    check_cost(cost, allow_loss=allow_loss)
    return reduced, int8_reference(bundle, reduced), cost


def summary(report: ExportReport) -> list[str]:
    """Return the report as lines of text."""
    rows = [["export", "opens", "MB", "largest difference", "labels flipped", "s to load"]]
    for export in report.exports:
        name, figures = export.target, ["-", "-", "-"]
        if export.self_test is not None:
            test = export.self_test
            name = f"{export.target} {export.precision}"
            figures = [f"{test.difference:.1e}", f"{test.flips} of {test.pictures}", f"{test.load_seconds:.2f}"]
        opens = f"{export.folder.name}/{TARGETS[export.target].file}"
        rows.append([name, opens, f"{export.size / 1e6:.1f}", *figures])
    lines = [*aligned(rows, left=2), f"Written to {report.out}; pawsight.json in each folder says how to use it."]
    return [*lines, *_int8_lines(report.int8)] if report.int8 else lines


def _int8_lines(cost: Cost) -> list[str]:
    rows = [["precision", "MB", "pictures/s", "right", "accuracy", "95 % interval"]]
    for name, side in (("float32", cost.exact), (REDUCED, cost.reduced)):
        right = f"{side.right:,} of {cost.pictures:,}"
        figures = [f"{side.size / 1e6:.1f}", f"{side.pictures_per_second:.0f}", right, f"{100 * side.accuracy:.1f} %"]
        rows.append([name, *figures, str(side.interval)])
    low, high = cost.gain.interval
    lines = [
        f"int8, calibrated on {cost.calibrated_on:,} training pictures, on the validation set:",
        *aligned(rows),
        f"int8 against float32: {cost.gain.points:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f} (paired);"
        f" largest difference of a probability {cost.difference:.2f}, {cost.flips:,} of {cost.pictures:,} labels flip.",
    ]
    if cost.exact.unlike is None:
        return lines
    return [*lines, f"Called unfamiliar: {cost.exact.unlike:,} in float32, {cost.reduced.unlike:,} in int8."]
