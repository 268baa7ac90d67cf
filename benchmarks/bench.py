"""Every figure that is held for Pawsight's speed, each beside its peer in the same run: `make bench`.

usage: python benchmarks/bench.py [PHOTOGRAPHS] [--rows train,predict] [--runs 5] [--budget 20m] [--weights MOBILENET.h5]
    PHOTOGRAPHS is a folder or zip with train/ and validation/; without it, pictures are drawn. Prints a table and
    writes benchmarks/results.json after every round of every row, so that what is interrupted keeps what it measured;
    a row that is run again replaces its older figures and leaves the others.

Rows, in the order they are run: import, one, predict, train, sizes, audit, epochs-cnn, epochs-cnn-augmented,
epochs-cnn-normalised, epochs-mobilenet. Ours and the peer take turns; a result is the ratio of medians, its spread that
of the single rounds.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import bench_figures
import rows_more
import rows_predict
import rows_start
import rows_train
from bench_figures import Figure
from bench_place import Place, open_place

from pawsight.core.machine import this_machine, versions

RESULTS = Path(__file__).with_name("results.json")
EPOCHS = {"cnn": 1, "cnn-augmented": 2, "cnn-normalised": 3, "mobilenet": 4}
ROWS = ("import", "one", "predict", "train", "sizes", "audit", *(f"epochs-{name}" for name in EPOCHS))
Row = Callable[[Place, int], Iterator[list[Figure]]]


def rows_for(asked: argparse.Namespace) -> dict[str, Row]:
    """Return what measures each row, as the command line wants it."""
    epochs = {
        f"epochs-{name}": partial(rows_more.epochs_of(model), weights=asked.weights, epochs=asked.epochs)
        for name, model in EPOCHS.items()
    }
    return {
        "import": rows_start.imports,
        "one": rows_start.one,
        "predict": rows_predict.predict,
        "train": partial(rows_train.train, weights=asked.weights, peer_runs=asked.peer_runs),
        "sizes": partial(rows_predict.sizes, largest=asked.largest),
        "audit": partial(rows_more.audit, pictures=asked.audit_pictures),
        **epochs,
    }


def seconds_of(text: str) -> float:
    """Return the seconds of a duration such as 90s, 20m or 2h; a bare number is of minutes.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("s", "m", "h") else (text, "m")
    try:
        return float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: type for example 20m") from error


def names_of(text: str) -> list[str]:
    """Return the rows that are named, in the order of the table; `epochs` is all four.

    Raises:
        argparse.ArgumentTypeError: there is no such row.
    """
    named = {one.strip() for one in text.split(",")}
    named |= {one for one in ROWS if "epochs" in named and one.startswith("epochs-")}
    unknown = named - set(ROWS) - {"epochs"}
    if unknown:
        raise argparse.ArgumentTypeError(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    return [one for one in ROWS if one in named]


def measure(asked: argparse.Namespace, place: Place, known: list[Figure]) -> list[Figure]:
    """Run the rows that are asked for; returns the old figures with the new ones in their place."""
    rows, end = rows_for(asked), time.monotonic() + asked.budget
    for name in asked.rows:
        if time.monotonic() > end:
            print(f"The budget is spent: {name} and what follows is left out.")
            break
        print(f"{name} ...", flush=True)
        for number, figures in enumerate(rows[name](place, asked.runs), 1):
            told = {"drawn": place.drawn, "date": _now(), "load": round(os.getloadavg()[0], 1)}
            fresh = [replace(one, **told) for one in figures]
            known = sorted(bench_figures.merged(known, fresh), key=_place_of)
            bench_figures.write(asked.results, known, about())
            print(f"  {number} of {asked.runs}: " + ", ".join(f"{one.name} {_told(one)}" for one in fresh), flush=True)
    return known


def about() -> dict:
    """Return what else results.json says."""
    return {
        "machine": str(this_machine()),
        "bfloat16": this_machine().bfloat16 or "none",
        "versions": versions(),
        "date": _now(),
        "command": shlex.join(["python", "benchmarks/bench.py", *sys.argv[1:]]),
    }


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("photographs", type=Path, nargs="?")
    made.add_argument("--rows", type=names_of, default=list(ROWS), help="names with commas between, or epochs")
    made.add_argument("--runs", type=int, default=5, help="rounds of each row")
    made.add_argument("--budget", type=seconds_of, default=float("inf"), help="begin no row after so long, e.g. 20m")
    made.add_argument("--weights", type=_weights, help="MobileNetV2's, for the exercise's model four")
    made.add_argument("--peer-runs", type=int, help="rounds in which train's slow peer, the exercise, is run as well")
    made.add_argument("--epochs", type=int, default=4, help="of each epochs row; the first is left out")
    made.add_argument("--largest", type=int, default=rows_predict.SIZES[-1], help="most pictures of the row sizes")
    made.add_argument("--audit-pictures", type=int, default=25_000)
    made.add_argument("--results", type=Path, default=RESULTS)
    made.add_argument("--work", type=Path, help="a folder for copies of the pictures; by default the temporary one")
    return made


def _weights(text: str) -> Path:
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _place_of(one: Figure) -> int:
    row = one.name.partition("/")[0]
    return ROWS.index(row) if row in ROWS else len(ROWS)


def _told(one: Figure) -> str:
    return bench_figures.spoken(one.kind, one.value)


def take(asked: argparse.Namespace, known: list[Figure]) -> list[Figure]:
    """Measure in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        return measure(asked, open_place(asked.photographs, Path(folder)), known)


def main() -> None:
    """Measure, and print all that is known."""
    asked = parser().parse_args()
    if asked.runs < 1:
        raise SystemExit("--runs must be at least 1")
    print(f"{this_machine()}; load {os.getloadavg()[0]:.1f}; {asked.runs} runs of each")
    try:
        known = take(asked, bench_figures.read(asked.results)[0])
    except KeyboardInterrupt:
        known = bench_figures.read(asked.results)[0]
    print(bench_figures.table(known))


if __name__ == "__main__":
    main()
