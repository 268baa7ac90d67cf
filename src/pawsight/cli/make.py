"""The verbs that make classifiers: train, ladder, recipes.

Enters: what was typed. Leaves: one job called, its answer printed. Does not know: how anything is done.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from pawsight.cli.manners import DURATION, PERCENT, polite, print_answer, splitting
from pawsight.cli.process import quiet_libraries
from pawsight.core.progress import Terminal


@click.command()
@click.argument("data")
@click.option("--recipe", default="probe", show_default=True, help="What to train.")
@click.option("--backbone", help="Pretrained network that sees for the probe.")
@click.option("--image-px", type=int, help="Side of the square the network sees, in pixels.")
@click.option("--epochs", type=click.IntRange(1, 10_000), help="Passes over the training part.")
@click.option("--batch-size", type=click.IntRange(1, 4096), help="Pictures a step.")
@click.option("--learning-rate", type=float, help="Of the optimizer.")
@click.option("--patience", type=click.IntRange(0), help="Epochs without a better validation loss before it stops.")
@click.option("--precision", type=click.Choice(["f32", "bf16"]), help="Of the gradients' arithmetic.")
@click.option("--class-weights", is_flag=True, help="Let pictures of rare classes count more.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="MobileNetV2's weights (.h5), for the recipe mobilenet."
)
@click.option(
    "--max-error", type=PERCENT, help="E.g. 1%: answer only so many pictures that at most this share is wrong."
)
@click.option(
    "--false-alarms",
    type=PERCENT,
    default="1%",
    show_default=True,
    help="With --max-error: share of usual pictures that may be called unlike anything seen.",
)
@click.option("--resume", is_flag=True, help="Go on with a run of the same recipe and data that was stopped.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all that is random.")
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default="runs", show_default=True)
@click.option("--patch", type=click.Path(path_type=Path), help="Decisions about labels that pawsight review wrote.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Who computes the probe's features: this process, or a pool of Ray's actors.",
)
@click.option("--actors", type=click.IntRange(1, 100_000), help="With --engine ray: how many; one a core by default.")
@click.option("--ray-address", metavar="ADDRESS", help="With --engine ray: a cluster that runs already, e.g. auto.")
@splitting
@polite
def train(data: str, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Train a classifier on labelled pictures.

    DATA is a folder with one folder per class (or train/, validation/, test/ with class folders inside), an archive
    or an https:// URL of one, a CSV with the columns path,label, or a name: cats-and-dogs, sample.
    """
    from pawsight.commands.train import train as job
    from pawsight.commands.train_report import summary

    is_noisy = options["engine"] == "ray" or options["recipe"] not in ("majority", "probe")
    with quiet_libraries() if is_noisy else nullcontext():
        report = job(data, progress=progress, **options)
    print_answer(report.to_json() if as_json else [*summary(report), *_next(report.run)])


@click.command()
@click.argument("data")
@click.option("--recipes", help="Names with commas between them; all of them when it is left out.")
@click.option("--epochs", type=click.IntRange(1, 10_000), help="For the rungs that learn by gradients.")
@click.option("--time-limit", type=DURATION, help="E.g. 90s, 10m, 2h: no rung begins later.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all that is random.")
@click.option("--weights", type=click.Path(path_type=Path), help="MobileNetV2's weights (.h5), for the rung mobilenet.")
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default="runs", show_default=True)
@splitting
@polite
def ladder(data: str, recipes: str | None, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Train every recipe on DATA and tell in one report what each step up gains."""
    from pawsight.commands.ladder import ladder as job
    from pawsight.commands.ladder import summary

    names = [name.strip() for name in recipes.split(",")] if recipes is not None else None
    with quiet_libraries():
        outcome = job(data, recipes=names, progress=progress, **options)
    print_answer(outcome.to_json() if as_json else summary(outcome))


@click.command()
@polite
def recipes(as_json: bool, progress: Terminal) -> None:
    """List what can be trained: what each is, how long it takes and how good it was."""
    from pawsight.commands import recipes as job

    rungs = job.recipes()
    print_answer(job.to_json(rungs) if as_json else job.summary(rungs))


def _next(run: Path) -> list[str]:
    latest = run.parent / "latest"
    name = os.path.relpath(latest if latest.exists() else run)
    return [
        f"Next        pawsight predict {name} PICTURE...      classify your own pictures",
        f"            pawsight evaluate {name} DATA           measure it on pictures it has not seen",
    ]
