"""What several verbs share: options, parameter types, exit statuses and the printing of answers.

Exit statuses: 0 done, 1 something could not be done or its answer could not be written, 2 wrong usage, 130 stopped by
Ctrl-C, 143 stopped by SIGTERM.
"""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pawsight.cli.process import Terminated, refusal_of
from pawsight.cli.verb import ValueType, end_with
from pawsight.core.errors import PawsightError
from pawsight.core.machine import CPU, DEVICES
from pawsight.core.progress import Terminal
from pawsight.core.text import seconds_of, terminal_text

_ROLES = ("path", "label", "part", "group")  # of a table's columns
Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


class _Duration(ValueType):
    """A length of time such as 90s, 10m or 2h, in seconds."""

    name = "time"
    expected = "a length of time, e.g. '90s'"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            return seconds_of(value)
        except ValueError:
            self.fail(f"{value!r} is not a length of time; type for example 90s, 10m or 2h", param, ctx)


class _Percent(ValueType):
    """A share such as 1% or 0.01, above 0 and below 50 %, or to 100 %."""

    name = "share"
    expected = "a share, e.g. '1%' or 0.01"
    kinds = (str, int, float)

    def __init__(self, *, is_whole_allowed: bool = False) -> None:
        self._is_whole_allowed = is_whole_allowed

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
        except ValueError:
            share = math.nan
        if not (0.0 <= share <= 1.0 if self._is_whole_allowed else 0.0 < share < 0.5):
            ends = "from 0 to 100 %" if self._is_whole_allowed else "above 0 and below 50 %"
            self.fail(f"{value!r} is not a share {ends}; type for example 1% or 0.01", param, ctx)
        return share


DURATION, PERCENT, WHOLE_PERCENT = _Duration(), _Percent(), _Percent(is_whole_allowed=True)


class _WithOldNames(click.Option):
    """An option that also takes its names of earlier versions; help does not show them."""

    def __init__(self, *declarations: Any, old_names: tuple[str, ...] = (), **settings: Any) -> None:
        super().__init__(*declarations, **settings)
        self.old_names = old_names

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        parser.add_option(self, opts=list(self.old_names), dest=self.name, action="store", nargs=1)


