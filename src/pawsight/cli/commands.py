"""The verbs: each parses its options, calls the function of the same name in `pawsight.commands`, and prints."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import webbrowser
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import Field, asdict, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pawsight import __version__
from pawsight.cli.options import (
    DURATION,
    FILE,
    FOLDER,
    PERCENT,
    WHOLE_PERCENT,
    answer_all_option,
    backbone_options,
    columns_option,
    common_options,
    device_option,
    megapixels_option,
    missing_option,
    out_option,
    print_answer,
    ray_options,
    reading_options,
    seed_option,
    split_options,
    top_option,
)
from pawsight.cli.process import quiet_libraries
from pawsight.cli.verb import ValueType, Verb
from pawsight.core.errors import WrongUsage
from pawsight.core.machine import DEVICES
from pawsight.core.progress import Terminal
from pawsight.core.runs import is_run
from pawsight.core.text import typed
from pawsight.data.tables import columns_text
from pawsight.web.limits import Limits, problem_with, range_text

if TYPE_CHECKING:
    from pawsight.evaluation.deployment import Deployment

ENGINES = click.Choice(["local", "ray"])


class _Verbs(click.Group):
    """The commands of `pawsight`: each is a `Verb`."""

    command_class = Verb


@click.group(
    cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]}, epilog="Start with: pawsight train sample"
)
@click.version_option(__version__, prog_name="pawsight")
def cli() -> None:
    """From folders of photographs to a classifier you can trust, on the machine you have."""


@cli.command(
    first=(
        *("recipe", "backbone", "class_weights", "max_error", "from_run", "add", "split", "group_by"),
        *("resume", "out"),
    )
)
@click.argument("data", required=False)
@click.option("--recipe", help="What to train; pawsight recipes lists them.  [default: probe, or the run's]")
@click.option(
    "--backbone",
    help="Pretrained network for the recipe probe: a name, an ONNX file, or auto, the best of those that are there.",
)
@backbone_options
@click.option("--backbone-licence", metavar="NAME", help="Licence of such a file, an SPDX name, for the model card.")
@click.option(
    "--depth",
    type=click.Choice(["auto", "last", "selected", "blocks"]),
    help="Where the recipe probe reads its backbone; auto chooses by cross-validation in the training set.",
)
@click.option(
    "--image-px", type=int, metavar="N", help="Side of the square pictures that the network takes, in pixels."
)
@click.option("--epochs", type=click.IntRange(1, 10_000), metavar="N", help="Passes over the training set.")
@click.option("--batch-size", type=click.IntRange(1, 4096), metavar="N", help="Pictures per training step.")
@click.option("--learning-rate", type=float, metavar="RATE", help="Learning rate of the optimizer.")
@click.option(
    "--patience",
    type=click.IntRange(0),
    metavar="N",
    help="Stop after N epochs without a better validation loss; 0 never stops early.",
)
@click.option("--precision", type=click.Choice(["f32", "bf16"]), help="Number format that gradients are computed in.")
@click.option(
    "--class-weights",
    "--balance",
    "class_weights",
    is_flag=True,
    help="Give pictures of rare classes more weight, so that each class counts the same.",
)
@click.option("--weights", type=FILE, help="File with MobileNetV2's weights (.h5), for the recipe mobilenet.")
@click.option(
    "--max-error",
    type=PERCENT,
    help="Largest share of answered pictures that may be wrong, e.g. 1%; unsure pictures are not answered.",
)
@click.option(
    "--max-error-per-class",
    type=PERCENT,
    help="Largest share of the answers with each class that may be wrong, e.g. 5%.",
)
@click.option(
    "--sets",
    type=WHOLE_PERCENT,
    metavar="SHARE",
    help="Give each picture the set of classes that it may be; this share of sets holds the true one, e.g. 95%.",
)
@click.option(
    "--costs",
    type=FILE,
    help="Table with the columns true, predicted and cost; the answer is the class of least expected cost.",
)
@click.option(
    "--false-alarms",
    type=PERCENT,
    default="1%",
    show_default=True,
    help="Share of ordinary pictures that may be called unfamiliar.",
)
@click.option("--answer-all", is_flag=True, help="Call no picture unfamiliar.")
@click.option("--none-class", metavar="NAME", help="Class that stands for none of the others, e.g. other.")
@click.option(
    "--folds", type=int, metavar="N", help="Train on all pictures and measure by cross-validation with N folds."
)
@click.option("--resume", is_flag=True, help="Continue an interrupted run of the same recipe on the same data.")
@seed_option(default=None, text="Random seed.  [default: 0, or the run's]")
@out_option("Folder in which the run's folder is made.", default="runs", old="--runs")
@click.option("--patch", type=FILE, help="File with corrected labels, written by pawsight review.")
@click.option(
    "--from", "from_run", metavar="RUN", type=FOLDER, help="Let a run grow: its pictures, subsets and options stay."
)
@click.option("--add", metavar="NEW", help="With --from: more pictures, new classes or corrected labels, as DATA.")
@click.option("--merge", multiple=True, metavar="OLD=CLASS", help="With --from: give a class another name; repeatable.")
@click.option("--drop", multiple=True, metavar="CLASS", help="With --from: leave a class out; repeatable.")
@click.option(
    "--engine",
    type=ENGINES,
    default="local",
    show_default=True,
    help="Compute the probe's features in this process or on a pool of Ray actors.",
)
@ray_options
@split_options
@columns_option
@megapixels_option
@missing_option
@device_option
@common_options
@reading_options
def train(data: str | None, as_json: bool, progress: Terminal, merge: tuple[str, ...], **options: Any) -> None:
    """Train a classifier on labelled pictures.

    DATA is a folder with one folder per class (or with train/, validation/ and test/ that hold class folders), an
    archive or the https:// URL of one, a table (CSV, JSON, Parquet) with the columns path and label, or a name:
    cats-and-dogs, sample.
    """
    from pawsight.commands import train as command
    from pawsight.commands.train_report import following, headline
    from pawsight.data.growth import merges_typed

    is_noisy = options["engine"] == "ray" or options["recipe"] not in (None, "majority", "probe")
    is_noisy = is_noisy or options["from_run"] is not None  # whose recipe is not known yet
    with quiet_libraries() if is_noisy else nullcontext():
        report = command.train(data, progress=progress, merge=merges_typed(merge) or None, **options)
    latest = report.run.parent / "latest"
    name = os.path.relpath(latest if latest.resolve() == report.run.resolve() else report.run)
    print_answer(report.to_json() if as_json else [*headline(report), *following(report, name)])


@cli.command(first=("recipes", "epochs", "time_limit", "split", "group_by", "seed", "out", "class_from"))
@click.argument("data")
@click.option("--recipes", metavar="NAMES", help="Recipes to train, separated by commas.  [default: all]")
@click.option(
    "--epochs", type=click.IntRange(1, 10_000), metavar="N", help="Epochs of the recipes that train by gradients."
)
@click.option("--time-limit", type=DURATION, help="Start no further recipe after this time, e.g. 90s, 10m, 2h.")
@seed_option()
@click.option("--weights", type=FILE, help="File with MobileNetV2's weights (.h5), for the recipe mobilenet.")
@out_option("Folder in which run folders and the report are made.", default="runs", old="--runs")
@split_options
@columns_option
@megapixels_option
@missing_option
@common_options
@reading_options
def ladder(data: str, recipes: str | None, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Train every recipe on DATA and compare them in one report."""
    from pawsight.commands import ladder as command

    names = [name.strip() for name in recipes.split(",")] if recipes is not None else None
    with quiet_libraries():
        outcome = command.ladder(data, recipes=names, progress=progress, **options)
    print_answer(outcome.to_json() if as_json else command.summary(outcome))


