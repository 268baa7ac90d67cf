"""The verb that lets others use a classifier: serve."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from pawsight.cli.manners import polite, print_answer
from pawsight.core.progress import Terminal
from pawsight.web.limits import Limits


def _limits(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one option for each limit that has a flag."""
    for limit in reversed(fields(Limits)):
        if limit.metadata["is_flag"]:
            command = click.option(
                f"--{limit.name.replace('_', '-')}",
                type=int if limit.type == "int" else float,
                metavar=limit.metadata["unit"].upper(),
                help=f"{limit.metadata['help']}  [default: {limit.default:g}]",
            )(command)
    return command


@click.command()
@click.argument("run")
@click.option("--host", help="Where to listen; 0.0.0.0 is every address.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: 8000]")
@click.option("--token-file", type=click.Path(path_type=Path), help="A file with the token that requests must show.")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="A name it answers to, e.g. your proxy's; repeatable."
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="A TOML file with these options and every limit; flags win."
)
@_limits
@polite
def serve(run: str, config: Path | None, as_json: bool, progress: Terminal, **typed: Any) -> None:
    """Serve a RUN, e.g. runs/latest, as a web page and a REST service.

    It listens on this machine alone unless --host says otherwise. SIGHUP opens the run again without failing a request;
    SIGTERM and Ctrl-C answer what is under way and end. docs/serving.md tells the rest.
    """
    from pawsight.commands.serve import check_installed
    from pawsight.commands.serve import serve as job
    from pawsight.web.limits import read_config

    options = read_config(config) if config is not None else {}
    options |= {name: value for name, value in typed.items() if value not in (None, ())}
    limits = Limits(**{limit.name: options.pop(limit.name) for limit in fields(Limits) if limit.name in options})
    check_installed()
    from pawsight.web.logs import log_json_lines

    log_json_lines(logging.WARNING if progress.quiet else logging.INFO)
    job(
        run,
        **options,
        limits=limits,
        progress=progress,
        told=lambda serving: print_answer(serving.to_json()) if as_json else None,
    )
