"""The front door: parse, call one job, print, exit.

Enters: what was typed. Leaves: text on stdout, manners on stderr, an exit status: 0 done, 1 something could not be
done, 2 wrong usage. Does not know: how anything is done.

    make.py   train, ladder, recipes     look.py      inspect, preview, doctor
    use.py    predict                    measure.py   evaluate, report
"""

from __future__ import annotations

import click

from pawsight import __version__
from pawsight.cli.look import doctor, inspect, preview
from pawsight.cli.make import ladder, recipes, train
from pawsight.cli.measure import evaluate, report
from pawsight.cli.use import predict


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog="Start with: pawsight train sample")
@click.version_option(__version__, prog_name="pawsight")
def cli() -> None:
    """From folders of photographs to a classifier you can trust, on the machine you have."""


for _verb in (train, predict, evaluate, inspect, ladder, report, recipes, preview, doctor):
    cli.add_command(_verb)


def main() -> None:
    """Run the command line."""
    cli(prog_name="pawsight")
