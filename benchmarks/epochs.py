"""Times an epoch of the exercise's four models, written plainly, beside Pawsight's recipes for them, in one run.

usage: python benchmarks/epochs.py FOLDER [--weights MOBILENET.h5] [--models 1 2 3 4] [--epochs 4] [--runs 1]
    FOLDER has train/ and validation/ with class folders. Without --weights model 4 is left out.

Whole processes, in turn: benchmarks/exercise.py, then `pawsight train`, for each model, as often as --runs says. An
epoch is training and validation. On both sides the first epoch, in which TensorFlow traces, is left out, and the median
of the others stands. To ours is added a twentieth (the exercise has 20 epochs) of what is done once and not in any
epoch: decoding, and building the step. For mobilenet that includes seeing the validation part; and since the first
VIEWS epochs also make the augmented views that all others take turns with, ours is

    (done once + those VIEWS epochs as they were + (20 - VIEWS) x median of the epochs after them) / 20.

Prints a table with the ratios, and one JSON object last. `load` is how many processes wanted a core at the end of each
pair: where it is above the number of cores, others were at work and the ratio is to be doubted. `cpu` in the JSON is of
a whole process, starting up, decoding and converting included, for each of its epochs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from pawsight.training.transfer import VIEWS

EXERCISE = Path(__file__).with_name("exercise.py")
RECIPES = {1: "cnn", 2: "cnn-augmented", 3: "cnn-normalised", 4: "mobilenet"}
AIMS = {1: 2.5, 2: 2.5, 3: 2.5, 4: 5.0}
EPOCHS = 20  # of the exercise
ONCE = ("decoding", "training")  # stages of `pawsight train` that the epochs are part of or need


def run(command: list[str], environment: dict[str, str]) -> tuple[str, float]:
    """Run a process and return what it printed and its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def exercise(folder: Path, model: int, epochs: int, weights: str | None) -> dict:
    """Train a model of the exercise as it is written; seconds are of an epoch."""
    given = [weights] if weights and model == 4 else []
    out, cpu = run([sys.executable, str(EXERCISE), str(folder), str(model), str(epochs), *given], {})
    each = [json.loads(line)["seconds"] for line in out.splitlines() if line.startswith("{")]
    return {"seconds": statistics.median(each[1:]), "each": each, "cpu": cpu / epochs}


def ours(folder: Path, model: int, epochs: int, weights: str | None) -> dict:
    """Train the recipe with an empty cache; seconds are of an epoch, with its share of what is done once."""
    number = VIEWS + 2 if model == 4 else epochs
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pawsight", "train", str(folder), "--recipe", RECIPES[model], "--quiet"]
        command += ["--epochs", str(number), "--out", f"{place}/runs", "--json"]
        command += ["--weights", weights] if weights and model == 4 else []
        out, cpu = run(command, {"PAWSIGHT_CACHE": f"{place}/cache"})
        report = json.loads(out)
        each = seconds_of(Path(report["run"]) / "history.csv")
    once = sum(report["seconds"][stage] for stage in ONCE) - sum(each)
    return {"seconds": amortised(model, each, once), "each": each, "once": once, "cpu": cpu / number}


def seconds_of(history: Path) -> list[float]:
    with history.open(newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def amortised(model: int, each: list[float], once: float) -> float:
    """Return the seconds of one of twenty epochs, from the epochs that were run and what was done once."""
    if model == 4:
        return (once + sum(each[:VIEWS]) + (EPOCHS - VIEWS) * statistics.median(each[VIEWS:])) / EPOCHS
    return once / EPOCHS + statistics.median(each[1:])


def compare(asked: argparse.Namespace, model: int) -> dict:
    """Run both sides in turn and return medians over the runs."""
    plain, swift = [], []
    for _ in range(asked.runs):
        plain.append(exercise(asked.folder, model, asked.epochs, asked.weights))
        swift.append(ours(asked.folder, model, asked.epochs, asked.weights))
    seconds = [statistics.median(one["seconds"] for one in side) for side in (plain, swift)]
    ratio = seconds[0] / seconds[1]
    told = {"model": model, "recipe": RECIPES[model], "exercise": seconds[0], "pawsight": seconds[1], "ratio": ratio}
    return told | {"aim": AIMS[model], "load": os.getloadavg()[0], "exercise_runs": plain, "pawsight_runs": swift}


def row(found: dict) -> str:
    return (
        f"  {found['model']} {found['recipe']:<16}{found['exercise']:>9.1f} s{found['pawsight']:>9.1f} s"
        f"{found['ratio']:>8.1f} times   aim {found['aim']}{found['load']:>8.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights")
    parser.add_argument("--models", type=int, nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--runs", type=int, default=1)
    asked = parser.parse_args()
    if asked.epochs < 2 or asked.runs < 1:
        parser.error("--epochs must be at least 2, the first being left out, and --runs at least 1")
    asked.folder = asked.folder.resolve()
    asked.weights = str(Path(asked.weights).resolve()) if asked.weights else None
    print(f"seconds an epoch, training and validation; {asked.runs} runs of {asked.epochs} epochs")
    print(f"  {'model':<18}{'exercise':>11}{'pawsight':>11}{'ratio':>14}{'load':>18}")
    found = []
    for model in asked.models:
        if model != 4 or asked.weights:
            found.append(compare(asked, model))
            print(row(found[-1]), flush=True)
    print(json.dumps({"epochs": asked.epochs, "runs": asked.runs, "models": found}))


if __name__ == "__main__":
    main()
