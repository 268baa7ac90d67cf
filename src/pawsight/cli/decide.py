"""The verb by which a person decides: review.

Enters: what was typed. Leaves: one job called, its answer printed. Does not know: how anything is done.
"""

from __future__ import annotations

import webbrowser
from collections.abc import Callable

import click

from pawsight.cli.manners import polite, print_answer
from pawsight.core.progress import Terminal


@click.command()
@click.argument("run")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Of the page on 127.0.0.1.  [default: a free one]"
)
@click.option("--no-browser", is_flag=True, help="Print the page's address and open nothing.")
@polite
def review(run: str, port: int, no_browser: bool, as_json: bool, progress: Terminal) -> None:
    """Show which labels of a RUN are likely wrong, and keep what you decide about them.

    A page opens on this machine alone: keep, relabel or drop, by keys. Decisions go to labels.patch.csv in the run
    folder as they are made; the pictures stay as they are. Ctrl-C ends it. With --json no page opens: one JSON object
    a line for each train and validation picture, the most suspicious first.
    """
    from pawsight.commands.review import check_page, open_page, summary
    from pawsight.commands.review import review as job

    if as_json:
        for row in job(run, progress=progress).rows():
            print_answer(row)
        return
    check_page()
    report = job(run, progress=progress)
    print_answer(summary(report))
    print_answer(open_page(report, port=port, ready=_teller(opens=not no_browser)))


def _teller(*, opens: bool) -> Callable[[str], None]:
    """Return what tells a person the address, and opens it in a browser that has a window."""

    def tell(address: str) -> None:
        print_answer([f"The page is at {address} (for this machine alone); Ctrl-C ends it."])
        if opens and _has_window():
            webbrowser.open(address)

    return tell


def _has_window() -> bool:
    """Say whether there is a browser that does not take over the terminal."""
    try:
        return type(webbrowser.get()) is not webbrowser.GenericBrowser
    except webbrowser.Error:
        return False
