"""The verbs that use a finished classifier: predict.

Enters: what was typed. Leaves: one job called, its answer printed. Does not know: how anything is done.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any, Literal

import click

from pawsight.cli.manners import polite, print_answer
from pawsight.cli.process import quiet_libraries
from pawsight.core.errors import WrongUsage
from pawsight.core.progress import Terminal


@click.command()
@click.argument("run")
@click.argument("pictures", nargs=-1, required=True)
@click.option("--out", type=click.Path(), help="A new folder for Parquet parts; PICTURES may be lists and addresses.")
@click.option("--engine", type=click.Choice(["local", "ray"]), help="With --out: this process (default), or Ray.")
@click.option("--resume", is_flag=True, help="With --out: make only the parts that are missing there.")
@click.option("--shard", type=click.IntRange(1, 1_000_000), help="With --out: pictures in a part; 2048 by default.")
@click.option("--actors", type=click.IntRange(1, 100_000), help="With --engine ray: how many; one a core by default.")
@click.option("--ray-address", metavar="ADDRESS", help="With --engine ray: a cluster that runs already, e.g. auto.")
@polite
def predict(
    run: str,
    pictures: tuple[str, ...],
    out: str | None,
    engine: Literal["local", "ray"] | None,
    resume: bool,
    shard: int | None,
    actors: int | None,
    ray_address: str | None,
    as_json: bool,
    progress: Terminal,
) -> None:
    """Classify PICTURES (files, or folders of them) with a RUN, e.g. runs/latest.

    With --out there may be millions: the page Scale of the documentation tells how.
    """
    if out is not None:
        options = {"shard": shard, "actors": actors, "ray_address": ray_address}
        _predict_to(run, pictures, out, engine or "local", resume, options, as_json, progress)
    elif engine or resume or shard or actors or ray_address:
        raise WrongUsage(
            "These options need --out.", "Without it answers are printed as they come.", "Add --out predictions"
        )
    else:
        _predict(run, pictures, as_json, progress)


def _predict(run: str, pictures: tuple[str, ...], as_json: bool, progress: Terminal) -> None:
    from pawsight.commands.predict import predict as job

    failed = 0
    for answer in job(run, pictures, progress=progress):
        failed += answer.error is not None
        print_answer(answer.to_json() if as_json else [answer.line()])
    if failed:
        progress.say(f"{failed:,} could not be read; the lines above say why.")
        sys.exit(1)


def _predict_to(
    run: str,
    pictures: tuple[str, ...],
    out: str,
    engine: Literal["local", "ray"],
    resume: bool,
    options: dict[str, Any],
    as_json: bool,
    progress: Terminal,
) -> None:
    from pawsight.commands.scale import predict_to as job

    with quiet_libraries() if engine == "ray" else nullcontext():
        report = job(run, pictures, out, engine=engine, resumed=resume, progress=progress, **options)
    print_answer(report.to_json() if as_json else report.lines())
    if report.tally.errors:
        progress.say(f"{report.tally.errors:,} could not be read; the column error says why.")
        sys.exit(1)
