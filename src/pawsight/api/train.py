"""`pawsight.train`: labelled pictures of any form in, a `Run` out. The command line calls commands/train.py itself."""

from __future__ import annotations

from typing import Any, Unpack

from pawsight.api.dataset import as_data
from pawsight.api.run import Run, open_run
from pawsight.commands.train import TrainKeywords, TrainOptions
from pawsight.commands.train import train as train_data
from pawsight.core.progress import ProgressLike, progress_of


def train(
    data: Any,
    y: Any = None,
    options: TrainOptions = TrainOptions(),
    *,
    progress: ProgressLike = None,
    **keywords: Unpack[TrainKeywords],
) -> Run:
    """Train a classifier on labelled pictures.

    Args:
        data: a folder, an archive, the address of one, a CSV, the name of a data set; a `Dataset`; a DataFrame with the
            columns image (or path) and label, and split and group where they are known; or N pictures in memory,
            each as `Classifier.predict` takes it, with their labels in `y`.
        y: (N,) labels of pictures in memory: names, or numbers, which become names.
        options: how it is trained.
        progress: None shows it in notebooks and terminals, True always, False never; or a function that is called with
            the stage, the steps that are done and their number (None: not known).
        keywords: fields of `TrainOptions` that differ from `options`.

    Returns:
        the finished run; its folder is numbered, in `out`.

    Raises:
        PawsightError: something is wrong with data, installation or disk; it says what, why and what to do.

    Examples:
        >>> run = pawsight.train("photos/")
        >>> run.validation.accuracy > run.validation.baseline
        True
    """
    listener = progress_of(progress)
    return open_run(train_data(as_data(data, y, progress=listener), options, progress=listener, **keywords).run)
