"""The verb `train`: data and a recipe in, a finished run out.

Enters: what the user typed. Leaves: a `TrainReport`. Does not know: terminals.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawsight.classifier.engine import SPOKEN, best_precision
from pawsight.classifier.trust import Caution
from pawsight.commands.given_split import given_split
from pawsight.commands.log import Logged
from pawsight.commands.order import Order, command_for, existing
from pawsight.commands.patch_gain import gain_from_patch
from pawsight.commands.seeing import EngineName, SeenByPool, pool_for
from pawsight.commands.train_report import TrainReport, summary
from pawsight.commands.trust_report import trust_report
from pawsight.core.history import HISTORY, write_history
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import SILENT, Progress, Stopwatch
from pawsight.core.runs import APPLIED_PATCH, AUDIT, LOG, METRICS, PREDICTIONS, set_latest, write_table
from pawsight.core.storage import write_json, write_text
from pawsight.data.audit import audit
from pawsight.data.patch import Patch, read_patch, write_patch
from pawsight.data.sources import Source, resolve
from pawsight.data.split_file import SplitFile
from pawsight.evaluation.comparison import Gain
from pawsight.evaluation.metrics import measure
from pawsight.models.ladder import RUNGS, Wishes, make_recipe
from pawsight.models.recipe import Recipe
from pawsight.reports.audit_page import COLUMNS

if TYPE_CHECKING:
    from pawsight.training.material import Workplace
    from pawsight.training.run import Outcome


def train(
    data: str | os.PathLike[str],
    *,
    recipe: str = "probe",
    backbone: str | None = None,
    image_px: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    precision: str | None = None,
    class_weights: bool | None = None,
    seed: int = 0,
    split: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    patch: str | os.PathLike[str] | None = None,
    max_error: float | None = None,
    false_alarms: float = 0.01,
    runs: str | os.PathLike[str] = "runs",
    weights: str | os.PathLike[str] | None = None,
    resume: bool = False,
    engine: EngineName = "local",
    actors: int | None = None,
    ray_address: str | None = None,
    progress: Progress = SILENT,
) -> TrainReport:
    """Train a classifier on labelled pictures.

    Args:
        data: a folder, an archive, a URL of one, a CSV with the columns path,label, or the name of a data set.
        recipe: a name from `pawsight recipes`.
        backbone, image_px: another pretrained network for probe and finetune; another side of the pictures.
        epochs, batch_size, learning_rate: of the recipes that learn by gradients.
        patience: epochs without a better validation loss before training stops; 0 is never.
        precision: "f32" or "bf16", of the gradients' arithmetic.
        class_weights: let pictures of rare classes count more.
        seed: of everything random but the split.
        split: a CSV with the columns path,part, or a run whose split is taken; instead of a cut of our own.
        split_seed: of the cut into parts; runs of several seeds lie on the same pictures.
        patch: decisions about labels, as `pawsight review` writes them; nothing in the data itself is changed.
        max_error: share of the answered pictures that may be wrong, e.g. 0.01; predictions may then be `unsure` or
            `unlike anything seen`. None: every picture is answered.
        false_alarms: share of usual pictures that may be called unlike anything seen; with max_error.
        runs: folder in which the numbered run folder is made.
        weights: file with MobileNetV2's weights, for the recipe `mobilenet` where Keras cannot download them.
        resume: go on with the newest unfinished run of the same recipe on the same data, where there is one.
        engine: who computes features: `local` is this process, `ray` a pool of actors; the classifier is the same.
        actors: for `ray`; None is one for each core.
        ray_address: of a cluster that runs already.
        progress: who is told how far it is.

    Raises:
        PawsightError: with what, why and what to do, for anything wrong with data, installation or disk.

    Example:
        >>> report = pawsight.train("photos/")
        >>> report.validation.accuracy > report.validation.baseline
        True
    """
    wishes = Wishes(
        backbone=backbone,
        image_px=image_px,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        precision=precision,
        class_weights=class_weights or None,
        seed=seed,
        split_seed=split_seed,
    )
    made = make_recipe(recipe, wishes)
    caution = Caution(max_error=max_error, false_alarms=false_alarms) if max_error is not None else None
    order = Order(
        runs=Path(runs).absolute(),
        command=command_for(os.fspath(data), recipe, wishes, weights, split=split, patch=patch, caution=caution),
        weights=existing(weights),
        resume=resume,
        given=given_split(split, split_seed),
        patch=read_patch(Path(patch).expanduser()) if patch is not None else None,
        caution=caution,
        data=os.fspath(data),
        pool=pool_for(made, engine, actors, ray_address),
        latest=True,
    )
    return _announce_and_train(data, made, order, progress)


def _announce_and_train(data: str | os.PathLike[str], recipe: Recipe, order: Order, progress: Progress) -> TrainReport:
    """Say what is going to happen, fetch the data, and train."""
    log, stopwatch = Logged(progress), Stopwatch()
    machine = this_machine()
    log.say(f"Machine  {machine}")
    log.say(f"Data     {os.fspath(data)}")
    log.say(f"Recipe   {recipe}, pictures seen in {SPOKEN[best_precision(machine)]}")
    if order.pool is not None:
        log.say(f"Engine   {order.pool}")
    with stopwatch.stage("fetching"):
        source = resolve(data, cache=cache_folder(), progress=log)
    if source.note:
        log.say(f"Note     {source.note}")
    return train_on(source, recipe, order, log, stopwatch)


def train_on(source: Source, recipe: Recipe, order: Order, log: Logged, stopwatch: Stopwatch) -> TrainReport:
    """Train a recipe on a source that is already there, measure it and write the run's tables."""
    from pawsight.training.folder import clear_scaffolding
    from pawsight.training.material import Workplace
    from pawsight.training.run import train as run_training

    place = Workplace(order.runs, cache_folder(), this_machine(), log, stopwatch, order.weights)
    with place.held, ExitStack() as stack:
        outcome = run_training(
            source,
            recipe,
            place,
            parts=order.parts,
            resume=order.resume,
            given=order.given,
            patch=order.patch,
            caution=order.caution,
            see=SeenByPool(recipe, place, order.pool, stack) if order.pool else None,
        )
        report = _measured(outcome, order, place, log)
    clear_scaffolding(outcome.folder)  # last of all: while it is there, the run can be gone on with
    return report


