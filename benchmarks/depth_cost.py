"""Measures what reading every depth of the backbone costs beside its last layer alone: time, memory, one prediction.

usage: python benchmarks/depth_cost.py cold DATA [--rounds 1]
       python benchmarks/depth_cost.py fit [--pictures 25000] [--classes 10] [--depths last auto]
       python benchmarks/depth_cost.py pass RUN [--rounds 200]

cold: whole processes of `pawsight train DATA` with --depth last and without, by turns, each with a cache of its own.
fit: made-up features go into the cache and to the run's file as computed ones do, and a head is fitted to 70 % of them; a
process of its own for each depth. The first features of each picture tell its class, with noise.
pass: one picture after another through the graph of the last layer, RUN's graph, and the graph that training uses, by turns.

All seconds are those of the processor, so that the load of the machine matters less; memory is the largest of a process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LAST, AUTO = "last", "auto"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    cold = commands.add_parser("cold")
    cold.add_argument("data")
    cold.add_argument("--rounds", type=int, default=1)
    fit = commands.add_parser("fit")
    fit.add_argument("--pictures", type=int, default=25_000)
    fit.add_argument("--classes", type=int, default=10)
    fit.add_argument("--depths", nargs="+", default=[LAST, AUTO])
    fit.add_argument("--here", action="store_true", help="in this process, the first of the depths")
    one_pass = commands.add_parser("pass")
    one_pass.add_argument("run", type=Path)
    one_pass.add_argument("--rounds", type=int, default=200)
    typed = parser.parse_args()
    if typed.command == "cold":
        compare_cold(typed.data, typed.rounds)
    elif typed.command == "pass":
        compare_passes(typed.run, typed.rounds)
    elif typed.here:
        fit_made_up(typed.pictures, typed.classes, typed.depths[0])
    else:
        for depth in typed.depths:
            size = ["--pictures", str(typed.pictures), "--classes", str(typed.classes), "--depths", depth]
            seconds, mebibytes = measured([sys.executable, __file__, "fit", *size, "--here"], os.environ)
            print(f"{depth}: {seconds:.1f} s of the processor in all, {mebibytes:,.0f} MiB", flush=True)


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a process to its end; return its seconds of the processor and its largest memory in MiB."""
    process = subprocess.Popen(command, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def compare_cold(data: str, rounds: int) -> None:
    """Print the seconds of cold trainings at the last layer alone and at the depth that is chosen."""
    seconds: dict[str, list[float]] = {LAST: [], AUTO: []}
    for _ in range(rounds):
        for depth, own in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                train = [sys.executable, "-m", "pawsight", "train", data, "--depth", depth, "--out", f"{folder}/runs"]
                used, mebibytes = measured([*train, "--quiet"], os.environ | {"PAWSIGHT_CACHE": f"{folder}/cache"})
                own.append(used)
            print(f"{depth}: {used:.1f} s of the processor, {mebibytes:,.0f} MiB", flush=True)
    print(f"ratio {statistics.median(seconds[AUTO]) / statistics.median(seconds[LAST]):.3f}")


def fit_made_up(pictures: int, classes: int, depth: str) -> None:
    """Store made-up features as training does, fit a head to 70 % of them and print where the time went."""
    from pawsight.core.cache import Cache
    from pawsight.core.machine import this_machine
    from pawsight.core.progress import Stopwatch
    from pawsight.models.recipes import make_recipe
    from pawsight.training.features import feature_sink
    from pawsight.training.probe import fit_head

    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(pictures) % classes)
    with tempfile.TemporaryDirectory() as folder, Cache(Path(folder) / "cache") as cache:
        start = time.process_time()
        sink = feature_sink(make_recipe("probe"), cache, this_machine(), Stopwatch())
        hints = rng.normal(size=(classes, sink.width)).astype(np.float32)
        for number, label in enumerate(labels):
            noise = rng.standard_normal(sink.width, np.float32)
            sink.receive(f"{number:064x}", (4 * noise + hints[label]).astype("<f4").tobytes())
        taught = np.sort(rng.permutation(pictures)[: int(0.7 * pictures)])
        features = sink.features_of([f"{number:064x}" for number in range(pictures)]).part(taught)
        stored = time.process_time()
        head = fit_head(features, labels[taught], classes=classes, folds=5, seed=0, depth=depth)
        fitted = time.process_time()
    print(
        f"{len(taught):,} of {pictures:,} pictures, {classes:,} classes, depth {depth} -> {head.depth}:"
        f" {stored - start:.1f} s to make and to store, {fitted - stored:.1f} s to fit",
        flush=True,
    )


def compare_passes(run: Path, rounds: int) -> None:
    """Print the processor's milliseconds for a picture through each graph, and how often the last layer's."""
    from pawsight.classifier.bundle import read_bundle
    from pawsight.classifier.engine import Engine
    from pawsight.models.backbones import find_backbone
    from pawsight.models.efficientnet_lite import backbone_onnx, channels_of
    from pawsight.training.features import recipe_of

    bundle, recipe = read_bundle(run), recipe_of(run)
    every = channels_of(find_backbone(recipe.backbone), "every")
    graphs = {
        "last layer": backbone_onnx(recipe.backbone, recipe.image_px),
        "run": bundle.model,
        "every depth": backbone_onnx(recipe.backbone, recipe.image_px, every),
    }
    engines = {
        name: Engine(graph, image_px=recipe.image_px, precision="f32", streams=1) for name, graph in graphs.items()
    }
    pictures, seconds = bundle.golden.pictures[:2], {name: [] for name in graphs}
    for round_number in range(rounds + 1):
        for name, engine in engines.items():
            start = time.process_time()
            engine.run_all(pictures)
            if round_number:  # the first answers take longer
                seconds[name].append((time.process_time() - start) / len(pictures))
    base = np.array(seconds["last layer"])
    for name, own in seconds.items():
        ratio = np.median(np.array(own) / base)
        print(f"{name}: {1000 * statistics.median(own):.2f} ms, {ratio:.3f} times; {len(graphs[name]):,} bytes")


if __name__ == "__main__":
    main()
