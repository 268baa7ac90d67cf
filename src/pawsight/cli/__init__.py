"""The command line: `main` runs it. The verbs are in commands.py, what they share in options.py."""

from __future__ import annotations

from pawsight.cli.commands import cli
from pawsight.cli.process import own_process

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command line."""
    with own_process():
        cli(prog_name="pawsight")
