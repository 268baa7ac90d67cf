"""What a network is fed and taught, looked at before the first step: scaling and labels.

Enters: the range of one real batch, labels and folders. Leaves: `Alarm`s. Does not know: Keras, losses, how an alarm is
shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SLACK = 2e-3  # of an input's range: half the finest step of bfloat16 below 1, a quarter of what double scaling adds
SHIFTS_TRIED = 64  # rows either way
TRAIN = "pawsight train DATA"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something wrong with a run, in the three parts of an error."""

    name: str  # short and stable, for logs and to tell remarks once
    what: str
    cause: str
    fix: str
    fatal: bool  # going on would waste the time it takes

    def __str__(self) -> str:
        return "\n".join((self.what, self.cause, self.fix))


def check_inputs(low: float, high: float, mean: float, scaling: str) -> list[Alarm]:
    """Compare the values that reach the first trainable layer, for one real batch, with what the recipe means.

    Args:
        low, high, mean: of the batch.
        scaling: "raw" for 0..255 or "signed" for -1..1, as in a `Recipe`.
    """
    meant, cause_of = {"raw": ("0 to 255", _raw_cause), "signed": ("-1 to 1", _signed_cause)}[scaling]
    cause = cause_of(low, high)
    if not all(map(math.isfinite, (low, high, mean))):
        cause = "Some values are not finite: something before the network divides by nothing."
    if not cause:
        return []
    what = f"The network is fed {low:.4g} to {high:.4g} (mean {mean:.4g}) where {meant} is meant."
    typed = f"type `{TRAIN} --recipe cnn-normalised` for -1 to 1, or --recipe cnn for 0 to 255"
    fix = f"Scale once, inside the network: {typed}, and take out any other scaling."
    return [Alarm("scaling", what, cause, fix, fatal=True)]


def _signed_cause(low: float, high: float) -> str:
    if low >= -1.01 and low != -1 and high < -0.99:  # black pictures are -1 exactly
        return "Scaling to -1..1 was applied twice: to what is -1..1 already, it leaves next to nothing."
    if low >= 0 and high > 1 + SLACK:
        return "The scaling is missing: the pictures arrive as they were decoded."
    if abs(low) <= SLACK and 0.5 < high <= 1 + SLACK:  # no byte scaled to -1..1 comes nearer to 0 than 0.0039
        return "The pictures were divided by 255, which is another scaling."
    return "The pictures were scaled by another rule." if low < -1 - SLACK or high > 1 + SLACK else ""


def _raw_cause(low: float, high: float) -> str:
    if low < -SLACK and high <= 1 + SLACK:
        return "The pictures were scaled to -1..1 before they came here."
    if low >= -SLACK and 0 < high <= 1 + SLACK:
        return "The pictures were divided by 255 before they came here."
    return "The pictures were scaled by another rule." if low < -SLACK or high > 255 * (1 + SLACK) else ""


def check_labels(expected: Sequence[str], folders: Sequence[str], names: Sequence[str] = ()) -> list[Alarm]:
    """Compare the label each training row is taught with the label of the picture in that row.

    Args:
        expected: name of the class index of each row (N,).
        folders: label of the folder, or of the CSV, of the picture in each row (N,).
        names: names of the pictures (N,), to name the first that is wrong.
    """
    fix = f"Type `{TRAIN}` again, without --resume if it was there; `pawsight inspect DATA` shows the folders."
    if len(expected) != len(folders):
        what = f"There are {len(expected):,} labels for {len(folders):,} training pictures."
        return [Alarm("labels", what, "Rows were lost or added between reading and training.", fix, fatal=True)]
    wrong = [row for row, (label, folder) in enumerate(zip(expected, folders, strict=True)) if label != folder]
    if not wrong:
        return []
    who = names[wrong[0]] if names else f"row {wrong[0] + 1}"
    first = f"{who} is in {folders[wrong[0]]!r} and would be taught as {expected[wrong[0]]!r}"
    what = f"{len(wrong):,} of {len(expected):,} training pictures have a label that is not their folder's: {first}."
    return [Alarm("labels", what, _labels_cause(expected, folders), fix, fatal=True)]


def _labels_cause(expected: Sequence[str], folders: Sequence[str]) -> str:
    pairs = sorted(set(zip(folders, expected, strict=True)))
    if len(pairs) == len(set(folders)) == len(set(expected)):
        swaps = [f"{folder!r} is called {label!r}" for folder, label in pairs if folder != label]
        return f"The class names are in another order than the class numbers: {', '.join(swaps[:3])}."
    _, numbers = np.unique([*expected, *folders], return_inverse=True)
    taught, true = np.split(numbers, 2)
    for shift in range(1, min(SHIFTS_TRIED, len(taught) - 1) + 1):
        if np.array_equal(np.roll(true, shift), taught) or np.array_equal(np.roll(true, -shift), taught):
            return f"The labels are shifted against the pictures by {shift} row{'s' if shift > 1 else ''}."
    return "Pictures and labels were shuffled apart: each must be reordered together with the other."
