"""Accuracy against seconds: the probe at every depth, fine-tuning from it, and the fine-tuning of Keras and fastai.

usage: python benchmarks/accuracy_seconds.py measure "hand signs" sign_digits.zip [--methods last auto keras ...]
           [--epochs 3] [--flip] [--mobilenet MOBILENET.h5] [--torch PYTHON]
       python benchmarks/accuracy_seconds.py draw
    `measure` writes its figures into accuracy_seconds.json, in place of older ones of the same pictures and method;
    `draw` makes docs/accuracy_seconds.png and .svg of them. Methods are last, blocks, selected, auto (the depths of the probe),
    finetune, keras and fastai; all by default. --flip lets the peers show mirrored pictures; leave it out where those
    belong to another class. --torch is a Python with torch 2.13, timm, fastai and pawsight[train], --mobilenet the weights of MobileNetV2;
    without them the methods that need them are left out, and a line says so.

All methods learn from the training set of Pawsight's own split (seed 0, no groups searched for) and are measured on its validation and test
sets together. Seconds are those of the processor, user and system, of the whole process from an empty cache on, divided
by two: what two cores take that are kept busy all the time. So other work on the machine does not change them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from processes import PAWSIGHT, run

from pawsight.core.machine import this_machine, versions
from pawsight.evaluation.intervals import wilson
from pawsight.models.backbones import BACKBONES

HERE = Path(__file__).parent
RESULTS, PICTURE = HERE / "accuracy_seconds.json", HERE.parent / "docs" / "accuracy_seconds.png"
CORES = 2
HELD_OUT = ("validation", "test")
DEPTHS = ("last", "blocks", "selected", "auto")
METHODS = (*DEPTHS, "finetune", "keras", "fastai")

Point = dict[str, Any]  # epoch, seconds of the processor, right by part

INK, SOFT, RULE = "#1b1f24", "#57606a", "#d0d7de"
# method -> its name in the picture, colour, marker
LOOKS = {
    "last": ("last layer alone", "#6fae9a", "o"),
    "blocks": ("outputs of blocks", "#3f8f78", "o"),
    "selected": ("selected numbers", "#0b6e4f", "o"),
    "auto": ("Pawsight's default", "#0b6e4f", "*"),
    "finetune": ("fine-tuned\nfrom a probe", "#8250df", "s"),
    "keras": ("Keras:\nMobileNetV2", "#bc4c00", "^"),
    "fastai": ("fastai:\nEfficientNet-Lite1", "#0969da", "D"),
}
TICKS = (5, 10, 20, 50, 100, 200, 500)  # seconds
FAR_LEFT, FAR_RIGHT = 2.6, 1500


def train(data: Path, folder: Path, depth: str) -> tuple[dict[str, Any], float]:
    """Train the probe at a depth with an empty cache; return the report and seconds of the processor."""
    command = [PAWSIGHT, "train", data.absolute(), "--depth", depth, "--group-by", "none", "--json", "--quiet"]
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        ran = run(command, Path(cache), folder)
    return json.loads(ran.out), ran.cpu


def sizes_of(report: dict[str, Any]) -> dict[str, int]:
    """Return how many pictures each part has."""
    return {part: report["split"][part] for part in ("train", *HELD_OUT)}


def probe_point(report: dict[str, Any], seconds: float) -> Point:
    """Return the one point of a probe."""
    right = {part: round(report[part]["accuracy"] * report[part]["pictures"]) for part in HELD_OUT}
    return {"epoch": 0, "seconds": round(seconds, 1), "right": right}


def peer_points(command: list[str | Path], cache: Path) -> Iterator[list[Point]]:
    """Run a script that prints a JSON object an epoch, with an empty cache; yield the points so far after each."""
    points: list[Point] = []
    environment = os.environ | {"PAWSIGHT_CACHE": str(cache)}
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, env=environment, text=True) as process:
        for line in process.stdout or ():
            if line.startswith("{"):
                points.append(json.loads(line))
                yield points
    if process.returncode:
        raise SystemExit(f"{command[1]} ended with {process.returncode}")


def measure(typed: argparse.Namespace, folder: Path) -> Iterator[tuple[str, list[Point], dict[str, int]]]:
    """Yield each method's points, after every epoch again, and the sizes of the parts."""
    first, seconds = train(typed.pictures, folder, "auto")
    sizes, splits = sizes_of(first), Path(first["run"]) / "splits.csv"
    root = typed.pictures
    if root.is_file():
        with zipfile.ZipFile(root) as archive:
            archive.extractall(folder / "pictures")
        root = folder / "pictures"
    path = splits.read_text("utf-8").splitlines()[1].split(",")[0]
    root = next(found for found in root.rglob(path)).parents[path.count("/")]
    package = BACKBONES["efficientnet-lite1"]
    lite = Path(next(iter(find_spec(package.module).submodule_search_locations))) / package.file
    scripts = {
        "finetune": [typed.torch, HERE / "finetune.py", root],
        "keras": [sys.executable, HERE / "peers_finetune.py", "keras", splits, root, typed.mobilenet],
        "fastai": [typed.torch, HERE / "peers_finetune.py", "fastai", splits, root, lite],
    }
    for method in typed.methods:
        if method in DEPTHS:
            report, seconds = (first, seconds) if method == "auto" else train(typed.pictures, folder, method)
            yield method, [probe_point(report, seconds)], sizes
        elif None in scripts[method]:
            print(f"{method}: left out, --{'mobilenet' if method == 'keras' else 'torch'} is not given")
        else:
            flip = ["--flip"] if typed.flip else []
            for points in peer_points([*scripts[method], str(typed.epochs), *flip], folder / method):
                yield method, points, sizes