@cli.command()
@common_options
def recipes(as_json: bool, progress: Terminal) -> None:
    """List the recipes with their expected time and accuracy."""
    from pawsight.commands import recipes as command

    table = command.recipes()
    print_answer(command.to_json(table) if as_json else command.summary(table))


@cli.command(first=("out", "top", "is_all", "threshold", "answer_all", "expect", "every", "device"))
@click.argument("run")
@click.argument("pictures", nargs=-1)
@click.option(
    "--out",
    type=click.Path(),
    help="New file for the answers (.csv, .json, .jsonl, .parquet), or folder for Parquet files.",
)
@top_option
@click.option("--all", "is_all", is_flag=True, help="Name all classes.")
@click.option(
    "--threshold",
    type=WHOLE_PERCENT,
    metavar="SHARE",
    help="Least confidence of an answer, e.g. 80%; below: unsure.",
)
@click.option(
    "--expect",
    is_flag=True,
    help="Also say how many answers are likely right, and whether the pictures look like training's.",
)
@click.option(
    "--sets",
    type=WHOLE_PERCENT,
    metavar="SHARE",
    help="Give the classes that each picture may be; this share of sets holds the true one.  [default: the run's]",
)
@click.option("--costs", type=FILE, help="Table with the costs of mistakes, as for train.  [default: the run's]")
@answer_all_option
@click.option("--every", type=DURATION, help="Time between frames of a video or a camera.  [default: 1s]")
@click.option(
    "--engine", type=ENGINES, help="With --out FOLDER: compute in this process or on Ray actors.  [default: local]"
)
@click.option("--resume", is_flag=True, help="With --out FOLDER: continue an interrupted prediction.")
@click.option(
    "--shard",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="With --out FOLDER: pictures per Parquet file.  [default: 2048]",
)
@ray_options
@megapixels_option
@device_option
@common_options
def predict(
    run: str,
    pictures: tuple[str, ...],
    out: str | None,
    top: int | None,
    is_all: bool,
    threshold: float | None,
    sets: float | None,
    costs: Path | None,
    answer_all: bool,
    every: float | None,
    expect: bool,
    max_megapixels: int | None,
    device: str,
    as_json: bool,
    progress: Terminal,
    **options: Any,
) -> None:
    """Classify PICTURES with a trained RUN.

    RUN is a run folder, e.g. runs/latest. PICTURES are files, folders, addresses (https://...), lists (@list.txt, .csv,
    .parquet, - for standard input), videos, or the word camera. With --out FOLDER/ there may be millions: see the
    guide, At scale.
    """
    from pawsight.commands import predict as command

    if not pictures:
        given = "PICTURE..." if is_run(Path(run)) else run
        raise WrongUsage(
            "No pictures are named.",
            "The run comes first, then the pictures.",
            f"Type for example: {typed('predict', 'runs/latest', given)}",
        )
    ranks = None if is_all else top or 0
    computing: dict[str, Any] = {"answer_all": answer_all, "max_megapixels": max_megapixels, "device": device}
    deciding: dict[str, Any] = {"threshold": threshold, "sets": sets, "costs": costs, "every": every}
    reading: dict[str, Any] = {**deciding, **computing}
    is_file = out is not None and command.is_answer_file(out)
    if (out is None or is_file) and any(options.values()):
        raise WrongUsage(
            "--engine, --resume, --shard, --actors and --ray-address need --out FOLDER/.",
            "Without it, answers are printed one by one or written to one file.",
            "Add for example --out predictions/",
        )
    if out is None:
        found: list[Deployment] = []
        answers = command.predict(run, pictures, expect=found.append if expect else None, progress=progress, **reading)
        lines = ((answer.to_json() if as_json else [command.line(answer, ranks)], answer.error) for answer in answers)
        failed, where = _print_each(lines), "the lines above say why"
        if expect:
            expected = found[0] if found else None
            plain = {"expected": expected and expected.to_json()}
            print_answer(plain if as_json else command.expected_lines(expected))
    elif is_file:
        report = command.predict_file(run, pictures, out, top=ranks, expect=expect, progress=progress, **reading)
        print_answer(report.to_json() if as_json else report.lines())
        failed, where = report.tally.errors, "the column error says why"
    else:
        if top or is_all or expect or any(value is not None for value in deciding.values()):
            raise WrongUsage(
                "--top, --all, --threshold, --sets, --costs, --expect and --every do not change the parts of a folder.",
                "Each part holds all probabilities.",
                "Leave them out, or write one file: --out answers.csv",
            )
        options["engine"] = options["engine"] or "local"
        with quiet_libraries() if options["engine"] == "ray" else nullcontext():
            report = command.predict_to(run, pictures, out, progress=progress, **computing, **options)
        print_answer(report.to_json() if as_json else report.lines())
        failed, where = report.failed, "the column error says why"
    _exit_if_unreadable(failed, where, progress)


