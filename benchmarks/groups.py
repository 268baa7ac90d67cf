"""Measures how much a random split flatters, and whether groups that are found do what known groups do.

usage: python benchmarks/groups.py SIGNS [--photographs FOLDER] [--seeds 5] [--bursts 24] [--shots 6]
    SIGNS is the folder of the hand signs: a folder for each digit, pictures numbered as they were taken. FOLDER has
    cats and dogs, whose numbers say nothing. Nothing in them is changed.

Two sets: bursts of drawn cats and dogs with EXIF times, a moving camera and its noise; and the hand signs, where a
signer shows the digits one after the other, so that a signer ends where the digit falls. On each, the accuracy of a
probe on the last layer by five folds: random ones, those that keep look-alikes together (before groups were found),
those that keep found groups together, and those that keep known groups together; the mean over the seeds of the folds,
the 95 % interval by known groups, and the difference from known groups with its paired interval. Then how many pairs of
pictures of one known group were found, by how much steps from number to number are more often short than other
distances (the least that counts is 30 points), and how often intervals of groups hold the truth in made-up worlds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from time import process_time

import numpy as np
from PIL import Image, ImageEnhance

from pawsight.core.cache import Cache
from pawsight.core.machine import cache_folder, this_machine
from pawsight.core.progress import Stopwatch
from pawsight.data import groups as found_groups
from pawsight.data.dataset import Dataset, read_dataset
from pawsight.data.duplicates import alike_groups, duplicate_pairs
from pawsight.data.folders import find
from pawsight.data.groups import grouped, numbers_of
from pawsight.evaluation.intervals import design_effect, wilson
from pawsight.images.decode import DecodeSettings
from pawsight.images.fingerprint import HASHED_PX, groups_of
from pawsight.models.recipes import LAST, Recipe
from pawsight.sample import draw
from pawsight.training.features import FeatureTable, feature_sink
from pawsight.training.probe import fit_head, paired_difference

FOLDS = 5


def write_bursts(folder: Path, bursts: int, shots: int) -> None:
    """Draw bursts of each class: a window that moves over one drawing, light that changes, noise, 0.7 s apart."""
    for number in range(2 * bursts):
        label, chance = ("cats", "dogs")[number % 2], np.random.default_rng(number)
        scene = draw(label, seed=1, index=number, sides=(360, 420))
        side = int(0.8 * min(scene.size))
        place = chance.uniform(0, 1, 2)
        for shot in range(shots):
            place = np.clip(place + chance.normal(0, 0.25, 2), 0, 1)
            left, top = (int(at * (size - side)) for at, size in zip(place, scene.size, strict=True))
            window = ImageEnhance.Brightness(scene.crop((left, top, left + side, top + side))).enhance(
                chance.uniform(0.85, 1.15)
            )
            noisy = np.asarray(window, np.float32) + chance.normal(0, 4, (side, side, 3))
            exif = Image.Exif()
            exif[0x010F], exif[0x0110] = "Own", "Own A1"
            seconds = 60 * number + 0.7 * shot
            exif.get_ifd(0x8769)[0x9003] = (
                f"2026:05:01 {9 + int(seconds) // 3600:02}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"
            )
            exif.get_ifd(0x8769)[0x9291] = f"{int(100 * (seconds % 1)):02}"
            path = folder / label / f"{chance.integers(10**15)}.jpg"  # the name says nothing
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(path, exif=exif, quality=88)


def read(folder: Path) -> tuple[Dataset, FeatureTable]:
    """Return a data set and the features of its pictures."""
    recipe, machine = Recipe(), this_machine()
    with Cache(cache_folder() / "cache") as cache:
        sink = feature_sink(recipe, cache, machine, Stopwatch())
        settings = DecodeSettings(image_px=recipe.image_px)
        with sink.kept():
            dataset = read_dataset(find(folder), settings, cache=cache, threads=machine.feeders, sink=sink)
        return dataset, sink.features_of([picture.sha256 for picture in dataset.pictures])


def kept_together(dataset: Dataset) -> np.ndarray:
    """Return the numbers (N,) of what a split keeps together."""
    return alike_groups(dataset.pictures, duplicate_pairs(dataset.pictures))


def compared(name: str, dataset: Dataset, features: FeatureTable, known: np.ndarray, seeds: int) -> None:
    """Print the accuracy by each kind of folds."""
    labels = np.array([dataset.classes.index(picture.label) for picture in dataset.pictures])
    start = process_time()
    with_groups = grouped(dataset)
    seconds = process_time() - start
    found = numbers_of([picture.group for picture in with_groups.pictures])
    print(f"\n{name}: {len(labels):,} pictures, {len(np.unique(known)):,} known groups; {'; '.join(with_groups.notes)}")
    if found is not None:
        together = sum(count * (count - 1) // 2 for count in Counter(zip(known, found, strict=True)).values())
        wanted = sum(count * (count - 1) // 2 for count in Counter(known).values())
        claimed = sum(count * (count - 1) // 2 for count in Counter(found).values())
        print(f"  {100 * together / wanted:.1f} % of the pairs of one known group are in one found group, and")
        print(
            f"  {100 * together / claimed:.1f} % of the pairs of one found group are of one known one; {seconds:.2f} s"
        )
    folds = {"random": None, "look-alikes": kept_together(dataset), "found": kept_together(with_groups), "known": known}
    right = {
        kind: np.mean(
            [
                fit_head(
                    features,
                    labels,
                    classes=len(dataset.classes),
                    folds=FOLDS,
                    seed=seed,
                    depth=LAST,
                    groups=numbers,
                )
                .out_of_fold[1]
                .argmax(axis=1)
                == labels
                for seed in range(seeds)
            ],
            axis=0,
        )
        for kind, numbers in folds.items()
    }
    for kind, answers in right.items():
        effect = design_effect(answers, known)
        interval = wilson(answers.sum() / effect, len(answers) / effect)
        gained, error = paired_difference(answers - right["known"], known)
        print(
            f"  {kind:12} {100 * answers.mean():5.1f} % ({interval}); minus known {100 * gained:+.1f}"
            f" points ({100 * (gained - 1.96 * error):+.1f} to {100 * (gained + 1.96 * error):+.1f})"
        )


def signers(dataset: Dataset) -> np.ndarray:
    """Number the signers (N,): pictures in the order of their numbers, until the digit falls."""
    order = sorted(range(len(dataset.pictures)), key=lambda row: int(Path(dataset.pictures[row].name).stem[4:]))
    numbers, signer, last = np.zeros(len(order), np.int64), 0, -1
    for row in order:
        digit = int(dataset.pictures[row].label)
        signer += digit <= last
        numbers[row], last = signer, digit
    return numbers


def excess(name: str, dataset: Dataset) -> None:
    """Print by how much steps are more often short than other distances, for each series of numbers."""
    limits = []
    found_groups_limit = found_groups._limit

    def noted(steps: np.ndarray, others: np.ndarray) -> float:
        lengths = np.unique(steps)
        own, usual = (np.searchsorted(np.sort(found), lengths, side="right") / len(found) for found in (steps, others))
        limits.append(100 * float((own - usual).max()))
        return found_groups_limit(steps, others)

    found_groups._limit = noted
    try:
        pairs = found_groups._runs(dataset.pictures)
    finally:
        found_groups._limit = found_groups_limit
    sizes = np.unique(groups_of(len(dataset.pictures), pairs), return_counts=True)[1]
    shown = ", ".join(f"{points:.0f}" for points in limits)
    print(f"  {name}: {shown or 'no series'} points; {int((sizes > 1).sum()):,} runs of numbers")


def coverage(draws: int = 1000) -> None:
    """Print how often Wilson's interval holds the truth, counting pictures and counting groups."""
    chance = np.random.default_rng(1)
    print("\ngroups x mean size, accuracy, correlation within a group: held by groups, held by pictures")
    for count, mean, share, alike in (
        (30, 10, 0.9, 0.3),
        (30, 10, 0.97, 0.2),
        (60, 5, 0.95, 0.5),
        (15, 20, 0.8, 0.5),
        (30, 10, 0.97, 0.5),
        (40, 10, 0.99, 0.3),
        (30, 10, 0.95, 0.05),
        (100, 3, 0.95, 0.3),
    ):
        held = np.zeros(2)
        for _ in range(draws):
            which = np.repeat(np.arange(count), chance.integers(1, 2 * mean, count))
            spread = (1 - alike) / alike
            right = chance.random(len(which)) < chance.beta(share * spread, (1 - share) * spread, count)[which]
            for place, effect in enumerate((design_effect(right, which), 1.0)):
                interval = wilson(right.sum() / effect, len(right) / effect)
                held[place] += interval.low <= share <= interval.high
        print(f"  {count:3} x {mean:2}, {share}, {alike}: {100 * held[0] / draws:.1f} %, {100 * held[1] / draws:.1f} %")


def main() -> None:
    """Measure both sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("signs", type=Path)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--bursts", type=int, default=24)
    parser.add_argument("--shots", type=int, default=6)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_bursts(Path(folder), options.bursts, options.shots)
        drawn, features = read(Path(folder))
        times = np.array([picture.facts.statistics.taken for picture in drawn.pictures])
        compared("drawn bursts", drawn, features, (times // 60).astype(np.int64), options.seeds)
    signs, features = read(options.signs)
    compared("hand signs", signs, features, signers(signs), options.seeds)
    print("\nsteps that are shorter than other distances")
    excess("hand signs", signs)
    if options.photographs:
        with Cache(cache_folder() / "cache") as cache:
            found = find(options.photographs)
            excess("photographs", read_dataset(found, DecodeSettings(image_px=HASHED_PX), cache=cache, threads=2))
    coverage()


if __name__ == "__main__":
    main()
