"""What every verb has in common: --json, --quiet, exit statuses, and how an answer is printed.

Enters: commands, answers. Leaves: polite commands, text on stdout. Does not know: any verb.
"""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pawsight.cli.process import Terminated
from pawsight.core.errors import PawsightError
from pawsight.core.progress import Terminal
from pawsight.core.text import terminal_text

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
Command = TypeVar("Command", bound=Callable[..., Any])


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


class _Percent(click.ParamType[float]):
    """A share of pictures such as 1% or 0.01, above nothing and below 50 %."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
        except ValueError:
            share = math.nan
        if not 0.0 < share < 0.5:
            self.fail(f"{value!r} is no share above nothing and below 50 %; type for example 1% or 0.01", param, ctx)
        return share


PERCENT = _Percent()


def polite(command: Command) -> Command:
    """Give a command --json and --quiet, and turn expected failures into a message and an exit status."""

    @click.option("--json", "as_json", is_flag=True, help="JSON on stdout, one object a line; nothing else there.")
    @click.option("--quiet", is_flag=True, help="No progress and no remarks; errors are still told.")
    @functools.wraps(command)
    def mannered(*arguments: Any, quiet: bool, **options: Any) -> None:
        try:
            command(*arguments, progress=Terminal(quiet=quiet), **options)
        except PawsightError as error:
            click.echo(f"pawsight: {terminal_text(str(error))}", err=True)
            sys.exit(error.exit_status)
        except KeyboardInterrupt as stop:
            by, status = ("the system", 143) if isinstance(stop, Terminated) else ("you", 130)
            click.echo(f"pawsight: stopped by {by}; what was finished is kept, and nothing half-written is.", err=True)
            sys.exit(status)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)

    return mannered  # type: ignore[return-value]


def splitting(command: Command) -> Command:
    """Give a command the two options that say which picture lies in which part."""
    file = click.option(
        "--split",
        type=click.Path(path_type=Path),
        help="CSV with the columns path,part, or a run whose split it takes.",
    )
    seed = click.option(
        "--split-seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of the cut into parts."
    )
    return file(seed(command))


def print_answer(answer: dict[str, Any] | list[str]) -> None:
    """Print one JSON object on a line, or lines for people."""
    if isinstance(answer, dict):
        click.echo(json.dumps(answer, ensure_ascii=True, allow_nan=False))
    else:
        for line in answer:
            click.echo(terminal_text(line, one_line=True))
