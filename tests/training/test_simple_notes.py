"""What a probe says of how its regularisation was chosen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from pawsight.training.simple import _chosen


def material(alike: tuple[Any, ...] = ()) -> Any:
    pictures = [SimpleNamespace(name=f"{number}.jpg") for number in range(6)]
    return SimpleNamespace(
        classes=("many", "one"),
        truths=lambda part: np.array([0, 0, 0, 0, 1, 1]),
        split=SimpleNamespace(part=lambda part: pictures, alike=[[pictures[row] for row in rows] for rows in alike]),
    )


def test_the_class_with_too_few_pictures_for_folds_is_named() -> None:
    """It may have two pictures that look the same: those cannot be put into different folds."""
    head: Any = SimpleNamespace(strength=1.0, folds=0)
    told = "strength of the regularisation C = 1, taken unchosen: class 'one' has too few pictures in training"
    assert _chosen(head, material()) == told
    assert _chosen(head, material(((4, 5),))) == told
    head.folds = 3
    assert _chosen(head, material()).endswith("chosen by 3 folds in training")
