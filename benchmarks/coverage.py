"""How often the 95 % intervals hold the truth, in worlds where the truth is known.

    python benchmarks/coverage.py [--draws 1000]

Enters: nothing. Leaves: a Markdown table on stdout. Each world draws a class, then a score for each class, normal with
mean `margin` for the true one, times `sharpness`, and answers with their softmax. The truth is measured on a million
pictures of that world, then each draw takes a few hundred and asks for intervals.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from pawsight.evaluation.bootstrap import intervals, macro_f1
from pawsight.evaluation.calibration import brier_score, expected_calibration_error
from pawsight.evaluation.intervals import wilson
from pawsight.evaluation.metrics import log_loss, roc_auc

FIGURES = ("accuracy", "log_loss", "roc_auc", "macro_f1", "brier", "ece")


@dataclass(frozen=True, slots=True)
class World:
    name: str
    pictures: int
    classes: int
    margin: float
    sharpness: float

    def draw(self, chance: np.random.Generator, pictures: int) -> tuple[np.ndarray, np.ndarray]:
        true = chance.integers(0, self.classes, pictures)
        scores = chance.normal(size=(pictures, self.classes))
        scores[np.arange(pictures), true] += self.margin
        powers = np.exp(self.sharpness * (scores - scores.max(axis=1, keepdims=True)))
        return true, powers / powers.sum(axis=1, keepdims=True)


WORLDS = (
    World("two classes, unsure", 300, 2, 1.5, 1.0),
    World("two classes, too sure", 300, 2, 1.5, 3.0),
    World("two classes, calibrated", 808, 2, 2.0, 2.0),
    World("two classes, 99 % right", 808, 2, 3.4, 2.0),
    World("five classes, unsure", 500, 5, 1.8, 1.0),
    World("ten classes, unsure", 808, 10, 2.5, 2.0),
)


def truth(world: World) -> dict[str, float]:
    true, probabilities = world.draw(np.random.default_rng(99), 1_000_000)
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": float((predicted == true).mean()),
        "log_loss": log_loss(true, probabilities),
        "roc_auc": float(roc_auc(true, probabilities) or np.nan),
        "macro_f1": macro_f1(true, predicted, world.classes),
        "brier": brier_score(true, probabilities),
        "ece": expected_calibration_error(true, probabilities),
    }


def coverage(world: World, draws: int, seed: int = 1) -> dict[str, tuple[float, float]]:
    """Return, for each figure, how often its interval held the truth and how often there was none."""
    chance, expected = np.random.default_rng(seed), truth(world)
    held, absent = dict.fromkeys(FIGURES, 0), dict.fromkeys(FIGURES, 0)
    for draw in range(draws):
        true, probabilities = world.draw(chance, world.pictures)
        found = {"accuracy": wilson(int((probabilities.argmax(axis=1) == true).sum()), len(true))}
        measured = intervals(true, probabilities, seed=draw)
        for name in FIGURES:
            one = found.get(name) or getattr(measured, name)
            if one is None:
                absent[name] += 1
            else:
                held[name] += one.low <= expected[name] <= one.high
    return {name: (held[name] / max(1, draws - absent[name]), absent[name] / draws) for name in FIGURES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    print("| world | pictures | " + " | ".join(FIGURES) + " |")
    print("|---" * (2 + len(FIGURES)) + "|")
    for world in WORLDS:
        shares = coverage(world, draws)
        cells = [
            f"{100 * share:.1f}" + (f" ({100 * gone:.1f} none)" if gone else "") for share, gone in shares.values()
        ]
        print(f"| {world.name} | {world.pictures} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
