"""Every export of a run in one table: size, seconds to load, pictures a second, differences, labels flipped.

usage: python benchmarks/exports.py RUN [--pictures 1000] [--exports FOLDER] [--json]
    RUN is a finished run whose pictures are still where they were, e.g. of the exercise's photographs.

The pictures are the run's held-out ones first and training ones after, in a fixed order; each format answers the same
squares in batches of 8, through its own runtime, in a process that has nothing of Pawsight in it. The reference is the
bundle's own graph in float32 by OpenVINO. Seconds to load leave the import of the runtime out. int8 is written even
where it may lose accuracy (--allow-loss): this is to show what it is. The web export's model answers in ONNX Runtime;
what it takes in a browser, which decodes as well, is for benchmarks/in_browser.py, and the table says so. With --exports
the exports are kept in that folder, and those of an earlier call are measured again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from pawsight.classifier.bundle import read_bundle
from pawsight.classifier.engine import Engine
from pawsight.commands.export import export
from pawsight.commands.run_split import held_out
from pawsight.core.machine import this_machine
from pawsight.evaluation.metrics import aligned
from pawsight.exports.export_context import EXACT, REDUCED
from pawsight.exports.targets import TARGETS
from pawsight.exports.verify import flips_of, runtime_outputs
from pawsight.exports.write import folder_name
from pawsight.images.loader import load

FORMATS = ("onnx", "openvino", "litert", "keras", "saved-model", "web")
IN_BROWSER = "see in_browser.py"


def squares_of(run: Path, count: int) -> np.ndarray:
    """Return (N, H, W, 3) uint8 of the run's own pictures; the test part is looked at by no label here."""
    settings = read_bundle(run).card.decode
    candidates = [one for part in ("validation", "train") for one in held_out(run, part).candidates][:count]
    found = load([one.path for one in candidates], settings, threads=this_machine().feeders)
    return np.stack([one.decoded.pixels for one in found if one.decoded is not None])


def main() -> None:
    """Export, let every runtime answer, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--exports", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    squares = squares_of(options.run, options.pictures)
    bundle = read_bundle(options.run)
    engine = Engine(bundle.model, image_px=squares.shape[1], precision="f32", streams=this_machine().cores)
    expected = engine.run_all(squares)["probabilities"]
    with tempfile.TemporaryDirectory(prefix="pawsight-") as folder:
        out = options.exports or Path(folder) / "out"
        if not out.exists():
            export(options.run, FORMATS, out=out, int8=True, allow_loss=True)
        rows = [
            row_of(TARGETS[name], precision, out / folder_name(TARGETS[name], precision), squares, expected)
            for precision in (EXACT, REDUCED)
            for name in FORMATS
            if precision == EXACT or TARGETS[name].has_reduced
        ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(
        f"{len(squares):,} pictures of {squares.shape[1]} px, {bundle.card.recipe['name']}, {this_machine().cores} cores"
    )
    print("\n".join(aligned([list(rows[0]), *[[str(cell) for cell in row.values()] for row in rows]])))


def row_of(
    target, precision: str, folder: Path, squares: np.ndarray, expected: np.ndarray
) -> dict[str, str | float | int]:
    """Return one export's figures."""
    outputs, runtime, load_seconds, rate = runtime_outputs(
        target.runtime, folder / (target.model or target.file), squares
    )
    found = outputs["probabilities"]
    browser = target.name == "web"
    return {
        "export": f"{target.name} {precision}",
        "runtime": runtime,
        "MB": round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1),
        "s to load": IN_BROWSER if browser else round(load_seconds, 3),
        "pictures/s": IN_BROWSER if browser else round(rate, 1),
        "largest difference": float(f"{np.abs(found - expected).max():.2g}"),
        "labels flipped": flips_of(expected, found),
    }


if __name__ == "__main__":
    main()
