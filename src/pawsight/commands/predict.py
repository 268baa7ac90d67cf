"""The verb `predict`: pictures in, one answer for each, as they come.

Enters: a run and names of files and folders. Leaves: `Answer`s. Does not know: terminals.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pawsight.classifier.predictor import Prediction, load_predictor
from pawsight.classifier.trust import ANSWERED
from pawsight.commands.named import counted, named
from pawsight.core.progress import SILENT, Progress
from pawsight.data.folders import expand

_RUNNERS_UP = 2  # other classes named beside the answer on a line for people
_WORTH_NAMING = 0.005  # probability below which a runner-up is left unsaid


@dataclass(frozen=True, slots=True)
class Answer:
    """A `Prediction` that can be printed."""

    prediction: Prediction

    @property
    def error(self) -> str | None:
        """Why there is no answer."""
        return self.prediction.error

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as `predict --json` prints them."""
        return asdict(self.prediction)

    def line(self) -> str:
        """Return the line for people."""
        one = self.prediction
        if one.probabilities is None or one.label is None:
            return f"{one.path}: not classified, {one.error}"
        ranked = sorted(one.probabilities.items(), key=lambda pair: -pair[1])[: 1 + _RUNNERS_UP]
        if one.verdict not in (None, ANSWERED) or one.probability is None:
            return f"{one.path}: {one.label} ({_shares(ranked)})"
        told = _shares(ranked[1:])
        return f"{one.path}: {one.label} {100 * one.probability:.1f} %" + (f" ({told})" if told else "")


def _shares(ranked: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {100 * value:.1f} %" for name, value in ranked if value >= _WORTH_NAMING)


def predict(
    run: str | os.PathLike[str], pictures: Sequence[str | os.PathLike[str]], *, progress: Progress = SILENT
) -> Iterator[Answer]:
    """Classify files and the files below folders, in order, in constant memory.

    Raises:
        BundleRefused: the run has no bundle that can be trusted.
        NoPictures: folders were named and none holds a file.
    """
    paths = named(pictures)
    predictor = load_predictor(run)
    for prediction in counted(predictor.stream(expand(paths)), paths, "Classifying", progress):
        yield Answer(prediction)
