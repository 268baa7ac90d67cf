"""The rows of `predict`: many files beside Keras and the floor; memory and pace at growing numbers of files.

Enters: a `Place` and how often. Leaves: figures so far, after each round. Does not know: how they are shown.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench_figures import FASTER, FLAT, WITHIN, Figure
from bench_place import Place
from processes import PAWSIGHT, Ran, run
from rows_train import floor

HERE = Path(__file__).parent
SIZES = (1_000, 10_000, 100_000)


def ours(place: Place, folder: Path) -> Ran:
    """Classify a folder, one JSON line for each picture."""
    return run([PAWSIGHT, "predict", place.latest, folder, "--json", "--quiet"], place.cache)


def keras(place: Place) -> float:
    """Classify the same pictures with the same network plainly; returns seconds."""
    card = place.card
    asked = [card["recipe"]["backbone"], card["decode"]["image_px"], len(card["classes"])]
    return run([sys.executable, HERE / "keras_predict.py", place.folder, *asked], place.cache).seconds


def predict(place: Place, runs: int) -> Iterator[list[Figure]]:
    """Take ours, the floor and Keras by turns, whole processes."""
    count, what = len(place.pictures), f"predict {len(place.pictures):,} files, whole process"
    mine, bare, loaded, plain = [], [], [], []
    for _ in range(runs):
        mine.append(ours(place, place.folder).seconds)
        found = floor(place)
        bare.append(found["work"])
        loaded.append(found["with_loading"])
        plain.append(keras(place))
        peer = "Keras predict, image_dataset_from_directory"
        note = f"beside the floor's work alone; {median(mine) / median(loaded):.2f} times with its loading"
        both = {"what": what, "ours": tuple(mine), "pictures": count}
        yield [
            Figure(name="predict/keras", beside=peer, kind=FASTER, aim=4.0, peer=tuple(plain), **both),
            Figure(
                name="predict/floor",
                beside="floor: bare decoding and inference",
                kind=WITHIN,
                aim=1.25,
                peer=tuple(bare),
                note=note,
                **both,
            ),
        ]


def sizes_up_to(largest: int) -> list[int]:
    """Return the numbers of files to measure at."""
    return sorted({size for size in SIZES if size <= largest} | ({largest} if largest < SIZES[-1] else set()))


def sizes(place: Place, runs: int, largest: int = SIZES[-1]) -> Iterator[list[Figure]]:
    """Classify folders of hard links to the pictures, small and large ones by turns.

    A picture's seconds are those of the process, without those of a process that classifies a single one, which are
    spent on starting up, for each of the others.
    """
    counts = sizes_up_to(largest)
    folders = {count: place.linked(count) for count in counts}
    taken: dict[int, list[Ran]] = {count: [] for count in counts}
    alone: list[float] = []
    try:
        for _ in range(runs):
            alone.append(run([PAWSIGHT, "predict", place.latest, place.pictures[0], "--json"], place.cache).seconds)
            for count in counts:
                taken[count].append(ours(place, folders[count]))
            yield _flat(taken, median(alone))
    finally:
        for folder in folders.values():
            shutil.rmtree(folder)


def _flat(taken: dict[int, list[Ran]], start: float) -> list[Figure]:
    where = " / ".join(f"{count:,}" for count in taken) + " pictures"
    memory = {count: [one.peak_mib for one in runs] for count, runs in taken.items()}
    pace = {count: [1000 * (one.seconds - start) / (count - 1) for one in runs] for count, runs in taken.items()}
    return [
        _figure("sizes/memory", "peak memory of predict, MiB", where, 0.05, memory),
        _figure("sizes/pace", "predict, milliseconds a picture", where, 0.10, pace),
    ]


def _figure(name: str, what: str, where: str, aim: float, samples: dict[int, list[float]]) -> Figure:
    medians = tuple(median(values) for values in samples.values())
    return Figure(
        name=name,
        what=what,
        beside=f"at {where}",
        kind=FLAT,
        aim=aim,
        ours=medians,
        pictures=max(samples),
        detail={"samples": {str(count): values for count, values in samples.items()}},
    )
