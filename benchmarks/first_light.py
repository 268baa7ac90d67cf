"""Times `pawsight train` on the exercise's photographs beside the exercise's own fourth model, in one run.

usage: python benchmarks/first_light.py ARCHIVE [--weights MOBILENET.h5] [--runs 3]
    ARCHIVE is cats_and_dogs_filtered.zip. Without --weights the exercise's network starts from nothing: the seconds
    are the same, its accuracy is not.

Whole processes, in turn: the first run ever (empty cache), then per round one with features cold (the same pictures
with other bytes after their end, so that nothing cached fits) and one with everything warm; one prediction; --help.
The exercise trains two epochs, the second stands for its twenty. Prints a table and the ratio; one JSON object last.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from processes import PAWSIGHT, run

EPOCHS = 20


def timed(command: list[str], folder: Path, cache: Path) -> tuple[float, str]:
    """Run a process and return its seconds and what it printed."""
    ran = run(command, cache, folder)
    return ran.seconds, ran.out


def train(archive: Path, folder: Path, cache: Path) -> tuple[float, dict]:
    """Train with the default recipe and return seconds and the report."""
    seconds, out = timed([str(PAWSIGHT), "train", str(archive), "--json", "--quiet"], folder, cache)
    return seconds, json.loads(out)


def other_bytes(archive: Path, target: Path, mark: str) -> Path:
    """Copy an archive, appending a mark to each picture: the pixels stay, every hash changes."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            if not member.endswith("/"):
                new.writestr(member, old.read(member) + mark.encode())
    return target


def exercise(archive: Path, folder: Path, weights: str | None) -> dict:
    """Train the exercise's fourth model for two epochs and return the second."""
    with zipfile.ZipFile(archive) as pictures:
        pictures.extractall(folder / "plain")
    root = next((folder / "plain").rglob("train")).parent
    script = str(Path(__file__).with_name("exercise.py"))
    out = timed([sys.executable, script, str(root), "4", "2", *([weights] if weights else [])], folder, folder)[1]
    return json.loads(out.splitlines()[-1])


def measure(archive: Path, weights: str | None, runs: int, folder: Path) -> dict:
    """Take all measurements, side by side."""
    cache = folder / "cache"
    first, report = train(archive, folder, cache)
    cold, warm, single, usage = [], [], [], []
    one = folder / "one.jpg"
    with zipfile.ZipFile(archive) as pictures:
        one.write_bytes(pictures.read(next(name for name in pictures.namelist() if name.endswith(".jpg"))))
    for number in range(runs):
        cold.append(train(other_bytes(archive, folder / "other.zip", f"{number} {time.time()}"), folder, cache)[0])
        warm.append(train(archive, folder, cache)[0])
        single.append(timed([str(PAWSIGHT), "predict", "runs/latest", str(one), "--json"], folder, cache)[0])
        usage.append(timed([str(PAWSIGHT), "--help"], folder, cache)[0])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    epoch = exercise(archive, folder, weights)
    return {
        "first": first,
        "cold": statistics.median(cold),
        "warm": statistics.median(warm),
        "predict_one": statistics.median(single),
        "help": statistics.median(usage),
        "peak_gib": peak,
        "exercise": EPOCHS * epoch["seconds"],
        "ratio": EPOCHS * epoch["seconds"] / statistics.median(cold),
        "validation": report["validation"]["accuracy"],
        "interval": report["validation"]["interval"],
        "pictures": report["validation"]["pictures"],
        "machine": report["machine"],
        "runs": runs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.archive.resolve(), asked.weights, asked.runs, Path(folder))
    rows = [
        ("first run ever, empty cache", f"{found['first']:.1f} s", "60 s"),
        ("model cache warm, features cold", f"{found['cold']:.1f} s", "25 s"),
        ("everything warm", f"{found['warm']:.1f} s", "5 s"),
        ("one prediction, whole process", f"{found['predict_one']:.2f} s", "1.2 s"),
        ("pawsight --help", f"{found['help']:.2f} s", "0.3 s"),
        ("peak memory of any process", f"{found['peak_gib']:.2f} GiB", "1.4 GiB"),
        ("the exercise's model four, 20 epochs", f"{found['exercise']:.0f} s", ""),
        ("exercise / features cold", f"{found['ratio']:.1f} times", ""),
        (f"validation accuracy on {found['pictures']}", f"{100 * found['validation']:.2f} %", "99 %"),
    ]
    print(f"{found['machine']}; medians of {found['runs']} runs")
    for what, value, aim in rows:
        print(f"  {what:<38} {value:>12}   {'aim ' + aim if aim else ''}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
