"""Measures `train --from RUN --add NEW`: what is gained, that test pictures stay, and processor time beside `train` anew.

    python benchmarks/grow.py sample WORK
    python benchmarks/grow.py photographs DATA WORK

`sample` adds 120 drawings of other things, a third class, to the drawn cats and dogs. `photographs` trains on DATA, a
folder with train/ and validation/ that hold two classes, with 40 labels of training pictures exchanged, and then adds
these pictures with their right labels. WORK is a folder that is made. Each training is a process; "anew" is `train` on
all pictures with the same split, with an empty cache and with the one that the growing run filled.
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pawsight.core.runs import read_table
from pawsight.sample.picture import draw, write_sample

PLANTED, THINGS = 40, 120


def trained(words: Sequence[object], cache: Path) -> tuple[dict[str, Any], float]:
    """Train in a process; return the JSON of the run and the processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = [sys.executable, "-m", "pawsight", "train", *map(str, words), "--json", "--quiet"]
    done = subprocess.run(line, env={**os.environ, "PAWSIGHT_CACHE": str(cache)}, stdout=subprocess.PIPE, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.loads(done.stdout), after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def table(path: Path, rows: Iterator[tuple[Path, str, str]]) -> Path:
    """Write a table of pictures, labels and parts."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "part"), *rows])
    return path


def sample(work: Path) -> tuple[Path, Path]:
    """Return the sample, and a folder of a third class."""
    things = work / "new" / "things"
    things.mkdir(parents=True)
    for index in range(THINGS):
        draw("other", seed=1, index=index).save(things / f"thing.{index:04d}.jpg", "JPEG", quality=90)
    return write_sample(work / "drawings"), things.parent


def photographs(data: Path, work: Path) -> tuple[Path, Path]:
    """Return a table of photographs with exchanged labels, and one with the right labels of these."""
    pictures = sorted(file for file in data.glob("*/*/*") if file.suffix == ".jpg")
    classes = sorted({file.parent.name for file in pictures})
    training = [file for file in pictures if file.parent.parent.name == "train"]
    planted = set(random.Random(0).sample(training, PLANTED))

    def rows() -> Iterator[tuple[Path, str, str]]:
        for file in pictures:
            label = file.parent.name
            wrong = classes[1 - classes.index(label)] if file in planted else label
            yield file.absolute(), wrong, file.parent.parent.name

    right = ((file.absolute(), file.parent.name, "train") for file in sorted(planted))
    return table(work / "planted.csv", rows()), table(work / "right.csv", right)


def main() -> None:
    """Train, grow, train anew, and print what was measured as JSON."""
    kind, *places = sys.argv[1:]
    work = Path(places[-1])
    work.mkdir(parents=True)
    data, new = sample(work) if kind == "sample" else photographs(Path(places[0]), work)
    runs, cache = work / "runs", work / "cache"
    first, seconds = trained([data, "--out", runs], cache)
    weights = shutil.copytree(cache, work / "empty", ignore=shutil.ignore_patterns("cache", "pixels"))
    grown, growing = trained(["--from", first["run"], "--add", new, "--out", runs], cache)
    root = Path(json.loads((Path(grown["run"]) / "source.json").read_text())["root"])
    split = read_table(Path(grown["run"]) / "splits.csv")
    everything = table(work / "all.csv", ((root / row["path"], row["label"], row["part"]) for row in split))
    anew = [everything, "--out", work / "anew"]
    cold, cold_seconds = trained(anew, weights)
    _, warm_seconds = trained(anew, cache)
    growth = grown["growth"]
    print(
        json.dumps(
            {
                "pictures": [sum(first["counts"].values()), sum(grown["counts"].values())],
                "processor_seconds": {
                    "first": seconds,
                    "grown": growing,
                    "anew_empty_cache": cold_seconds,
                    "anew_full_cache": warm_seconds,
                },
                "anew_over_grown": [cold_seconds / growing, warm_seconds / growing],
                "validation_right": {"grown": grown["validation"]["accuracy"], "anew": cold["validation"]["accuracy"]},
                "parts": [
                    {name: part[name] for name in ("part", "before", "kept", "is_same")} for part in growth["parts"]
                ],
                "corrected": len(growth["corrected"]),
                "changes": [
                    {name: row[name] for name in ("part", "pictures_are_new", "accuracy_before", "accuracy_after")}
                    | {name: row["gain"][name] for name in ("points", "interval", "p_value", "pictures")}
                    | {"forgotten": len(row["forgotten"])}
                    for row in growth["changes"]
                ],
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