def keep(results: dict[str, Any], name: str, sizes: dict[str, int], method: str, points: list[Point]) -> None:
    """Write one curve into the file of results."""
    kept = results.setdefault(name, {"pictures": sizes, "curves": {}})
    if kept["pictures"] != sizes:  # other pictures: what was measured on the old ones says nothing beside them
        kept |= {"pictures": sizes, "curves": {}}
    kept["curves"][method] = {"points": points, "machine": str(this_machine()), "versions": versions()}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def draw(results: dict[str, Any], target: Path) -> None:
    """Draw a panel for each set of pictures: accuracy with its interval against seconds, a curve for each method."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams |= {"font.size": 9, "svg.hashsalt": "pawsight", "svg.fonttype": "none"}
    from matplotlib import pyplot as plt

    canvas, panels = plt.subplots(1, len(results), figsize=(8, 3.7), layout="constrained", squeeze=False)
    for panel, (name, measured) in zip(panels[0], results.items(), strict=True):
        sizes = measured["pictures"]
        held_out = sum(sizes[part] for part in HELD_OUT)
        ends = {
            method: _curve(panel, method, measured["curves"][method]["points"], held_out)
            for method in sorted(measured["curves"], key=METHODS.index)
        }
        panel.set_xscale("log")
        panel.set_xlim(FAR_LEFT, FAR_RIGHT)
        panel.set_ylim(top=100)
        panel.yaxis.set_major_locator(mpl.ticker.MaxNLocator(6, steps=(1, 2, 5, 10)))
        panel.set_xticks(TICKS, map(str, TICKS))
        panel.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        _label(panel, ends)
        panel.set_title(f"{name}: {sizes['train']:,} to learn from, {held_out:,} measured", size=9, color=INK)
        panel.set_xlabel("seconds on two cores", color=SOFT)
        panel.grid(visible=True, color=RULE, linewidth=0.6)
        panel.tick_params(colors=SOFT, length=0)
        panel.spines[:].set_visible(False)
    panels[0][0].set_ylabel("right, %, with 95 % intervals", color=SOFT)
    for kind in (".png", ".svg"):
        kept = {"Software": None} if kind == ".png" else {"Date": None, "Creator": None}
        canvas.savefig(target.with_suffix(kind), dpi=150, facecolor="white", metadata=kept)
    plt.close(canvas)


def _curve(panel: Any, method: str, points: list[Point], held_out: int) -> tuple[float, float]:
    """Draw the points of a method; return where the last one is."""
    _, colour, marker = LOOKS[method]
    right = [sum(point["right"].values()) for point in points]
    shares = [100 * count / held_out for count in right]
    ends = [wilson(count, held_out) for count in right]
    low = [share - 100 * end.low for share, end in zip(shares, ends, strict=True)]
    high = [100 * end.high - share for share, end in zip(shares, ends, strict=True)]
    seconds = [point["seconds"] / CORES for point in points]
    panel.errorbar(
        seconds,
        shares,
        (low, high),
        color=colour,
        marker=marker,
        markersize=11 if method == "auto" else 4.5,
        linewidth=1.4,
        elinewidth=0.8,
        capsize=2,
        zorder=4 if method == "auto" else 3,
    )
    return seconds[-1], shares[-1]


def _label(panel: Any, ends: dict[str, tuple[float, float]]) -> None:
    """Write the names of the depths to the left of their points, one below the other, and the others' at their ends."""
    low, high = panel.get_ylim()
    depths = sorted((method for method in ends if method in DEPTHS), key=lambda method: (-ends[method][1], method))
    height = high
    for method in depths:
        name, colour, _ = LOOKS[method]
        height = min(height - 0.06 * (high - low), ends[method][1])
        panel.annotate(
            name,
            ends[method],
            (FAR_LEFT * 1.05, height),
            color=colour,
            size=8,
            va="center",
            weight="bold" if method == "auto" else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.5,
                "relpos": (1, 0.5),
                "shrinkA": 1,
                "shrinkB": 4,
            },
        )
    for method in ends.keys() - set(DEPTHS):
        name, colour, _ = LOOKS[method]
        panel.annotate(
            name, ends[method], (6, -7), textcoords="offset points", color=colour, size=8, va="top", linespacing=1.1
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("draw")
    measuring = verbs.add_parser("measure")
    measuring.add_argument("name")
    measuring.add_argument("pictures", type=Path)
    measuring.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    measuring.add_argument("--epochs", type=int, default=3)
    measuring.add_argument("--flip", action="store_true")
    measuring.add_argument("--mobilenet", type=Path)
    measuring.add_argument("--torch", type=Path)
    typed = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    if typed.verb == "measure":
        with tempfile.TemporaryDirectory() as folder:
            for method, points, sizes in measure(typed, Path(folder)):
                keep(results, typed.name, sizes, method, points)
                print(f"{typed.name}, {method}: {points}", flush=True)
    draw(results, PICTURE)


if __name__ == "__main__":
    main()
