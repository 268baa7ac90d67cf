"""The front door: parse, call one job, print, exit.

Enters: what was typed. Leaves: text on stdout, manners on stderr, an exit status: 0 done, 1 something could not be
done, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM. Does not know: how anything is done.

    make.py   train, ladder, recipes     look.py      inspect, preview, doctor
    use.py    predict                    measure.py   evaluate, compare, report
    decide.py review                     serve.py     serve
    export.py export
    show.py   explain
"""

from __future__ import annotations

import click

from pawsight import __version__
from pawsight.cli.decide import review
from pawsight.cli.export import export
from pawsight.cli.look import doctor, inspect, preview
from pawsight.cli.make import ladder, recipes, train
from pawsight.cli.measure import compare, evaluate, report
from pawsight.cli.process import own_process
from pawsight.cli.serve import serve
from pawsight.cli.show import explain
from pawsight.cli.use import predict


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog="Start with: pawsight train sample")
@click.version_option(__version__, prog_name="pawsight")
def cli() -> None:
    """From folders of photographs to a classifier you can trust, on the machine you have."""


_TO_MAKE, _TO_USE = (train, ladder, recipes), (predict, explain, serve, export)
for _verb in (*_TO_MAKE, *_TO_USE, evaluate, compare, inspect, report, review, preview, doctor):
    cli.add_command(_verb)


def main() -> None:
    """Run the command line."""
    with own_process():
        cli(prog_name="pawsight")
