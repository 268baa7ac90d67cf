"""The front door: parse, call one job, print, exit.

Enters: what was typed. Leaves: text on stdout, manners on stderr, an exit status: 0 done, 1 something could not be
done, 2 wrong usage. Does not know: how anything is done.
"""

from __future__ import annotations

import functools
import json
import math
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pawsight import __version__
from pawsight.errors import PawsightError
from pawsight.terminal import Terminal, shown

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class _Duration(click.ParamType[float]):
    """A length of time such as 90s, 10m or 2h, as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            seconds = float(value[:-1]) * _SECONDS[value[-1:]]
        except (KeyError, ValueError):
            seconds = 0.0
        if not 0.0 < seconds < math.inf:
            self.fail(f"{value!r} is no length of time; type for example 90s, 10m or 2h", param, ctx)
        return seconds


DURATION = _Duration()
Command = TypeVar("Command", bound=Callable[..., Any])


def _manners(command: Command) -> Command:
    """Give a command --json and --quiet, and turn expected failures into a message and an exit status."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, nothing else there.")
    @click.option("--quiet", is_flag=True, help="No progress and no remarks; errors are still told.")
    @functools.wraps(command)
    def polite(*arguments: Any, quiet: bool, **options: Any) -> None:
        try:
            command(*arguments, progress=Terminal(quiet=quiet), **options)
        except PawsightError as error:
            click.echo(f"pawsight: {shown(str(error))}", err=True)
            sys.exit(error.exit_status)
        except KeyboardInterrupt:
            click.echo("pawsight: stopped by you; what was finished is kept, and nothing half-written is.", err=True)
            sys.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)

    return polite  # type: ignore[return-value]


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog="Start with: pawsight train sample")
@click.version_option(__version__, prog_name="pawsight")
def cli() -> None:
    """From folders of photographs to a classifier you can trust, on the machine you have."""


@cli.command()
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
@click.option("--resume", is_flag=True, help="Go on with a run of the same recipe and data that was stopped.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all that is random.")
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default="runs", show_default=True)
@_manners
def train(data: str, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Train a classifier on labelled pictures.

    DATA is a folder with one folder per class (or train/, validation/, test/ with class folders inside), an archive
    or an https:// URL of one, a CSV with the columns path,label, or a name: cats-and-dogs, sample.
    """
    from pawsight.jobs.train import train as job
    from pawsight.jobs.train_report import summary

    report = job(data, progress=progress, **options)
    _print(report.to_json() if as_json else [*summary(report), *_next_after_training(report.run)])


@cli.command()
@click.argument("run")
@click.argument("pictures", nargs=-1, required=True)
@_manners
def predict(run: str, pictures: tuple[str, ...], as_json: bool, progress: Terminal) -> None:
    """Classify PICTURES (files, or folders of them) with a RUN, e.g. runs/latest."""
    from pawsight.jobs.predict import predict as job

    failed = 0
    for answer in job(run, pictures, progress=progress):
        failed += answer.error is not None
        _print(answer.to_json() if as_json else [answer.line()])
    if failed:
        progress.say(f"{failed:,} could not be read; the lines above say why.")
        sys.exit(1)


@cli.command()
@click.argument("run")
@click.argument("data", required=False)
@click.option("--test", is_flag=True, help="Measure on the run's own test part; every look is counted.")
@click.option("--including-training", is_flag=True, help="Do not leave out pictures that were trained on.")
@_manners
def evaluate(run: str, data: str | None, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Measure a RUN on its own validation part, or on other labelled DATA."""
    from pawsight.jobs.evaluate import evaluate as job
    from pawsight.jobs.evaluate import summary

    report = job(run, data, progress=progress, **options)
    _print(report.to_json() if as_json else summary(report))


@cli.command()
@click.argument("data")
@_manners
def inspect(data: str, as_json: bool, progress: Terminal) -> None:
    """Say what is in DATA, before anything slow."""
    from pawsight.jobs.inspect import inspect as job
    from pawsight.jobs.inspect import summary

    report = job(data, progress=progress)
    _print(report.to_json() if as_json else [*summary(report), f"Next: pawsight train {shlex.quote(data)}"])


@cli.command()
@click.argument("data")
@click.option("--recipes", help="Names with commas between them; all of them when it is left out.")
@click.option("--epochs", type=click.IntRange(1, 10_000), help="For the rungs that learn by gradients.")
@click.option("--time-limit", type=DURATION, help="E.g. 90s, 10m, 2h: no rung begins later.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all that is random.")
@click.option("--weights", type=click.Path(path_type=Path), help="MobileNetV2's weights (.h5), for the rung mobilenet.")
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), default="runs", show_default=True)
@_manners
def ladder(data: str, recipes: str | None, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Train every recipe on DATA and tell in one report what each step up gains."""
    from pawsight.jobs.ladder import ladder as job
    from pawsight.jobs.ladder import summary

    names = [name.strip() for name in recipes.split(",")] if recipes is not None else None
    outcome = job(data, recipes=names, progress=progress, **options)
    _print(outcome.to_json() if as_json else summary(outcome))


@cli.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--target", type=click.Path(file_okay=False, path_type=Path), help="Folder for the report.")
@_manners
def report(runs: tuple[str, ...], as_json: bool, progress: Terminal, **options: Any) -> None:
    """Write a report over RUNS, the lowest rung first."""
    from pawsight.jobs.report import report as job
    from pawsight.jobs.report import summary

    made = job(runs, progress=progress, **options)
    _print(made.to_json() if as_json else summary(made))


@cli.command()
@_manners
def recipes(as_json: bool, progress: Terminal) -> None:
    """List what can be trained: what each is, how long it takes and how good it was."""
    from pawsight.jobs import recipes as job

    rungs = job.recipes()
    _print(job.to_json(rungs) if as_json else job.summary(rungs))


@cli.command()
@click.argument("data")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the sheets.  [default: preview]"
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all that is random.")
@_manners
def preview(data: str, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Draw pictures of each class of DATA, and what flips and rotations make of one."""
    from pawsight.jobs.preview import preview as job
    from pawsight.jobs.preview import summary

    sheets = job(data, progress=progress, **options)
    if not as_json:
        progress.show_picture(sheets.grid)
    _print(sheets.to_json() if as_json else [*summary(sheets), f"Next: pawsight train {shlex.quote(data)}"])


@cli.command()
@_manners
def doctor(as_json: bool, progress: Terminal) -> None:
    """Check the installation, one line a thing, with the fix."""
    from dataclasses import asdict

    from pawsight.jobs.doctor import doctor as job

    findings = job()
    lines = [f"{'ok ' if one.good else 'FIX'} {one.name:<11} {one.found}" for one in findings]
    remedies = [f"    {one.name}: {one.fix}" for one in findings if not one.good]
    _print({"findings": [asdict(one) for one in findings]} if as_json else [*lines, *remedies])
    sys.exit(0 if all(one.good for one in findings) else 1)


def _next_after_training(run: Path) -> list[str]:
    latest = run.parent / "latest"
    name = os.path.relpath(latest if latest.exists() else run)
    return [
        f"Next        pawsight predict {name} PICTURE...      classify your own pictures",
        f"            pawsight evaluate {name} DATA           measure it on pictures it has not seen",
    ]


def _print(answer: dict[str, Any] | list[str]) -> None:
    """Print one JSON object on a line, or lines for people."""
    if isinstance(answer, dict):
        click.echo(json.dumps(answer, ensure_ascii=True, allow_nan=False))
    else:
        for line in answer:
            click.echo(shown(line, one_line=True))


def main() -> None:
    """Run the command line."""
    cli(prog_name="pawsight")
