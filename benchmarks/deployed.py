"""Measures `predict --expect`: expected beside true accuracy on changed pictures, and alarms on unchanged ones.

    pawsight train DATA --out runs
    python benchmarks/deployed.py runs/latest DATA/test

DATA/test is a folder with class folders of pictures that were not trained on. Each picture is changed in sixteen ways;
a folder is 30, 60 or 120 pictures of one way, drawn at random. Alarms on unchanged pictures are counted over folders
and references that are drawn from the same pictures, since with one reference a rate holds on average only.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from pawsight.classifier.predictor import Predictor, load_predictor
from pawsight.classifier.reference import Reference, confidences_of
from pawsight.evaluation.deployment import FALSE_ALARMS, deployment, two_sample_test
from pawsight.images.decode import Decoded, DecodeSettings, decode_image

Change = Callable[[Image.Image], Image.Image]
SIZES, FOLDERS, UNCHANGED, MOST = (30, 60, 120), 200, 1000, 150


def light(*gains: float, gamma: float = 1.0) -> Change:
    """Multiply red, green and blue: darker, or the colours of another camera."""

    def change(picture: Image.Image) -> Image.Image:
        values = np.asarray(picture, np.float32) / 255 * np.array(gains, np.float32)
        return Image.fromarray((np.clip(values, 0, 1) ** gamma * 255).astype(np.uint8))

    return change


def blur(share: float) -> Change:
    """Blur by a share of the shorter side."""
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(share * min(picture.size)))


def small(side: int) -> Change:
    """Reduce the shorter side to so many pixels."""

    def change(picture: Image.Image) -> Image.Image:
        factor = side / min(picture.size)
        return picture.resize(
            (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BILINEAR
        )

    return change


def noise(deviation: float) -> Change:
    """Add noise, the same for the same picture."""

    def change(picture: Image.Image) -> Image.Image:
        values = np.asarray(picture, np.float32)
        grains = np.random.default_rng(int(values.sum()) % 2**31).normal(0, deviation, values.shape)
        return Image.fromarray(np.clip(values + grains, 0, 255).astype(np.uint8))

    return change


def jpeg(picture: Image.Image) -> Image.Image:
    """Save at quality 10."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=10)
    return Image.open(file).convert("RGB")


def flat(picture: Image.Image) -> Image.Image:
    """Keep 40 % of the contrast."""
    return Image.fromarray(((np.asarray(picture, np.float32) - 128) * 0.4 + 128).astype(np.uint8))


CHANGES: dict[str, Change] = {
    "unchanged": lambda picture: picture,
    "darker, x 0.6": light(0.6, 0.6, 0.6),
    "darker, x 0.35": light(0.35, 0.35, 0.35),
    "darker, x 0.2": light(0.2, 0.2, 0.2),
    "blurred, 1 %": blur(0.01),
    "blurred, 2 %": blur(0.02),
    "blurred, 4 %": blur(0.04),
    "small, 64 px": small(64),
    "small, 40 px": small(40),
    "small, 24 px": small(24),
    "warm": light(1.25, 1.0, 0.75),
    "warmer": light(1.4, 1.0, 0.6),
    "cold": light(0.6, 1.0, 1.4, gamma=0.8),
    "noise, 15": noise(15),
    "noise, 40": noise(40),
    "JPEG, quality 10": jpeg,
    "flat": flat,
}


@dataclass(frozen=True, slots=True)
class Read:
    """A changed picture as the classifier takes it."""

    decoded: Decoded


def decoded(pictures: list[Path], change: Change, settings: DecodeSettings) -> Iterator[Read]:
    """Yield pictures, changed and decoded."""
    for path in pictures:
        with Image.open(path) as picture:
            yield Read(decode_image(change(picture.convert("RGB")), settings, name=path.name))


def answers(predictor: Predictor, pictures: list[Path], change: Change) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (N, K + 3) of changed pictures and their most likely classes (N,)."""
    given = [outputs for _, outputs in predictor.outputs_of(decoded(pictures, change, predictor.bundle.card.decode))]
    rows = np.array([predictor.bundle.reference.row(outputs) for outputs in given])
    return rows, np.array([outputs["probabilities"].argmax() for outputs in given])


def measure(reference: Reference, read: dict[str, tuple[np.ndarray, np.ndarray]], true: np.ndarray) -> None:
    """Print a line of JSON for each way of changing pictures, one for all, and one for alarms on unchanged ones.

    Args:
        reference: of the bundle.
        read: rows (N, K + 3) and most likely classes (N,) by way.
        true: classes (N,) of the same pictures.
    """
    rng, found = np.random.default_rng(0), []
    for number in range(FOLDERS * len(read) // (len(read) - 1) + 1):
        name = list(read)[number % len(read)]
        chosen = rng.permutation(len(true))[: rng.choice(SIZES)]
        rows, predicted = (table[chosen] for table in read[name])
        told, accuracy = deployment(reference, rows, predicted, seed=number), (predicted == true[chosen]).mean()
        low, high = told.interval.low, told.interval.high
        errors = (abs(told.accuracy - accuracy), abs(confidences_of(rows).mean() - accuracy))
        figures = (accuracy, told.accuracy, low, high, low <= accuracy <= high, high - low, *errors, told.is_alarm)
        found.append((name, *figures))
    columns = ("accuracy", "expected", "low", "high", "inside", "width", "error", "error_of_confidence", "alarms")
    for title, names in {**{name: {name} for name in read}, "all changed": set(read) - {"unchanged"}}.items():
        table = np.array([row[1:] for row in found if row[0] in names], np.float64)
        means = dict(zip(columns, table.mean(axis=0).round(3).tolist(), strict=True))
        print(json.dumps({"pictures": title, "folders": len(table), **means}), flush=True)

    rows = np.concatenate([reference.rows, read["unchanged"][0]])
    predicted = np.concatenate([reference.predicted, read["unchanged"][1]])
    alarms = 0
    for number in range(UNCHANGED):
        order = rng.permutation(len(rows))
        old, new = order[: len(rows) // 2], order[len(rows) // 2 :][:60]
        alarms += two_sample_test(rows[old], rows[new], predicted[old], predicted[new], seed=number)[0] <= FALSE_ALARMS
    print(json.dumps({"pictures": "like validation", "folders": UNCHANGED, "alarms": alarms / UNCHANGED}))


def main(run: str, data: str) -> None:
    """Read the pictures, change them in every way, and measure."""
    predictor = load_predictor(run)
    known = [path for path in sorted(Path(data).glob("*/*")) if path.parent.name in predictor.classes]
    known = [known[index] for index in np.sort(np.random.default_rng(1).permutation(len(known))[:MOST])]
    true = np.array([predictor.classes.index(path.parent.name) for path in known])
    measure(
        predictor.bundle.reference, {name: answers(predictor, known, change) for name, change in CHANGES.items()}, true
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
