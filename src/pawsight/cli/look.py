"""The verbs that look before anything slow: inspect, preview, doctor.

Enters: what was typed. Leaves: one job called, its answer printed. Does not know: how anything is done.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from pawsight.cli.manners import polite, print_answer, splitting
from pawsight.core.progress import Terminal


@click.command()
@click.argument("data")
@splitting
@click.option("--report", is_flag=True, help="Write audit.csv and audit.html, with pictures of what is wrong.")
@click.option("--target", type=click.Path(file_okay=False, path_type=Path), help="Folder for them.  [default: audit]")
@polite
def inspect(data: str, as_json: bool, progress: Terminal, report: bool, target: Path | None, **options: Any) -> None:
    """Say what is in DATA and what is wrong with it, before anything slow."""
    from pawsight.commands.inspect import inspect as job
    from pawsight.commands.inspect import summary

    looked = job(data, target=target or (Path("audit") if report else None), progress=progress, **options)
    given = {f"--{name.replace('_', '-')}": str(value) for name, value in options.items() if value}
    following = shlex.join(["pawsight", "train", data, *(word for pair in given.items() for word in pair)])
    print_answer(looked.to_json() if as_json else [*summary(looked), f"Next: {following}"])


@click.command()
@click.argument("data")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the sheets.  [default: preview]"
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all that is random.")
@polite
def preview(data: str, as_json: bool, progress: Terminal, **options: Any) -> None:
    """Draw pictures of each class of DATA, and what flips and rotations make of one."""
    from pawsight.commands.preview import preview as job
    from pawsight.commands.preview import summary

    sheets = job(data, progress=progress, **options)
    print_answer(sheets.to_json() if as_json else [*summary(sheets), f"Next: pawsight train {shlex.quote(data)}"])


@click.command()
@polite
def doctor(as_json: bool, progress: Terminal) -> None:
    """Check the installation, one line a thing, with the fix."""
    from dataclasses import asdict

    from pawsight.commands.doctor import doctor as job

    findings = job()
    lines = []
    for finding in findings:
        state = "FIX" if not finding.good else "-- " if finding.fix else "ok "
        lines.append(f"{state} {finding.name:<11} {finding.found}")
        if finding.fix:
            lines.append(f"    {'':<11} {finding.fix}")
    print_answer({"findings": [asdict(finding) for finding in findings]} if as_json else lines)
    sys.exit(0 if all(one.good for one in findings) else 1)