@cli.command(first=("out", "run", "backbone", "image_px", "depth", "class_depth", "class_from", "only", "device"))
@click.argument("data")
@click.option("--out", type=FILE, required=True, help="New file for the features, ending in .parquet or .npz.")
@click.option("--run", type=FILE, help="Run whose classifier's features are written.  [default: a backbone's]")
@click.option("--backbone", help="Without --run: pretrained network.  [default: that of the recipe probe]")
@backbone_options
@click.option("--image-px", type=int, metavar="N", help="Without --run: side of the square pictures that it sees.")
@click.option(
    "--depth",
    type=click.Choice(["last", "blocks"]),
    help="Without --run: where the backbone is read, its last layer or the outputs of all blocks.  [default: last]",
)
@reading_options
@megapixels_option
@device_option
@common_options
def embed(data: str, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Write the features of the pictures in DATA to a file.

    They are for search, clusters and other models. DATA is what train takes; a folder of pictures without class folders
    will do. The file has a row a picture: its path, its label where one is known, and its features.
    """
    from pawsight.commands import embed as command

    report = command.embed(data, progress=progress, **options)
    print_answer(report.to_json() if as_json else report.lines())
    _exit_if_unreadable(len(report.left_out), "they are not in the file", progress)


@cli.command()
@click.argument("run")
@click.argument("pictures", nargs=-1, required=True)
@out_option("Folder for the pictures with their heat maps.", default="explained", short=True)
@click.option("--class", "label", default="", help="Class to explain.  [default: each picture's most likely class]")
@click.option(
    "--method",
    type=click.Choice(["auto", "cam", "occlusion"]),
    default="auto",
    show_default=True,
    help="cam is exact and needs a network that ends in an average and one linear layer; occlusion covers parts of the "
    "picture and works for any network.",
)
@megapixels_option
@common_options
def explain(run: str, pictures: tuple[str, ...], as_json: bool, progress: Terminal, **options: Any) -> None:
    """Draw heat maps of what speaks for a class in PICTURES.

    RUN is a run folder, e.g. runs/latest; PICTURES are files or folders.
    """
    from pawsight.commands import explain as command

    failed = 0
    for explained in command.explain(run, pictures, progress=progress, **options):
        failed += explained.error is not None
        print_answer(explained.to_json() if as_json else [explained.line()])
    _exit_if_unreadable(failed, "the lines above say why", progress)


def _print_each(answers: Iterable[tuple[dict[str, Any] | list[str], str | None]]) -> int:
    """Print answers as they come, while standard output takes them; return how many have an error."""
    failed = 0
    for answer, error in answers:
        failed += error is not None
        if not print_answer(answer):
            break  # its output is all that is left of a prediction
    return failed


def _exit_if_unreadable(failed: int, where: str, progress: Terminal) -> None:
    if failed:
        progress.say(f"{failed:,} could not be read; {where}.")
        sys.exit(1)


class _LimitValue(ValueType):
    """A value of one limit of the service."""

    kinds = (int, float)

    def __init__(self, limit: Field[Any]) -> None:
        self.name, self._limit, self.expected = limit.name, limit, range_text(limit)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            number = (int if self._limit.type == "int" else float)(value) if isinstance(value, str) else value
        except ValueError:
            number = value
        if problem_with(self._limit, number):
            self.fail(f"{value!r} cannot be used: it is {self.expected}.", param, ctx)
        return number


def _limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each limit."""
    for limit in reversed(fields(Limits)):
        command = click.option(
            f"--{limit.name.replace('_', '-')}",
            type=_LimitValue(limit),
            metavar=limit.metadata["unit"].upper(),
            help=f"{limit.metadata['help']}  [default: {limit.default:g}]",
        )(command)
    return command


_SERVE_FIRST = ("host", "port", "share", "token_file", "title", "feedback", "with_report")


@cli.command(first=(*_SERVE_FIRST, "device", "open", "log"))
@click.argument("run")
@click.option("--host", help="Address to listen on; 0.0.0.0 is every address.  [default: 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help="Port to listen on; 0 is any.  [default: 8000]"
)
@click.option("--share", is_flag=True, default=None, help="Open the page to the local network, with a QR code.")
@click.option("--token-file", type=FILE, help="File with the token that requests must send.")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="Host name to answer to, e.g. your proxy's; repeatable."
)
@click.option(
    "--allow-origin",
    multiple=True,
    metavar="ORIGIN",
    help="Site whose pages may use the service, e.g. https://cats.example; repeatable.",
)
@click.option(
    "--proxy",
    multiple=True,
    metavar="ADDRESS",
    help="Address or network of a proxy of yours, whose X-Forwarded-For is believed; repeatable.",
)
@click.option("--title", metavar="TEXT", help="Question at the top of the page.  [default: the classes]")
@click.option("--feedback", type=FOLDER, help="Folder that keeps the pictures that users label on the page.")
@click.option(
    "--with-report", is_flag=True, default=None, help="Show the run's report, with training pictures, to all clients."
)
@answer_all_option
@click.option("--device", type=click.Choice(DEVICES), help="What computes, as for predict.  [default: cpu]")
@click.option("--open", "open", is_flag=True, default=None, help="Open the page in this machine's browser.")
@click.option(
    "--log",
    type=click.Choice(("plain", "json")),
    help="How requests are logged.  [default: plain on a terminal, else JSON lines]",
)
@_limit_options
@common_options
def serve(run: str, as_json: bool, progress: Terminal, **typed: Any) -> None:
    """Serve a RUN as a web page and a REST service.

    RUN is a run folder, e.g. runs/latest. The service listens on this machine alone unless --host says otherwise.
    SIGHUP loads the run again without failing a request. SIGTERM and Ctrl-C finish open requests and stop. The guide
    has a page about serving.
    """
    from pawsight.commands import serve as command

    options = {name: value for name, value in typed.items() if value not in (None, ())}
    opens = options.pop("open", False)
    log = options.pop("log", "plain" if sys.stderr.isatty() else "json")
    limits = Limits(**{limit.name: options.pop(limit.name) for limit in fields(Limits) if limit.name in options})
    command.check_installed()
    from pawsight.web.server import log_json_lines, log_plain_lines

    start_log = log_plain_lines if log == "plain" else log_json_lines
    start_log(logging.WARNING if progress.quiet else logging.INFO)

    def show(serving: dict[str, Any]) -> None:
        if as_json:
            print_answer(serving)
        if serving["share"] and sys.stderr.isatty():
            from pawsight.web.qr_code import lines_of

            for line in lines_of(serving["share"]):
                progress.say(line)
        if opens:
            webbrowser.open(serving["url"].replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:"))

    command.serve(run, **options, limits=limits, progress=progress, ready=show)


@cli.command()
@click.argument("run")
@click.option(
    "--to",
    required=True,
    metavar="FORMATS",
    help="Formats, separated by commas: onnx, openvino, litert, keras, saved-model, web, card.",
)
@out_option("Folder for the exports.  [default: export in the RUN]")
@click.option("--int8", is_flag=True, help="Also write onnx and openvino in 8 bits, measured against float32.")
@click.option("--allow-loss", is_flag=True, help="Write int8 even if it may lose more than 1 % of accuracy.")
@click.option(
    "--licence", default="unknown", show_default=True, help="Licence of the weights for the model card, an SPDX name."
)
@answer_all_option
@click.option(
    "--runtime",
    "browser_runtime",
    type=FOLDER,
    help="For web: folder of the npm package onnxruntime-web to copy.  [default: the page fetches it]",
)
@common_options
def export(run: str, to: str, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Export a RUN's classifier to other formats and verify each.

    Each export must give the run's answers in its own runtime. If one does not, nothing is written.
    """
    from pawsight.commands import export as command

    report = command.export(run, to, progress=progress, **options)
    print_answer(report.to_json() if as_json else command.summary(report))


@cli.command(
    first=("test", "including_training", "slices", "learning_curve", "columns", "class_from", "group_by", "device")
)
@click.argument("run")
@click.argument("data", required=False)
@click.option("--test", is_flag=True, help="Measure on the run's own test set (from DATA, if given); this is counted.")
@click.option("--including-training", is_flag=True, help="Also measure pictures that the run was trained on.")
@click.option("--slices", is_flag=True, help="Also measure dark, blurry, small ... pictures, formats and folders.")
@click.option("--learning-curve", is_flag=True, help="Also estimate what twice the training data would gain.")
@columns_option
@megapixels_option
@missing_option
@device_option
@common_options
@reading_options
def evaluate(run: str, data: str | None, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Measure a RUN on its validation set or on other DATA."""
    from pawsight.commands import evaluate as command

    report = command.evaluate(run, data, progress=progress, **options)
    print_answer(report.to_json() if as_json else command.summary(report))


@cli.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--test", is_flag=True, help="Compare on the test set; counts as an evaluation of each run.")
@common_options
def compare(runs: tuple[str, ...], as_json: bool, progress: Terminal, **options: Any) -> None:
    """Compare RUNS with paired tests on the pictures they share."""
    from pawsight.commands import compare as command

    report = command.compare(runs, progress=progress, **options)
    print_answer(report.to_json() if as_json else command.summary(report))


@cli.command()
@click.argument("runs", nargs=-1, required=True)
@out_option("Folder for the report.  [default: the run, or a folder beside the last of several]", old="--target")
@click.option("--quick", is_flag=True, help="Leave out slices, likely wrong labels and learning curve if not stored.")
@common_options
def report(runs: tuple[str, ...], as_json: bool, progress: Terminal, **options: Any) -> None:
    """Write an HTML report about one or more RUNS.

    Name the simplest run first. Slices, likely wrong labels and the learning curve are those of the run with the best
    validation accuracy. They are computed if the run does not hold them yet; that takes some seconds and needs its
    pictures.
    """
    from pawsight.commands import report as command

    made = command.report(runs, progress=progress, **options)
    print_answer(made.to_json() if as_json else command.summary(made))


@cli.command(
    first=("report", "out", "split", "columns", "class_depth", "class_from", "group_by", "parts", "ignore", "only")
)
@click.argument("data")
@split_options
@click.option("--report", is_flag=True, help="Write audit.csv, and audit.html with pictures of the findings.")
@out_option("Folder for these files; implies --report.  [default: audit]", old="--target")
@columns_option
@megapixels_option
@common_options
@reading_options
def inspect(data: str, as_json: bool, progress: Terminal, report: bool, out: Path | None, **options: Any) -> None:
    """Count the pictures in DATA and list what is wrong with them."""
    from pawsight.commands import inspect as command

    inspected = command.inspect(data, out=out or (Path("audit") if report else None), progress=progress, **options)
    words = ["pawsight", "train", data]
    reading = options.pop("reading")
    for name, value in {**options, "columns": columns_text(options["columns"])}.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])] if value else []
    words += reading.words() if reading else []
    following = shlex.join(words)
    print_answer(inspected.to_json() if as_json else [*command.summary(inspected), f"Next: {following}"])


