"""The verb `train`: data and a recipe in, a finished run out.

Enters: what the user typed. Leaves: a `TrainReport`. Does not know: terminals.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawsight.data.catalog import Catalog
from pawsight.data.sources import resolve
from pawsight.data.split import Split
from pawsight.evaluation.metrics import Metrics, measure
from pawsight.evaluation.report import sentence, to_jsonable
from pawsight.jobs.log import Logged
from pawsight.machine import cache_folder, this_machine
from pawsight.models.ladder import make_recipe
from pawsight.models.recipe import Recipe
from pawsight.progress import SILENT, Progress, Stopwatch
from pawsight.runs import LOG, METRICS, PREDICTIONS, set_latest, write_table
from pawsight.storage import write_json, write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What a run made and how good it is."""

    run: Path
    recipe: Recipe
    catalog: Catalog
    split: Split
    validation: Metrics | None
    test: Metrics | None
    precision: str
    computed: int  # pictures whose features were not in the cache
    seconds: Mapping[str, float]
    machine: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `train --json` prints them."""
        return {
            "run": str(self.run),
            "recipe": self.recipe.name,
            "backbone": self.recipe.backbone,
            "image_px": self.recipe.image_px,
            "seed": self.recipe.seed,
            "precision": self.precision,
            "classes": list(self.catalog.classes),
            "counts": self.catalog.counts,
            "split": {"digest": self.split.digest, **self.split.sizes},
            "straddling": [list(names) for names in self.split.straddling],
            "validation": to_jsonable(self.validation),
            "test": to_jsonable(self.test),
            "baseline": self.catalog.baseline,
            "left_out": [{"path": one.name, "reason": one.reason} for one in self.catalog.left_out],
            "seconds": dict(self.seconds),
            "machine": self.machine,
        }


def train(
    data: str | os.PathLike[str],
    *,
    recipe: str = "probe",
    backbone: str | None = None,
    image_px: int | None = None,
    seed: int = 0,
    runs: str | os.PathLike[str] = "runs",
    progress: Progress = SILENT,
) -> TrainReport:
    """Train a classifier on labelled pictures.

    Args:
        data: a folder, an archive, a URL of one, a CSV with the columns path,label, or the name of a data set.
        recipe: a name from `pawsight recipes`.
        backbone, image_px: replace the recipe's own.
        seed: of everything random.
        runs: folder in which the numbered run folder is made.
        progress: who is told how far it is.

    Raises:
        PawsightError: with what, why and what to do, for anything wrong with data, installation or disk.

    Example:
        >>> report = pawsight.train("photos/")
        >>> report.validation.accuracy > report.validation.baseline
        True
    """
    from pawsight.training.run import Workplace
    from pawsight.training.run import train as run_training

    chosen = make_recipe(recipe, backbone=backbone, image_px=image_px, seed=seed)
    machine, stopwatch, cache = this_machine(), Stopwatch(), cache_folder()
    log = Logged(progress)
    log.say(f"Machine  {machine}")
    log.say(f"Data     {os.fspath(data)}")
    log.say(f"Recipe   {chosen}")
    with stopwatch.stage("fetching"):
        source = resolve(data, cache=cache, progress=log)
    if source.note:
        log.say(f"Note     {source.note}")
    outcome = run_training(source, chosen, Workplace(Path(runs).absolute(), cache, machine, log, stopwatch))
    with stopwatch.stage("measuring"):
        measured = {
            part: measure(outcome.truths[part], outcome.probabilities[part], outcome.catalog.classes)
            for part in ("validation", "test")
        }
    report = TrainReport(
        run=outcome.folder,
        recipe=chosen,
        catalog=outcome.catalog,
        split=outcome.split,
        validation=measured["validation"],
        test=measured["test"],
        precision=outcome.precision,
        computed=outcome.computed,
        seconds=stopwatch.seconds(),
        machine=str(machine),
    )
    _finish(report, outcome.probabilities, log)
    return report


def _finish(report: TrainReport, probabilities: Mapping[str, Any], log: Logged) -> None:
    """Write the tables of the run, then give it the name `latest`."""
    classes = report.catalog.classes
    rows = [
        (one.name, one.sha256, part, one.label, classes[int(row.argmax())], *(f"{value:.6f}" for value in row))
        for part, table in probabilities.items()
        for one, row in zip(report.split.part(part), table, strict=True)
    ]
    header = ("path", "sha256", "part", "label", "predicted", *(f"p({name})" for name in classes))
    write_table(report.run / PREDICTIONS, header, rows)
    write_json(report.run / METRICS, report.to_json())
    for line in summary(report):
        log.note(line)
    write_text(report.run / LOG, log.text())
    set_latest(report.run)


def summary(report: TrainReport) -> list[str]:
    """Return the lines that tell a person what came out."""
    sizes = report.split.sizes
    counts = ", ".join(f"{count:,} {name}" for name, count in list(report.catalog.counts.items())[:6])
    more = f" and {len(report.catalog.classes) - 6} more classes" if len(report.catalog.classes) > 6 else ""
    lines = [
        f"Pictures    {len(report.catalog.pictures):,}: {counts}{more}",
        f"Split       {sizes['train']:,} train, {sizes['validation']:,} validation, {sizes['test']:,} test"
        f" ({report.split.how}); digest {report.split.digest[:12]}",
    ]
    lines += _warnings(report)
    lines += [f"Validation  {sentence(report.validation)}", f"Test        {sentence(report.test)}"]
    return [*lines, f"Run         {report.run} in {report.seconds['total']:.1f} s"]


def _warnings(report: TrainReport) -> list[str]:
    lines = []
    if report.catalog.left_out:
        reasons = Counter(one.reason for one in report.catalog.left_out)
        told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common(4))
        lines.append(f"Left out    {len(report.catalog.left_out):,} files: {told}; each is named in catalog.csv")
    if report.split.straddling:
        first = " = ".join(report.split.straddling[0][:2])
        lines.append(
            f"WARNING     {len(report.split.straddling):,} pictures look the same in two parts, so the numbers below"
            f" flatter; the first: {first}. All are listed by: pawsight inspect"
        )
    return lines
