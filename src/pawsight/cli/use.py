"""The verbs that use a finished classifier: predict.

Enters: what was typed. Leaves: one job called, its answer printed. Does not know: how anything is done.
"""

from __future__ import annotations

import sys

import click

from pawsight.cli.manners import polite, print_answer
from pawsight.terminal import Terminal


@click.command()
@click.argument("run")
@click.argument("pictures", nargs=-1, required=True)
@polite
def predict(run: str, pictures: tuple[str, ...], as_json: bool, progress: Terminal) -> None:
    """Classify PICTURES (files, or folders of them) with a RUN, e.g. runs/latest."""
    from pawsight.jobs.predict import predict as job

    failed = 0
    for answer in job(run, pictures, progress=progress):
        failed += answer.error is not None
        print_answer(answer.to_json() if as_json else [answer.line()])
    if failed:
        progress.say(f"{failed:,} could not be read; the lines above say why.")
        sys.exit(1)