def _measured(outcome: Outcome, order: Order, place: Workplace, log: Logged) -> TrainReport:
    """Measure a run, write its tables, and let `latest` lead to it where that is wanted."""
    from pawsight.training.folder import kept_or_cleared

    with kept_or_cleared(outcome.folder):
        if order.patch is not None:
            write_patch(outcome.folder / APPLIED_PATCH, order.patch.decisions)
        with place.stopwatch.stage("measuring"):
            report = _report(outcome, order, str(place.machine), place.stopwatch)
        _write(report, outcome.fitted.probabilities, log)
    if order.latest:
        set_latest(outcome.folder)
    return report


def _report(outcome: Outcome, order: Order, machine: str, stopwatch: Stopwatch) -> TrainReport:
    fitted, classes = outcome.fitted, outcome.catalog.classes
    measured = {part: measure(outcome.truths[part], table, classes) for part, table in fitted.probabilities.items()}
    return TrainReport(
        run=outcome.folder,
        recipe=outcome.recipe,
        catalog=outcome.catalog,
        split=outcome.split,
        validation=measured.get("validation"),
        test=measured.get("test"),
        precision=fitted.precision,
        computed=fitted.computed,
        seconds=stopwatch.seconds(),
        machine=machine,
        adds=RUNGS[outcome.recipe.name].adds,
        command=order.command,
        parameters=fitted.parameters,
        layers=fitted.layers,
        history=fitted.history,
        notes=fitted.notes,
        trust=trust_report(outcome),
        patch=outcome.patched,
        gain_from_patch=_gain(outcome, order.patch, order.given) if order.patch else None,
        findings=tuple(audit(outcome.catalog, outcome.split)),
        data=order.data or str(outcome.catalog.root),
    )


def _gain(outcome: Outcome, patch: Patch, given: SplitFile | None) -> Gain | None:
    table = outcome.fitted.probabilities.get("validation")
    if table is None or not len(table):
        return None
    predicted = [outcome.catalog.classes[index] for index in table.argmax(axis=1)]
    return gain_from_patch(patch, outcome.split.part("validation"), predicted, split=given)


def _write(report: TrainReport, probabilities: Mapping[str, Any], log: Logged) -> None:
    """Write the tables and curves of the run; its metrics come last, since they say that it is finished."""
    classes = report.catalog.classes
    rows = [
        (one.name, one.sha256, part, one.label, classes[int(row.argmax())], *(f"{value:.6f}" for value in row))
        for part, table in probabilities.items()
        for one, row in zip(report.split.part(part), table, strict=True)
    ]
    header = ("path", "sha256", "part", "label", "predicted", *(f"p({name})" for name in classes))
    write_table(report.run / PREDICTIONS, header, rows)
    found = [(one.path, one.problem, one.value, one.severity) for one in report.findings]
    write_table(report.run / AUDIT, COLUMNS, found)
    if report.history:
        _write_curves(report)
    for line in summary(report):
        log.note(line)
    write_text(report.run / LOG, log.text())
    write_json(report.run / METRICS, report.to_json())


def _write_curves(report: TrainReport) -> None:
    from pawsight.reports.charts import Guessing, draw_history

    write_history(report.run / HISTORY, report.history)
    baseline = report.validation.baseline if report.validation else report.catalog.baseline
    guessing = Guessing(classes=len(report.catalog.classes), baseline=baseline)

    draw_history(report.history, report.run / "history.png", report.run / "history.svg", guessing=guessing)
