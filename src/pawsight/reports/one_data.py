"""Runs that a report tells of together lie on one data set; others are refused.

Enters: `Rung`s. Leaves: nothing, or a `WrongUsage` that names both data sets. Does not know: pages, how runs are made.

A page tells about the pictures once, and about trust once: of two data sets it would mix the one's with the other's.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from pawsight.core.errors import WrongUsage
from pawsight.reports.run_folder import Rung, read_split

SHARED = 0.5  # of the smaller data set's pictures: a data set that grew or was cleaned is still the same


def check_one_data(rungs: Sequence[Rung]) -> None:
    """Refuse runs of different data; another split, seed or copy of the same pictures is welcome.

    Raises:
        WrongUsage: two runs lie on different data.
    """
    for other in rungs[1:]:
        if _is_other_data(rungs[0], other):
            raise WrongUsage(
                "These runs were trained on different data, so they cannot share one report.",
                f"{rungs[0].folder} was trained on {_told(rungs[0].root)}, {other.folder} on {_told(other.root)}.",
                "Make a report of each by itself: "
                + " and ".join(shlex.join(["pawsight", "report", str(one.folder)]) for one in (rungs[0], other)),
            )


def _is_other_data(first: Rung, other: Rung) -> bool:
    if first.digest == other.digest or first.root is None or other.root is None or first.root == other.root:
        return False
    ours, theirs = ({one.sha256 for one in read_split(rung)} for rung in (first, other))
    return len(ours & theirs) < SHARED * min(len(ours), len(theirs)) or not ours or not theirs


def _told(root: Path | None) -> str:
    return str(root or "data that it does not name")
