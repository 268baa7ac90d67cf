"""The verb that lets others use a classifier: serve.

Enters: what was typed. Leaves: one job called; it ends when somebody stops it. Does not know: how anything is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field
from pathlib import Path
from typing import Any

import click

from pawsight.cli.manners import polite, print_answer
from pawsight.terminal import Terminal
from pawsight.web.limits import Limits, flag_of, flags


def _limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for each limit."""
    for limit in reversed(flags()):
        command = _limit(limit)(command)
    return command


def _limit(limit: Field[Any]) -> Callable[..., Any]:
    return click.option(
        f"--{flag_of(limit)}",
        type=int if limit.type == "int" else float,
        default=limit.default,
        show_default=True,
        metavar=limit.metadata["unit"].upper(),
        help=limit.metadata["told"],
    )


@click.command()
@click.argument("run")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0 is every address.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes; they share nothing."
)
@click.option("--token-file", type=click.Path(path_type=Path), help="A file with the token that requests must show.")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="A name it answers to, e.g. your proxy's; repeatable."
)
@_limits
@polite
def serve(
    run: str,
    host: str,
    port: int,
    workers: int,
    token_file: Path | None,
    allow_host: tuple[str, ...],
    as_json: bool,
    progress: Terminal,
    **limits: Any,
) -> None:
    """Serve a RUN, e.g. runs/latest, as a web page and a REST service.

    It listens on this machine alone unless --host says otherwise. SIGHUP opens the run again without failing a request;
    SIGTERM and Ctrl-C answer what is under way and end. docs/serving.md tells the rest.
    """
    from pawsight.jobs.serve import serve as job

    job(
        run,
        host=host,
        port=port,
        workers=workers,
        token_file=token_file,
        allow_host=allow_host,
        limits=Limits(**limits),
        quiet=progress.quiet,
        progress=progress,
        told=lambda serving: print_answer(serving.to_json()) if as_json else None,
    )
