"""Made-up run folders for the tests of reports: drawn pictures, answers that are right as often as is asked for."""

from __future__ import annotations

import hashlib
import io
import json
import math
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pawsight.core.runs import write_table
from pawsight.evaluation.metrics import measure, to_jsonable
from pawsight.sample import draw

DIGEST = "d1ce" * 16


def draw_pictures(
    root: Path, classes: Sequence[str], *, train: int = 3, validation: int = 20, drawn: int = 3
) -> list[tuple[str, str, str, str]]:
    """Draw a few pictures below `root` and invent the rest; return path, sha256, label, part of each."""
    rows = []
    for number, label in enumerate(classes):
        for part, count in (("train", train), ("validation", validation)):
            for index in range(count):
                path = f"{part}/{number}/{number}.{index}.jpg"
                if index < drawn and number < 6:
                    content = jpeg(number, index, part)
                    (root / path).parent.mkdir(parents=True, exist_ok=True)
                    (root / path).write_bytes(content)
                    sha256 = hashlib.sha256(content).hexdigest()
                else:
                    sha256 = hashlib.sha256(path.encode()).hexdigest()
                rows.append((path, sha256, label, part))
    return rows


@cache  # most tests write the same pictures
def jpeg(number: int, index: int, part: str) -> bytes:
    """Draw a picture of the class with this number."""
    buffer = io.BytesIO()
    kind = ("cats", "dogs", "other")[number % 3]
    draw(kind, seed=number, index=index, part=part, sides=(60, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


def answers(
    rows: Sequence[tuple[str, str, str, str]], classes: Sequence[str], accuracy: float, seed: int
) -> np.ndarray:
    """Return probabilities (N, C) for the validation rows, right on the given share of them."""
    chance = random.Random(seed)
    table = []
    for _, _, label, part in rows:
        if part == "validation":
            is_right = chance.random() < accuracy
            others = [name for name in classes if name != label]
            given = classes.index(label if is_right else chance.choice(others))
            row = np.full(len(classes), 0.4 / len(classes))
            row[given] += 0.6 * chance.random() ** 0.2 if is_right else 0.3
            table.append(row / row.sum())
    return np.array(table)


def write_run(
    folder: Path,
    rows: Sequence[tuple[str, str, str, str]],
    classes: Sequence[str],
    *,
    root: Path,
    accuracy: float,
    recipe: str = "cnn",
    seed: int = 0,
    epochs: int = 0,
    test: bool = False,
    more: dict[str, Any] | None = None,
) -> Path:
    """Write a run folder as `train` leaves it."""
    folder.mkdir(parents=True)
    probabilities = answers(rows, classes, accuracy, seed)
    held = [row for row in rows if row[3] == "validation"]
    measured = to_jsonable(measure(np.array([classes.index(row[2]) for row in held]), probabilities, classes))
    counts = {name: sum(row[2] == name for row in rows) for name in classes}
    metrics = {
        "run": folder.name,
        "recipe": recipe,
        "backbone": "",
        "image_px": 160,
        "seed": seed,
        "precision": "f32",
        "classes": list(classes),
        "counts": counts,
        "split": {"digest": DIGEST, "train": len(rows) - len(held), "validation": len(held), "test": 0},
        "straddling": [],
        "validation": measured,
        "test": measured if test else None,
        "baseline": max(counts.values()) / len(rows),
        "left_out": [],
        "seconds": {"total": 12.5},
        "machine": "a processor, 2 cores",
    }
    (folder / "metrics.json").write_text(json.dumps(metrics | (more or {})), encoding="utf-8")
    (folder / "recipe.toml").write_text(f'name = "{recipe}"\nimage_px = 160\nseed = {seed}\n')
    (folder / "source.json").write_text(json.dumps({"root": str(root)}))
    write_table(folder / "splits.csv", ("path", "sha256", "label", "part"), rows)
    table = [
        (path, sha256, part, label, classes[int(row.argmax())], *(f"{value:.6f}" for value in row))
        for (path, sha256, label, part), row in zip(held, probabilities, strict=True)
    ]
    write_table(
        folder / "predictions.csv",
        ("path", "sha256", "part", "label", "predicted", *(f"p({name})" for name in classes)),
        table,
    )
    (folder / "bundle").mkdir()
    (folder / "bundle" / "bundle.json").write_text(json.dumps({"versions": {"python": "3.11.7", "numpy": "2.4.6"}}))
    if epochs:
        write_history(folder / "history.csv", epochs, accuracy)
    return folder


def write_history(path: Path, epochs: int, accuracy: float) -> None:
    """Write a history that climbs towards `accuracy`."""
    header = ("number", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
    shares = [1 - math.exp(-0.25 * (epoch + 1)) for epoch in range(epochs)]
    lines = [
        (
            epoch + 1,
            0.7 - 0.5 * share,
            0.5 + 0.45 * share,
            0.7 - 0.3 * share,
            0.5 + (accuracy - 0.5) * share,
            0.001,
            2.5,
        )
        for epoch, share in enumerate(shares)
    ]
    write_table(path, header, lines)
