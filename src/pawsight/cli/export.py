"""The verb that takes a classifier elsewhere: export.

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
@click.option(
    "--to",
    required=True,
    metavar="FORMATS",
    help="With commas between them: onnx, openvino, litert, keras, saved-model, web, card.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for them.  [default: export in the RUN]"
)
@click.option("--int8", is_flag=True, help="Also in 8 bits, for onnx and openvino; measured against float32.")
@click.option("--allow-loss", is_flag=True, help="Write int8 even if it may lose more than 1 % of accuracy.")
@click.option("--licence", default="unknown", show_default=True, help="Of the weights, for the card; an SPDX name.")
@click.option(
    "--runtime",
    "browser_runtime",
    type=click.Path(file_okay=False, path_type=Path),
    help="For web: a folder of the npm package onnxruntime-web to copy from.  [default: the page fetches it]",
)
@polite
def export(run: str, to: str, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Write a RUN's classifier in other formats, each examined by its own runtime.

    An export that answers otherwise than the run is refused, and then nothing is written.
    """
    from pawsight.commands.export import export as job
    from pawsight.commands.export import summary

    report = job(run, to, progress=progress, **options)
    print_answer(report.to_json() if as_json else summary(report))
