"""Rows that are about starting up: `import pawsight`, and one prediction as a whole process.

Enters: a `Place` and how often. Leaves: figures so far, after each round. Does not know: how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench_figures import OVER, Figure
from bench_place import Place
from processes import PAWSIGHT, python, run

TURNS = 3  # a round takes the median of so many: these are short, and the first one is the slowest


def _median(command: list, place: Place) -> float:
    return sorted(run(command, place.cache).seconds for _ in range(TURNS))[TURNS // 2]


def imports(place: Place, runs: int) -> Iterator[list[Figure]]:
    """Compare `import pawsight` with `import numpy`."""
    ours, peer = [], []
    for _ in range(runs):
        peer.append(_median(python("import numpy"), place))
        ours.append(_median(python("import pawsight"), place))
        yield [
            Figure(
                name="import/numpy",
                what="import pawsight",
                beside="import numpy",
                kind=OVER,
                aim=0.1,
                ours=tuple(ours),
                peer=tuple(peer),
            )
        ]


def one(place: Place, runs: int) -> Iterator[list[Figure]]:
    """Compare one prediction with the import of what it cannot do without."""
    picture, latest = place.pictures[0], place.latest
    ours, peer = [], []
    for _ in range(runs):
        peer.append(_median(python("import openvino, PIL"), place))
        ours.append(_median([PAWSIGHT, "predict", latest, picture, "--json"], place))
        yield [
            Figure(
                name="one/imports",
                what="predict one picture, whole process",
                beside="import openvino, PIL",
                kind=OVER,
                aim=0.6,
                ours=tuple(ours),
                peer=tuple(peer),
                pictures=1,
            )
        ]
