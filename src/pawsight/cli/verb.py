"""What every verb can do: help on two screens, and options from a TOML file."""

from __future__ import annotations

import difflib
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pawsight.core.errors import PawsightError, WrongUsage
from pawsight.core.storage import as_path, regular_file
from pawsight.core.text import terminal_text

_LARGEST_CONFIG = 2**16  # bytes
_LAST = ("config", "as_json", "quiet", "help_all")  # of every verb, below its own options
_NUMBERS = (type(click.INT), type(click.FLOAT))  # with their ranges


class ValueType(click.ParamType[Any]):
    """A type of values that a file may hold as they are; its `convert` takes texts and values, and refuses both.

    `expected` says what a value is, for example "a time, e.g. '90s'".
    """

    expected = ""
    kinds: tuple[type, ...] = (str,)  # that a TOML file may use for it


class Verb(click.Command):
    """A command with `--config FILE`, and with `--help-all` where its help has two screens.

    Args:
        first: names of the parameters on the first screen of help, in this order. The options of every verb follow
            them. Where it is empty, all options are on the first screen.
        settings: of a `click.Command`.
    """

    def __init__(self, *arguments: Any, first: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.first = tuple(first)
        config = click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            is_eager=True,
            expose_value=False,
            callback=_take_config,
            help="TOML file with options by name, e.g. quiet = true; what is typed here wins.",
        )
        all_options = click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            hidden=not first,
            callback=_show_all,
            help="Show all options and exit.",
        )
        self.params += [config, all_options]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of the first screen, or all of them after `--help-all`."""
        options = {
            option.name: option for option in self.get_params(ctx) if isinstance(option, click.Option) and option.name
        }
        shared = (*_LAST, next(reversed(options)))  # --help is the last one
        own = self.first or [name for name in options if name not in shared]
        shown = [name for name in (*own, *shared) if name in options]
        more = [name for name in options if name not in shown]
        screens = {"Options": shown, "More options": more if ctx.meta.get(__name__) else []}
        for title, names in screens.items():
            if rows := [row for name in names if (row := options[name].get_help_record(ctx))]:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if more and not ctx.meta.get(__name__):
            formatter.write(f"\n{len(more)} more options: {ctx.command_path} --help-all\n")


def _show_all(ctx: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not ctx.resilient_parsing:
        ctx.meta[__name__] = True
        click.echo(ctx.get_help())
        ctx.exit()


def _take_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Make what a file says the defaults of the other options."""
    if path is not None:
        try:
            ctx.default_map = read_config(path, ctx.command)
        except WrongUsage as error:
            end_with(error)


def end_with(error: PawsightError) -> None:
    """Print an error and end with its exit status."""
    print(f"pawsight: {terminal_text(str(error))}", file=sys.stderr)
    sys.exit(error.exit_status)


def read_config(path: Path, verb: click.Command) -> dict[str, Any]:
    """Return the options of a verb in a TOML file, by the names of its parameters.

    A key is an option's name without its dashes in front; `image_px` and `image-px` are the same. A relative path of a
    file or folder is relative to the folder of the TOML file.

    Raises:
        WrongUsage: the file cannot be read, or has unknown keys or values that cannot be; all of them are named.
    """
    try:
        with open(as_path(path), "rb", opener=regular_file) as file:
            text = file.read(_LARGEST_CONFIG + 1)
        if len(text) > _LARGEST_CONFIG:
            raise ValueError(f"it has more than {_LARGEST_CONFIG:,} bytes")
        values = tomllib.loads(text.decode("utf-8-sig"))  # Windows' Notepad writes a byte order mark
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        why = f"The system says: {error.strerror}." if isinstance(error, OSError) else f"{error}."
        raise WrongUsage(f"{path} cannot be read as TOML.", why, "See docs/config.md for an example.") from error
    options = {
        name.removeprefix("--").replace("-", "_"): option
        for option in verb.params
        if isinstance(option, click.Option) and option.expose_value
        for name in option.opts
        if name.startswith("--")
    }
    problems, given, keys = [], dict[str, Any](), dict[str, str]()
    for key, value in values.items():
        option = options.get(key.replace("-", "_"))
        if option is None:
            near = difflib.get_close_matches(key, options, n=1)
            problems.append(f"{key} is not a known key{f'; did you mean {near[0]}?' if near else '.'}")
            continue
        if (earlier := keys.setdefault(str(option.name), key)) != key:
            problems.append(f"{earlier} and {key} are the same option; leave one out.")
            continue
        try:
            given[str(option.name)] = _converted(option, value, as_path(path).parent)
        except click.BadParameter as error:
            problems.append(f"{key} cannot be {value!r}: {error.message}")
    if problems:
        raise WrongUsage(f"{path} cannot be used.", "\n".join(problems), f"Its keys may be: {', '.join(options)}.")
    return given


def _converted(option: click.Option, value: Any, folder: Path) -> Any:
    """Return a value of a TOML file as the option gives it; raise click.BadParameter where it cannot be."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise click.BadParameter("it is true or false.")
        return value
    if option.multiple:
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise click.BadParameter("it is a list of texts, e.g. ['a', 'b'].")
        return tuple(value)
    kind = option.type
    kinds, expected = _kinds_and_words(kind)
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise click.BadParameter(f"it is {expected}.")
    is_path = isinstance(kind, click.Path)
    value = str(folder / as_path(value)) if is_path and "://" not in str(value) else value
    try:
        return kind.convert(value, option, None)
    except (click.BadParameter, OverflowError, ValueError) as error:  # a number of 400 digits; a path with a zero byte
        why = error.message if is_path and isinstance(error, click.BadParameter) else f"it is {expected}."
        raise click.BadParameter(why) from error


def _kinds_and_words(kind: click.ParamType[Any]) -> tuple[tuple[type, ...], str]:
    """Return the types of TOML that an option's type takes, and what a value is in words."""
    if isinstance(kind, ValueType):
        return kind.kinds, kind.expected
    if isinstance(kind, click.Choice):
        return (str,), f"one of {', '.join(map(repr, kind.choices))}"
    if isinstance(kind, click.Path):
        return (str,), "a text, the path of a file or folder"
    if not isinstance(kind, _NUMBERS):
        return (str,), "a text"
    is_whole = isinstance(kind, type(click.INT))
    words = "a whole number" if is_whole else "a number"
    if isinstance(kind, click.IntRange | click.FloatRange):
        words += f" from {kind.min}" + (f" to {kind.max}" if kind.max is not None else "")
    return (int,) if is_whole else (int, float), words
