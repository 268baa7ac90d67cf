"""Classifies the same thousand files again and again in one process, and tells whether it stays what it was.

usage: python benchmarks/steadiness.py RUN PICTURES [HOSTILE] [--predictions 10000] [--round 1000] [--warm-up 1000]
    RUN is a run or bundle folder, PICTURES a folder of pictures, HOSTILE one of files that are to be refused, e.g. made by
    python tests/faults/hostile_pictures.py HOSTILE --light

A round is so many predictions through one `Predictor.stream`, every tenth of a file of HOSTILE; all rounds see the same
files in the same order, the hostile ones evenly taken from all. The warm-up comes first and is told apart. Each line is
one round: memory in use at its end, open files, and the median over its tenths of the processor's milliseconds a
prediction. The last line compares the last round with the first after the warm-up. Linux: it looks into /proc.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from pawsight.classifier.predictor import Predictor, load_predictor

HOSTILE_EVERY = 10


def files_of_a_round(pictures: list[Path], hostile: list[Path], count: int) -> list[Path]:
    """Return so many files, every tenth of them hostile where there are any."""
    many = count // HOSTILE_EVERY
    chosen = itertools.cycle(hostile[:: max(1, len(hostile) // many)][:many] or pictures)
    honest = itertools.cycle(pictures)
    return [next(chosen if number % HOSTILE_EVERY == 0 else honest) for number in range(count)]


def measured(predictor: Predictor, files: list[Path], rounds: int) -> Iterator[dict[str, float]]:
    """Classify the files once a round, and yield what each round took and left."""
    tenth = max(1, len(files) // 10)
    for number in range(rounds):
        stream, took, refused = predictor.stream(files), [], 0
        for start in range(0, len(files), tenth):
            began = time.process_time()
            answers = list(itertools.islice(stream, min(tenth, len(files) - start)))
            took.append((time.process_time() - began) / len(answers) * 1000)
            refused += sum(one.error is not None for one in answers)
        stream.close()
        yield {"round": number, "refused": refused, "mib": in_use(), "files": open_files(), "ms": median(took)}


def in_use() -> float:
    """Return the MiB of memory this process has resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def open_files() -> int:
    """Return how many descriptors are open, without the one that counts them."""
    return len(os.listdir("/proc/self/fd")) - 1


def main() -> None:
    options = parser().parse_args()
    pictures, hostile = (sorted(p for p in folder.rglob("*") if p.is_file()) if folder else []
                         for folder in (options.pictures, options.hostile))  # fmt: skip
    files = files_of_a_round(pictures, hostile, options.round)
    warm_up = max(1, options.warm_up // len(files))
    rounds = warm_up + max(1, options.predictions // len(files))
    told = []
    for one in measured(load_predictor(options.run), files, rounds):
        told.append(one)
        print(json.dumps(one | {"warm_up": len(told) <= warm_up}), flush=True)
    first, last = told[warm_up], told[-1]
    before = told[warm_up - 1]
    summary = {
        "predictions": len(files) * (len(told) - warm_up),
        "hostile": sum(path in set(hostile) for path in files) * (len(told) - warm_up),
        "growth_mib": max(one["mib"] for one in told[warm_up:]) - before["mib"],
        "files": sorted({one["files"] for one in told[warm_up - 1 :]}),
        "first_ms": first["ms"],
        "last_ms": last["ms"],
        "last_to_first": last["ms"] / first["ms"],
    }
    print(json.dumps(summary))


def parser() -> argparse.ArgumentParser:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("run", type=Path)
    told.add_argument("pictures", type=Path)
    told.add_argument("hostile", type=Path, nargs="?")
    told.add_argument("--predictions", type=int, default=10_000, help="after the warm-up")
    told.add_argument("--round", type=int, default=1_000, help="predictions in a round")
    told.add_argument("--warm-up", type=int, default=1_000)
    return told


if __name__ == "__main__":
    main()
