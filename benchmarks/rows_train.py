"""The rows of `train`: with features cold beside the exercise and beside the floor, and warm.

Enters: a `Place`, how often, how much of the exercise to run. Leaves: figures so far, after each round. Does not know:
how they are shown.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench_figures import FASTER, MORE, UNDER, WITHIN, Figure
from bench_place import Place
from processes import python, run

HERE = Path(__file__).parent
EPOCHS = 20  # of the exercise
REPORTED = 0.97  # validation accuracy that the exercise's own text reports for its fourth model on the photographs


def floor(place: Place) -> dict:
    """Decode and classify the pictures barely; returns its seconds with and without loading."""
    model, side = place.latest / "bundle" / "model.onnx", place.card["decode"]["image_px"]
    return json.loads(run([sys.executable, HERE / "floor.py", place.folder, model, side]).out)


def exercise(place: Place, weights: Path | None) -> dict:
    """Train the exercise's fourth model for two epochs and return the second."""
    given = [weights] if weights else []
    out = run([sys.executable, HERE / "exercise.py", place.folder, "4", "2", *given], place.cache).out
    return json.loads(out.splitlines()[-1])


def train(place: Place, runs: int, weights: Path | None = None, peer_runs: int | None = None) -> Iterator[list[Figure]]:
    """Take cold training, the floor, warm training, the bare imports and the exercise by turns.

    Args:
        place: the pictures.
        runs: rounds.
        weights: MobileNetV2's, for the exercise; without them it starts from nothing, in the same seconds.
        peer_runs: rounds in which the exercise runs, which takes longer than all else; 0 leaves it out.
    """
    place.train(place.given)  # the model cache is warm from here on, and so are the features of the pictures as given
    seen: dict[str, list[float]] = {
        name: [] for name in ("cold", "floor", "loaded", "warm", "bare", "ours", "theirs", "plain")
    }
    for number in range(runs):
        seconds, report = place.train(place.fresh(f"{number} {time.time()}"))
        bare = floor(place)
        seen["cold"].append(seconds)
        seen["ours"].append((report.get("validation") or {}).get("accuracy", 0.0))
        seen["floor"].append(bare["work"])
        seen["loaded"].append(bare["with_loading"])
        seen["warm"].append(place.train(place.given)[0])
        seen["bare"].append(run(python("import openvino, PIL, onnx")).seconds)
        if number < (runs if peer_runs is None else peer_runs):
            epoch = exercise(place, weights)
            seen["plain"].append(EPOCHS * epoch["seconds"])
            seen["theirs"].append(epoch["validation"])
        yield _figures(place, seen, has_weights=weights is not None)


def _figures(place: Place, seen: dict[str, list[float]], *, has_weights: bool) -> list[Figure]:
    count = len(place.pictures)
    what = f"train, {count:,} pictures, features cold"
    cold, loaded = tuple(seen["cold"]), median(seen["loaded"])
    found = [
        Figure(
            name="train/floor",
            what=what,
            beside="floor: bare decoding and inference",
            kind=WITHIN,
            aim=1.35,
            ours=cold,
            peer=tuple(seen["floor"]),
            pictures=count,
            note=f"whole process beside the floor's work alone; {median(cold) / loaded:.2f} times with its loading",
        ),
        Figure(
            name="train/warm",
            what="train, everything warm, whole process",
            beside="(yardstick: import openvino, PIL, onnx)",
            kind=UNDER,
            aim=3.0,
            ours=tuple(seen["warm"]),
            peer=tuple(seen["bare"]),
            pictures=count,
        ),
    ]
    return (_beside_exercise(place, seen, what, has_weights) if seen["plain"] else []) + found


def _beside_exercise(place: Place, seen: dict[str, list[float]], what: str, has_weights: bool) -> list[Figure]:
    count, after_two = len(place.pictures), median(seen["theirs"])
    theirs = after_two if place.drawn else max(REPORTED, after_two)
    measured = f"{100 * after_two:.1f} % after the two epochs that were run"
    note = measured if place.drawn else f"beside it stands the 97 % that the exercise's text reports; {measured}"
    note += "" if has_weights else ", from random weights"
    return [
        Figure(
            name="train/exercise",
            what=what,
            beside=f"the exercise's model four, {EPOCHS} epochs",
            kind=FASTER,
            aim=25.0,
            ours=tuple(seen["cold"]),
            peer=tuple(seen["plain"]),
            pictures=count,
            note="its second epoch counted twenty times",
        ),
        Figure(
            name="train/accuracy",
            what="validation accuracy of that",
            beside="the exercise's model four",
            kind=MORE,
            aim=0.0,
            ours=tuple(seen["ours"]),
            peer=(theirs,),
            pictures=count,
            note=note,
        ),
    ]