def common_options(command: Command) -> Command:
    """Give a command --json and --quiet, and print expected errors with their exit status instead of a traceback."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line, and nothing else on stdout.")
    @click.option("--quiet", is_flag=True, help="Print no progress and no notes; errors are still printed.")
    @functools.wraps(command)
    def run(*arguments: Any, quiet: bool, **options: Any) -> None:
        try:
            command(*arguments, progress=Terminal(quiet=quiet), **options)
        except PawsightError as error:
            end_with(error)
        except KeyboardInterrupt as stop:
            by, status = ("the system", 143) if isinstance(stop, Terminated) else ("you", 130)
            text = f"pawsight: stopped by {by}. Finished files are kept; no half-written file is left."
            print(text, file=sys.stderr)
            sys.exit(status)

    return run  # type: ignore[return-value]


def out_option(
    text: str, *, default: str | None = None, old: str | None = None, short: bool = False
) -> Callable[[Command], Command]:
    """Return the option --out, the folder for what a verb writes.

    Args:
        text: its help.
        default: a folder, shown in the help.
        old: the name it had in earlier versions, which is still read.
        short: read -o too.
    """
    return click.option(
        *(("-o",) if short else ()),
        "--out",
        type=FOLDER,
        default=Path(default) if default else None,
        show_default=default is not None,
        help=text,
        cls=_WithOldNames,
        old_names=(old,) if old else (),
    )


def seed_option(
    name: str = "--seed", text: str = "Random seed.", *, default: int | None = 0
) -> Callable[[Command], Command]:
    """Return an option for a random seed."""
    kind = click.IntRange(0, 2**31 - 1)
    return click.option(name, type=kind, metavar="N", default=default, show_default=default is not None, help=text)


def split_options(command: Command) -> Command:
    """Give a command --split, --split-seed and --allow-leaks: what the training, validation and test sets are."""
    file = click.option(
        "--split", type=FILE, help="Table with the columns path and part, or a run whose split is used again."
    )
    seed = seed_option("--split-seed", "Random seed of the split.")
    leaks = click.option(
        "--allow-leaks", is_flag=True, help="With --split: report duplicates across subsets, do not refuse them."
    )
    with_leaks: Command = leaks(command)
    return file(seed(with_leaks))


def reading_options(command: Command) -> Command:
    """Give a command the options for how folders are read; it gets one value, `reading`, None where none was typed."""
    names = ("class_depth", "class_from", "parts", "ignore", "only", "group_by", "several_labels", "label_separator")

    @click.option(
        "--class-depth",
        type=click.IntRange(1, 100),
        metavar="N",
        help="Folder that is the class, counted below the part or the root.  [default: 1]",
    )
    @click.option(
        "--class-from", metavar="REGEX", help="Read the class from each picture's path: the first group of the pattern."
    )
    @click.option(
        "--parts",
        metavar="FOLDER=PART,...",
        help="Folders that are parts, e.g. train_set=train,other=test; none if no folder is one.",
    )
    @click.option("--ignore", multiple=True, metavar="GLOB", help="Files and folders to leave out; repeatable.")
    @click.option("--only", multiple=True, metavar="GLOB", help="Files to read, e.g. '*.jpg'; repeatable.")
    @click.option(
        "--group-by",
        metavar="WHAT",
        help="Keep groups in one part: folder, REGEX for the path, a table's column, exif-time, camera or none.",
    )
    @click.option(
        "--several-labels",
        is_flag=True,
        help="A picture of a table may have several labels: columns with 1, or lines of one picture.",
    )
    @click.option(
        "--label-separator", metavar="TEXT", help="Several labels in one cell of a table, with this between, e.g. ';'."
    )
    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        from pawsight.data.reading import FolderReading

        typed = {name: options.pop(name) for name in names}
        command(*arguments, reading=FolderReading.from_words(**typed), **options)

    return run  # type: ignore[return-value]


def megapixels_option(command: Command) -> Command:
    """Give a command --max-megapixels, which says how large a picture may be."""
    return click.option(
        "--max-megapixels",
        type=click.IntRange(1, 1_000),  # images.decode.MOST_MEGAPIXELS, whose room is slow to load
        metavar="N",
        help="Largest picture that is read, width x height in millions.  [default: 50, or the run's]",
    )(command)


def missing_option(command: Command) -> Command:
    """Give a command --allow-missing, which says how many pictures may be missing."""
    return click.option(
        "--allow-missing",
        type=WHOLE_PERCENT,
        metavar="SHARE",
        help="Largest share of the pictures that may be missing or unreadable, e.g. 20%.  [default: 10%]",
    )(command)


def backbone_options(command: Command) -> Command:
    """Give a command --mean and --std, which say how a backbone from a file wants its pixels."""
    mean = click.option(
        "--mean",
        metavar="R,G,B",
        help="With --backbone FILE.onnx: mean of the pixels it was trained on, from 0 to 1.",
    )
    std = click.option("--std", metavar="R,G,B", help="With --backbone FILE.onnx: their standard deviations.")
    with_std: Command = std(command)
    return mean(with_std)


class _Columns(ValueType):
    """Which columns of a table are which, e.g. path=image,label=class."""

    name = "columns"
    expected = "a text, e.g. 'path=image,label=class'"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        pairs = [pair.partition("=")[::2] for pair in str(value).split(",")]
        columns = {role.strip().casefold(): column.strip() for role, column in pairs}
        if len(columns) < len(pairs) or set(columns) - set(_ROLES) or not all(columns.values()):
            self.fail(f"{value!r} does not name columns; type for example path=image,label=class", param, ctx)
        return columns


def columns_option(command: Command) -> Command:
    """Give a command --columns, which says which columns of a table are which."""
    return click.option(
        "--columns",
        type=_Columns(),
        metavar="NAMES",
        help="For a table: which columns are path, label, part and group, e.g. path=image,label=class; numbers from 1 "
        "where it has no header.",
    )(command)


def device_option(command: Command) -> Command:
    """Give a command --device, which says what computes."""
    return click.option(
        "--device",
        type=click.Choice(DEVICES),
        default=CPU,
        show_default=True,
        help="What computes; auto is what OpenVINO prefers. pawsight doctor lists what there is.",
    )(command)


def ray_options(command: Command) -> Command:
    """Give a command the options of --engine ray."""
    actors = click.option(
        "--actors",
        type=click.IntRange(1, 100_000),
        metavar="N",
        help="With --engine ray: number of actors.  [default: one per core]",
    )
    address = click.option(
        "--ray-address", metavar="ADDRESS", help="With --engine ray: address of a running cluster, e.g. auto."
    )
    return actors(address(command))


def top_option(command: Command) -> Command:
    """Give a command --top, which says how many classes are named; --top-k is read too."""
    return click.option(
        "--top",
        type=click.IntRange(1, 10_000),
        metavar="K",
        help="Name the K most likely classes.",
        cls=_WithOldNames,
        old_names=("--top-k",),
    )(command)


def answer_all_option(command: Command) -> Command:
    """Give a command --answer-all."""
    return click.option("--answer-all", is_flag=True, help="Call no picture unsure or unfamiliar.")(command)


def print_answer(answer: dict[str, Any] | list[str]) -> bool:
    """Print one JSON object on a line, or lines of text; return whether standard output still takes what is printed."""
    if isinstance(answer, dict):
        print(json.dumps(answer, ensure_ascii=True, allow_nan=False))
    else:
        for line in answer:
            print(terminal_text(line, one_line=True))
    sys.stdout.flush()
    return refusal_of(sys.stdout) is None