@cli.command()
@click.argument("run")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help="Port of the page on 127.0.0.1.  [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the page's address but do not open it.")
@common_options
def review(run: str, port: int | None, no_browser: bool, as_json: bool, progress: Terminal) -> None:
    """Review the labels of a RUN that are likely wrong.

    Opens a page on this machine on which you keep, relabel or drop pictures by keyboard. Decisions are saved in
    labels.patch.csv in the run folder at once; the pictures are not changed. Stop with Ctrl-C. With --json no page
    opens: each training and validation picture is printed, the most suspicious first.
    """
    from pawsight.commands import review as command

    if as_json:
        for row in command.review(run, progress=progress).rows():
            if not print_answer(row):
                break
        return

    command.check_page()
    ranked = command.review(run, progress=progress)
    print_answer(command.summary(ranked))
    ready = partial(_show_page, no_browser=no_browser, progress=progress)
    print_answer(command.open_page(ranked, port=port or 0, ready=ready))


@cli.command()
@click.argument("folder")
@click.option("--run", help="Run or bundle whose answers are the first suggestions.")
@click.option(
    "--out", type=FILE, default="labels.csv", show_default=True, help="Table of names; one that is there is continued."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help="Port of the page on 127.0.0.1.  [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the page's address but do not open it.")
@seed_option(text="Random seed of the clusters.")
@megapixels_option
@common_options
def label(folder: str, port: int | None, no_browser: bool, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Name the pictures in a FOLDER that have no labels yet.

    Opens a page on this machine that shows pictures which look alike together, so that one name goes to many, and then
    the pictures whose names teach a classifier most. Names are saved in a table at once, which pawsight train takes;
    the pictures are not changed. Stop with Ctrl-C, and type the same command to go on. With --json no page opens: each
    picture is printed with its name, or the one that is suggested.
    """
    from pawsight.commands import label as command

    if as_json:
        for row in command.label(folder, progress=progress, **options).rows():
            if not print_answer(row):
                break
        return
    command.check_page()
    report = command.label(folder, progress=progress, **options)
    print_answer(command.summary(report))
    ready = partial(_show_page, no_browser=no_browser, progress=progress)
    print_answer(command.open_page(report, port=port or 0, ready=ready))


def _show_page(address: str, *, no_browser: bool, progress: Terminal) -> None:
    """Print the address of a page, and open it where that is wanted and can be."""
    line = f"The page is at {address} (on this machine alone). Stop with Ctrl-C."
    if not print_answer([line]):
        progress.say(line)
    if not no_browser and _has_window():
        webbrowser.open(address)


def _has_window() -> bool:
    """Say whether there is a browser that does not take over the terminal."""
    try:
        return type(webbrowser.get()) is not webbrowser.GenericBrowser
    except webbrowser.Error:
        return False


@cli.command()
@click.argument("data")
@out_option("Folder for the sheets.  [default: preview]")
@seed_option()
@columns_option
@common_options
@reading_options
def preview(data: str, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Draw pictures of each class, and flips and rotations of one."""
    from pawsight.commands import preview as command

    sheets = command.preview(data, progress=progress, **options)
    following = typed("train", data, *(options["reading"].words() if options["reading"] else []))
    print_answer(sheets.to_json() if as_json else [*command.summary(sheets), f"Next: {following}"])


@cli.command()
@common_options
def doctor(as_json: bool, progress: Terminal) -> None:
    """Check the installation and say how to fix it."""
    from pawsight.commands import doctor as command

    checks = command.doctor()
    print_answer({"findings": [asdict(check) for check in checks]} if as_json else command.summary(checks))
    sys.exit(0 if all(check.good for check in checks) else 1)
