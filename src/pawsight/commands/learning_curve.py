"""The learning curve of a run, for `evaluate --learning-curve`: what would twice the data buy?

Enters: a run folder. Leaves: a `CurveReport`, stored in the run. Does not know: terminals.

The curve is that of a probe on cached features, which takes seconds; for a recipe that sees otherwise it is a stand-in,
and says so. The test part stays sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.classifier.bundle import read_bundle
from pawsight.commands.sealed import held_out
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Progress
from pawsight.core.runs import LEARNING_CURVE
from pawsight.core.storage import write_json
from pawsight.evaluation.learning_curve import LearningCurve, Trial, sentence, trace_curve

LEAST_PICTURES = 20  # to train on: a tenth of fewer is one of each class


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveReport:
    """A learning curve, and what was trained for it."""

    recipe: str  # of the run
    seen_with: str  # what saw the pictures, e.g. "efficientnet-lite1 at 240 px"
    is_stand_in: bool  # the run's own recipe sees otherwise
    left_out: int  # pictures of the run that were changed or are gone
    curve: LearningCurve

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as learning_curve.json holds them."""
        return {
            "recipe": self.recipe,
            "trained": f"probe on {self.seen_with}",
            "is_stand_in": self.is_stand_in,
            "left_out": self.left_out,
            **self.curve.to_json(),
        }


def learning_curve(run: Path, *, progress: Progress = SILENT) -> CurveReport:
    """Train a probe on growing shares of a run's training part and measure each on its validation part.

    Raises:
        WrongUsage: the place is a bundle without its run, or there is too little to trace a curve with.
        ModelError: the backbone cannot be had. StorageError: a file of the run cannot be read or written.
    """
    from pawsight.training.features import RunPicture, probe_recipe, recipe_of, run_features
    from pawsight.training.learning_curve import try_sizes

    own = recipe_of(run)
    seen = probe_recipe(own)
    classes = read_bundle(run).card.classes
    parts = []
    for part in ("train", "validation"):
        files = held_out(run, part)
        pictures = [RunPicture(one, files.contents[one.name]) for one in files.candidates]
        parts.append(
            run_features(pictures, classes, seen, cache=cache_folder(), machine=this_machine(), progress=progress)
        )
    train, validation = parts
    _check_enough(run, len(train.labels), len(validation.labels), len(set(train.labels.tolist())) == len(classes))
    tried = try_sizes(
        (train.features, train.labels),
        (validation.features, validation.labels),
        classes=len(classes),
        folds=seen.folds,
        seed=seen.seed,
        progress=progress,
    )
    report = CurveReport(
        recipe=own.name,
        seen_with=f"{seen.backbone} at {seen.image_px} px",
        is_stand_in=own.method != "probe",
        left_out=train.left_out + validation.left_out,
        curve=trace_curve([Trial(one.share, one.pictures, one.wrong) for one in tried], seed=seen.seed),
    )
    write_json(run / LEARNING_CURVE, report.to_json())
    return report


def curve_lines(report: CurveReport) -> list[str]:
    """Return the lines that tell a person how the curve goes on."""
    stand_in = f"; the run's own recipe, {report.recipe}, may learn otherwise" if report.is_stand_in else ""
    lines = [f"Learning curve of a probe on {report.seen_with}{stand_in}:"]
    for one in report.curve.points:
        trainings = f", mean of {one.seeds} trainings" if one.seeds > 1 else ""
        right = f"{100 * (1 - one.error):.1f} % (95 % interval {_turned(one.interval.low, one.interval.high)})"
        lines.append(f"  {one.pictures:>9,} training pictures: {right}{trainings}")
    if report.left_out:
        lines.append(f"  {report.left_out:,} pictures of the run were changed since or are gone; they are left out.")
    return [*lines, sentence(report.curve)]


def _turned(low: float, high: float) -> str:
    return f"{100 * (1 - high):.1f}-{100 * (1 - low):.1f} %"


def _check_enough(run: Path, train: int, validation: int, has_all_classes: bool) -> None:
    if train < LEAST_PICTURES or not validation or not has_all_classes:
        raise WrongUsage(
            f"There are too few pictures of {run} for a learning curve.",
            f"It needs {LEAST_PICTURES} to train on, some of each class, and some to validate on;"
            f" there are {train:,} and {validation:,}.",
            f"Leave --learning-curve out: pawsight evaluate {run}",
        )
