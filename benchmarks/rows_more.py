"""The rows that other scripts measure: the audit beside bare decoding, and epochs beside the exercise's.

Enters: a `Place` and how often. Leaves: figures so far, after each round. Does not know: how they are shown.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import audit as audit_script
from bench_figures import FASTER, WITHIN, Figure
from bench_place import Place


def audit(place: Place, runs: int, pictures: int = 25_000) -> Iterator[list[Figure]]:
    """Audit copies of the pictures, with bare decoding of them before and after."""
    folder = place.work / "copies"
    audit_script.multiplied(place.folder, folder, pictures)
    auditing: list[float] = []
    decoding: list[float] = []
    try:
        for _ in range(runs):
            found = audit_script.measure(folder, place.work / "audits", rounds=1)
            auditing.append(found["audit"])
            decoding.append(found["decoding"])
            yield [
                Figure(
                    name="audit/decoding",
                    what=f"audit of {found['pictures']:,} pictures, with its page",
                    beside="bare decoding of them",
                    kind=WITHIN,
                    aim=audit_script.RATIO,
                    ours=tuple(auditing),
                    peer=tuple(decoding),
                    pictures=found["pictures"],
                    note=f"decoding is the mean of before and after; {found['work_ratio']:.2f} times in processor time",
                )
            ]
    finally:
        shutil.rmtree(folder)


def epochs_of(model: int) -> Callable[..., Iterator[list[Figure]]]:
    """Return what measures the epochs of one of the exercise's models, 1 to 4."""

    def measure(place: Place, runs: int, weights: Path | None = None, epochs: int = 4) -> Iterator[list[Figure]]:
        import epochs as script  # it reads Pawsight's own number of views, so it loads NumPy: not before it is needed

        if model == 4 and weights is None:
            print("epochs-mobilenet needs --weights, so it is left out")
            return
        plain: list[float] = []
        swift: list[float] = []
        asked = argparse.Namespace(
            folder=place.folder, epochs=epochs, runs=1, weights=str(weights) if weights else None
        )
        for _ in range(runs):
            found = script.compare(asked, model)
            plain.append(found["exercise"])
            swift.append(found["pawsight"])
            yield [_epoch_figure(found, plain, swift, len(place.pictures))]

    return measure


def _epoch_figure(found: dict, plain: list[float], swift: list[float], pictures: int) -> Figure:
    return Figure(
        name=f"epochs-{found['recipe']}/exercise",
        what=f"an epoch of {found['recipe']}",
        beside=f"the exercise's model {found['model']}",
        kind=FASTER,
        aim=found["aim"],
        ours=tuple(swift),
        peer=tuple(plain),
        pictures=pictures,
    )
