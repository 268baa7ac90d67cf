"""The verbs that say how good a classifier is: evaluate, compare, report.

Enters: what was typed. Leaves: one job called, its answer printed. Does not know: how anything is done.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pawsight.cli.manners import polite, print_answer
from pawsight.core.progress import Terminal


@click.command()
@click.argument("run")
@click.argument("data", required=False)
@click.option("--test", is_flag=True, help="Measure on the run's own test part; every look is counted.")
@click.option("--including-training", is_flag=True, help="Do not leave out pictures that were trained on.")
@click.option(
    "--slices", is_flag=True, help="Say how it does on dark, blurry, small ... pictures, by format and folder."
)
@click.option("--learning-curve", is_flag=True, help="Say what twice the data would buy; takes some seconds.")
@polite
def evaluate(run: str, data: str | None, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Measure a RUN on its own validation part, or on other labelled DATA."""
    from pawsight.commands.evaluate import evaluate as job
    from pawsight.commands.evaluate import summary

    report = job(run, data, progress=progress, **options)
    print_answer(report.to_json() if as_json else summary(report))


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--test", is_flag=True, help="Compare on the test part, if all were measured on it; counts as a look.")
@polite
def compare(runs: tuple[str, ...], as_json: bool, progress: Terminal, **options: Any) -> None:
    """Compare RUNS by paired tests on the held-out pictures that they share; a tie is an answer."""
    from pawsight.commands.compare import compare as job
    from pawsight.commands.compare import summary

    made = job(runs, progress=progress, **options)
    print_answer(made.to_json() if as_json else summary(made))


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--target", type=click.Path(file_okay=False, path_type=Path), help="Folder for the report.")
@click.option(
    "--quick", is_flag=True, help="Leave out slices, likely wrong labels and learning curve, unless the run keeps them."
)
@polite
def report(runs: tuple[str, ...], as_json: bool, progress: Terminal, **options: Any) -> None:
    """Write a report over RUNS, the lowest rung first.

    How far to trust them is told of the one with the best validation accuracy. Slices, likely wrong labels and the
    learning curve are computed where it does not keep them yet; that takes some seconds and needs its pictures.
    """
    from pawsight.commands.report import report as job
    from pawsight.commands.report import summary

    made = job(runs, progress=progress, **options)
    print_answer(made.to_json() if as_json else summary(made))
