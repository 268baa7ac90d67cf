"""The verbs that show what a classifier sees: explain.

Enters: what was typed. Leaves: one job called, its answer printed. Does not know: how anything is done.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from pawsight.cli.manners import polite, print_answer
from pawsight.core.progress import Terminal


@click.command()
@click.argument("run")
@click.argument("pictures", nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("explained"),
    show_default=True,
    help="Folder for the pictures with their heat maps.",
)
@click.option("--class", "label", default="", help="Class to explain.  [default: each picture's likeliest]")
@click.option(
    "--method",
    type=click.Choice(["auto", "cam", "occlusion"]),
    default="auto",
    show_default=True,
    help="cam: exact, where the network ends in a mean and one linear layer; occlusion: by covering places, for any.",
)
@polite
def explain(run: str, pictures: tuple[str, ...], as_json: bool, progress: Terminal, **options: Any) -> None:
    """Draw where in PICTURES (files, or folders of them) a RUN saw its answer, e.g. runs/latest."""
    from pawsight.commands.explain import explain as job

    failed = 0
    for explained in job(run, pictures, progress=progress, **options):
        failed += explained.error is not None
        print_answer(explained.to_json() if as_json else [explained.line()])
    if failed:
        progress.say(f"{failed:,} could not be read; the lines above say why.")
        sys.exit(1)
